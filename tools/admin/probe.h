/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One dry run through identity, sign-in and vault, as the helper reports it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/token.h"
#include "format/wire.h"

#define PROBE_STEPS_MAX 64

struct probe_step {
	char name[32];
	char host[256];
	int64_t ms;
	char code[32]; /* "ok" or an error code's name */
};

/* Attributes as far as the vault told them; times in seconds since 1970, 0 where unset. */
struct probe_key {
	char kid[TOKEN_KEY_MAX];
	bool enabled;
	int64_t created;
	int64_t not_before;
	int64_t expires;
	char recovery_level[64];
};

/* What else was found; the texts are empty where nothing was got. */
struct probe_found {
	int64_t clock_ahead;   /* seconds that the services' clock is ahead of ours */
	int64_t token_seconds; /* that the access token lives; 0: none was got */
	bool lists_keys;       /* the application may list every key of the vault */
	char issuer[608];      /* of the assertion, with the next two */
	char subject[608];
	char audience[608];
	char identity[64];  /* client id that was asked for */
	char exchange[128]; /* the audience that the cloud wants */
	char authority[256];
};

struct probe_result {
	struct probe_step steps[PROBE_STEPS_MAX];
	size_t steps_count;
	bool has_key;
	struct probe_key key;
	struct probe_found found;
	struct secret
		payload;    /* of a volume's token, if it was unwrapped; the caller's to release */
	struct cmk_err err; /* why it failed; CMK_OK if it did not */
};

/* Adds a step of the tool's own. */
void probe_add_step(struct probe_result *result, const char *name, const char *host, int64_t ms,
		    enum cmk_code code);
/* The step that failed, or NULL. */
const struct probe_step *probe_failed_step(const struct probe_result *result);

/* Runs the probe of a token, or template, with exactly one wrapping. header is empty without a volume. */
void probe_run(const struct token *token, const char *header, const char *uuid, bool debug,
	       struct probe_result *ret);
/* Reads the helper's detail, for probe_run(). CMK_HELPER. */
int probe_parse(const char *detail, struct probe_result *ret, struct cmk_err *err);
