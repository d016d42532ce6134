/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening mappings: one volume in this process, or many side by side. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "crypttab.h"
#include "format/token.h"
#include "typed.h"

/* What is said while a volume is being opened. */
enum attach_phase {
	ATTACH_IDLE = 0,
	ATTACH_ASKING,	   /* the vault, for the key: host, uuid and token are set */
	ATTACH_TROUBLE,	   /* err; it will be asked again */
	ATTACH_ACTIVATING, /* the key is here */
	/* The last word: one of these. */
	ATTACH_OTHERS,	 /* no token of ours: not ours to open */
	ATTACH_TRIED,	 /* settings' untried: an earlier attempt failed */
	ATTACH_WAS_OPEN, /* the mapping was there already */
	ATTACH_OPEN,
	ATTACH_FAILED,	/* err */
	ATTACH_MISSING, /* attach_many(): no such device appeared; err */
	ATTACH_LEFT,	/* attach_many(): to the passphrase, as somebody typed */
};

/* Travels through a pipe in one piece: smaller than PIPE_BUF. */
struct attach_event {
	size_t volume; /* index, of attach_many() */
	enum attach_phase phase;
	int token;
	char uuid[64];
	char customer
		[TOKEN_NAME_MAX]; /* this and the next: of the token that is asked for, or the first */
	char host[256];
	struct cmk_err err;
};

struct attach_settings {
	bool debug;
	bool dry_run; /* all but the mapping */
	bool untried; /* only volumes of which no attempt has failed since boot */
	bool claim;   /* the plugin is not to ask beside us: see record_claim() */
	/* Seconds for the whole, or CONFIG_TIMEOUT_FOREVER. */
	uint32_t timeout;
	uint32_t device_wait; /* attach_many(): how long a device may take to appear, in seconds */
	/* Why no vault can be asked, or NULL. */
	const struct cmk_err *refused;
	/* attach_many(): a line typed ends it, and one that is half typed is waited for; or NULL */
	struct typed *typed;
};

/* What a vault has unwrapped already, for a token and a header as they were read then. */
struct attach_key {
	int token;
	const char *header; /* see format/header.h */
	struct secret *key;
};

struct attach_volume {
	size_t index;		      /* goes into its events */
	const char *device;	      /* any DEVICE argument */
	const char *name;	      /* of the mapping */
	unsigned options;	      /* CRYPTTAB_... */
	const struct attach_key *key; /* tried once, before the vault is asked; or NULL */
};

typedef void (*attach_say_fn)(void *data, struct attach_event *event);

/*
 * Opens one volume: each of its tokens is tried until one opens it. Stops only where settings' timeout,
 * for all tokens together, does; with CONFIG_TIMEOUT_FOREVER what is unreachable is tried again and again.
 * say is called with each phase, err among them.
 */
void attach_one(const struct attach_volume *volume, const struct attach_settings *settings,
		attach_say_fn say, void *data);

/*
 * Opens the entries of a crypttab side by side, each by some process, and waits for their devices. say gets
 * the phases of all. It is over when settings' timeout is, but a mapping that is just being made gets a
 * little more. 0; the number of the signal that ended it, after all processes are gone; CMK_SYSTEM, -ENOMEM.
 */
int attach_many(const struct crypttab_entry *entries, size_t count,
		const struct attach_settings *settings, attach_say_fn say, void *data,
		struct cmk_err *err);
