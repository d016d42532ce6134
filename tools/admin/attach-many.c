/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening many volumes side by side: waits for devices, gives each to a worker, and ends it in time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attach-batch.h"
#include "attach-job.h"
#include "attach-worker.h"
#include "base/io.h"
#include "disks.h"
#include "format/config.h"
#include "luks.h"
#include "signals.h"

/*
 * Of volumes whose key is there, side by side: beside what the processors can do, each waits for udevd for some
 * milliseconds; more than that costs more than it brings.
 */
#define KEYED_MIN	8
#define KEYED_PROCESSOR 2
/* How often to look for devices, and for mappings that others made: unless udevd tells when there are any. */
#define LOOK_MS	       500
#define LOOK_SELDOM_MS 5000
/* The helper keeps to its deadline by itself, and has a watchdog a second later. */
#define MARGIN_MS 2500
/* To open a keyslot and make a mapping, once the key is there. */
#define ACTIVATE_MS 30000

struct many {
	struct attach_job *jobs;
	size_t count;
	const struct attach_settings *settings;
	attach_say_fn say;
	void *data;
	int from_children;
	int to_parent;
	struct signals signals;
	struct attach_workers workers;
	size_t keyed_max;
	bool warm;
	int64_t deadline_ms;
	int64_t device_deadline_ms;
	int64_t look_ms;
	struct disks_monitor *monitor; /* NULL: udevd does not run */
	struct attach_batches batches;
};

static void say(struct many *many, struct attach_job *job)
{
	job->last.volume = job->index;
	many->say(many->data, &job->last);
}

/* What is being done is to end now: by a signal, or by somebody who would rather type a passphrase. */
static bool is_stopped(const struct many *many)
{
	return signals_caught() != 0 || typed_entered(many->settings->typed);
}

/* False if it has to wait for its turn. */
static bool start(struct many *many, struct attach_job *job, int64_t now_ms)
{
	uint32_t timeout = many->settings->timeout;
	struct cmk_err err = { 0 };
	int r;

	if (many->deadline_ms != INT64_MAX)
		timeout = (uint32_t)((many->deadline_ms - now_ms + 999) / 1000);
	r = attach_workers_give(&many->workers, job, timeout);
	if (r >= 0)
		return r == 0;
	(void)cmk_err_errno(&err, CMK_SYSTEM, -r, "no process can be started");
	attach_job_fail(job, &err);
	say(many, job);
	return true;
}

static void look(struct many *many, int64_t now_ms)
{
	for (size_t i = 0; i < many->count; i++) {
		struct attach_job *job = &many->jobs[i];

		if (job->device != NULL || job->worker != NULL || attach_job_is_over(job))
			continue;
		attach_job_look(job);
		if (job->device == NULL && job->last.phase == ATTACH_IDLE &&
		    now_ms >= many->device_deadline_ms) {
			job->last.phase = ATTACH_MISSING;
			say(many, job);
		}
	}
	many->look_ms = now_ms + (many->monitor != NULL ? LOOK_SELDOM_MS : LOOK_MS);
	if (now_ms < many->device_deadline_ms && many->device_deadline_ms < many->look_ms)
		many->look_ms = many->device_deadline_ms;
}

/* libcryptsetup makes its libraries ready at the first header that it loads: before the forks, and so once for all. */
static void warm_up(struct many *many)
{
	for (size_t i = 0; !many->warm && many->count > 1 && i < many->count; i++) {
		_cleanup_luks_ struct luks *luks = NULL;

		if (many->jobs[i].device == NULL)
			continue;
		if (luks_open(many->jobs[i].device, false, &luks, NULL) == 0)
			(void)luks_next_token(luks, LUKS_NONE);
		many->warm = true;
	}
}

/* They get ready while a vault is asked. */
static void prepare_workers(struct many *many)
{
	size_t asked = 0;

	for (size_t i = 0; i < many->count; i++)
		asked += many->jobs[i].asked;
	attach_workers_prepare(&many->workers, asked < many->keyed_max ? asked : many->keyed_max);
}

/* Jobs without a process: they wait for their device, then for their turn. */
static void advance(struct many *many, int64_t now_ms)
{
	struct attach_job *job;
	bool news = many->look_ms == 0;

	if (now_ms >= many->look_ms)
		look(many, now_ms);
	if (news) {
		attach_batches_start(&many->batches, many->jobs, many->count, many->settings);
		warm_up(many);
		prepare_workers(many);
	}
	while (now_ms < many->deadline_ms &&
	       (job = attach_jobs_next(many->jobs, many->count, many->keyed_max)) != NULL &&
	       start(many, job, now_ms))
		;
}

/* Events are written in one piece: there is a whole one, or none. */
static void receive(struct many *many)
{
	struct attach_event event;

	while (read(many->from_children, &event, sizeof(event)) == (ssize_t)sizeof(event)) {
		struct attach_job *job = &many->jobs[event.volume];

		job->last = event;
		job->activating_ms = event.phase == ATTACH_ACTIVATING ? io_now_ms() : 0;
		if (job->last.phase >= ATTACH_OTHERS && job->worker != NULL)
			attach_worker_release(job->worker);
		say(many, job);
	}
}

static void late(const struct many *many, struct attach_job *job)
{
	struct cmk_err err = { 0 };

	/* It has not even been asked for: many volumes of a vault that does not answer. */
	if (job->worker == NULL && !job->asked && job->last.host[0] != '\0')
		(void)cmk_err(
			&err, CMK_TIMEOUT,
			"%s did not answer for other volumes, and within %u s this one's turn did "
			"not come; check the network, or raise timeout in luks-cmk.conf",
			job->last.host, many->settings->timeout);
	else
		(void)cmk_err(&err, CMK_TIMEOUT,
			      "it was not open within %u s; check the network, or raise timeout in "
			      "luks-cmk.conf or luks-cmk.timeout on the kernel's command line",
			      many->settings->timeout);
	attach_job_fail(job, &err);
}

