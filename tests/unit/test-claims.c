/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims of an assertion: what is shown, and what must never reach a command line. */
#include "reply.h"

#include "base/b64.h"
#include "identity/claims.h"

#define ISSUER	 "https://login.microsoftonline.com/" TENANT "/v2.0"
#define AUDIENCE "api://AzureADTokenExchange"

static void make_jwt(struct secret *jwt, const char *payload)
{
	char text[4096];

	assert_int_equal(b64url_encode((const uint8_t *)payload, strlen(payload), text,
				       sizeof(text)),
			 0);
	assert_int_equal(secret_init(jwt, sizeof(text) + 16), 0);
	assert_int_equal(secret_append(jwt, "e30.", 4), 0);
	assert_int_equal(secret_append(jwt, text, strlen(text)), 0);
	assert_int_equal(secret_append(jwt, ".c2ln", 5), 0);
}

static void test_good(void **state)
{
	static const struct {
		const char *name, *payload, *issuer, *subject, *audience, *tenant;
	} rows[] = {
		{ "managed identity",
		  "{\"aud\":\"" AUDIENCE "\",\"iss\":\"" ISSUER "\",\"sub\":\"" IDENTITY
		  "\",\"oid\":\"" IDENTITY "\",\"tid\":\"" TENANT "\",\"exp\":1}",
		  ISSUER, IDENTITY, AUDIENCE, TENANT },
		{ "list of one", "{\"aud\":[\"" AUDIENCE "\"],\"iss\":\"https://i\",\"sub\":\"1\"}",
		  "https://i", "1", AUDIENCE, "" },
		{ "tenant of another form",
		  "{\"aud\":\"a\",\"iss\":\"i\",\"sub\":\"s\",\"tid\":\"$(id)\"}", "i", "s", "a",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct claims claims;

		make_jwt(&jwt, rows[i].payload);
		CHECK_INT(rows[i].name, claims_read(&jwt, &claims, NULL), 0);
		CHECK_TEXT(rows[i].name, claims.issuer, rows[i].issuer);
		CHECK_TEXT(rows[i].name, claims.subject, rows[i].subject);
		CHECK_TEXT(rows[i].name, claims.audience, rows[i].audience);
		CHECK_TEXT(rows[i].name, claims.tenant_id, rows[i].tenant);
	}
}

static void check_refused(const char *name, const struct secret *jwt, const char *part)
{
	struct claims claims = { 0 };
	struct cmk_err err = { 0 };

	CHECK_INT(name, claims_read(jwt, &claims, &err), cmk_code_errno(CMK_PROTOCOL));
	CHECK_INT(name, err.code, CMK_PROTOCOL);
	CHECK_SENTENCE(name, err.text, part);
	CHECK_TEXT(name, claims.issuer, "");
}

#define WITH(issuer, subject, audience) \
	"{\"iss\":\"" issuer "\",\"sub\":\"" subject "\",\"aud\":" audience "}"

static void test_bad(void **state)
{
	static const struct {
		const char *payload, *part;
	} rows[] = {
		{ "", "assertion" },
		{ "[]", "assertion" },
		{ "{}", "iss" },
		{ "{\"iss\":\"i\",\"aud\":\"a\"}", "sub" },
		{ "{\"iss\":\"i\",\"sub\":\"s\"}", "one audience" },
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
	static const char *const no_jws[] = { "",      ".",	   "a",	 "a.b",
					      "a.?.c", "a.e30=.c", "..", "a.A.c" };
	char subject[700];
	char payload[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };

		make_jwt(&jwt, rows[i].payload);
		check_refused(rows[i].payload, &jwt, rows[i].part);
	}
	for (size_t i = 0; i < COUNT(no_jws); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };

		assert_int_equal(secret_set(&jwt, no_jws[i], strlen(no_jws[i])), 0);
		check_refused(no_jws[i], &jwt, "assertion");
	}
	memset(subject, 's', sizeof(subject));
	for (size_t len = 600; len <= 601; len++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct claims claims;

		(void)snprintf(payload, sizeof(payload), WITH("i", "%.*s", "\"a\""), (int)len,
			       subject);
		make_jwt(&jwt, payload);
		CHECK_INT("length", claims_read(&jwt, &claims, NULL) == 0, len == 600);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
