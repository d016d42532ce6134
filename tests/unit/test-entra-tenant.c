/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which tenant a domain belongs to: the question, and which answers are believed. */
#include "reply.h"

#include "vault/entra.h"

#define HOST   "login.microsoftonline.com"
#define DOMAIN "contoso.onmicrosoft.com"

static struct config config;

static void test_request(void **state)
{
	static const char *const wrong[] = { "",	"contoso", "a.com/..", "a.com?x=y",
					     "a.com#b", "a@b.com", "a.com:80", "a%2f.com" };
	_cleanup_http_request_ struct http_request request = { 0 };
	char headers[512], expected[512];

	(void)state;
	config_init(&config);
	assert_int_equal(entra_tenant_request(&config.clouds[0], DOMAIN, &request, NULL), 0);
	assert_string_equal(request.url,
			    "https://" HOST "/" DOMAIN "/v2.0/.well-known/openid-configuration");
	assert_int_equal(request.method, HTTP_GET);
	assert_false(request.plain);
	assert_int_equal(request.body.len, 0);
	join_headers(&request, headers, sizeof(headers));
	(void)snprintf(expected, sizeof(expected),
		       "Accept: application/json\nclient-request-id: %s\n", request.request_id);
	assert_string_equal(headers, expected);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		_cleanup_http_request_ struct http_request none = { 0 };
		struct cmk_err err = { 0 };

		CHECK_INT(wrong[i], entra_tenant_request(&config.clouds[0], wrong[i], &none, &err),
			  cmk_code_errno(CMK_TENANT));
		CHECK_TEXT(wrong[i], none.url, "");
	}
}

#define ISSUER(text) "{\"issuer\":\"" text "\",\"jwks_uri\":\"https://elsewhere\"}"

static void test_replies(void **state)
{
	static const struct {
		const char *name;
		long status;
		const char *body;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "id", 200, ISSUER("https://" HOST "/" TENANT "/v2.0"), CMK_OK, "" },
		{ "another case", 200, ISSUER("https://LOGIN.microsoftonline.com/" TENANT "/v2.0"),
		  CMK_OK, "" },
		{ "another cloud", 200, ISSUER("https://login.microsoftonline.us/" TENANT "/v2.0"),
		  CMK_TENANT, "not of cloud AzurePublic" },
		{ "suffix of the host", 200, ISSUER("https://" HOST ".evil.com/" TENANT "/v2.0"),
		  CMK_TENANT, "not of cloud" },
		{ "plain", 200, ISSUER("http://" HOST "/" TENANT "/v2.0"), CMK_TENANT, "" },
		{ "any tenant", 200, ISSUER("https://" HOST "/{tenantid}/v2.0"), CMK_TENANT, "" },
		{ "no version", 200, ISSUER("https://" HOST "/" TENANT "/"), CMK_TENANT, "" },
		{ "more path", 200, ISSUER("https://" HOST "/" TENANT "/v2.0/x"), CMK_TENANT, "" },
		{ "no GUID", 200, ISSUER("https://" HOST "/" TENANT "0/v2.0"), CMK_TENANT, "" },
		{ "short", 200, ISSUER("https://"), CMK_TENANT, "" },
		{ "escape", 200, ISSUER("\\u001b[2J"), CMK_TENANT, "\\x1b[2J" },
		{ "number", 200, "{\"issuer\":7}", CMK_PROTOCOL, HOST },
		{ "none", 200, "{}", CMK_PROTOCOL, "issuer" },
		{ "list", 200, "[]", CMK_PROTOCOL, HOST },
		{ "page", 200, "<html>Sign in</html>", CMK_PROTOCOL, HOST },
		{ "empty", 200, "", CMK_PROTOCOL, HOST },
		{ "unknown, 404", 404, "{\"error\":\"invalid_tenant\"}", CMK_TENANT,
		  ": invalid_tenant; correct" },
		{ "escape in the reason", 400,
		  "{\"error\":\"x\",\"error_description\":\"\\u001b]0;x\"}", CMK_TENANT,
		  "\\x1b]0;x" },
		{ "page for 400", 400, "<html>", CMK_PROTOCOL, "portal" },
		{ "page for 404", 404, "", CMK_PROTOCOL, "portal" },
		{ "busy", 429, "{\"error\":\"x\"}", CMK_THROTTLED, "429" },
		{ "down", 503, "{\"error\":\"x\"}", CMK_SERVICE_DOWN, "503" },
		{ "redirect", 302, "", CMK_PROTOCOL, "redirects" },
	};

	(void)state;
	config_init(&config);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_http_reply_ struct http_reply reply;
		struct cmk_err err = { 0 };
		char id[TOKEN_ID_MAX] = "";
		make_reply(&reply, HOST, rows[i].status, rows[i].body);
		CHECK_INT(rows[i].name,
			  entra_tenant_reply(&config.clouds[0], DOMAIN, &reply, id, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		CHECK_TEXT(rows[i].name, id, rows[i].code == CMK_OK ? TENANT : "");
		CHECK_TEXT(rows[i].name, err.request_id, REQUEST);
		CHECK_TEXT(rows[i].name, err.cause, "");
		if (rows[i].code != CMK_OK)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
	}
}

/* By the table of causes; the last one is not in it. */
static void test_refusals(void **state)
{
	static const struct {
		const char *body;
		enum cmk_code code;
		const char *part, *cause;
	} rows[] = {
		{ "{\"error\":\"invalid_tenant\",\"error_description\":\"AADSTS90002: Tenant not "
		  "found.\\r\\nTrace ID: x\"}",
		  CMK_TENANT,
		  "knows no tenant " DOMAIN
		  ": there is no such tenant in this cloud (AADSTS90002); "
		  "correct the domain",
		  "AADSTS90002" },
		{ "{\"error\":\"invalid_request\",\"error_codes\":[900023]}", CMK_TENANT,
		  "(AADSTS900023)", "AADSTS900023" },
		{ "{\"error\":\"temporarily_unavailable\",\"error_codes\":[90033]}",
		  CMK_SERVICE_DOWN, "does not say whose domain " DOMAIN " is", "AADSTS90033" },
		{ "{\"error\":\"x\",\"error_description\":\"AADSTS123456: Words\"}", CMK_TENANT,
		  "knows no tenant " DOMAIN ": AADSTS123456: Words; correct", "" },
	};

	(void)state;
	config_init(&config);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_http_reply_ struct http_reply reply;
		struct cmk_err err = { 0 };
		char id[TOKEN_ID_MAX] = "";
		make_reply(&reply, HOST, 400, rows[i].body);
		CHECK_INT(rows[i].part,
			  entra_tenant_reply(&config.clouds[0], DOMAIN, &reply, id, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].part, err.code, rows[i].code);
		CHECK_TEXT(rows[i].part, err.cause, rows[i].cause);
		CHECK_SENTENCE(rows[i].part, err.text, rows[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
