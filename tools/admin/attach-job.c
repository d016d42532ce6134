/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the volumes that attach_many() opens: its device, its header, its turn. */
#include "attach-job.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "disks.h"
#include "luks.h"
#include "paths.h"
#include "record.h"

bool attach_job_is_over(const struct attach_job *job)
{
	return job->worker == NULL && job->last.phase >= ATTACH_OTHERS;
}

/* Should its turn never come, it is known whose it is. */
static void read_enrolment(struct attach_job *job)
{
	struct disk_enrolment *enrolment = malloc(sizeof(*enrolment));
	struct disk_header header;

	if (enrolment == NULL)
		return;
	if (disks_read(job->device, &header, enrolment) != 1) {
		disks_enrolment_free(enrolment);
		return;
	}
	job->enrolment = enrolment;
	job->last.token = enrolment->number;
	text_escape(job->last.uuid, sizeof(job->last.uuid), header.uuid);
	(void)text_copy(job->last.customer, sizeof(job->last.customer), enrolment->token.customer);
	token_key_host(enrolment->token.wrapped[0].key, job->last.host, sizeof(job->last.host));
}

void attach_job_look(struct attach_job *job, struct disks *disks)
{
	_cleanup_free_ char *path = NULL;
	struct disk_header header;
	int r = disks_resolve_in(disks, job->entry->source, &path, &job->last.err);

	if (r == 0) {
		r = disks_probe(path, &header);
		if (r < 0)
			(void)cmk_err_errno(&job->last.err, CMK_DEVICE, -r, "%s cannot be read",
					    path);
	}
	if (r < 0) {
		/* Opened from elsewhere, such as another name of the device. */
		if (luks_mapping_exists(job->entry->name))
			job->last.phase = ATTACH_OTHERS;
		return;
	}
	if (header.version != 2) {
		job->last.phase = ATTACH_OTHERS;
		return;
	}
	job->device = TAKE_PTR(path);
	read_enrolment(job);
}

void attach_job_fail(struct attach_job *job, const struct cmk_err *err)
{
	job->last.phase = ATTACH_FAILED;
	job->last.err = *err;
	if (job->last.uuid[0] != '\0')
		record_write(RUN_DIR, job->last.uuid, job->last.token, err);
}

void attach_job_done(struct attach_job *job)
{
	free(job->device);
	disks_enrolment_free(job->enrolment);
	secret_done(&job->key);
	*job = (struct attach_job){ 0 };
}

static size_t running_of_group(const struct attach_job *jobs, size_t count, const char *group)
{
	size_t running = 0;

	for (size_t i = 0; i < count; i++)
		running += jobs[i].worker != NULL && strcmp(jobs[i].last.host, group) == 0;
	return running;
}

static size_t running_keyed(const struct attach_job *jobs, size_t count)
{
	size_t running = 0;

	for (size_t i = 0; i < count; i++)
		running += jobs[i].worker != NULL && jobs[i].keyed;
	return running;
}

struct attach_job *attach_jobs_next(struct attach_job *jobs, size_t count, size_t keyed_max)
{
	bool keyed_too = running_keyed(jobs, count) < keyed_max;
	struct attach_job *next = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		size_t running;

		if (jobs[i].device == NULL || jobs[i].worker != NULL || jobs[i].asked ||
		    attach_job_is_over(&jobs[i]) || (jobs[i].key.len > 0 && !keyed_too))
			continue;
		running = running_of_group(jobs, count, jobs[i].last.host);
		if (running < least) {
			next = &jobs[i];
			least = running;
		}
	}
	return next;
}

size_t attach_jobs_running(const struct attach_job *jobs, size_t count)
{
	size_t running = 0;

	for (size_t i = 0; i < count; i++)
		running += jobs[i].worker != NULL;
	return running;
}

bool attach_jobs_over(const struct attach_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!attach_job_is_over(&jobs[i]))
			return false;
	}
	return true;
}

bool attach_jobs_failed(const struct attach_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].last.phase == ATTACH_FAILED)
			return true;
	}
	return false;
}
