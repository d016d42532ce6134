/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key as the vault describes it, and wrapping with it: only the private key undoes that. */
#include "reply.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <time.h>

#include "base/b64.h"
#include "vault/vault.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define HOST	"contoso.vault.azure.net"
#define NAME	"https://" HOST "/keys/disk"
#define PAYLOAD "LUKSCMK1 and 64 bytes more, so that it is as long as the real thing...72"

static struct config config;
static EVP_PKEY *private_key;
static char modulus[2048]; /* base64url */

static void keep_modulus(EVP_PKEY *key)
{
	BIGNUM *n = NULL;
	uint8_t bytes[1024];

	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	int len = BN_bn2bin(n, bytes);
	assert_int_equal(b64url_encode(bytes, (size_t)len, modulus, sizeof(modulus)), 0);
	BN_free(n);
}

static void make_target(struct vault_target *target, const char *key)
{
	struct token_wrapping wrapping = {
		.vault = "azure", .cloud = "AzurePublic", .tenant_id = TENANT, .client_id = CLIENT
	};

	config_init(&config);
	(void)snprintf(wrapping.key, sizeof(wrapping.key), "%s", key);
	assert_int_equal(vault_target_init(target, &config, &wrapping, true, NULL), 0);
}

struct row {
	const char *name, *kid, *kty, *ops, *n, *e, *attributes;
	enum cmk_code code;
	const char *part;
};

#define OPS	"[\"encrypt\",\"wrapKey\",\"unwrapKey\"]"
#define KID	NAME "/" VERSION
#define ENABLED "{\"enabled\":true}"
#define THE_N	NULL /* the test key's */
#define SHORT_N "wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"
#define BEYOND32                                                                   \
	"{\"enabled\":false,\"nbf\":1,\"exp\":32503680000,\"created\":1700000000," \
	"\"recoveryLevel\":\"Recoverable+Purgeable\",\"hsmPlatform\":\"2\"}"

static const struct row rows[] = {
	{ "good", KID, "RSA", OPS, THE_N, "AQAB", ENABLED, CMK_OK, "" },
	{ "HSM", KID, "RSA-HSM", OPS, THE_N, "AQAB", BEYOND32, CMK_OK, "" },
	{ "port", "https://" HOST ":443/keys/disk/" VERSION, "RSA", OPS, THE_N, "AQAB", ENABLED,
	  CMK_OK, "" },
	{ "null operations", KID, "RSA", "null", THE_N, "AQAB", ENABLED, CMK_OK, "" },
	{ "no version", NAME, "RSA", OPS, THE_N, "AQAB", ENABLED, CMK_PROTOCOL, "no key's" },
	{ "other key", "https://" HOST "/keys/data/" VERSION, "RSA", OPS, THE_N, "AQAB", ENABLED,
	  CMK_PROTOCOL, "another key" },
	{ "EC", KID, "EC", OPS, THE_N, "AQAB", ENABLED, CMK_KEY_OPERATION, "of type EC; an RSA" },
	{ "AES", KID, "oct-HSM", OPS, "", "", ENABLED, CMK_OK, "" },
	{ "AES in software", KID, "oct", OPS, "", "", ENABLED, CMK_KEY_OPERATION, "of type oct;" },
	{ "type unknown", KID, "ML-KEM", OPS, "", "", ENABLED, CMK_KEY_OPERATION, "ML-KEM" },
	{ "short", KID, "RSA", OPS, SHORT_N, "AQAB", ENABLED, CMK_KEY_OPERATION, "at least 2048" },
	{ "zero", KID, "RSA", OPS, "AAAA", "AQAB", ENABLED, CMK_KEY_OPERATION, "0 bits" },
	{ "no modulus", KID, "RSA", OPS, "", "AQAB", ENABLED, CMK_PROTOCOL, "public key" },
	{ "bad exponent", KID, "RSA", OPS, THE_N, "=", ENABLED, CMK_PROTOCOL, "public key" },
	{ "no attributes", KID, "RSA", OPS, THE_N, "AQAB", "null", CMK_PROTOCOL, "object" },
	{ "enabled?", KID, "RSA", OPS, THE_N, "AQAB", "{}", CMK_PROTOCOL, "enabled" },
};

static int describe(const struct row *row, struct vault_target *target, struct vault_key *key,
		    struct cmk_err *err)
{
	_cleanup_http_reply_ struct http_reply reply;
	char body[8192];

	(void)snprintf(body, sizeof(body),
		       "{\"key\":{\"kid\":\"%s\",\"kty\":\"%s\",\"key_ops\":%s,\"n\":\"%s\","
		       "\"e\":\"%s\"},\"attributes\":%s,\"tags\":{}}",
		       row->kid, row->kty, row->ops, row->n ? row->n : modulus, row->e,
		       row->attributes);
	make_reply(&reply, HOST, 200, body);
	return target->ops->describe_reply(target, &reply, key, err);
}

