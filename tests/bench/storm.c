/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Machines start together, and their customer's vault answers so many requests and no more: simulated in virtual
 * time, with the back-off that the helper uses. Without an argument: all storms as JSON, for tests/bench/report.
 * With "check": fails unless they go as they should.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/backoff.h"
#include "format/config.h"

#define VOLUMES	   4	 /* of each machine; all have to open */
#define WINDOW_MS  10000 /* the vault counts in windows, and then */
#define WINDOW_MAX 250	 /* answers this many: Key Vault, an HSM key of 4096 bits */
#define SIGN_IN_MS 100	 /* one for each machine */
#define TRIP_MS	   20	 /* to the vault and back */
#define SEED	   1
/* Longer than any storm here lasts; a storm that is not over by then does not end. */
#define SECONDS_MAX 14400

struct volume {
	int64_t next_ms;   /* when its next request is sent */
	int64_t helper_ms; /* since when its helper runs */
	int64_t open_ms;   /* -1: not open */
	unsigned attempts;
};

struct storm {
	size_t machines;
	uint32_t timeout;
	bool retry_after;
	struct volume *volumes;
	struct volume **heap; /* by next_ms */
	size_t waiting;
	int64_t window;
	unsigned answered; /* in this window */
	uint64_t requests;
	uint32_t arrivals[SECONDS_MAX]; /* in each second */
};

/* Instead of the kernel's: the same storm each time. A linear congruential generator, its halves folded. */
static uint64_t random_state;
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
	uint64_t folded;

	(void)flags;
	random_state = random_state * 6364136223846793005U + 1442695040888963407U;
	folded = random_state ^ (random_state >> 32);
	if (size != sizeof(folded))
		abort();
	memcpy(buffer, &folded, size);
	return (ssize_t)size;
}

static void swap(struct volume **a, struct volume **b)
{
	struct volume *kept = *a;
	*a = *b;
	*b = kept;
}

static void push(struct storm *storm, struct volume *volume)
{
	size_t at = storm->waiting++;

	storm->heap[at] = volume;
	while (at > 0 && storm->heap[(at - 1) / 2]->next_ms > storm->heap[at]->next_ms) {
		swap(&storm->heap[(at - 1) / 2], &storm->heap[at]);
		at = (at - 1) / 2;
	}
}

static struct volume *pop(struct storm *storm)
{
	struct volume *first = storm->heap[0];
	size_t at = 0;

	storm->heap[0] = storm->heap[--storm->waiting];
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < storm->waiting &&
		    storm->heap[child + 1]->next_ms < storm->heap[child]->next_ms)
			child++;
		if (child >= storm->waiting ||
		    storm->heap[at]->next_ms <= storm->heap[child]->next_ms)
			return first;
		swap(&storm->heap[at], &storm->heap[child]);
		at = child;
	}
}

/* The vault's answer: true, or the Retry-After that comes with 429. */
static bool vault_answers(struct storm *storm, int64_t now_ms, int64_t *ret_retry_after_ms)
{
	storm->requests++;
	storm->arrivals[now_ms / 1000]++;
	if (now_ms / WINDOW_MS != storm->window) {
		storm->window = now_ms / WINDOW_MS;
		storm->answered = 0;
	}
	*ret_retry_after_ms = -1;
	if (storm->answered++ < WINDOW_MAX)
		return true;
	if (storm->retry_after) /* in whole seconds, as the header is */
		*ret_retry_after_ms = ((storm->window + 1) * WINDOW_MS - now_ms + 999) / 1000 *
				      1000;
	return false;
}

/* As lane.c does after a failure, and answer.c when the time is up. False: it gives up. */
static bool go_on(const struct storm *storm, struct volume *volume, int64_t now_ms,
		  int64_t retry_after_ms)
{
	bool forever = storm->timeout == CONFIG_TIMEOUT_FOREVER;
	int64_t timeout_s = forever ? CONFIG_TIMEOUT_DEFAULT : storm->timeout;
	int64_t deadline_ms = volume->helper_ms + timeout_s * 1000;
	const struct backoff backoff = { volume->attempts++, true, retry_after_ms };
	int64_t wait = backoff_within_ms(&backoff, deadline_ms - now_ms);

	if (wait < 0 && !forever)
		return false;
	volume->next_ms = now_ms + wait;
	if (wait < 0) {
		volume->next_ms = volume->helper_ms = deadline_ms + backoff_pause_ms(true);
		volume->attempts = 0;
	}
	return volume->next_ms < (SECONDS_MAX - 1) * 1000;
}

static void run(struct storm *storm)
{
	for (size_t i = 0; i < storm->machines * VOLUMES; i++) {
		struct volume *volume = &storm->volumes[i];
		*volume = (struct volume){ .next_ms = SIGN_IN_MS, .open_ms = -1 };
		push(storm, volume);
	}
	while (storm->waiting > 0) {
		struct volume *volume = pop(storm);
		int64_t retry_after_ms;

		if (vault_answers(storm, volume->next_ms + TRIP_MS / 2, &retry_after_ms))
			volume->open_ms = volume->next_ms + TRIP_MS;
		else if (go_on(storm, volume, volume->next_ms + TRIP_MS, retry_after_ms))
			push(storm, volume);
	}
}

static int by_time(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;

	return (first > second) - (first < second);
}

/* When each machine has all its volumes open, in order; INT64_MAX: never. */
static int64_t *machines_open(const struct storm *storm)
{
	int64_t *open_ms = calloc(storm->machines, sizeof(*open_ms));

	if (open_ms == NULL)
		abort();
	for (size_t i = 0; i < storm->machines * VOLUMES; i++) {
		int64_t volume_ms = storm->volumes[i].open_ms;
		int64_t *machine_ms = &open_ms[i / VOLUMES];

		if (volume_ms < 0)
			*machine_ms = INT64_MAX;
		else if (volume_ms > *machine_ms)
			*machine_ms = volume_ms;
	}
	qsort(open_ms, storm->machines, sizeof(*open_ms), by_time);
	return open_ms;
}

