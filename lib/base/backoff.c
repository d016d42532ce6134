/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exponential back-off with full jitter. */

#include "backoff.h"

#include <limits.h>
#include <sys/random.h>
#include <time.h>

/* 0 to limit, evenly enough for jitter; limit itself without random bytes (early boot). */
static int64_t jitter(int64_t limit)
{
	uint64_t random;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return limit;
	return (int64_t)(random % (uint64_t)(limit + 1));
}

static int64_t limit_ms(const struct backoff *backoff)
{
	int64_t limit = backoff->throttled ? BACKOFF_THROTTLED_BASE_MS : BACKOFF_BASE_MS;
	int64_t cap = backoff->throttled ? BACKOFF_THROTTLED_CAP_MS : BACKOFF_CAP_MS;
	for (unsigned i = 0; i < backoff->attempt && limit < cap; i++)
		limit *= 2;
	return limit < cap ? limit : cap;
}

/* What limit allows, no less than LEAST beyond the service's wish. */
static int64_t draw_ms(const struct backoff *backoff, int64_t limit)
{
	int64_t wait = jitter(limit);
	if (backoff->wish_ms >= 0)
		return backoff->wish_ms + BACKOFF_LEAST_MS + wait;
	return wait < BACKOFF_LEAST_MS ? BACKOFF_LEAST_MS : wait;
}

int64_t backoff_ms(const struct backoff *backoff)
{
	return draw_ms(backoff, limit_ms(backoff));
}

int64_t backoff_pause_ms(bool throttled)
{
	return backoff_ms(
		&(struct backoff){ .attempt = UINT_MAX, .throttled = throttled, .wish_ms = -1 });
}

void backoff_pause(bool throttled)
{
	int64_t ms = backoff_pause_ms(throttled);
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 },
			NULL);
}

int64_t backoff_within_ms(const struct backoff *backoff, int64_t left_ms)
{
	bool own = backoff->wish_ms < 0;
	int64_t limit = limit_ms(backoff);
	int64_t most = own ? left_ms / 2
			   : left_ms - BACKOFF_ATTEMPT_MS - BACKOFF_LEAST_MS - backoff->wish_ms;
	if (most < limit / BACKOFF_LEAST_PART)
		return -1;
	int64_t wait = draw_ms(backoff, own || limit < most ? limit : most);
	if (own && wait > most)
		wait = most;
	return left_ms - wait < BACKOFF_ATTEMPT_MS ? -1 : wait;
}
