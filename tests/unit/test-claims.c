/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an assertion says of itself: read, never trusted. */
#include "rows.h"

#include "base/b64.h"
#include "identity/claims.h"

#define NOW  1795454820
#define BASE "\"iss\":\"https://i.example/v2.0\",\"sub\":\"s\",\"exp\":1795455000"

static int read_body(const char *name, const char *body, struct claims *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret jwt = { 0 };
	char text[8192], encoded[6000];

	CHECK_INT(name,
		  b64url_encode((const uint8_t *)body, strlen(body), encoded, sizeof(encoded)), 0);
	(void)snprintf(text, sizeof(text), "eyJhbGciOiJSUzI1NiJ9.%s.c2ln", encoded);
	CHECK_INT(name, secret_set(&jwt, text, strlen(text)), 0);
	return claims_read(&jwt, ret, err);
}

static void test_read(void **state)
{
	static const struct {
		const char *name, *body;
		bool good;
		const char *audience, *part;
	} rows[] = {
		{ "one audience", "{" BASE ",\"aud\":\"api://x\"}", true, "api://x", "" },
		{ "several", "{" BASE ",\"aud\":[\"a\",\"b\"]}", true, "a", "" },
		{ "none", "{" BASE "}", true, "", "" },
		{ "an odd one", "{" BASE ",\"aud\":{\"a\":1}}", true, "", "" },
		{ "an empty list", "{" BASE ",\"aud\":[]}", true, "", "" },
		{ "no issuer", "{\"sub\":\"s\",\"exp\":1}", false, "", "iss" },
		{ "no subject", "{\"iss\":\"s\",\"exp\":1}", false, "", "sub" },
		{ "no end", "{\"iss\":\"i\",\"sub\":\"s\"}", false, "", "exp" },
		{ "no object", "[]", false, "", "object" },
		{ "no JSON", "<html>", false, "", "JSON" },
		{ "nothing", "", false, "", "JSON" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct claims claims = { .subject = "before" };
		struct cmk_err err = { 0 };
		int r = read_body(rows[i].name, rows[i].body, &claims, &err);
		CHECK_INT(rows[i].name, r == 0, rows[i].good);
		CHECK_TEXT(rows[i].name, claims.audience, rows[i].audience);
		CHECK_TEXT(rows[i].name, claims.subject, rows[i].good ? "s" : "before");
		if (rows[i].good)
			continue;
		CHECK_INT(rows[i].name, err.code, CMK_IDENTITY);
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
	}
}

static void test_no_jwt(void **state)
{
	static const char *const rows[] = {
		"", "a", "a.b", "..", "a..c", "a.%%.c", "a.b=.c", "a.b"
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct claims claims = { 0 };
		struct cmk_err err = { 0 };
		assert_int_equal(secret_set(&jwt, rows[i], strlen(rows[i])), 0);
		CHECK(rows[i], claims_read(&jwt, &claims, &err) < 0);
		CHECK_INT(rows[i], err.code, CMK_IDENTITY);
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
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_no_jwt),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
