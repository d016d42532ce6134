/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signing in at Entra: the form as it is sent, the token, and who must do what about each refusal. */
#include "reply.h"

#include <errno.h>
#include <time.h>

#include "vault/entra.h"

#define HOST "login.microsoftonline.com"

static struct config config;

static void make_target(struct vault_target *target)
{
	static const struct token_wrapping wrapping = {
		.vault = "azure",
		.cloud = "AzurePublic",
		.tenant_id = TENANT,
		.client_id = CLIENT,
		.key = "https://contoso.vault.azure.net/keys/disk",
	};

	config_init(&config);
	assert_int_equal(vault_target_init(target, &config, &wrapping, true, NULL), 0);
}

static void test_request(void **state)
{
	struct vault_target target;
	_cleanup_http_request_ struct http_request request = { 0 }, warm = { 0 };
	const struct secret jwt = { .data = (uint8_t *)(uintptr_t)JWT, .len = strlen(JWT) };
	char headers[512], expected[512];

	(void)state;
	make_target(&target);
	assert_int_equal(entra_request(&target, &jwt, &request, NULL), 0);
	assert_string_equal(request.url, "https://" HOST "/" TENANT "/oauth2/v2.0/token");
	assert_int_equal(request.method, HTTP_POST);
	assert_false(request.plain);
	join_headers(&request, headers, sizeof(headers));
	(void)snprintf(expected, sizeof(expected),
		       "Accept: application/json\n"
		       "Content-Type: application/x-www-form-urlencoded\nclient-request-id: %s\n",
		       request.request_id);
	assert_string_equal(headers, expected);
	assert_string_equal((const char *)request.body.data,
			    "grant_type=client_credentials"
			    "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
			    "client-assertion-type%3Ajwt-bearer"
			    "&client_id=" CLIENT "&scope=https%3A%2F%2Fvault.azure.net%2F.default"
			    "&client_assertion=" JWT);

	assert_int_equal(entra_warm(&target, &warm, NULL), 0);
	assert_int_equal(warm.method, HTTP_HEAD);
	assert_string_equal(warm.url,
			    "https://" HOST "/" TENANT "/v2.0/.well-known/openid-configuration");
	assert_int_equal(warm.headers_count, 0);
}

struct row {
	const char *name;
	long status;
	const char *body;
	enum cmk_code code;
	const char *part;
};

#define REFUSAL(error, number)                                                                    \
	"{\"error\":\"" error "\",\"error_description\":\"AADSTS" number ": Something is wrong. " \
	"More of it.\\r\\nTrace ID: x\\r\\nTimestamp: 2026-11-23 "                                \
	"17:00:00Z\",\"error_codes\":[" number                                                    \
	"],\"timestamp\":\"2026-11-23 17:00:00Z\",\"trace_id\":\"x\",\"correlation_id\":\""       \
	"y\"}"
/* Without error_codes: the number is in the text alone. */
#define REFUSAL_TEXT(error, text) "{\"error\":\"" error "\",\"error_description\":\"" text "\"}"
#define CLIENT_ERROR(number)	  REFUSAL("invalid_client", number)

