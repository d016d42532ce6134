/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tool believes of the helper's answers: nothing that could harm where it will stand. */
#include "rows.h"

#include "tools/admin/lookup.h"

#define TENANT "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"

static void test_tenant(void **state)
{
	static const struct {
		const char *detail;
		bool good;
	} rows[] = {
		{ "{\"tenant_id\":\"" TENANT "\"}", true },
		{ "{\"tenant_id\":\"" TENANT "\",\"later\":[]}", true },
		{ "{\"tenant_id\":\"contoso.com\"}", false },
		{ "{\"tenant_id\":\"" TENANT "0\"}", false },
		{ "{\"tenant_id\":7}", false },
		{ "{}", false },
		{ "", false },
		{ NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = rows[i].detail ? rows[i].detail : "none";
		char id[TOKEN_ID_MAX] = "";
		struct cmk_err err = { 0 };

		CHECK_INT(name, lookup_parse_tenant(rows[i].detail, id, &err) == 0, rows[i].good);
		CHECK_TEXT(name, id, rows[i].good ? TENANT : "");
		CHECK_INT(name, err.code, rows[i].good ? CMK_OK : CMK_HELPER);
	}
}

#define CLAIMS(issuer, tenant)                                                                    \
	"{\"issuer\":\"" issuer "\",\"subject\":\"s\",\"audience\":\"a\",\"tenant_id\":\"" tenant \
	"\"}"

static void test_claims(void **state)
{
	static const struct {
		const char *detail;
		bool good;
	} rows[] = {
		{ CLAIMS("https://i", TENANT), true },
		{ CLAIMS("https://i", ""), true },
		{ "{\"issuer\":\"https://i\",\"subject\":\"s\",\"audience\":\"a\"}", true },
		{ CLAIMS("https://i", "tenant"), false },
		{ CLAIMS("$(id)", TENANT), false },
		{ CLAIMS("", TENANT), false },
		{ "{\"issuer\":\"i\",\"subject\":\"s\"}", false },
		{ "{", false },
		{ NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = rows[i].detail ? rows[i].detail : "none";
		struct lookup_claims claims = { 0 };
		struct cmk_err err = { 0 };

		CHECK_INT(name, lookup_parse_claims(rows[i].detail, &claims, &err) == 0,
			  rows[i].good);
		CHECK_TEXT(name, claims.issuer, rows[i].good ? "https://i" : "");
		CHECK_INT(name, err.code, rows[i].good ? CMK_OK : CMK_HELPER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tenant),
		cmocka_unit_test(test_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
