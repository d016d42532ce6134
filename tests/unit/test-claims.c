/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an assertion says of itself: read, never trusted; and what must never reach a command line. */
#include "reply.h"

#include "base/b64.h"
#include "identity/claims.h"

#define NOW	 1795454820
#define ISSUER	 "https://login.microsoftonline.com/" TENANT "/v2.0"
#define AUDIENCE "api://AzureADTokenExchange"
#define WITH(issuer, subject, audience) \
	"{\"iss\":\"" issuer "\",\"sub\":\"" subject "\",\"exp\":1,\"aud\":" audience "}"

static void make_jwt(struct secret *jwt, const char *body)
{
	char text[4096];

	assert_int_equal(b64url_encode((const uint8_t *)body, strlen(body), text, sizeof(text)), 0);
	assert_int_equal(secret_init(jwt, sizeof(text) + 16), 0);
	assert_int_equal(secret_append(jwt, "e30.", 4), 0);
	assert_int_equal(secret_append(jwt, text, strlen(text)), 0);
	assert_int_equal(secret_append(jwt, ".c2ln", 5), 0);
}

static void test_good(void **state)
{
	static const struct {
		const char *name, *body;
		struct claims expected;
	} rows[] = {
		{ "managed identity",
		  "{\"aud\":\"" AUDIENCE "\",\"iss\":\"" ISSUER "\",\"sub\":\"" IDENTITY
		  "\",\"oid\":\"" IDENTITY "\",\"tid\":\"" TENANT "\",\"nbf\":7,\"exp\":8}",
		  { ISSUER, IDENTITY, AUDIENCE, TENANT, 7, 8 } },
		{ "list of one",
		  WITH("https://i", "1", "[\"" AUDIENCE "\"]"),
		  { "https://i", "1", AUDIENCE, "", 0, 1 } },
		{ "tenant of another form",
		  "{\"aud\":\"a\",\"iss\":\"i\",\"sub\":\"s\",\"exp\":1,\"tid\":\"$(id)\"}",
		  { "i", "s", "a", "", 0, 1 } },
		{ "tenant of another type",
		  "{\"aud\":\"a\",\"iss\":\"i\",\"sub\":\"s\",\"exp\":1,\"tid\":5}",
		  { "i", "s", "a", "", 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct claims claims;

		make_jwt(&jwt, rows[i].body);
		CHECK_INT(rows[i].name, claims_read(&jwt, &claims, NULL), 0);
		CHECK_TEXT(rows[i].name, claims.issuer, rows[i].expected.issuer);
		CHECK_TEXT(rows[i].name, claims.subject, rows[i].expected.subject);
		CHECK_TEXT(rows[i].name, claims.audience, rows[i].expected.audience);
		CHECK_TEXT(rows[i].name, claims.tenant_id, rows[i].expected.tenant_id);
		CHECK_INT(rows[i].name, claims.not_before, rows[i].expected.not_before);
		CHECK_INT(rows[i].name, claims.expires, rows[i].expected.expires);
	}
}

static void check_refused(const char *name, const struct secret *jwt, const char *part)
{
	struct claims claims = { .subject = "before" };
	struct cmk_err err = { 0 };

	CHECK_INT(name, claims_read(jwt, &claims, &err), cmk_code_errno(CMK_IDENTITY));
	CHECK_INT(name, err.code, CMK_IDENTITY);
	CHECK_SENTENCE(name, err.text, part);
	CHECK_TEXT(name, claims.issuer, "");
	CHECK_TEXT(name, claims.subject, "before");
}

static void test_bad(void **state)
{
	static const struct {
		const char *body, *part;
	} rows[] = {
		{ "", "JSON" },
		{ "<html>", "JSON" },
		{ "[]", "object" },
		{ "{}", "iss" },
		{ "{\"sub\":\"s\",\"aud\":\"a\",\"exp\":1}", "iss" },
		{ "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1}", "sub" },
		{ "{\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"a\"}", "exp" },
		{ "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1}", "one audience" },
		{ WITH("i", "s", "[]"), "one audience" },
		{ WITH("i", "s", "[\"a\",\"b\"]"), "one audience" },
		{ WITH("i", "s", "{\"a\":\"b\"}"), "one audience" },
		{ WITH("i", "s", "7"), "one audience" },
		{ WITH("$(reboot)", "s", "\"a\""), "characters" },
		{ WITH("i", "'; reboot; '", "\"a\""), "characters" },
		{ WITH("i", "s", "\"`id`\""), "characters" },
		{ WITH("i", "s\\u001b[2J", "\"a\""), "characters" },
		{ WITH("i", "s\\n", "\"a\""), "characters" },
		{ WITH("", "s", "\"a\""), "characters" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };

		make_jwt(&jwt, rows[i].body);
		check_refused(rows[i].body, &jwt, rows[i].part);
	}
}

static void test_no_jwt(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "", "no JWT" },	{ ".", "no JWT" },	  { "a", "no JWT" },
		{ "a.b", "no JWT" },	{ "a.?.c", "no JWT" },	  { "a.%%.c", "no JWT" },
		{ "a.b=.c", "no JWT" }, { "a.e30=.c", "no JWT" }, { "a.A.c", "no JWT" },
		{ "..", "JSON" },	{ "a..c", "JSON" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };

		assert_int_equal(secret_set(&jwt, rows[i].text, strlen(rows[i].text)), 0);
		check_refused(rows[i].text, &jwt, rows[i].part);
	}
}

static void test_length(void **state)
{
	char subject[700];

	(void)state;
	memset(subject, 's', sizeof(subject));
	for (size_t len = 600; len <= 601; len++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct claims claims;
		char body[1024];

		(void)snprintf(body, sizeof(body), WITH("i", "%.*s", "\"a\""), (int)len, subject);
		make_jwt(&jwt, body);
		CHECK_INT("length", claims_read(&jwt, &claims, NULL) == 0, len == 600);
	}
}

static void test_time(void **state)
{
	static const struct {
		const char *name;
		int64_t from, to;
		const char *part; /* NULL: in its time */
	} rows[] = {
		{ "usual", NOW - 300, NOW + 86400, NULL },
		{ "no beginning", 0, NOW + 1, NULL },
		{ "just over", 0, NOW - 299, NULL },
		{ "over", 0, NOW - 3600, "expired 60 minutes ago" },
		{ "soon", NOW + 299, NOW + 600, NULL },
		{ "later", NOW + 301, NOW + 600, "not valid yet" },
		{ "beyond all numbers", INT64_MIN, INT64_MAX, NULL },
		{ "before all numbers", 0, INT64_MIN, "expired" },
		{ "after all numbers", INT64_MAX, INT64_MAX, "not valid yet" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct claims claims = { .not_before = rows[i].from, .expires = rows[i].to };
		struct cmk_err err = { 0 };
		int r = claims_check_time(&claims, NOW, &err);
		CHECK_INT(rows[i].name, r == 0, rows[i].part == NULL);
		if (r == 0)
			continue;
		CHECK_INT(rows[i].name, err.code, CMK_CLOCK);
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_jwt), cmocka_unit_test(test_length),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
