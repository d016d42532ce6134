/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What luks-cmk check makes of the helper's report: steps, attributes, warnings. */
#include "rows.h"

#include "tools/admin/probe.h"
#include "tools/admin/warnings.h"

#define STEP "{\"name\":\"key\",\"host\":\"h\",\"ms\":12,\"code\":\"ok\"}"
#define NOW  1795454820
#define DAY  86400

static void test_parse(void **state)
{
	static const struct {
		const char *detail;
		enum cmk_code code;
		size_t steps;
		bool key;
	} rows[] = {
		{ "{}", CMK_OK, 0, false },
		{ "{\"steps\":[]}", CMK_OK, 0, false },
		{ "{\"steps\":[" STEP "," STEP "]}", CMK_OK, 2, false },
		{ "{\"steps\":[" STEP "],\"key\":null}", CMK_OK, 1, false },
		{ "{\"steps\":[" STEP "],\"key\":{\"kid\":\"k\",\"enabled\":true,\"later\":[]}}",
		  CMK_OK, 1, true },
		{ "{\"steps\":[],\"found\":{\"clock_ahead\":-600,\"issuer\":\"i\",\"new\":1}}",
		  CMK_OK, 0, false },
		{ "{\"steps\":[],\"found\":{\"clock_ahead\":\"x\"}}", CMK_HELPER, 0, false },
		{ "", CMK_HELPER, 0, false },
		{ "[", CMK_HELPER, 0, false },
		{ "{\"steps\":[{}]}", CMK_HELPER, 0, false },
		{ "{\"steps\":[1]}", CMK_HELPER, 0, false },
		{ "{\"steps\":[" STEP "],\"key\":{}}", CMK_HELPER, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct probe_result result;
		struct cmk_err err = { 0 };
		int r;

		result = (struct probe_result){ 0 };
		r = probe_parse(rows[i].detail, &result, &err);
		CHECK_INT(rows[i].detail, err.code, rows[i].code);
		CHECK_INT(rows[i].detail, r == 0, rows[i].code == CMK_OK);
		CHECK_INT(rows[i].detail, result.steps_count, rows[i].steps);
		CHECK_INT(rows[i].detail, result.has_key, rows[i].key);
	}
}

/* The helper bounds its report; a longer one must not write past the steps that are kept. */
static void test_many_steps(void **state)
{
	static struct probe_result result;
	static char detail[64 * (PROBE_STEPS_MAX + 8)] = "{\"steps\":[" STEP;
	size_t len = strlen(detail);
	struct cmk_err err = { 0 };

	(void)state;
	for (int i = 0; i < PROBE_STEPS_MAX + 4; i++)
		len += (size_t)snprintf(detail + len, sizeof(detail) - len, "," STEP);
	(void)snprintf(detail + len, sizeof(detail) - len, "]}");
	CHECK_INT("many", probe_parse(detail, &result, &err), 0);
	CHECK_INT("many", result.steps_count, PROBE_STEPS_MAX);
	CHECK_INT("many", result.steps[0].ms, 12);
}

static void test_warnings(void **state)
{
	static const struct {
		const char *name;
		int64_t expires;
		const char *recovery;
		size_t wrappings;
		uint32_t bypass;
		size_t count;
		const char *part; /* of the first */
	} rows[] = {
		{ "all is well", 0, "Recoverable", 2, 0, 0, "" },
		{ "far away", NOW + 31 * DAY, "Recoverable", 2, 0, 0, "" },
		{ "soon", NOW + 30 * DAY, "Recoverable", 2, 0, 1, "expires on 2026-12-23" },
		{ "now", NOW, "Recoverable", 2, 0, 1, "expired on 2026-11-23" },
		{ "long ago", 1, "Recoverable", 2, 0, 1, "expired on 1970-01-01" },
		{ "beyond time", INT64_MAX, "", 2, 0, 0, "" },
		{ "purge", 0, "Recoverable+Purgeable", 2, 0, 1, "purge protection" },
		{ "purge", 0, "CustomizedRecoverable+Purgeable", 2, 0, 1, "purge protection" },
		{ "one", 0, "Recoverable", 1, 0, 1, "only one wrapping" },
		{ "bypass", 0, "Recoverable", 2, UINT32_C(1) << 31, 1, "keyslot 31 opens" },
		{ "more than fit", 1, "Purgeable", 1, UINT32_MAX, WARNINGS_MAX, "expired" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct warnings warnings = { 0 };
		struct probe_key key = { .expires = rows[i].expires };

		(void)snprintf(key.recovery_level, sizeof(key.recovery_level), "%s",
			       rows[i].recovery);
		warnings_of_key(&warnings, &key, NOW);
		warnings_of_volume(&warnings, rows[i].wrappings, rows[i].bypass);
		CHECK_INT(rows[i].name, warnings.count, rows[i].count);
		CHECK(rows[i].name, strstr(warnings.items[0], rows[i].part) != NULL);
	}
}

static void test_warnings_of_machine(void **state)
{
	static const struct {
		const char *name;
		struct probe_found found;
		size_t count;
		const char *part;
	} rows[] = {
		{ "nothing known", { 0 }, 0, "" },
		{ "well", { .clock_ahead = 149, .token_seconds = 3599 }, 0, "" },
		{ "behind", { .clock_ahead = 150 }, 1, "3 minutes behind" },
		{ "ahead", { .clock_ahead = -600 }, 1, "10 minutes ahead of" },
		{ "far", { .clock_ahead = INT64_MIN }, 1, "ahead of" },
		{ "short", { .token_seconds = 599 }, 1, "lives for 599 s only" },
		{ "rights", { .lists_keys = true }, 1, "list every key" },
		{ "all", { .clock_ahead = 600, .token_seconds = 1, .lists_keys = true }, 3, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct warnings warnings = { 0 };
		warnings_of_machine(&warnings, &rows[i].found);
		CHECK_INT(rows[i].name, warnings.count, rows[i].count);
		CHECK(rows[i].name, strstr(warnings.items[0], rows[i].part) != NULL);
	}
}

static void test_steps(void **state)
{
	static struct probe_result result;

	(void)state;
	assert_null(probe_failed_step(&result));
	probe_add_step(&result, "keyslot", "h", 7, CMK_OK);
	assert_null(probe_failed_step(&result));
	probe_add_step(&result, "plugin", "", 8, CMK_HELPER);
	assert_string_equal(probe_failed_step(&result)->name, "plugin");
	assert_string_equal(probe_failed_step(&result)->code, "helper");
	for (int i = 0; i < PROBE_STEPS_MAX; i++)
		probe_add_step(&result, "more", "", 0, CMK_OK);
	assert_int_equal(result.steps_count, PROBE_STEPS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	 cmocka_unit_test(test_many_steps),
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_warnings_of_machine),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
