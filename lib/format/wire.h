/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugin or tool and the helper say to each other: one request, one reply, then the end.
 *
 *	message = length (u32, of what follows) version (u8) kind (u8) field*
 *	field   = tag (u8) length (u32) bytes
 *
 * All numbers are big-endian. Both ends are of one release: another version, an unknown or repeated tag,
 * a wrong size or a byte too many ends the conversation (CMK_HELPER).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/header.h"
#include "format/token.h"

#define WIRE_VERSION 1
/* A token, a payload and small change; a reply's detail is JSON of at most 64 KiB. */
#define WIRE_MESSAGE_MAX (TOKEN_JSON_MAX + 65536 + 8192)
/*
 * Several requests to unwrap, one after another, are a batch: the helper asks for all at the same time, over the same
 * connections, and sends each reply when it is there, with the place of its request.
 */
#define WIRE_BATCH_MAX	     64
#define WIRE_BATCH_BYTES_MAX (WIRE_MESSAGE_MAX + 65536)

/* RFC 1035, section 2.3.4, and a NUL. */
#define WIRE_DOMAIN_MAX 254

enum wire_op {
	WIRE_INVALID = 0,
	WIRE_UNWRAP, /* token + header description -> keyslot key */
	WIRE_WRAP, /* template + header description + keyslot key -> token with the wrapping, proven */
	WIRE_DESCRIBE, /* template or token -> the key's newest version and attributes */
	WIRE_PROBE, /* template or token -> every step, timed; with a header description unwraps too */
	WIRE_REPLY,
	WIRE_TENANT, /* a tenant's domain -> its id */
	WIRE_CLAIMS, /* what this machine's assertion says of it; for people, nothing relies on it */
	WIRE_KINDS,
};

/* Owned; wire_request_done() wipes and frees. */
struct wire_request {
	enum wire_op op;
	bool debug;	  /* say on standard error what happens, never a secret */
	uint32_t timeout; /* seconds, UINT32_MAX for ever; 0: as the configuration says */
	char header[HEADER_DESCRIPTION_MAX]; /* may be empty for describe and probe */
	char volume[64];		     /* UUID, for the User-Agent; may be empty */
	char *token;			     /* JSON */
	struct secret key;		     /* wrap: the keyslot key */
	char domain[WIRE_DOMAIN_MAX];	     /* tenant: "contoso.onmicrosoft.com" */
};

/* Owned; wire_reply_done() wipes and frees. err.code is CMK_OK on success. */
struct wire_reply {
	struct cmk_err err; /* its request_id is set on success too */
	struct secret key;  /* unwrap: the keyslot key */
	char *detail;	    /* JSON: wrap a token, the others see docs/formats.md; or NULL */
	bool again;	    /* with a failure: the configuration says to go on asking for ever */
	uint32_t place;	    /* in a batch: of the request, from 1 on; else 0 */
};

#define _cleanup_wire_request_ __attribute__((cleanup(wire_request_done)))
#define _cleanup_wire_reply_   __attribute__((cleanup(wire_reply_done)))

int wire_encode_request(const struct wire_request *request, struct secret *ret,
			struct cmk_err *err);
int wire_decode_request(const struct secret *message, struct wire_request *ret,
			struct cmk_err *err);
int wire_encode_reply(const struct wire_reply *reply, struct secret *ret, struct cmk_err *err);
int wire_decode_reply(const struct secret *message, struct wire_reply *ret, struct cmk_err *err);
/*
 * The next message of several: copied to ret, and offset moved behind it. 1, 0 at the end, -EAGAIN for the beginning
 * of one, -ENOMEM, or CMK_HELPER.
 */
int wire_next(const struct secret *messages, size_t *offset, struct secret *ret,
	      struct cmk_err *err);
void wire_request_done(struct wire_request *request);
void wire_reply_done(struct wire_reply *reply);
