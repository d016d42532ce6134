/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exponential back-off with full jitter. */

#include "backoff.h"

#include <sys/random.h>

/* 0 to limit, evenly enough for jitter; limit itself without random bytes (early boot). */
static int64_t jitter(int64_t limit)
{
	uint64_t random;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return limit;
	return (int64_t)(random % (uint64_t)(limit + 1));
}

int64_t backoff_ms(unsigned attempt, int64_t retry_after_ms)
{
	if (retry_after_ms >= 0)
		return retry_after_ms + BACKOFF_LEAST_MS + jitter(BACKOFF_BASE_MS);
	int64_t limit = BACKOFF_BASE_MS;
	while (attempt-- > 0 && limit < BACKOFF_CAP_MS)
		limit *= 2;
	if (limit > BACKOFF_CAP_MS)
		limit = BACKOFF_CAP_MS;
	int64_t wait = jitter(limit);
	return wait < BACKOFF_LEAST_MS ? BACKOFF_LEAST_MS : wait;
}

int64_t backoff_within_ms(unsigned attempt, int64_t retry_after_ms, int64_t left_ms)
{
	int64_t wait = backoff_ms(attempt, retry_after_ms);
	if (retry_after_ms < 0 && wait > left_ms / 2)
		wait = left_ms / 2;
	return left_ms - wait < BACKOFF_ATTEMPT_MS ? -1 : wait;
}
