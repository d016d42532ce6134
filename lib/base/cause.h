/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What services call their refusals, and what each means: the code, who must act, the sentence and the
 * command. One table: the readers of replies take their sentences from it, luks-cmk check its party and
 * command, and docs/errors.md is made of it (docs/errors-md.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Longer commands are cut, and so shown as templates; the longest there is has 400 bytes. */
#define CAUSE_COMMAND_MAX 1024

struct cause {
	/*
	 * The service's own code; with a prefix where it has none that stands alone: "entra:" an OAuth
	 * error, "vault:", "imds:", "arc:" and "gcp:" an HTTP status or what the text says, "proxy:".
	 */
	const char *name;
	enum cmk_code code;
	enum cmk_party party;
	/* Follow the name of who answered; templates for cause_expand(). meaning may be "" (computed). */
	const char *meaning;
	const char *next;
	const char *command; /* NULL: the code's */
};

/* What a template's {placeholders} stand for; NULL is shown as the placeholder in capitals. */
struct cause_names {
	const char *host;	 /* who answered, or did not */
	const char *origin;	 /* the same with its scheme: "https://login.example" */
	const char *application; /* client id */
	const char *tenant;
	const char *customer;
	const char *vault;	/* first label of its host */
	const char *vault_host; /* {vault-host} */
	const char *key;	/* its name */
	const char *url;	/* the key's, with its version */
	const char *role;
	const char *scope;
	const char *cloud;
	const char *identity; /* client id */
	const char *issuer;   /* of the assertion, as are these */
	const char *subject;
	const char *audience;
	const char *device;
	const char
		*service; /* that knows identities, as the next two: "Azure's metadata service" */
	const char *machine; /* what it serves: "a virtual machine in Azure" */
	const char *place;   /* what to assign an identity to: "the virtual machine" */
};

/* The row of that name, or NULL: not every code of a service is known. */
const struct cause *cause_find(const char *name);
/* All rows, for the documents and tests. */
size_t cause_table(const struct cause **ret);

/*
 * Fills the placeholders. shell: a value with a character that a shell could take for more than itself is
 * not used, for what services say is not trusted; it stays the placeholder in capitals. false: cut.
 */
bool cause_expand(char *out, size_t size, const char *template, const struct cause_names *names,
		  bool shell);

/* Fills err's cause, and so who acts. Longer names are left out. err may be NULL. */
void cause_set(struct cmk_err *err, const char *name);
/* Who must act on an error, and what that one runs: by its cause if that is known, else by its code. */
enum cmk_party cause_party(const struct cmk_err *err);
const char *cause_command(const struct cmk_err *err);
