/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the helper answers to each kind of request. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "format/config.h"
#include "format/token.h"
#include "format/wire.h"
#include "identity/identity.h"
#include "net/http.h"
#include "unlock.h"

/* One request on its way. Zeroed, then answer_prepare(). */
struct answer {
	struct wire_request request;
	struct config config;
	struct token token;
	bool template; /* the token has no wrapped key yet */
	struct secret ca_pem;
	struct secret payload; /* probe of a template: something to wrap */
	struct http *http;
	char agent[256]; /* User-Agent of its requests */
	struct unlock *unlock;
	struct identity identity; /* WIRE_CLAIMS */
	int64_t deadline_ms;	  /* io_now_ms() */
	bool forever; /* what is out of reach until then is to be asked again by a new helper */
};

/* Reads the configuration, and so knows the deadline. started_ms: when the wait began. */
int answer_configure(struct answer *answer, int64_t started_ms, struct cmk_err *err);
/*
 * With the caller's rights still held: reads every file that the configuration names, checks the request
 * against it, loads the libraries, has the identity's source prepare itself, opens the token cache.
 */
int answer_prepare(struct answer *answer, struct cmk_err *err);
/* The same for one more request of a batch, after the first, whose configuration and connections it shares. */
int answer_prepare_more(struct answer *answer, const struct answer *first, struct cmk_err *err);
/* The folder that the identity's source reads from in the sandbox, open; 0: none. */
int answer_folder(const struct answer *answer);
/* In the sandbox: speaks to the network and fills reply's key or detail. */
int answer_serve(struct answer *answer, struct wire_reply *reply, struct cmk_err *err);
