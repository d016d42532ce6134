/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wraps on this machine with the public key: one call less, and the vault's unwrap is then the proof. An AES
 * key has no public half: there the vault wraps too.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>
#include <time.h>

#include "base/b64.h"
#include "base/cause.h"
#include "base/text.h"
#include "format/payload.h"
#include "vault/azure-internal.h"
#include "vault/message.h"

/* As long as the longest modulus that struct vault_key has room for. */
#define BLOCK_MAX sizeof(((struct vault_key *)0)->n)
/* RFC 3394: eight bytes more than was wrapped, by which a change is noticed. */
#define AES_KW_LEN   (PAYLOAD_LEN + 8)
#define WRAP_JSON    256
#define JSON_CONTENT "application/json"

static void format_day(int64_t when, char out[static 32])
{
	time_t time = (time_t)when;
	struct tm utc;

	if (!gmtime_r(&time, &utc) || strftime(out, 32, "%Y-%m-%d", &utc) == 0)
		out[0] = '\0';
}

/* The vault itself refuses to wrap with such a key, and would go on unwrapping with it: we follow. */
static int check_usable(const struct vault_key *key, bool at_vault, struct cmk_err *err)
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
	if (at_vault && !key->can_wrap)
		return cmk_err(err, CMK_KEY_OPERATION,
			       "key %s does not permit wrapKey, and a key without a public half "
			       "is wrapped with at the vault; the customer adds it to the key's "
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

static int wrap_here(struct token_wrapping *wrapping, const struct vault_key *key,
		     const struct secret *payload, struct cmk_err *err)
{
	__attribute__((cleanup(rsa_done))) struct rsa rsa = { 0 };
	uint8_t block[BLOCK_MAX];
	size_t len = sizeof(block);

	if (!rsa_import(&rsa, key) || !rsa_encrypt(&rsa, payload, block, &len) ||
	    b64url_encode(block, len, wrapping->value, sizeof(wrapping->value)) < 0)
		return cmk_err(err, CMK_KEY_OPERATION,
			       "the public key of %s cannot wrap; the customer uses an RSA key of "
			       "2048 to 4096 bits",
			       key->kid);
	format_created(wrapping->created, sizeof(wrapping->created));
	return 0;
}

int azure_wrap(struct vault_target *target, const struct vault_key *key,
	       const struct secret *payload, struct cmk_err *err)
{
	const struct azure_kind *kind = azure_kind_find(key->kty);
	struct token_wrapping wrapping = target->wrapping;

	if (!kind)
		return cmk_err(err, CMK_KEY_OPERATION, "a key of type %s cannot wrap", key->kty);
	int r = check_usable(key, kind->symmetric, err);
	if (r < 0)
		return r;
	(void)text_copy(wrapping.key, sizeof(wrapping.key), key->kid);
	(void)text_copy(wrapping.alg, sizeof(wrapping.alg), kind->alg);
	r = kind->symmetric ? 1 : wrap_here(&wrapping, key, payload, err);
	if (r >= 0)
		target->wrapping = wrapping;
	return r;
}

static int wrap_body(const struct token_wrapping *wrapping, const struct secret *payload,
		     struct secret *ret)
{
	_cleanup_secret_ struct secret value = { 0 };
	const char *alg = wrapping->alg;

	int r = secret_init(&value, B64URL_LEN(payload->len));
	if (r == 0)
		r = b64url_encode(payload->data, payload->len, (char *)value.data, value.max + 1);
	if (r == 0)
		r = secret_init(ret, WRAP_JSON);
	if (r == 0)
		r = secret_append(ret, "{\"alg\":\"", strlen("{\"alg\":\""));
	if (r == 0)
		r = secret_append(ret, alg, strlen(alg));
	if (r == 0)
		r = secret_append(ret, "\",\"value\":\"", strlen("\",\"value\":\""));
	if (r == 0)
		r = secret_append(ret, value.data, value.max);
	return r < 0 ? r : secret_append(ret, "\"}", strlen("\"}"));
}

/*
 *	POST /keys/NAME/VERSION/wrapkey?api-version=7.4 HTTP/1.1
 *	Host: contoso.managedhsm.azure.net
 *	Accept: application/json
 *	Authorization: Bearer TOKEN
 *	Content-Type: application/json
 *	x-ms-client-request-id: GUID
 *
 *	{"alg":"A256KW","value":"BASE64URL"}
 */
int azure_wrap_request(const struct vault_target *target, const struct vault_credential *credential,
		       const struct secret *payload, struct http_request *ret, struct cmk_err *err)
{
	ret->method = HTTP_POST;
	int r = azure_begin_request(target, credential, "/wrapkey", ret);
	if (r == 0)
		r = http_request_header(ret, "Content-Type", JSON_CONTENT, NULL);
	if (r == 0)
		r = wrap_body(&target->wrapping, payload, &ret->body);
	return r < 0 ? azure_cannot_build(target, -r, err) : 0;
}

struct wrapped {
	char kid[TOKEN_KEY_MAX];
	char value[TOKEN_VALUE_MAX];
};

static const struct json_field wrapped_fields[] = {
	JSON_FIELD(struct wrapped, kid, "kid", JSON_KIND_STRING, true),
	JSON_FIELD(struct wrapped, value, "value", JSON_KIND_STRING, true),
};

static int read_wrapped(const struct vault_target *target, const struct http_reply *reply,
			struct wrapped *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	_cleanup_secret_ struct secret bytes = { 0 };
	struct azure_url url;

	int r = message_json(reply, &json, err);
	if (r == 0)
		r = message_read(reply, json, json_root(json), wrapped_fields,
				 sizeof(wrapped_fields) / sizeof(wrapped_fields[0]), ret, err);
	if (r == 0)
		r = azure_check_kid(target, ret->kid, &url, err);
	if (r < 0)
		return r;
	r = b64url_decode(ret->value, strlen(ret->value), &bytes);
	/* Whatever came back goes into a header: what was sent, for example, must not. */
	if (r == -EBADMSG || (r == 0 && bytes.len != AES_KW_LEN))
		return cmk_err(
			err, CMK_PROTOCOL,
			"%s wrapped the key to something that is no AES key wrap of it; check "
			"for something on the path that answers in its place",
			target->host);
	return r;
}

int azure_wrap_reply(struct vault_target *target, const struct http_reply *reply,
		     struct cmk_err *err)
{
	struct wrapped wrapped = { 0 };

	message_note_id(reply, err);
	/* The key's size is not among its attributes in this version of the API. */
	if (reply->status == 400)
		return cmk_err(err, CMK_KEY_OPERATION,
			       "%s cannot wrap by %s with key %s; the customer uses an AES key of "
			       "256 bits",
			       target->host, target->wrapping.alg, target->wrapping.key);
	if (reply->status != 200)
		return azure_refused(target, reply, AZURE_WRAP, err);
	int r = read_wrapped(target, reply, &wrapped, err);
	if (r < 0)
		return r;
	(void)text_copy(target->wrapping.value, sizeof(target->wrapping.value), wrapped.value);
	format_created(target->wrapping.created, sizeof(target->wrapping.created));
	return 0;
}
