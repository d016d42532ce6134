/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening many volumes side by side: sets all up, waits, and takes it down. */
#include "attach-many.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "format/config.h"

/*
 * Of volumes whose key is there, side by side: beside what the processors can do, each waits for udevd for some
 * milliseconds; more than that costs more than it brings.
 */
#define KEYED_MIN	8
#define KEYED_PROCESSOR 2

void attach_many_say(struct attach_many *many, struct attach_job *job)
{
	job->last.volume = job->index;
	many->say(many->data, &job->last);
}

/* What is being done is to end now: by a signal, or by somebody who would rather type a passphrase. */
bool attach_many_is_stopped(const struct attach_many *many)
{
	return signals_caught() != 0 || typed_entered(many->settings->typed);
}

static void wait_some(struct attach_many *many)
{
	struct pollfd pollfds[3 + ATTACH_BATCHES_MAX] = {
		{ .fd = many->from_children, .events = POLLIN },
		{ .fd = typed_fd(many->settings->typed), .events = POLLIN },
		{ .fd = disks_monitor_fd(many->monitor), .events = POLLIN },
	};
	struct timespec timeout = { .tv_nsec = ATTACH_TICK_MS * 1000L * 1000 };

	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++)
		pollfds[3 + i] = (struct pollfd){ .fd = attach_batches_fd(&many->batches, i),
						  .events = POLLIN };
	(void)ppoll(pollfds, 3 + ATTACH_BATCHES_MAX, &timeout, &many->signals.mask);
	typed_receive(many->settings->typed);
	if (disks_monitor_receive(many->monitor))
		many->look_ms = 0;
}

/* Where nothing has failed, nobody needs what is half typed. */
static bool goes_on(const struct attach_many *many)
{
	if (attach_many_is_stopped(many))
		return attach_jobs_running(many->jobs, many->count) > 0;
	return !attach_jobs_over(many->jobs, many->count) ||
	       (attach_jobs_failed(many->jobs, many->count) &&
		typed_is_busy(many->settings->typed, io_now_ms()));
}

static void run(struct attach_many *many)
{
	while (goes_on(many)) {
		if (!attach_many_is_stopped(many))
			attach_many_advance(many, io_now_ms());
		if (!goes_on(many))
			break;
		wait_some(many);
		attach_many_hear(many);
	}
	if (signals_caught() == 0)
		attach_many_leave(many);
}

static void many_done(struct attach_many *many)
{
	/* Before the jobs, of which they know. */
	attach_batches_end(&many->batches);
	attach_workers_done(&many->workers);
	for (size_t i = 0; many->jobs != NULL && i < many->count; i++)
		attach_job_done(&many->jobs[i]);
	free(many->jobs);
	disks_monitor_close(many->monitor);
	io_closep(&many->from_children);
	io_closep(&many->to_parent);
}

/* In a worker: what passes through the parent for the others, and what somebody has typed there. */
static void forget(void *data)
{
	struct attach_many *many = data;

	typed_forget(many->settings->typed);
	for (size_t i = 0; i < many->count; i++) {
		if (many->jobs[i].key.data != NULL)
			secret_done(&many->jobs[i].key);
	}
	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++)
		secret_done(&many->batches.items[i].replies);
}

static void prepare_for_workers(struct attach_many *many)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	many->keyed_max = processors > 0 ? (size_t)processors * KEYED_PROCESSOR : 0;
	if (many->keyed_max < KEYED_MIN)
		many->keyed_max = KEYED_MIN;
	many->workers.jobs = many->jobs;
	many->workers.settings = many->settings;
	many->workers.events = many->to_parent;
	many->workers.mask = many->signals.mask;
	many->workers.forget = forget;
	many->workers.data = many;
}

static int prepare(struct attach_many *many, const struct crypttab_entry *entries,
		   struct cmk_err *err)
{
	uint32_t timeout = many->settings->timeout;
	int64_t now_ms = io_now_ms();
	int pair[2];

	many->jobs = calloc(many->count, sizeof(*many->jobs));
	if (many->jobs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < many->count; i++) {
		many->jobs[i].entry = &entries[i];
		many->jobs[i].index = i;
	}
	if (pipe2(pair, O_CLOEXEC) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "there is no pipe to be had");
	many->from_children = pair[0];
	many->to_parent = pair[1];
	(void)fcntl(many->from_children, F_SETFL, O_NONBLOCK);
	many->monitor = disks_monitor_open();
	if (timeout != CONFIG_TIMEOUT_FOREVER)
		many->deadline_ms = now_ms + (int64_t)timeout * 1000;
	many->device_deadline_ms = now_ms + (int64_t)many->settings->device_wait * 1000;
	if (many->device_deadline_ms > many->deadline_ms)
		many->device_deadline_ms = many->deadline_ms;
	return 0;
}

int attach_many(const struct crypttab_entry *entries, size_t count,
		const struct attach_settings *settings, attach_say_fn say_fn, void *data,
		struct cmk_err *err)
{
	__attribute__((cleanup(many_done))) struct attach_many many = {
		.count = count,
		.settings = settings,
		.say = say_fn,
		.data = data,
		.from_children = -1,
		.to_parent = -1,
		.deadline_ms = INT64_MAX,
	};
	int r;

	if (count == 0)
		return 0;
	r = prepare(&many, entries, err);
	if (r < 0)
		return r;
	signals_catch(&many.signals);
	prepare_for_workers(&many);
	run(&many);
	signals_release(&many.signals);
	return signals_caught();
}
