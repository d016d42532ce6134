/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long to wait before asking a service again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The first wait is at most BASE, each later one at most twice the one before, none above CAP. */
#define BACKOFF_BASE_MS 500
#define BACKOFF_CAP_MS	10000
/* A service that is there, and asks for fewer requests, is there for others, too: they are given room. */
#define BACKOFF_THROTTLED_BASE_MS 2000
#define BACKOFF_THROTTLED_CAP_MS  60000
/* Never less: a service that refuses at once is not asked in a tight loop. */
#define BACKOFF_LEAST_MS 50

struct backoff {
	unsigned attempt; /* that failed; 0 is the first */
	bool throttled;	  /* the service asked for fewer requests */
	int64_t wish_ms;  /* and not to be asked before (Retry-After); negative: it did not say */
};

/*
 * Milliseconds to wait after a failure: exponential with full jitter, so that a thousand machines that lost
 * the same vault do not come back in step. A service's wish is heeded, with the jitter on top: a thousand
 * machines have the same one.
 */
int64_t backoff_ms(const struct backoff *backoff);

/*
 * From a deadline to the next round of attempts: as after many of them, for machines that started together
 * reach it together. backoff_pause() waits for so long, or until a signal.
 */
int64_t backoff_pause_ms(bool throttled);
void backoff_pause(bool throttled);

/* An attempt with less time than this is not worth its connection. */
#define BACKOFF_ATTEMPT_MS 200
/* Nor is a wait for which only this part of its limit is left: many would knock ever faster at the end. */
#define BACKOFF_LEAST_PART 8

/*
 * The same with left_ms until the deadline, or -1 if no attempt fits any more. A wait of our own choosing
 * leaves half of that to the attempt, so that the last one comes late: what was away may be back. A
 * service's wish is never cut short, only the jitter on it.
 */
int64_t backoff_within_ms(const struct backoff *backoff, int64_t left_ms);