static void test_describe(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct vault_target target;
		struct vault_key key = { 0 };
		struct cmk_err err = { 0 };
		make_target(&target, NAME);
		int r = describe(&rows[i], &target, &key, &err);
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_TEXT(rows[i].name, err.request_id, REQUEST);
		CHECK_TEXT(rows[i].name, key.kid, r < 0 ? "" : KID);
		if (r < 0)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
	}
}

static void test_attributes(void **state)
{
	struct row row = rows[1];
	struct vault_target target;
	struct vault_key key;

	(void)state;
	make_target(&target, NAME);
	assert_int_equal(describe(&row, &target, &key, NULL), 0);
	assert_string_equal(key.kty, "RSA-HSM");
	assert_string_equal(key.recovery_level, "Recoverable+Purgeable");
	assert_false(key.enabled);
	assert_true(key.can_wrap && key.can_unwrap);
	assert_int_equal(key.not_before, 1);
	assert_int_equal(key.expires, 32503680000);
	assert_int_equal(key.created, 1700000000);
	assert_int_equal(key.n_len, 256);
	assert_int_equal(key.e_len, 3);
	row.ops = "[\"wrapKey\",\"verify\"]";
	assert_int_equal(describe(&row, &target, &key, NULL), 0);
	assert_true(key.can_wrap && !key.can_unwrap);

	/* A version that is asked for is the one that has to be answered. */
	make_target(&target, NAME "/" VERSION);
	assert_int_equal(describe(&rows[0], &target, &key, NULL), 0);
	make_target(&target, NAME "/fedcba9876543210fedcba9876543210");
	assert_int_equal(describe(&rows[0], &target, &key, NULL), -EPROTO);
}

/* What the vault does with a wrapped value. */
static void unwrap(const char *value, uint8_t *out, size_t *len)
{
	_cleanup_secret_ struct secret wrapped = { 0 };
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(private_key, NULL);

	assert_int_equal(b64url_decode(value, strlen(value), &wrapped), 0);
	assert_true(EVP_PKEY_decrypt_init(context) > 0);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0);
	assert_true(EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0);
	assert_true(EVP_PKEY_decrypt(context, out, len, wrapped.data, wrapped.len) > 0);
	EVP_PKEY_CTX_free(context);
}

static void test_wrap(void **state)
{
	struct vault_target target;
	struct vault_key key;
	const struct secret payload = { .data = (uint8_t *)(uintptr_t)PAYLOAD,
					.len = strlen(PAYLOAD) };
	struct cmk_err err = { 0 };
	uint8_t out[512];
	size_t len = sizeof(out);

	(void)state;
	make_target(&target, NAME);
	assert_int_equal(describe(&rows[0], &target, &key, &err), 0);
	if (target.ops->wrap(&target, &key, &payload, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(target.wrapping.key, KID);
	assert_string_equal(target.wrapping.alg, "RSA-OAEP-256");
	assert_int_equal(strlen(target.wrapping.created), strlen("2026-11-23T17:27:00Z"));
	unwrap(target.wrapping.value, out, &len);
	assert_int_equal(len, payload.len);
	assert_memory_equal(out, PAYLOAD, len);
}

static void test_wrap_refused(void **state)
{
	const int64_t now = time(NULL);
	const struct {
		const char *name;
		bool enabled, can_unwrap;
		int64_t not_before, expires;
		size_t payload_len;
		enum cmk_code code;
		const char *part;
	} cases[] = {
		{ "window", true, true, now - 10, now + 100, 72, CMK_OK, "" },
		{ "longest", true, true, 0, 0, 190, CMK_OK, "" },
		{ "too long", true, true, 0, 0, 191, CMK_KEY_OPERATION, "cannot wrap" },
		{ "disabled", false, true, 0, 0, 72, CMK_KEY_DISABLED, "enables it" },
		{ "operation", true, false, 0, 0, 72, CMK_KEY_OPERATION, "unwrapKey" },
		{ "later", true, true, 32503680000, 0, 72, CMK_KEY_OPERATION, "before 3000-01-01" },
		{ "over", true, true, 0, 1, 72, CMK_KEY_OPERATION, "expired on 1970-01-01" },
	};
	uint8_t bytes[256] = { 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vault_target target;
		struct vault_key key;
		const struct secret payload = { .data = bytes, .len = cases[i].payload_len };
		struct cmk_err err = { 0 };
		make_target(&target, NAME);
		assert_int_equal(describe(&rows[0], &target, &key, &err), 0);
		key.enabled = cases[i].enabled;
		key.can_unwrap = cases[i].can_unwrap;
		key.not_before = cases[i].not_before;
		key.expires = cases[i].expires;
		int r = target.ops->wrap(&target, &key, &payload, &err);
		CHECK_INT(cases[i].name, err.code, cases[i].code);
		CHECK_INT(cases[i].name, r, cmk_code_errno(cases[i].code));
		CHECK_TEXT(cases[i].name, target.wrapping.key, r < 0 ? NAME : KID);
		if (r < 0)
			CHECK_SENTENCE(cases[i].name, err.text, cases[i].part);
	}
}

static int setup(void **state)
{
	(void)state;
	private_key = EVP_RSA_gen(2048);
	if (private_key)
		keep_modulus(private_key);
	return private_key ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(private_key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_wrap_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