static size_t count_until(const int64_t *open_ms, size_t count, int64_t until_ms)
{
	size_t open = 0;

	while (open < count && open_ms[open] <= until_ms)
		open++;
	return open;
}

static void print_storm(const struct storm *storm)
{
	static const unsigned percents[] = { 50, 95, 99, 100 };
	int64_t *open_ms = machines_open(storm);
	size_t seconds = SECONDS_MAX, volumes_open = 0;

	for (size_t i = 0; i < storm->machines * VOLUMES; i++)
		volumes_open += storm->volumes[i].open_ms >= 0;
	while (seconds > 1 && storm->arrivals[seconds - 1] == 0)
		seconds--;
	(void)printf("{\"machines\": %zu, \"timeout\": %" PRIu32 ", \"retry_after\": %s, "
		     "\"requests\": %" PRIu64 ", \"volumes_open\": %zu, \"machines_open\": %zu, "
		     "\"open_ms\": {",
		     storm->machines, storm->timeout == CONFIG_TIMEOUT_FOREVER ? 0 : storm->timeout,
		     storm->retry_after ? "true" : "false", storm->requests, volumes_open,
		     count_until(open_ms, storm->machines, INT64_MAX - 1));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		int64_t at = open_ms[(storm->machines * percents[i] + 99) / 100 - 1];
		(void)printf("%s\"%u\": %" PRId64, i ? ", " : "", percents[i],
			     at == INT64_MAX ? -1 : at);
	}
	(void)printf("}, \"arrivals\": [");
	for (size_t i = 0; i < seconds; i++)
		(void)printf("%s%" PRIu32, i ? ", " : "", storm->arrivals[i]);
	(void)printf("]}");
	free(open_ms);
}

static struct storm *storm_new(size_t machines, uint32_t timeout, bool retry_after)
{
	struct storm *storm = calloc(1, sizeof(*storm));

	if (storm == NULL)
		abort();
	random_state = SEED;
	storm->machines = machines;
	storm->timeout = timeout;
	storm->retry_after = retry_after;
	storm->volumes = calloc(machines * VOLUMES, sizeof(*storm->volumes));
	storm->heap = calloc(machines * VOLUMES, sizeof(struct volume *));
	if (storm->volumes == NULL || storm->heap == NULL)
		abort();
	return storm;
}

static void storm_free(struct storm *storm)
{
	free(storm->volumes);
	free(storm->heap);
	free(storm);
}

/* All scenarios, each at the vault that says when to come back and at the one that does not. */
static const size_t machines[] = { 100, 1000, 10000 };
static const uint32_t timeouts[] = { 30, 60, CONFIG_TIMEOUT_FOREVER };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void print_all(void)
{
	for (size_t i = 0; i < COUNT(machines) * COUNT(timeouts) * 2; i++) {
		struct storm *storm = storm_new(machines[i / (2 * COUNT(timeouts))],
						timeouts[i / 2 % COUNT(timeouts)], i % 2);
		run(storm);
		(void)printf("%s", i ? ",\n" : "[");
		print_storm(storm);
		storm_free(storm);
	}
	(void)printf("]\n");
}

/* The busiest second of those from first on. */
static uint32_t peak(const struct storm *storm, size_t first)
{
	uint32_t highest = 0;

	for (size_t i = first; i < SECONDS_MAX; i++)
		highest = storm->arrivals[i] > highest ? storm->arrivals[i] : highest;
	return highest;
}

static bool holds(bool right, const struct storm *storm, const char *what)
{
	(void)printf("%s - %zu machines, %s Retry-After: %s\n", right ? "ok" : "not ok",
		     storm->machines, storm->retry_after ? "with" : "without", what);
	return right;
}

/* What matters of a storm that lasts until all are open. */
static bool check(struct storm *storm)
{
	size_t volumes = storm->machines * VOLUMES;
	int64_t least_ms = (int64_t)(volumes - 1) / WINDOW_MAX * WINDOW_MS;
	int64_t *open_ms = machines_open(storm);
	int64_t last_ms = open_ms[storm->machines - 1];
	bool right = true;

	free(open_ms);
	right &= holds(last_ms != INT64_MAX, storm, "all machines are open in the end");
	right &= holds(last_ms < least_ms * 3 / 2 + BACKOFF_THROTTLED_CAP_MS, storm,
		       "the last one not long after the vault's limit allows it");
	right &= holds(peak(storm, 1) < volumes * 3 / 4, storm,
		       "after the first second, no second has three quarters of the volumes");
	right &= holds(peak(storm, 30) < volumes / 4, storm,
		       "after half a minute, none has a quarter of them");
	right &= holds(storm->requests < volumes * (4 + (uint64_t)last_ms / 20000), storm,
		       "a volume asks three times a minute at most, once it has slowed down");
	return right;
}

static int check_all(void)
{
	bool right = true;

	(void)printf("1..%zu\n", COUNT(machines) * 2 * 5);
	for (size_t i = 0; i < COUNT(machines) * 2; i++) {
		struct storm *storm = storm_new(machines[i / 2], CONFIG_TIMEOUT_FOREVER, i % 2);
		run(storm);
		right &= check(storm);
		storm_free(storm);
	}
	return right ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check_all();
	if (argc != 1) {
		(void)fprintf(stderr, "usage: storm [check]\n");
		return 2;
	}
	print_all();
	return 0;
}
