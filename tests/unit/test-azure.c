/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key Vault and Managed HSM: what is asked, and what is believed. */
#include "reply.h"

#include "vault/vault.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define OTHER	"fedcba9876543210fedcba9876543210"
#define HOST	"contoso.vault.azure.net"
#define KEY	"https://" HOST "/keys/disk/" VERSION

static struct config config;

static int setup(void **state)
{
	(void)state;
	config_init(&config);
	return 0;
}

static void make_target(struct vault_target *target, const char *key)
{
	struct token_wrapping wrapping = { .vault = "azure",
					   .cloud = "AzurePublic",
					   .tenant_id = TENANT,
					   .client_id = CLIENT,
					   .alg = "RSA-OAEP-256",
					   .value = "d3JhcHBlZA" };

	(void)snprintf(wrapping.key, sizeof(wrapping.key), "%s", key);
	assert_int_equal(vault_target_init(target, &config, &wrapping, true, NULL), 0);
}

static void test_requests(void **state)
{
	const struct vault_credential credential = {
		.value = { .data = (uint8_t[]){ 't', 'o', 'k' }, .len = 3 }
	};
	struct vault_target target;
	_cleanup_http_request_ struct http_request unwrap = { 0 }, describe = { 0 }, warm = { 0 };
	char headers[512], expected[512];

	(void)state;
	make_target(&target, KEY);
	assert_int_equal(target.ops->unwrap_request(&target, &credential, &unwrap, NULL), 0);
	assert_int_equal(unwrap.method, HTTP_POST);
	assert_string_equal(unwrap.url, KEY "/unwrapkey?api-version=7.4");
	join_headers(&unwrap, headers, sizeof(headers));
	(void)snprintf(expected, sizeof(expected),
		       "Accept: application/json\nAuthorization: Bearer tok\n"
		       "x-ms-client-request-id: %s\nContent-Type: application/json\n",
		       unwrap.request_id);
	assert_string_equal(headers, expected);
	assert_string_equal((const char *)unwrap.body.data,
			    "{\"alg\":\"RSA-OAEP-256\",\"value\":\"d3JhcHBlZA\"}");

	assert_int_equal(target.ops->warm_vault(&target, &warm, NULL), 0);
	assert_int_equal(warm.method, HTTP_HEAD);
	assert_string_equal(warm.url, "https://" HOST "/healthstatus");

	make_target(&target, "https://" HOST "/keys/disk");
	assert_int_equal(target.ops->describe_request(&target, &credential, &describe, NULL), 0);
	assert_int_equal(describe.method, HTTP_GET);
	assert_string_equal(describe.url, "https://" HOST "/keys/disk?api-version=7.4");
	join_headers(&describe, headers, sizeof(headers));
	(void)snprintf(expected, sizeof(expected),
		       "Accept: application/json\nAuthorization: Bearer tok\n"
		       "x-ms-client-request-id: %s\n",
		       describe.request_id);
	assert_string_equal(headers, expected);
	assert_string_not_equal(describe.request_id, unwrap.request_id);

	_cleanup_http_request_ struct http_request list = { 0 };
	assert_int_equal(target.ops->list_request(&target, &credential, &list, NULL), 0);
	assert_int_equal(list.method, HTTP_GET);
	assert_string_equal(list.url, "https://" HOST "/keys?api-version=7.4&maxresults=1");
	assert_int_equal(list.headers_count, 3);
}

/* Only what is certainly a failure is one: what a vault answers to nobody in particular is not written. */
static void test_greetings(void **state)
{
	static const struct {
		const char *name;
		bool sign_in;
		long status;
		const char *body;
		enum cmk_code code;
	} greetings[] = {
		{ "vault", false, 200, "{\"status\":\"healthy\"}", CMK_OK },
		{ "vault lets nobody in", false, 403, "", CMK_OK },
		{ "vault wants a token", false, 401, "", CMK_OK },
		{ "HSM knows no such page", false, 404, "", CMK_OK },
		{ "vault down", false, 503, "", CMK_SERVICE_DOWN },
		{ "vault slow", false, 408, "", CMK_SERVICE_DOWN },
		{ "vault busy", false, 429, "", CMK_THROTTLED },
		{ "portal", false, 302, "", CMK_PROTOCOL },
		{ "tenant", true, 200, "{\"issuer\":\"x\"}", CMK_OK },
		{ "page", true, 200, "<html>", CMK_PROTOCOL },
		{ "no tenant", true, 400,
		  "{\"error\":\"invalid_tenant\",\"error_description\":\"AADSTS90002: Tenant 'x' "
		  "not "
		  "found.\",\"error_codes\":[90002]}",
		  CMK_TENANT },
		{ "sign-in down", true, 500, "", CMK_SERVICE_DOWN },
	};
	struct vault_target target;

	(void)state;
	make_target(&target, KEY);
	for (size_t i = 0; i < COUNT(greetings); i++) {
		_cleanup_http_reply_ struct http_reply reply;
		struct cmk_err err = { 0 };
		make_reply(&reply, HOST, greetings[i].status, greetings[i].body);
		int r = greetings[i].sign_in ? target.ops->greet_sign_in(&target, &reply, &err)
					     : target.ops->greet_vault(&target, &reply, &err);
		CHECK_INT(greetings[i].name, r, cmk_code_errno(greetings[i].code));
		CHECK_INT(greetings[i].name, err.code, greetings[i].code);
	}
}

