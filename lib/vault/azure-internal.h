/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the azure kind of vault share. API: Key Vault and Managed HSM, keys, 7.4. */
#pragma once

#include "vault/vault.h"

#define AZURE_API_VERSION  "7.4"
#define AZURE_RSA_BITS_MIN 2048

/* https://HOST/keys/NAME[/VERSION], taken apart. */
struct azure_url {
	char host[CONFIG_HOST_MAX]; /* lower case, with the port if the URL has one */
	char name[128];
	char version[33]; /* 32 hexadecimal digits or "" */
};

enum azure_operation { AZURE_DESCRIBE, AZURE_WRAP, AZURE_UNWRAP };

/* How a type of key wraps. */
struct azure_kind {
	const char *kty;
	const char *alg;
	bool symmetric; /* no public half: only the vault wraps */
};

/* azure-url.c: strict; false for anything else. */
bool azure_url_parse(const char *url, struct azure_url *ret);
/*
 * The key that a reply's kid names: CMK_PROTOCOL unless it is the target's, with a version, and that of the
 * target if it has one. The vault may write its default port, which is ignored.
 */
int azure_check_kid(const struct vault_target *target, const char *kid, struct azure_url *ret,
		    struct cmk_err *err);

/*
 * azure.c: the address of an operation ("/unwrapkey", or "" for the key itself) and the headers of every
 * authorised request. 0, -ENOMEM or -ENOBUFS.
 */
int azure_begin_request(const struct vault_target *target,
			const struct vault_credential *credential, const char *operation,
			struct http_request *ret);
int azure_cannot_build(const struct vault_target *target, int errnum, struct cmk_err *err);

/* azure-key.c: NULL for a type of key that cannot be used. */
const struct azure_kind *azure_kind_find(const char *kty);
/* Fills err's cause and passes r on: no version of this key would do, and which would depends on the vault. */
int azure_unsuitable(const struct vault_target *target, int r, struct cmk_err *err);

/* azure-key.c, azure-wrap.c: see struct vault_ops. */
int azure_describe_reply(const struct vault_target *target, const struct http_reply *reply,
			 struct vault_key *ret, struct cmk_err *err);
int azure_wrap(struct vault_target *target, const struct vault_key *key,
	       const struct secret *payload, struct cmk_err *err);
int azure_wrap_request(const struct vault_target *target, const struct vault_credential *credential,
		       const struct secret *payload, struct http_request *ret, struct cmk_err *err);
int azure_wrap_reply(struct vault_target *target, const struct http_reply *reply,
		     struct cmk_err *err);

/* azure-error.c: the code and sentence for a reply that is no success. Always negative. */
int azure_refused(const struct vault_target *target, const struct http_reply *reply,
		  enum azure_operation operation, struct cmk_err *err);
