/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child opens one volume and says through a pipe how far it is. It leads a process group, so that the
 * helper that it waits for ends with it.
 */
#include "attach-job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "disks.h"
#include "luks.h"
#include "paths.h"
#include "record.h"

/* From SIGTERM to SIGKILL. */
#define END_MS 2000

bool attach_job_is_over(const struct attach_job *job)
{
	return job->pid == 0 && job->last.phase >= ATTACH_OTHERS;
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

void attach_job_look(struct attach_job *job)
{
	_cleanup_free_ char *path = NULL;
	struct disk_header header;
	int r = disks_resolve(job->entry->source, &path, &job->last.err);

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

/* The signal that this process got goes to the helper, too. */
static void end_group(int number)
{
	(void)signal(number, SIG_DFL);
	(void)kill(0, number);
}

static void send(void *data, struct attach_event *event)
{
	const int *fd = data;

	if (io_write_all(*fd, event, sizeof(*event)) < 0)
		_exit(1);
}

static void be_child(pid_t parent, const sigset_t *mask)
{
	static const int defaults[] = { SIGINT, SIGHUP, SIGCHLD, SIGTERM };

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		(void)signal(defaults[i], SIG_DFL);
	if (setpgid(0, 0) == 0)
		(void)signal(SIGTERM, end_group);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	/* Locks are not inherited, and a key passes through this process. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

int attach_job_start(struct attach_job *job, const struct attach_settings *settings, int fd,
		     const sigset_t *mask)
{
	const struct attach_key key = { job->last.token,
					job->enrolment != NULL ? job->enrolment->header : "",
					&job->key };
	const struct attach_volume volume = { job->index, job->device, job->entry->name,
					      job->entry->options, &key };
	pid_t parent = getpid();
	pid_t pid;

	(void)fflush(NULL); /* or the child would have it to print as well */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		be_child(parent, mask);
		attach_one(&volume, settings, send, &fd);
		_exit(0);
	}
	(void)setpgid(pid, pid); /* whoever is first */
	secret_done(&job->key);
	job->pid = pid;
	return 0;
}

void attach_job_end(struct attach_job *job, int64_t now_ms)
{
	if (job->pid == 0)
		return;
	if (job->ending_ms == 0) {
		job->ending_ms = now_ms;
		(void)kill(-job->pid, SIGTERM);
	} else if (now_ms - job->ending_ms > END_MS) {
		(void)kill(-job->pid, SIGKILL);
	}
}

bool attach_job_reap(struct attach_job *job, int *ret_status)
{
	pid_t pid = waitpid(job->pid, ret_status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid < 0)
		*ret_status = -1;
	/* The group may outlive its leader. */
	(void)kill(-job->pid, SIGKILL);
	job->pid = 0;
	return true;
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
		running += jobs[i].pid != 0 && strcmp(jobs[i].last.host, group) == 0;
	return running;
}

struct attach_job *attach_jobs_next(struct attach_job *jobs, size_t count)
{
	struct attach_job *next = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		size_t running;

		if (jobs[i].device == NULL || jobs[i].pid != 0 || jobs[i].asked ||
		    attach_job_is_over(&jobs[i]))
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
		running += jobs[i].pid != 0;
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