struct reply_row {
	const char *name;
	long status;
	const char *body;
	enum cmk_code code;
	const char *part;
};

#define UNWRAPPED(kid)	   "{\"kid\":\"" kid "\",\"value\":\"cGxhaW4\"}"
#define PROBLEM(code, why) "{\"error\":{\"code\":\"" code "\",\"message\":\"" why "\"}}"
#define FORBIDDEN(inner)                                                                         \
	"{\"error\":{\"code\":\"Forbidden\",\"message\":\"No.\\r\\nCaller: appid=x\\r\\nmore\"," \
	"\"innererror\":{\"code\":\"" inner "\"}}}"

static const struct reply_row unwraps[] = {
	{ "good", 200, UNWRAPPED(KEY), CMK_OK, "" },
	{ "HSM's alg", 200, "{\"alg\":\"x\",\"kid\":\"" KEY "\",\"value\":\"cGxhaW4\"}", CMK_OK,
	  "" },
	{ "port", 200, UNWRAPPED("https://" HOST ":443/keys/disk/" VERSION), CMK_OK, "" },
	{ "case", 200, UNWRAPPED("https://Contoso.vault.azure.net/keys/Disk/" VERSION), CMK_OK,
	  "" },
	{ "other version", 200, UNWRAPPED("https://" HOST "/keys/disk/" OTHER), CMK_PROTOCOL,
	  "another key" },
	{ "other name", 200, UNWRAPPED("https://" HOST "/keys/data/" VERSION), CMK_PROTOCOL,
	  "another key" },
	{ "other vault", 200, UNWRAPPED("https://fabrikam.vault.azure.net/keys/disk/" VERSION),
	  CMK_PROTOCOL, "another key" },
	{ "other port", 200, UNWRAPPED("https://" HOST ":8443/keys/disk/" VERSION), CMK_PROTOCOL,
	  "another key" },
	{ "no version", 200, UNWRAPPED("https://" HOST "/keys/disk"), CMK_PROTOCOL, "no key's" },
	{ "no URL", 200, UNWRAPPED("disk"), CMK_PROTOCOL, "no key's version" },
	{ "no kid", 200, "{\"value\":\"cGxhaW4\"}", CMK_PROTOCOL, "kid" },
	{ "no value", 200, "{\"kid\":\"" KEY "\"}", CMK_PROTOCOL, "value" },
	{ "empty", 200, "{\"kid\":\"" KEY "\",\"value\":\"\"}", CMK_PROTOCOL, "base64url" },
	{ "padded", 200, "{\"kid\":\"" KEY "\",\"value\":\"cGxhaW4=\"}", CMK_PROTOCOL,
	  "base64url" },
	{ "page", 200, "<html>", CMK_PROTOCOL, HOST "'s answer" },
	{ "nothing", 200, "", CMK_PROTOCOL, HOST "'s answer" },
	{ "no role", 403, FORBIDDEN("ForbiddenByRbac"), CMK_GRANT,
	  "role Key Vault Crypto Service Encryption User" },
	{ "no policy", 403, FORBIDDEN("AccessDenied"), CMK_GRANT, "access policy" },
	{ "firewall", 403, FORBIDDEN("ForbiddenByFirewall"), CMK_FIREWALL, "firewall" },
	{ "private", 403, FORBIDDEN("ForbiddenByConnection"), CMK_FIREWALL, "private link" },
	{ "disabled", 403, FORBIDDEN("KeyDisabled"), CMK_KEY_DISABLED,
	  "key disk/" VERSION "; KeyDisabled: No)" },
	{ "operation", 403, FORBIDDEN("KeyOperationForbidden"), CMK_KEY_OPERATION, "unwrapKey" },
	{ "new reason", 403, FORBIDDEN("ForbiddenByMoon"), CMK_GRANT, "ForbiddenByMoon: No" },
	{ "no reason", 403, PROBLEM("Forbidden", "Why"), CMK_GRANT, "Forbidden: Why" },
	{ "other spelling", 403,
	  "{\"error\":{\"code\":\"Forbidden\",\"innerError\":{\"code\":\"KeyDisabled\"}}}",
	  CMK_KEY_DISABLED, "KeyDisabled)" },
	{ "page for a refusal", 403, "<html>", CMK_PROTOCOL, "portal" },
	{ "JSON of another", 403, "{\"message\":\"denied\"}", CMK_PROTOCOL, "portal" },
	{ "gone", 404, PROBLEM("KeyNotFound", "A key with (name/id) disk/x was not found"),
	  CMK_KEY_GONE, "deleted, purged, or never existed" },
	{ "other 404", 404, PROBLEM("ResourceNotFound", "x"), CMK_KEY_GONE, "Resource" },
	{ "page for 404", 404, "<html>", CMK_PROTOCOL, "404" },
	{ "conflict", 409, PROBLEM("ObjectIsBeingDeleted", "x"), CMK_KEY_GONE, "being deleted" },
	{ "undecryptable", 400, PROBLEM("BadParameter", "x"), CMK_KEY_OPERATION, "cannot unwrap" },
	{ "other 400", 400, PROBLEM("Strange", "x"), CMK_PROTOCOL, "Strange: x" },
	{ "no code", 400, "{\"error\":{\"message\":\"x\"}}", CMK_PROTOCOL, "HTTP 400: x" },
	{ "HSM's 401", 401, "", CMK_GRANT, "HTTP 401 without a reason" },
	{ "401", 401, PROBLEM("Unauthorized", "AKV10000: x"), CMK_GRANT, "AKV10000: x" },
	{ "tenant", 401, PROBLEM("Unauthorized", "AKV10032: Invalid issuer."), CMK_TENANT, TENANT },
	{ "audience", 401, PROBLEM("Unauthorized", "AKV10022: x"), CMK_CONFIG, "AzurePublic" },
	{ "throttled", 429, PROBLEM("Throttled", "x"), CMK_THROTTLED, "429" },
	{ "down", 503, "<html>", CMK_SERVICE_DOWN, "503" },
	{ "down in JSON", 500, PROBLEM("InternalServerError", "x"), CMK_SERVICE_DOWN, "500" },
	{ "slow", 408, "", CMK_SERVICE_DOWN, "408" },
	{ "redirect", 307, "", CMK_PROTOCOL, "redirects" },
	{ "empty success", 204, "", CMK_PROTOCOL, "204" },
	{ "escape", 403, PROBLEM("Forbidden", "\\u001b[2Jcleared"), CMK_GRANT, "\\x1b[2J" },
};

