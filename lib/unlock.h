/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a token to its keyslot key: identity, sign-in, vault. Runs in the helper alone.
 *
 * unlock_prepare() does all that needs the caller's rights (policy, files); then the helper drops them;
 * the other functions only speak to the network.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/config.h"
#include "format/token.h"
#include "lane.h"
#include "net/http.h"
#include "vault/vault.h"

/* The next wrapping is asked beside the one before if that has not answered by then. */
#define UNLOCK_NEXT_AFTER_MS 2000

struct unlock;

/*
 * Checks each wrapping against configuration and policy. One that may not be used does not spoil the
 * others; none left is the first one's error. config must outlive ret. template as for token_parse().
 */
int unlock_prepare(struct unlock **ret, const struct config *config, const char *rundir,
		   const struct token *token, bool template, struct cmk_err *err);
/* A folder whose files the identity's source reads on the way, open; 0: none. */
int unlock_folder(const struct unlock *unlock);
/*
 * Hands over the connections, made before the sandbox closed, and when to give up (io_now_ms()). survey: see
 * struct lane_run.
 */
void unlock_begin(struct unlock *unlock, struct http *http, int64_t deadline_ms, bool survey);
/* Who the requests of this unlock come from, where http serves several; must outlive it. */
void unlock_set_agent(struct unlock *unlock, const char *agent);
/* In a survey, first: looks at the clock and at each host. The first wrapping's; see survey.h. */
int unlock_survey(struct unlock *unlock, struct cmk_err *err);

/*
 * One of these, once. request_id of err is set on success too.
 *
 * The keyslot key, from the first wrapping that yields one made for this header; with describe, the
 * attributes of its key are read as well.
 */
int unlock_unwrap(struct unlock *unlock, const char *header, bool describe, struct secret *ret_key,
		  struct cmk_err *err);
/*
 * The same in steps, for many of them in one process: after begin, step until it returns other than 1; in between
 * http_poll() until ret_wake.
 */
void unlock_unwrap_begin(struct unlock *unlock, const char *header, bool describe);
int unlock_unwrap_step(struct unlock *unlock, struct secret *ret_key, int64_t *ret_wake,
		       struct cmk_err *err);
/* Wraps payload under the newest version of the template's key, and proves it by an unwrap at the vault. */
int unlock_wrap(struct unlock *unlock, const struct secret *payload, struct token_wrapping *ret,
		struct cmk_err *err);
/* Reads the attributes of the key (its newest version, if the wrapping names none). */
int unlock_describe(struct unlock *unlock, struct cmk_err *err);

/* The attributes read, or NULL; and the requests made so far, in the order in which they ended. */
const struct vault_key *unlock_key(const struct unlock *unlock);
const struct steps *unlock_steps(const struct unlock *unlock);

/* What a survey has found besides. */
struct unlock_findings {
	struct claims claims;  /* of the assertion; empty issuer: none was got */
	int64_t clock_ahead;   /* seconds that the services' clock is ahead of ours */
	int64_t token_seconds; /* that the access token lives; 0: none was got */
	bool lists_keys;       /* the application may see every key of the vault, and needs one */
	const char *identity;  /* client id that was asked for */
	const char *exchange;  /* the audience that the cloud wants */
	const char *authority; /* the cloud's sign-in service */
};
void unlock_findings(struct unlock *unlock, struct unlock_findings *ret);

/* May wait as http_free() does. */
void unlock_free(struct unlock *unlock);
