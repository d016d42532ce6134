/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wrapping at the vault, where the key has no public half: Managed HSM's AES keys. */
#include "reply.h"

#include "format/payload.h"
#include "vault/vault.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define OTHER	"fedcba9876543210fedcba9876543210"
#define HOST	"contoso.managedhsm.azure.net"
#define NAME	"https://" HOST "/keys/disk"
#define KEY	NAME "/" VERSION

static struct config config;

static int setup(void **state)
{
	(void)state;
	config_init(&config);
	return 0;
}

static void make_target(struct vault_target *target)
{
	const struct token_wrapping wrapping = { .vault = "azure",
						 .cloud = "AzurePublic",
						 .tenant_id = TENANT,
						 .client_id = CLIENT,
						 .key = NAME };

	assert_int_equal(vault_target_init(target, &config, &wrapping, true, NULL), 0);
}

static struct vault_key make_key(void)
{
	return (struct vault_key){
		.kid = KEY, .kty = "oct-HSM", .enabled = true, .can_wrap = true, .can_unwrap = true
	};
}

/* As long as a payload, and all sixes: base64url of it is easy to write down. */
static const uint8_t bytes[PAYLOAD_LEN] = { [0 ... PAYLOAD_LEN - 1] = 0x69 };
#define X24	"aWlpaWlpaWlpaWlpaWlpaWlp"
#define PLAIN72 X24 X24 X24 X24
#define X80	PLAIN72 "aWlpaWlpaWk"

static struct secret payload(void)
{
	return (struct secret){ .data = (uint8_t *)(uintptr_t)bytes, .len = sizeof(bytes) };
}

static void test_request(void **state)
{
	const struct vault_credential credential = {
		.value = { .data = (uint8_t[]){ 't', 'o', 'k' }, .len = 3 }
	};
	const struct vault_key key = make_key();
	const struct secret plain = payload();
	struct vault_target target;
	_cleanup_http_request_ struct http_request wrap = { 0 }, unwrap = { 0 };
	char headers[512], expected[512];

	(void)state;
	make_target(&target);
	assert_string_equal(target.scope, "https://managedhsm.azure.net/.default");
	assert_int_equal(target.ops->wrap(&target, &key, &plain, NULL), 1);
	assert_string_equal(target.wrapping.alg, "A256KW");
	assert_string_equal(target.wrapping.key, KEY);
	assert_string_equal(target.wrapping.value, "");
	assert_int_equal(target.ops->wrap_request(&target, &credential, &plain, &wrap, NULL), 0);
	assert_int_equal(wrap.method, HTTP_POST);
	assert_string_equal(wrap.url, KEY "/wrapkey?api-version=7.4");
	join_headers(&wrap, headers, sizeof(headers));
	(void)snprintf(expected, sizeof(expected),
		       "Accept: application/json\nAuthorization: Bearer tok\n"
		       "x-ms-client-request-id: %s\nContent-Type: application/json\n",
		       wrap.request_id);
	assert_string_equal(headers, expected);
	assert_string_equal((const char *)wrap.body.data,
			    "{\"alg\":\"A256KW\",\"value\":\"" PLAIN72 "\"}");

	(void)snprintf(target.wrapping.value, sizeof(target.wrapping.value), "d3JhcHBlZA");
	assert_int_equal(target.ops->unwrap_request(&target, &credential, &unwrap, NULL), 0);
	assert_string_equal(unwrap.url, KEY "/unwrapkey?api-version=7.4");
	assert_string_equal((const char *)unwrap.body.data,
			    "{\"alg\":\"A256KW\",\"value\":\"d3JhcHBlZA\"}");
}

#define WRAPPED(kid, value) "{\"alg\":\"A256KW\",\"kid\":\"" kid "\",\"value\":\"" value "\"}"
#define REFUSED(code)	    "{\"error\":{\"code\":\"" code "\",\"message\":\"No (Activity ID: x)\"}}"

static void test_reply(void **state)
{
	static const struct {
		const char *name;
		long status;
		const char *body;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "good", 200, WRAPPED(KEY, X80), CMK_OK, "" },
		{ "without alg", 200, "{\"kid\":\"" KEY "\",\"value\":\"" X80 "\"}", CMK_OK, "" },
		{ "in the clear", 200, WRAPPED(KEY, PLAIN72), CMK_PROTOCOL, "no AES key wrap" },
		{ "too long", 200, WRAPPED(KEY, X80 "aWlpaWlpaWlpaWlp"), CMK_PROTOCOL,
		  "no AES key wrap" },
		{ "padded", 200, WRAPPED(KEY, X80 "="), CMK_PROTOCOL, "no AES key wrap" },
		{ "empty", 200, WRAPPED(KEY, ""), CMK_PROTOCOL, "no AES key wrap" },
		{ "no value", 200, "{\"kid\":\"" KEY "\"}", CMK_PROTOCOL, "value" },
		{ "other version", 200, WRAPPED(NAME "/" OTHER, X80), CMK_PROTOCOL, "another key" },
		{ "no version", 200, WRAPPED(NAME, X80), CMK_PROTOCOL, "no key's version" },
		{ "page", 200, "<html>", CMK_PROTOCOL, "JSON" },
		{ "size", 400, REFUSED("BadParameter"), CMK_KEY_OPERATION, "AES key of 256 bits" },
		{ "no token", 401, "", CMK_GRANT, "HTTP 401 without a reason" },
		{ "no role", 403, REFUSED("AccessDenied"), CMK_GRANT,
		  "Managed HSM Crypto Service" },
		{ "operation", 403, REFUSED("KeyOperationForbidden"), CMK_KEY_OPERATION, "permit" },
		{ "gone", 404, REFUSED("KeyNotFound"), CMK_KEY_GONE, "no such key" },
		{ "busy", 429, "", CMK_THROTTLED, "" },
		{ "broken", 500, "", CMK_SERVICE_DOWN, "500" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct vault_key key = make_key();
		const struct secret plain = payload();
		struct vault_target target;
		_cleanup_http_reply_ struct http_reply reply;
		struct cmk_err err = { 0 };
		make_target(&target);
		assert_int_equal(target.ops->wrap(&target, &key, &plain, NULL), 1);
		make_reply(&reply, HOST, rows[i].status, rows[i].body);
		int r = target.ops->wrap_reply(&target, &reply, &err);
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_TEXT(rows[i].name, err.request_id, REQUEST);
		CHECK_TEXT(rows[i].name, target.wrapping.value, r < 0 ? "" : X80);
		if (r < 0)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		else
			CHECK_INT(rows[i].name, strlen(target.wrapping.created), 20);
	}
}

static void test_unusable(void **state)
{
	static const struct {
		const char *name;
		bool enabled, can_wrap, can_unwrap;
		int64_t expires;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "disabled", false, true, true, 0, CMK_KEY_DISABLED, "enables it" },
		{ "no wrap", true, false, true, 0, CMK_KEY_OPERATION, "wrapKey" },
		{ "no unwrap", true, true, false, 0, CMK_KEY_OPERATION, "unwrapKey" },
		{ "expired", true, true, true, 1, CMK_KEY_OPERATION, "expired on 1970-01-01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct secret plain = payload();
		struct vault_key key = make_key();
		struct vault_target target;
		struct cmk_err err = { 0 };
		make_target(&target);
		key.enabled = rows[i].enabled;
		key.can_wrap = rows[i].can_wrap;
		key.can_unwrap = rows[i].can_unwrap;
		key.expires = rows[i].expires;
		int r = target.ops->wrap(&target, &key, &plain, &err);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		CHECK_TEXT(rows[i].name, target.wrapping.key, NAME);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_unusable),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
