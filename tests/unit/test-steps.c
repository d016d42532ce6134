/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which step of a check a refusal belongs to, and how many steps are kept. */
#include "rows.h"

#include "steps.h"

static void test_failed(void **state)
{
	static const struct {
		const char *request;
		enum cmk_code code;
		const char *cause, *step;
	} rows[] = {
		{ "identity", CMK_SERVICE_DOWN, "", "identity" },
		{ "identity", CMK_IDENTITY, "imds:identity-not-found", "identity" },
		{ "sign-in", CMK_TENANT, "AADSTS90002", "tenant" },
		{ "sign-in", CMK_CONSENT, "AADSTS700016", "sign-in" },
		{ "sign-in", CMK_TIMEOUT, "", "sign-in" },
		{ "key", CMK_GRANT, "ForbiddenByRbac", "grant" },
		{ "key", CMK_FIREWALL, "ForbiddenByFirewall", "vault" },
		{ "key", CMK_TENANT, "AKV10032", "tenant" },
		{ "key", CMK_CONFIG, "AKV10022", "vault" },
		{ "key", CMK_KEY_GONE, "KeyNotFound", "key" },
		{ "key", CMK_POLICY, "key:expired", "key" },
		{ "key", CMK_KEY_OPERATION, "key:unsuitable", "algorithm" },
		{ "key", CMK_THROTTLED, "", "vault" },
		{ "key", CMK_PROTOCOL, "", "key" },
		{ "unwrap", CMK_KEY_DISABLED, "KeyDisabled", "key" },
		{ "unwrap", CMK_GRANT, "ForbiddenByRbac", "grant" },
		{ "unwrap", CMK_KEY_OPERATION, "KeyOperationForbidden", "algorithm" },
		{ "unwrap", CMK_KEY_OPERATION, "BadParameter", "unwrap" },
		{ "unwrap", CMK_HEADER_CHANGED, "", "unwrap" },
		{ "unwrap", CMK_DNS, "", "vault" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { .code = rows[i].code };
		char name[96];
		(void)snprintf(name, sizeof(name), "%s %s %s", rows[i].request,
			       cmk_code_name(rows[i].code), rows[i].cause);
		(void)snprintf(err.cause, sizeof(err.cause), "%s", rows[i].cause);
		CHECK_TEXT(name, steps_failed(rows[i].request, &err), rows[i].step);
	}
}

static void test_note(void **state)
{
	static struct steps steps;
	char host[2 * CONFIG_HOST_MAX];

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	for (int i = 0; i < STEPS_MAX + 3; i++)
		steps_note(&steps, "dns", i == 0 ? "h.example" : host, i, CMK_DNS);
	assert_int_equal(steps.count, STEPS_MAX);
	assert_string_equal(steps.items[0].host, "h.example");
	assert_string_equal(steps.items[1].host, "");
	assert_int_equal(steps.items[STEPS_MAX - 1].ms, STEPS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
