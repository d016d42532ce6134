/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who this machine is: one JWT for one audience, from a source named in the configuration or the token.
 * A new source is one file with a struct identity_ops, one line in identity.c's table, one in meson.build.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/config.h"
#include "net/http.h"

/* A managed identity's JWT is about 2 KiB; 16 KiB is far above any issuer's. */
#define IDENTITY_JWT_MAX 16384

/* What a source needs to know; also its memory between two requests. Zeroed, then identity_init(). */
struct identity {
	const struct identity_ops *ops;
	char client_id[TOKEN_ID_MAX];
	char metadata[CONFIG_HOST_MAX]; /* host[:port] */
	char audience[128];
	char path[CONFIG_PATH_MAX]; /* file: where the JWT is */
	struct secret held;	    /* file: the JWT read by prepare */
};

struct identity_ops {
	const char *name;
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

extern const struct identity_ops identity_imds, identity_file;

/*
 * Chooses the source: the configuration's where it names one, else the token's (the same for the
 * client_id); audience and metadata address from the cloud. CMK_IDENTITY for an unknown source,
 * CMK_CONFIG for a missing setting. Calls prepare.
 */
int identity_init(struct identity *ret, const struct config *config,
		  const struct token_identity *from_token, const struct cloud *cloud,
		  struct cmk_err *err);
void identity_done(struct identity *identity);

/* For sources: whether text has the form of a JWS, three parts of base64url (RFC 7515, section 3.1). */
bool identity_is_jwt(const struct secret *text);
