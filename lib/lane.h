/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One wrapping on its way to the key: token cache, identity, sign-in, vault, and again after a failure
 * that may pass. unlock.c drives one lane for each wrapping, side by side in one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "cache.h"
#include "format/header.h"
#include "identity/claims.h"
#include "identity/identity.h"
#include "net/http.h"
#include "steps.h"
#include "vault/vault.h"

/* What all lanes of one run share. */
struct lane_run {
	const struct config *config;
	struct http *http;
	int64_t deadline_ms;
	const char *agent;	      /* instead of http's User-Agent; NULL: that */
	const char *header;	      /* compare the key with this description; NULL: do not */
	const struct secret *payload; /* wrap this first; NULL: unwrap what the token holds */
	bool describe;		      /* read the key's attributes first */
	bool describe_only;
	/*
	 * A check: signs in even if a token is kept, for it must notice what changed since; tries each step
	 * once; and looks at what passes.
	 */
	bool survey;
	struct steps steps;
	struct claims claims; /* of the assertion, in a survey; empty before */
	int64_t clock_ahead;  /* seconds that the services' clock is ahead of ours; 0: not known */
};

/* The machine's JWT for one audience, shared by all lanes of one cloud. */
struct assertion {
	struct identity identity;
	struct secret jwt;
	struct http_call *call;
	struct cache lock; /* held while call is under way: see cache_open_metadata() */
};

enum lane_state {
	LANE_IDLE = 0, /* until wake_ms */
	LANE_LOCK,     /* waits for the token cache */
	LANE_ASSERTION, /* holds its lock from here to the end of LANE_SIGN_IN, and while throttled there */
	LANE_SIGN_IN,
	LANE_DESCRIBE,
	LANE_WRAP, /* where only the vault can */
	LANE_UNWRAP,
	LANE_DONE,
	LANE_FAILED,
};

struct lane {
	enum lane_state state;
	struct vault_target target;
	struct assertion *assertion;
	struct cache cache;
	struct vault_credential credential;
	struct secret rejected; /* a credential that the vault did not take */
	struct http_call *call;
	struct http_call *warm_sign_in;
	struct http_call *warm_vault;
	int64_t ready_ms; /* since when a request waits for its warm connection; 0: none does */
	int64_t wake_ms;
	unsigned attempts;
	struct vault_key key; /* after LANE_DESCRIBE */
	bool described;
	struct secret result; /* in LANE_DONE: the unwrapped bytes */
	struct cmk_err err;
	struct cmk_err earlier; /* of the attempt before */
};

/* Goes on as far as it can without waiting. Sets state to LANE_DONE or LANE_FAILED at its end. */
void lane_step(struct lane *lane, struct lane_run *run);
/* How often a lane looks whether another process has finished what it waits for. */
#define LANE_LOCK_POLL_MS 15

/* When lane_step() has something to do again even if no request finishes; INT64_MAX: never. */
int64_t lane_wake(const struct lane *lane);
/* Whether it has met its first failure or its end: then the next wrapping need not wait any longer. */
bool lane_troubled(const struct lane *lane);
void lane_done(struct lane *lane);

/*
 * assertion.c: 0: the JWT is there; 1: not yet; negative: err. ret_retry_after is the service's wish, as in
 * struct http_reply.
 */
int assertion_get(struct assertion *assertion, struct lane_run *run, int64_t *ret_retry_after,
		  struct cmk_err *err);
/* Whether another process is asking just now: then assertion_get() has something to do a little later. */
bool assertion_waits(const struct assertion *assertion);
void assertion_done(struct assertion *assertion);