/* A worker has ended without a last word on its job: why. */
static void judge(struct many *many, struct attach_job *job, bool was_ended, int status)
{
	struct cmk_err err = { 0 };

	if (signals_caught() != 0) {
		job->last.phase = ATTACH_OTHERS;
		return;
	}
	if (job->opened_by_other) {
		job->last.phase = ATTACH_WAS_OPEN;
	} else if (typed_entered(many->settings->typed)) {
		job->last.phase = ATTACH_LEFT;
	} else if (was_ended) {
		late(many, job);
	} else {
		(void)cmk_err(&err, CMK_SYSTEM, "the process that should open it ended early (%s)",
			      WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no signal");
		attach_job_fail(job, &err);
	}
	say(many, job);
}

static void reap(struct many *many)
{
	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		struct attach_worker *worker = &many->workers.items[i];
		struct attach_job *job;
		int status = 0;

		if (worker->pid == 0 || !attach_worker_reap(worker, &status))
			continue;
		receive(many); /* what it said after we listened last */
		job = worker->job;
		if (job == NULL)
			continue;
		attach_worker_release(worker);
		judge(many, job, worker->ending_ms != 0, status);
	}
}

/* Somebody typed a passphrase meanwhile. A worker says that it has the key before it makes the mapping. */
static bool opened_by_other(struct many *many, struct attach_job *job)
{
	if (many->settings->dry_run || job->activating_ms != 0 ||
	    !luks_mapping_exists(job->entry->name))
		return false;
	receive(many);
	return job->activating_ms == 0 && job->last.phase < ATTACH_OTHERS;
}

/* Whether its process is to end, or to be killed. */
static bool must_end(struct many *many, struct attach_job *job, bool is_late, int64_t now_ms)
{
	job->opened_by_other = job->opened_by_other || opened_by_other(many, job);
	if (job->activating_ms != 0)
		is_late = now_ms > job->activating_ms + ACTIVATE_MS;
	return is_late || job->opened_by_other || (is_stopped(many) && job->activating_ms == 0);
}

/* Ends who is late, and who has nothing left to do. */
static void enforce(struct many *many, int64_t now_ms)
{
	bool is_late = many->deadline_ms != INT64_MAX && now_ms > many->deadline_ms + MARGIN_MS;

	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		struct attach_worker *worker = &many->workers.items[i];

		if (worker->pid == 0)
			continue;
		if (worker->ending_ms != 0 ||
		    (worker->job != NULL && must_end(many, worker->job, is_late, now_ms)))
			attach_worker_end(worker, now_ms);
	}
	for (size_t i = 0; is_late && i < many->count; i++) {
		struct attach_job *job = &many->jobs[i];

		if (job->worker != NULL || attach_job_is_over(job))
			continue;
		late(many, job);
		say(many, job);
	}
}

static void wait_some(struct many *many)
{
	struct pollfd pollfds[3 + ATTACH_BATCHES_MAX] = {
		{ .fd = many->from_children, .events = POLLIN },
		{ .fd = typed_fd(many->settings->typed), .events = POLLIN },
		{ .fd = disks_monitor_fd(many->monitor), .events = POLLIN },
	};
	struct timespec timeout = { .tv_nsec = LOOK_MS * 1000L * 1000 };

	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++)
		pollfds[3 + i] = (struct pollfd){ .fd = attach_batches_fd(&many->batches, i),
						  .events = POLLIN };
	(void)ppoll(pollfds, 3 + ATTACH_BATCHES_MAX, &timeout, &many->signals.mask);
	typed_receive(many->settings->typed);
	if (disks_monitor_receive(many->monitor))
		many->look_ms = 0;
}

/* Where nothing has failed, nobody needs what is half typed. */
static bool goes_on(const struct many *many)
{
	if (is_stopped(many))
		return attach_jobs_running(many->jobs, many->count) > 0;
	return !attach_jobs_over(many->jobs, many->count) ||
	       (attach_jobs_failed(many->jobs, many->count) &&
		typed_is_busy(many->settings->typed, io_now_ms()));
}

/* Those that had no process when somebody typed. */
static void leave(struct many *many)
{
	for (size_t i = 0; i < many->count; i++) {
		struct attach_job *job = &many->jobs[i];

		if (attach_job_is_over(job))
			continue;
		job->last.phase = ATTACH_LEFT;
		say(many, job);
	}
}

/* A batch's word on one of its volumes: that it failed; what has a key is started in its turn. */
static void answered(struct attach_job *job, void *data)
{
	struct many *many = data;

	if (attach_job_is_over(job))
		say(many, job);
}

static void run(struct many *many)
{
	while (goes_on(many)) {
		if (!is_stopped(many))
			advance(many, io_now_ms());
		if (!goes_on(many))
			break;
		wait_some(many);
		receive(many);
		attach_batches_receive(&many->batches, answered, many);
		reap(many);
		enforce(many, io_now_ms());
	}
	if (signals_caught() == 0)
		leave(many);
}

static void many_done(struct many *many)
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

/* In a worker: what passes through the parent for the others. */
static void forget(void *data)
{
	struct many *many = data;

	for (size_t i = 0; i < many->count; i++) {
		if (many->jobs[i].key.data != NULL)
			secret_done(&many->jobs[i].key);
	}
	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++)
		secret_done(&many->batches.items[i].replies);
}

static void prepare_for_workers(struct many *many)
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

static int prepare(struct many *many, const struct crypttab_entry *entries, struct cmk_err *err)
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
	__attribute__((cleanup(many_done))) struct many many = {
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
