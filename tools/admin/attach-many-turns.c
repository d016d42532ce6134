/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach_many(): which volume is opened next: waits for its device, has the vault asked, gives it to a worker. */
#include "attach-many.h"

#include "disks.h"
#include "luks.h"

/* How often to look for devices, where udevd tells when there are any. */
#define LOOK_SELDOM_MS 5000

/* Whoever waits for devices takes one that comes later, too, as long as others are being opened. */
static bool is_looked_for(const struct attach_many *many, const struct attach_job *job)
{
	if (job->last.phase == ATTACH_MISSING)
		return many->settings->device_wait > 0;
	return job->device == NULL && job->worker == NULL && !attach_job_is_over(job);
}

static void look_for(struct attach_many *many, struct attach_job *job, struct disks *disks,
		     int64_t now_ms)
{
	bool told = job->last.phase == ATTACH_MISSING;

	job->last.phase = ATTACH_IDLE;
	attach_job_look(job, disks);
	if (job->device != NULL || job->last.phase != ATTACH_IDLE ||
	    now_ms < many->device_deadline_ms)
		return;
	job->last.phase = ATTACH_MISSING;
	if (!told)
		attach_many_say(many, job);
}

static void look(struct attach_many *many, int64_t now_ms)
{
	_cleanup_disks_ struct disks disks = { 0 };

	for (size_t i = 0; i < many->count; i++) {
		if (is_looked_for(many, &many->jobs[i]))
			look_for(many, &many->jobs[i], &disks, now_ms);
	}
	many->look_ms = now_ms + (many->monitor != NULL ? LOOK_SELDOM_MS : ATTACH_TICK_MS);
	if (now_ms < many->device_deadline_ms && many->device_deadline_ms < many->look_ms)
		many->look_ms = many->device_deadline_ms;
}

/* libcryptsetup makes its libraries ready at the first header that it loads: before the forks, and so once for all. */
static void warm_up(struct attach_many *many)
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
static void prepare_workers(struct attach_many *many)
{
	size_t asked = 0;

	for (size_t i = 0; i < many->count; i++)
		asked += many->jobs[i].asked;
	attach_workers_prepare(&many->workers, asked < many->keyed_max ? asked : many->keyed_max);
}

/* False if it has to wait for its turn. */
static bool start(struct attach_many *many, struct attach_job *job, int64_t now_ms)
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
	attach_many_say(many, job);
	return true;
}

void attach_many_advance(struct attach_many *many, int64_t now_ms)
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
