/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who this machine is: one JWT for one audience, from a source named in the configuration or the token.
 * A new source is one file with a struct identity_ops, one line in identity.c's table, one in meson.build.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/config.h"
#include "net/http.h"

/* A managed identity's JWT is about 2 KiB; 16 KiB is far above any issuer's. */
#define IDENTITY_JWT_MAX 16384
/* Room for the newlines that an editor or "echo" leaves behind it. */
#define IDENTITY_BLANK_MAX 64

/* What a source needs to know; also its memory between two requests. Zeroed, then identity_init(). */
struct identity {
	const struct identity_ops *ops;
	char client_id[TOKEN_ID_MAX];
	char metadata[CONFIG_HOST_MAX]; /* the cloud's: host[:port] */
	char address
		[CONFIG_HOST_MAX]; /* the one that is asked: metadata, unless prepare knows better */
	char audience[128];
	uint32_t timeout;	    /* seconds that all of an unlock may take */
	char path[CONFIG_PATH_MAX]; /* file, exec: where the JWT, or the program, is */
	struct secret held; /* file, exec: the JWT, from prepare; arc: the key for its challenge */
	int folder;	    /* arc: of its keys, open; 0: none */
	bool answered;	    /* arc: the request that is under way answers a challenge */
};

struct identity_ops {
	const char *name;
	/* Uses the machine's files: only the machine's configuration may choose it, never a token. */
	bool machine_only;
	/* Before the sandbox closes, with the caller's rights: checks settings, opens files. May be NULL. */
	int (*prepare)(struct identity *identity, struct cmk_err *err);
	/*
	 * The next request to send: 1 and request filled; or 0 and jwt filled, where none is needed.
	 * Negative: cmk_err().
	 */
	int (*request)(struct identity *identity, struct http_request *request, struct secret *jwt,
		       struct cmk_err *err);
	/* Reads the answer: 0 and jwt filled; 1: ask request() again; negative: cmk_err(). NULL if none. */
	int (*reply)(struct identity *identity, const struct http_reply *reply, struct secret *jwt,
		     struct cmk_err *err);
};

extern const struct identity_ops identity_imds, identity_arc, identity_gcp, identity_file,
	identity_exec;

/*
 * Chooses the source: the configuration's where it names one, else the token's (the same for the
 * client_id); audience and metadata address from the cloud. CMK_IDENTITY for an unknown source,
 * CMK_CONFIG for a missing setting, or one that a token may not choose. Calls prepare.
 */
int identity_init(struct identity *ret, const struct config *config,
		  const struct token_identity *from_token, const struct cloud *cloud,
		  struct cmk_err *err);
void identity_done(struct identity *identity);

/* For sources: a request function for those that need none, because prepare has the JWT. */
int identity_held(struct identity *identity, struct http_request *request, struct secret *jwt,
		  struct cmk_err *err);
/* For sources: cuts blanks and newlines behind a JWT; false if it is none, or too long. */
bool identity_trim_jwt(struct secret *text);
/* For sources: whether text has the form of a JWS, three parts of base64url (RFC 7515, section 3.1). */
bool identity_is_jwt(const struct secret *text);
