/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long to wait before asking a service again. */
#pragma once

#include <stdint.h>

/* The first wait is at most BASE, each later one at most twice the one before, none above CAP. */
#define BACKOFF_BASE_MS 500
#define BACKOFF_CAP_MS	10000
/* Never less: a service that refuses at once is not asked in a tight loop. */
#define BACKOFF_LEAST_MS 50

/*
 * Milliseconds to wait after failure number attempt (0 is the first): exponential with full jitter, so
 * that a thousand machines that lost the same vault do not come back in step. With the service's own
 * wish (Retry-After; negative: none) that, and a jitter of up to BASE on top.
 */
int64_t backoff_ms(unsigned attempt, int64_t retry_after_ms);

/* An attempt with less time than this is not worth its connection. */
#define BACKOFF_ATTEMPT_MS 200

/*
 * The same with left_ms until the deadline, or -1 if no attempt fits any more. A wait of our own choosing
 * leaves half of that to the attempt, so that the last one comes late: what was away may be back. A
 * service's wish is never cut short.
 */
int64_t backoff_within_ms(unsigned attempt, int64_t retry_after_ms, int64_t left_ms);