static const struct row rows[] = {
	{ "consent", 400, REFUSAL("unauthorized_client", "700016"), CMK_CONSENT, "consents" },
	{ "no principal", 401, CLIENT_ERROR("7000229"), CMK_CONSENT, "(AADSTS7000229)" },
	{ "disabled", 401, CLIENT_ERROR("7000112"), CMK_PRINCIPAL_DISABLED, "enables it again" },
	{ "tenant", 400, REFUSAL("invalid_request", "90002"), CMK_TENANT, TENANT },
	{ "tenant in the text", 400, REFUSAL_TEXT("invalid_request", "AADSTS90002: Tenant 'x'."),
	  CMK_TENANT, "(AADSTS90002)" },
	{ "account", 400, REFUSAL("invalid_grant", "50034"), CMK_TENANT, "50034" },
	{ "resource", 400, REFUSAL("invalid_resource", "500011"), CMK_TENANT, "vault service" },
	{ "scope", 400, REFUSAL("invalid_scope", "70011"), CMK_CONFIG, "suffixes" },
	{ "scope again", 400, REFUSAL("invalid_scope", "28002"), CMK_CONFIG, "suffixes" },
	{ "no credential", 401, CLIENT_ERROR("70021"), CMK_FEDERATION, "issuer, subject" },
	{ "issuer", 401, CLIENT_ERROR("700211"), CMK_FEDERATION, "assertion's issuer" },
	{ "audience", 401, CLIENT_ERROR("700212"), CMK_FEDERATION, "assertion's audience" },
	{ "subject", 401, CLIENT_ERROR("700213"), CMK_FEDERATION, "assertion's subject" },
	{ "case", 401, CLIENT_ERROR("7002138"), CMK_FEDERATION, "letter case" },
	{ "issuer's tenant", 401, CLIENT_ERROR("700236"), CMK_FEDERATION, "another tenant" },
	{ "application's token", 401, CLIENT_ERROR("700226"), CMK_FEDERATION, "user-assigned" },
	{ "user's token", 401, CLIENT_ERROR("700229"), CMK_FEDERATION, "user-assigned" },
	{ "no app-only token", 401, CLIENT_ERROR("700222"), CMK_FEDERATION, "user-assigned" },
	{ "time", 401, CLIENT_ERROR("700024"), CMK_CLOCK, "1970-01-01 00:01:40 UTC there" },
	{ "signature", 401, CLIENT_ERROR("700027"), CMK_FEDERATION, "signature" },
	{ "secret", 401, CLIENT_ERROR("7000215"), CMK_CONFIG, "client secret" },
	{ "conditional access", 400, REFUSAL("access_denied", "53003"), CMK_GRANT, "policy" },
	{ "restricted", 400, REFUSAL("access_denied", "500021"), CMK_FIREWALL, "proxy" },
	{ "clouds", 400, REFUSAL("invalid_request", "900382"), CMK_TENANT, "different clouds" },
	{ "other cloud", 400, REFUSAL("invalid_request", "90038"), CMK_TENANT, "another national" },
	{ "throttled", 400, REFUSAL("invalid_request", "90055"), CMK_THROTTLED, "fewer" },
	{ "transient", 400, REFUSAL("invalid_request", "90033"), CMK_SERVICE_DOWN, "try again" },
	{ "known and unknown", 400,
	  "{\"error\":\"invalid_request\",\"error_codes\":[1,\"x\",90002]}", CMK_TENANT, "90002" },
	{ "unknown", 400, REFUSAL("invalid_request", "123456"), CMK_PROTOCOL,
	  "AADSTS123456: Something is wrong. More of it; " },
	{ "unknown client", 401, CLIENT_ERROR("123456"), CMK_FEDERATION, "Something" },
	{ "unknown consent", 400, REFUSAL("unauthorized_client", "123456"), CMK_CONSENT, "Some" },
	{ "no text", 400, "{\"error\":\"invalid_scope\"}", CMK_CONFIG, "invalid_scope" },
	{ "unavailable", 400, REFUSAL("temporarily_unavailable", "123456"), CMK_SERVICE_DOWN, "" },
	{ "too many", 429, REFUSAL("invalid_request", "123456"), CMK_THROTTLED, "429" },
	{ "down", 503, "<html>", CMK_SERVICE_DOWN, "503" },
	{ "down in JSON", 500, REFUSAL("server_error", "123456"), CMK_SERVICE_DOWN, "500" },
	{ "redirect", 302, "", CMK_PROTOCOL, "redirects" },
	{ "page", 400, "<html>Blocked</html>", CMK_PROTOCOL, "portal" },
	{ "other JSON", 403, "{\"message\":\"Missing token\"}", CMK_PROTOCOL, "portal" },
	{ "escape", 400, REFUSAL_TEXT("x", "\\u001b]0;title\\u0007"), CMK_PROTOCOL, "\\x1b]0;t" },
	{ "page instead of a token", 200, "<html>", CMK_PROTOCOL, HOST "'s answer" },
	{ "no token", 200, "{\"expires_in\":1}", CMK_PROTOCOL, "access_token" },
	{ "no life", 200, "{\"access_token\":\"x\"}", CMK_PROTOCOL, "expires_in" },
	{ "header injection", 200, "{\"access_token\":\"a\\r\\nX: b\",\"expires_in\":1}",
	  CMK_PROTOCOL, "no usable" },
	{ "empty token", 200, "{\"access_token\":\"\",\"expires_in\":1}", CMK_PROTOCOL, "" },
	{ "other type", 200, "{\"access_token\":\"x\",\"expires_in\":1,\"token_type\":\"pop\"}",
	  CMK_PROTOCOL, "no usable" },
	{ "negative", 200, "{\"access_token\":\"x\",\"expires_in\":-1}", CMK_PROTOCOL, "" },
};

static void test_refusals(void **state)
{
	struct vault_target target;

	(void)state;
	make_target(&target);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_http_reply_ struct http_reply reply;
		struct vault_credential credential = { 0 };
		struct cmk_err err = { 0 };
		make_reply(&reply, HOST, rows[i].status, rows[i].body);
		reply.date = 100;
		CHECK_INT(rows[i].name, entra_reply(&target, &reply, &credential, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		CHECK_SENTENCE(rows[i].name, err.text, HOST);
		CHECK_TEXT(rows[i].name, err.request_id, REQUEST);
		CHECK(rows[i].name, credential.value.data == NULL);
	}
}

static void test_token(void **state)
{
	static const struct {
		const char *name, *body;
		int64_t life;
	} good[] = {
		{ "number",
		  "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":86399,"
		  "\"access_token\":\"a.b-c_d~+/=\"}",
		  3599 },
		{ "string", "{\"expires_in\":\"60\",\"access_token\":\"a.b-c_d~+/=\"}", 60 },
		{ "lower case",
		  "{\"expires_in\":0,\"token_type\":\"bearer\",\"access_token\":\"a.b-c_d~+/=\"}",
		  0 },
		{ "for ever",
		  "{\"expires_in\":9223372036854775807,\"access_token\":\"a.b-c_d~+/=\"}",
		  7 * 24 * 3600 },
	};
	struct vault_target target;

	(void)state;
	make_target(&target);
	for (size_t i = 0; i < COUNT(good); i++) {
		_cleanup_http_reply_ struct http_reply reply;
		struct vault_credential credential = { 0 };
		struct cmk_err err = { 0 };
		make_reply(&reply, HOST, 200, good[i].body);
		int64_t now = time(NULL);
		CHECK_INT(good[i].name, entra_reply(&target, &reply, &credential, &err), 0);
		CHECK_TEXT(good[i].name, (const char *)credential.value.data, "a.b-c_d~+/=");
		CHECK(good[i].name, credential.expires - now - good[i].life <= 2);
		CHECK(good[i].name, credential.expires - now - good[i].life >= 0);
		CHECK_TEXT(good[i].name, err.request_id, REQUEST);
		vault_credential_done(&credential);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
