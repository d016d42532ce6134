/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

static void test_bounds(void **state)
{
	(void)state;
	static const struct {
		unsigned attempt;
		int64_t retry_after, least, most;
	} cases[] = {
		{ 0, -1, BACKOFF_LEAST_MS, BACKOFF_BASE_MS },
		{ 1, -1, BACKOFF_LEAST_MS, 2 * BACKOFF_BASE_MS },
		{ 3, -1, BACKOFF_LEAST_MS, 8 * BACKOFF_BASE_MS },
		{ 40, -1, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
		{ 4000000000U, -1, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
		{ 0, 0, BACKOFF_LEAST_MS, BACKOFF_LEAST_MS + BACKOFF_BASE_MS },
		{ 9, 30000, 30000, 30000 + BACKOFF_LEAST_MS + BACKOFF_BASE_MS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t lowest = INT64_MAX, highest = 0;
		for (int n = 0; n < 2000; n++) {
			int64_t wait = backoff_ms(cases[i].attempt, cases[i].retry_after);
			lowest = wait < lowest ? wait : lowest;
			highest = wait > highest ? wait : highest;
		}
		assert_in_range(lowest, cases[i].least, cases[i].most);
		assert_in_range(highest, cases[i].least, cases[i].most);
		/* Spread over the range, not bunched: in 2000 draws both quarters at its ends are met. */
		int64_t quarter = (cases[i].most - cases[i].least) / 4;
		assert_true(lowest <= cases[i].least + quarter);
		assert_true(highest >= cases[i].most - quarter);
	}
}

static void test_within(void **state)
{
	(void)state;
	static const struct {
		unsigned attempt;
		int64_t retry_after, left, least, most;
	} cases[] = {
		{ 0, -1, 60000, BACKOFF_LEAST_MS, BACKOFF_BASE_MS },
		{ 9, -1, 1000, BACKOFF_LEAST_MS, 500 },
		{ 9, -1, 2 * BACKOFF_ATTEMPT_MS, BACKOFF_LEAST_MS, BACKOFF_ATTEMPT_MS },
		{ 9, -1, BACKOFF_ATTEMPT_MS, -1, -1 },
		{ 0, -1, 0, -1, -1 },
		{ 0, -1, -5, -1, -1 },
		{ 0, 1000, 1000, -1, -1 },
		{ 0, 1000, 60000, 1000, 1000 + BACKOFF_LEAST_MS + BACKOFF_BASE_MS },
		{ 0, 86400000, 60000, -1, -1 },
		{ 50, -1, INT64_MAX, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int n = 0; n < 500; n++) {
			int64_t wait = backoff_within_ms(cases[i].attempt, cases[i].retry_after,
							 cases[i].left);
			if (wait < cases[i].least || wait > cases[i].most)
				fail_msg("case %zu: %lld", i, (long long)wait);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounds),
					    cmocka_unit_test(test_within) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
