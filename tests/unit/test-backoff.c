/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"

static void test_bounds(void **state)
{
	(void)state;
	static const struct {
		struct backoff backoff;
		int64_t least, most;
	} cases[] = {
		{ { 0, false, -1 }, BACKOFF_LEAST_MS, BACKOFF_BASE_MS },
		{ { 1, false, -1 }, BACKOFF_LEAST_MS, 2 * BACKOFF_BASE_MS },
		{ { 3, false, -1 }, BACKOFF_LEAST_MS, 8 * BACKOFF_BASE_MS },
		{ { 40, false, -1 }, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
		{ { 4000000000U, false, -1 }, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
		{ { 0, false, 0 }, BACKOFF_LEAST_MS, BACKOFF_LEAST_MS + BACKOFF_BASE_MS },
		{ { 9, false, 30000 },
		  30000 + BACKOFF_LEAST_MS,
		  30000 + BACKOFF_LEAST_MS + BACKOFF_CAP_MS },
		{ { 0, true, -1 }, BACKOFF_LEAST_MS, BACKOFF_THROTTLED_BASE_MS },
		{ { 2, true, -1 }, BACKOFF_LEAST_MS, 4 * BACKOFF_THROTTLED_BASE_MS },
		{ { 4000000000U, true, -1 }, BACKOFF_LEAST_MS, BACKOFF_THROTTLED_CAP_MS },
		{ { 1, true, 7000 },
		  7000 + BACKOFF_LEAST_MS,
		  7000 + BACKOFF_LEAST_MS + 2 * BACKOFF_THROTTLED_BASE_MS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t lowest = INT64_MAX, highest = 0;
		for (int n = 0; n < 2000; n++) {
			int64_t wait = backoff_ms(&cases[i].backoff);
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

static void test_pause(void **state)
{
	(void)state;
	for (int throttled = 0; throttled <= 1; throttled++) {
		int64_t cap = throttled ? BACKOFF_THROTTLED_CAP_MS : BACKOFF_CAP_MS, highest = 0;
		for (int n = 0; n < 2000; n++) {
			int64_t wait = backoff_pause_ms(throttled);
			assert_in_range(wait, BACKOFF_LEAST_MS, cap);
			highest = wait > highest ? wait : highest;
		}
		assert_true(highest > cap / 4 * 3);
	}
}

static void test_within(void **state)
{
	(void)state;
	static const struct {
		struct backoff backoff;
		int64_t left, least, most;
	} cases[] = {
		{ { 0, false, -1 }, 60000, BACKOFF_LEAST_MS, BACKOFF_BASE_MS },
		{ { 9, false, -1 }, 3000, BACKOFF_LEAST_MS, 1500 },
		{ { 0, false, -1 }, 2 * BACKOFF_ATTEMPT_MS, BACKOFF_LEAST_MS, BACKOFF_ATTEMPT_MS },
		{ { 0, false, -1 }, BACKOFF_ATTEMPT_MS, -1, -1 },
		{ { 0, false, -1 }, 0, -1, -1 },
		{ { 0, false, -1 }, -5, -1, -1 },
		{ { 50, false, -1 }, INT64_MAX, BACKOFF_LEAST_MS, BACKOFF_CAP_MS },
		/* What is left is too small a part of what is due. */
		{ { 9, false, -1 }, 2 * BACKOFF_CAP_MS / BACKOFF_LEAST_PART - 2, -1, -1 },
		{ { 9, true, -1 }, 2 * BACKOFF_THROTTLED_CAP_MS / BACKOFF_LEAST_PART - 2, -1, -1 },
		{ { 1, true, 1000 }, 1000 + BACKOFF_LEAST_MS + BACKOFF_ATTEMPT_MS + 499, -1, -1 },
		/* The jitter is cut to what is left, the wish is not. */
		{ { 0, false, 1000 }, 1000, -1, -1 },
		{ { 0, false, 1000 },
		  60000,
		  1000 + BACKOFF_LEAST_MS,
		  1000 + BACKOFF_LEAST_MS + BACKOFF_BASE_MS },
		{ { 9, false, 1000 }, 6000, 1000 + BACKOFF_LEAST_MS, 6000 - BACKOFF_ATTEMPT_MS },
		{ { 0, true, 86400000 }, 60000, -1, -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int n = 0; n < 500; n++) {
			int64_t wait = backoff_within_ms(&cases[i].backoff, cases[i].left);
			if (wait < cases[i].least || wait > cases[i].most)
				fail_msg("case %zu: %lld", i, (long long)wait);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounds),
					    cmocka_unit_test(test_pause),
					    cmocka_unit_test(test_within) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
