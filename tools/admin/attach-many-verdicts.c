/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach_many(): what became of each volume: as its worker or batch says, or because that ended or is late. */
#include "attach-many.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "luks.h"
#include "signals.h"

/* The helper keeps to its deadline by itself, and has a watchdog a second later. */
#define MARGIN_MS 2500
/* To open a keyslot and make a mapping, once the key is there. */
#define ACTIVATE_MS 30000

/* Events are written in one piece: there is a whole one, or none. */
static void receive(struct attach_many *many)
{
	struct attach_event event;

	while (read(many->from_children, &event, sizeof(event)) == (ssize_t)sizeof(event)) {
		struct attach_job *job = &many->jobs[event.volume];

		job->last = event;
		job->activating_ms = event.phase == ATTACH_ACTIVATING ? io_now_ms() : 0;
		if (job->last.phase >= ATTACH_OTHERS && job->worker != NULL)
			attach_worker_release(job->worker);
		attach_many_say(many, job);
	}
}

/* A batch's word on one of its volumes: that it failed; what has a key is started in its turn. */
static void answered(struct attach_job *job, void *data)
{
	struct attach_many *many = data;

	if (attach_job_is_over(job))
		attach_many_say(many, job);
}

static void late(const struct attach_many *many, struct attach_job *job)
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
static void judge(struct attach_many *many, struct attach_job *job, bool was_ended, int status)
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
	attach_many_say(many, job);
}

static void reap(struct attach_many *many)
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
static bool opened_by_other(struct attach_many *many, struct attach_job *job)
{
	if (many->settings->dry_run || job->activating_ms != 0 ||
	    !luks_mapping_exists(job->entry->name))
		return false;
	receive(many);
	return job->activating_ms == 0 && job->last.phase < ATTACH_OTHERS;
}

/* Whether its process is to end, or to be killed. */
static bool must_end(struct attach_many *many, struct attach_job *job, bool is_late, int64_t now_ms)
{
	job->opened_by_other = job->opened_by_other || opened_by_other(many, job);
	if (job->activating_ms != 0)
		is_late = now_ms > job->activating_ms + ACTIVATE_MS;
	return is_late || job->opened_by_other ||
	       (attach_many_is_stopped(many) && job->activating_ms == 0);
}

/* Ends who is late, and who has nothing left to do. */
static void enforce(struct attach_many *many, int64_t now_ms)
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
		attach_many_say(many, job);
	}
}

void attach_many_hear(struct attach_many *many)
{
	receive(many);
	attach_batches_receive(&many->batches, answered, many);
	reap(many);
	enforce(many, io_now_ms());
}

void attach_many_leave(struct attach_many *many)
{
	for (size_t i = 0; i < many->count; i++) {
		struct attach_job *job = &many->jobs[i];

		if (attach_job_is_over(job))
			continue;
		job->last.phase = ATTACH_LEFT;
		attach_many_say(many, job);
	}
}
