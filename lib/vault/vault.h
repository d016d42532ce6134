/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A customer's vault, reached in two steps: a JWT buys a credential, the credential unwraps a key. Every
 * function here only builds a request or reads a reply: unlock.c sends them, tests and fuzzers feed them.
 * A new kind of vault is one file with a struct vault_ops, one line in vault.c's table, one in meson.build.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/config.h"
#include "format/token.h"
#include "net/http.h"

#define VAULT_CREDENTIAL_MAX 16000

/* One wrapping, checked against the machine's configuration: from here on its URLs are trusted. */
struct vault_target {
	const struct vault_ops *ops;
	const struct cloud *cloud;
	struct token_wrapping wrapping;
	char origin[CONFIG_HOST_MAX + 16]; /* "https://contoso.vault.azure.net" */
	char host[CONFIG_HOST_MAX];	   /* "contoso.vault.azure.net" */
	char scope[CONFIG_HOST_MAX +
		   32]; /* "https://vault.azure.net/.default": what a credential is for */
	bool hsm;
};

struct vault_credential {
	struct secret value;
	int64_t expires; /* seconds since 1970 */
};

/* Attributes of a key's version as the vault tells them. Times are seconds since 1970, 0 where unset. */
struct vault_key {
	char kid[TOKEN_KEY_MAX]; /* URL with version */
	char kty[16];		 /* "RSA", "RSA-HSM", "oct-HSM" */
	bool enabled;
	bool can_wrap; /* key_ops */
	bool can_unwrap;
	int64_t not_before;
	int64_t expires;
	int64_t created;
	char recovery_level[64]; /* without "Purgeable": purge protection is on */
	uint8_t n[1024];	 /* RSA modulus and exponent, big-endian; none of a symmetric key */
	size_t n_len;
	uint8_t e[16];
	size_t e_len;
};

struct vault_ops {
	const char *name;
	/*
	 * Checks the wrapping and fills ret's other fields: URL under a suffix of the cloud, version,
	 * algorithm. template: no version or algorithm is needed yet. CMK_TOKEN, CMK_POLICY.
	 */
	int (*resolve)(struct vault_target *ret, bool template, struct cmk_err *err);
	/* A harmless request without credentials that opens a connection ahead: to sign in, and to the vault. */
	int (*warm_sign_in)(const struct vault_target *target, struct http_request *ret,
			    struct cmk_err *err);
	int (*warm_vault)(const struct vault_target *target, struct http_request *ret,
			  struct cmk_err *err);

	/*
	 * For a check, what is answered to the same requests as GET: whether the service is itself, and
	 * knows the tenant. As far as the answer tells: a vault that lets nobody in may say no here.
	 */
	int (*greet_sign_in)(const struct vault_target *target, const struct http_reply *reply,
			     struct cmk_err *err);
	int (*greet_vault)(const struct vault_target *target, const struct http_reply *reply,
			   struct cmk_err *err);

	int (*sign_in_request)(const struct vault_target *target, const struct secret *jwt,
			       struct http_request *ret, struct cmk_err *err);
	int (*sign_in_reply)(const struct vault_target *target, const struct http_reply *reply,
			     struct vault_credential *ret, struct cmk_err *err);

	/* The newest version if the target's key has no version, else that one. */
	int (*describe_request)(const struct vault_target *target,
				const struct vault_credential *credential, struct http_request *ret,
				struct cmk_err *err);
	int (*describe_reply)(const struct vault_target *target, const struct http_reply *reply,
			      struct vault_key *ret, struct cmk_err *err);
	/* For a check: to list the vault's keys, which 200 says is allowed. */
	int (*list_request)(const struct vault_target *target,
			    const struct vault_credential *credential, struct http_request *ret,
			    struct cmk_err *err);
	/*
	 * Wraps payload for this version: fills key, alg, value and created of the target's wrapping, and
	 * returns 0; or, where the key never leaves the vault, key and alg, and returns 1: then the vault
	 * does it, by wrap_request and wrap_reply, which fill the rest.
	 */
	int (*wrap)(struct vault_target *target, const struct vault_key *key,
		    const struct secret *payload, struct cmk_err *err);
	int (*wrap_request)(const struct vault_target *target,
			    const struct vault_credential *credential, const struct secret *payload,
			    struct http_request *ret, struct cmk_err *err);
	int (*wrap_reply)(struct vault_target *target, const struct http_reply *reply,
			  struct cmk_err *err);

	int (*unwrap_request)(const struct vault_target *target,
			      const struct vault_credential *credential, struct http_request *ret,
			      struct cmk_err *err);
	/* Refuses a reply for another key than the target's. */
	int (*unwrap_reply)(const struct vault_target *target, const struct http_reply *reply,
			    struct secret *ret, struct cmk_err *err);
};

extern const struct vault_ops vault_azure;

/*
 * Finds kind and cloud of a wrapping, applies the machine's policy (allowed tenants and vaults) and
 * resolve. ret points into config. CMK_TOKEN, CMK_POLICY, CMK_CONFIG (no such cloud here).
 */
int vault_target_init(struct vault_target *ret, const struct config *config,
		      const struct token_wrapping *wrapping, bool template, struct cmk_err *err);
void vault_credential_done(struct vault_credential *credential);
