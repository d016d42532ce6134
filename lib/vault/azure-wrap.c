/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wraps on this machine with the public key: one call less, and the vault's unwrap is then the proof. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <time.h>

#include "base/b64.h"
#include "base/cause.h"
#include "base/text.h"
#include "vault/azure-internal.h"

#define ALGORITHM "RSA-OAEP-256"
/* As long as the longest modulus that struct vault_key has room for. */
#define BLOCK_MAX sizeof(((struct vault_key *)0)->n)

static void format_day(int64_t when, char out[static 32])
{
	time_t time = (time_t)when;
	struct tm utc;

	if (!gmtime_r(&time, &utc) || strftime(out, 32, "%Y-%m-%d", &utc) == 0)
		out[0] = '\0';
}

/* The vault itself refuses to wrap with such a key, and would go on unwrapping with it: we follow. */
static int check_usable(const struct vault_key *key, struct cmk_err *err)
{
	int64_t now = time(NULL);
	char day[32];
	int r;

	if (!key->enabled)
		return cmk_err(err, CMK_KEY_DISABLED,
			       "key %s is disabled; the customer enables it, or creates a new "
			       "version",
			       key->kid);
	if (!key->can_unwrap)
		return cmk_err(
			err, CMK_KEY_OPERATION,
			"key %s does not permit unwrapKey; the customer adds it to the key's "
			"permitted operations",
			key->kid);
	if (key->not_before > now) {
		format_day(key->not_before, day);
		r = cmk_err(err, CMK_KEY_OPERATION,
			    "key %s may not be used before %s; wait, or check this machine's "
			    "clock",
			    key->kid, day);
		cause_set(err, "key:outside-its-time");
		return r;
	}
	if (key->expires != 0 && key->expires <= now) {
		format_day(key->expires, day);
		r = cmk_err(err, CMK_KEY_OPERATION,
			    "key %s has expired on %s; the customer creates a new version, or "
			    "extends this one",
			    key->kid, day);
		cause_set(err, "key:outside-its-time");
		return r;
	}
	return 0;
}

struct rsa {
	BIGNUM *n;
	BIGNUM *e;
	OSSL_PARAM_BLD *builder;
	OSSL_PARAM *params;
	EVP_PKEY_CTX *import;
	EVP_PKEY *key;
	EVP_PKEY_CTX *encrypt;
};

static void rsa_done(struct rsa *rsa)
{
	EVP_PKEY_CTX_free(rsa->encrypt);
	EVP_PKEY_free(rsa->key);
	EVP_PKEY_CTX_free(rsa->import);
	OSSL_PARAM_free(rsa->params);
	OSSL_PARAM_BLD_free(rsa->builder);
	BN_free(rsa->e);
	BN_free(rsa->n);
}

static bool rsa_import(struct rsa *rsa, const struct vault_key *key)
{
	rsa->n = BN_bin2bn(key->n, (int)key->n_len, NULL);
	rsa->e = BN_bin2bn(key->e, (int)key->e_len, NULL);
	rsa->builder = OSSL_PARAM_BLD_new();
	if (!rsa->n || !rsa->e || !rsa->builder ||
	    !OSSL_PARAM_BLD_push_BN(rsa->builder, OSSL_PKEY_PARAM_RSA_N, rsa->n) ||
	    !OSSL_PARAM_BLD_push_BN(rsa->builder, OSSL_PKEY_PARAM_RSA_E, rsa->e))
		return false;
	rsa->params = OSSL_PARAM_BLD_to_param(rsa->builder);
	rsa->import = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	return rsa->params && rsa->import && EVP_PKEY_fromdata_init(rsa->import) > 0 &&
	       EVP_PKEY_fromdata(rsa->import, &rsa->key, EVP_PKEY_PUBLIC_KEY, rsa->params) > 0;
}

/* RFC 7518, section 4.3: OAEP with SHA-256, also for its mask. */
static bool rsa_encrypt(struct rsa *rsa, const struct secret *payload, uint8_t *out, size_t *len)
{
	rsa->encrypt = EVP_PKEY_CTX_new_from_pkey(NULL, rsa->key, NULL);
	return rsa->encrypt && EVP_PKEY_encrypt_init(rsa->encrypt) > 0 &&
	       EVP_PKEY_CTX_set_rsa_padding(rsa->encrypt, RSA_PKCS1_OAEP_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(rsa->encrypt, EVP_sha256()) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(rsa->encrypt, EVP_sha256()) > 0 &&
	       EVP_PKEY_encrypt(rsa->encrypt, out, len, payload->data, payload->len) > 0;
}

static void format_created(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;

	if (!gmtime_r(&now, &utc) || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		out[0] = '\0';
}

int azure_wrap(struct vault_target *target, const struct vault_key *key,
	       const struct secret *payload, struct cmk_err *err)
{
	__attribute__((cleanup(rsa_done))) struct rsa rsa = { 0 };
	struct token_wrapping wrapping = target->wrapping;
	uint8_t block[BLOCK_MAX];
	size_t len = sizeof(block);

	int r = check_usable(key, err);
	if (r < 0)
		return r;
	if (!rsa_import(&rsa, key) || !rsa_encrypt(&rsa, payload, block, &len) ||
	    b64url_encode(block, len, wrapping.value, sizeof(wrapping.value)) < 0)
		return cmk_err(err, CMK_KEY_OPERATION,
			       "the public key of %s cannot wrap; the customer uses an RSA key of "
			       "2048 to 4096 bits",
			       key->kid);
	(void)text_copy(wrapping.key, sizeof(wrapping.key), key->kid);
	(void)text_copy(wrapping.alg, sizeof(wrapping.alg), ALGORITHM);
	format_created(wrapping.created, sizeof(wrapping.created));
	target->wrapping = wrapping;
	return 0;
}