static void test_unwrap_reply(void **state)
{
	struct vault_target target;

	(void)state;
	make_target(&target, KEY);
	for (size_t i = 0; i < COUNT(unwraps); i++) {
		const struct reply_row *row = &unwraps[i];
		_cleanup_http_reply_ struct http_reply reply;
		_cleanup_secret_ struct secret plain = { 0 };
		struct cmk_err err = { 0 };
		make_reply(&reply, HOST, row->status, row->body);
		int r = target.ops->unwrap_reply(&target, &reply, &plain, &err);
		CHECK_INT(row->name, err.code, row->code);
		CHECK_INT(row->name, r, cmk_code_errno(row->code));
		CHECK_TEXT(row->name, err.request_id, REQUEST);
		CHECK_TEXT(row->name, plain.len ? (const char *)plain.data : "",
			   r < 0 ? "" : "plain");
		if (r < 0)
			CHECK_SENTENCE(row->name, err.text, row->part);
		if (r < 0)
			CHECK_SENTENCE(row->name, err.text, HOST);
	}
}

/* "Managed HSM local RBAC": it has roles only, and no innererror says so. */
static void test_hsm_refusal(void **state)
{
	struct vault_target target;
	_cleanup_http_reply_ struct http_reply reply;
	_cleanup_secret_ struct secret plain = { 0 };
	struct cmk_err err = { 0 };

	(void)state;
	make_target(&target, KEY);
	target.hsm = true;
	make_reply(&reply, HOST, 403, PROBLEM("AccessDenied", "Not authorized"));
	assert_true(target.ops->unwrap_reply(&target, &reply, &plain, &err) < 0);
	assert_int_equal(err.code, CMK_GRANT);
	CHECK_SENTENCE("HSM", err.text, "role Managed HSM Crypto Service Encryption User");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_greetings),
		cmocka_unit_test(test_unwrap_reply),
		cmocka_unit_test(test_hsm_refusal),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
