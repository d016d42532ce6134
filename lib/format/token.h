/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LUKS2 token of type "luks-cmk": docs/formats.md. Everything in it is untrusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TOKEN_TYPE    "luks-cmk"
#define TOKEN_VERSION 1

/* Eight wrappings of an RSA-4096 key are 10 KiB; LUKS2 gives all tokens together 16 KiB by default. */
#define TOKEN_JSON_MAX	   65536
#define TOKEN_WRAPPED_MAX  8
#define TOKEN_NAME_MAX	   64	/* customer, cloud: with NUL */
#define TOKEN_ID_MAX	   37	/* a GUID with NUL */
#define TOKEN_KEY_MAX	   512	/* URL: host of 253, key name of 127, version of 32, with room */
#define TOKEN_VALUE_MAX	   1024 /* base64url; RSA-4096 needs 683 */
#define TOKEN_KEYSLOTS_MAX 32	/* LUKS2_KEYSLOTS_MAX of cryptsetup's lib/luks2/luks2.h */

/* One way to the keyslot key: it, wrapped by a key in a vault. */
struct token_wrapping {
	char vault[16]; /* kind of vault: "azure" */
	char cloud
		[TOKEN_NAME_MAX]; /* "AzurePublic" or a [cloud NAME] of the machine's configuration */
	char tenant_id[TOKEN_ID_MAX]; /* the customer's tenant */
	char client_id[TOKEN_ID_MAX]; /* the provider's multi-tenant application */
	char key[TOKEN_KEY_MAX];      /* https URL; with its version once wrapped */
	char alg[24];		      /* "RSA-OAEP-256" */
	char value[TOKEN_VALUE_MAX];  /* the wrapped keyslot key, base64url without padding */
	char created[32];	      /* RFC 3339, UTC; informative */
};

/* Which identity of the machine signs in; the machine's configuration overrides it. */
struct token_identity {
	char source[16]; /* "imds", "arc", "gcp" */
	char client_id
		[TOKEN_ID_MAX]; /* the managed identity's; may be empty where the source needs none */
};

struct token {
	char customer[TOKEN_NAME_MAX];
	struct token_identity identity;
	struct token_wrapping wrapped[TOKEN_WRAPPED_MAX];
	size_t wrapped_count; /* at least 1 */
	size_t foreign_count; /* wrappings of kinds that only a later release knows: left out */
	int keyslots[TOKEN_KEYSLOTS_MAX];
	size_t keyslots_count; /* 0: not yet, or no longer, assigned */
};

/*
 * Reads a token. Strict about the members it knows: type, version, their types and sizes, GUIDs,
 * https, base64url; unknown members and wrappings for unknown kinds of vault are ignored, so that a later
 * release may add some. What was ignored is lost when the token is written again.
 * With template, the wrappings may lack alg, value and created, and the key its version: what the tool
 * sends to be wrapped. 0, -ENOMEM or cmk_err(CMK_TOKEN).
 */
int token_parse(const char *json, size_t len, bool template, struct token *ret,
		struct cmk_err *err);

/* The JSON text, owned by the caller; empty members of a wrapping are left out. NULL without memory. */
char *token_format(const struct token *token);

/*
 * NULL if key is a URL such as a token or a configuration may hold, else what is wrong with it, to follow
 * "the key's URL": https, a host name (no IP literal, no user), a port only as digits, and a path of plain
 * characters. Whether this host may be asked, and for what path, is the vault code's to decide.
 */
const char *token_key_problem(const char *key);

/*
 * For people: the version of a key URL ("0123…" of …/keys/NAME/VERSION) or "" where it has none; the
 * URL's host, and the key's name, copied to out ("" where the URL has no such part). No trust implied.
 */
const char *token_key_version(const char *key);
void token_key_host(const char *key, char *out, size_t size);
void token_key_name(const char *key, char *out, size_t size);
