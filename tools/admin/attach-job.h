/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the volumes that attach_many() opens, and the child process that does it. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "attach.h"
#include "disks.h"

struct attach_job {
	const struct crypttab_entry *entry;
	size_t index;
	char *device; /* once it is there */
	struct disk_enrolment
		*enrolment;	  /* then: what its header says; NULL: needs a closer look */
	bool asked;		  /* in a batch, which has not answered yet */
	struct secret key;	  /* what one has answered */
	pid_t pid;		  /* 0: no process */
	struct attach_event last; /* what was said last; err also while the device is missing */
	int64_t activating_ms;	  /* since when; 0: not */
	int64_t ending_ms;	  /* since when it is told to end; 0: not */
	bool opened_by_other;
};

bool attach_job_is_over(const struct attach_job *job);
/* Looks for the device, if it is not there yet, and what is on it: may be over after that. */
void attach_job_look(struct attach_job *job);
/* Forks; the child's events go to fd, its signal mask is set to mask. 0 or -errno. */
int attach_job_start(struct attach_job *job, const struct attach_settings *settings, int fd,
		     const sigset_t *mask);
/* Tells the child and its helper to end; at the second call, or later, kills them. */
void attach_job_end(struct attach_job *job, int64_t now_ms);
/* Collects a child that has ended; whether it had. */
bool attach_job_reap(struct attach_job *job, int *ret_status);
/* Makes err, which is copied, the job's end; and leaves a record of it where the token is known. */
void attach_job_fail(struct attach_job *job, const struct cmk_err *err);
void attach_job_done(struct attach_job *job);

/*
 * Of several: the one to start next, or NULL: whose vault has the fewest volumes under way, so that one that does not
 * answer leaves room for the others.
 */
struct attach_job *attach_jobs_next(struct attach_job *jobs, size_t count);
/* How many have a process, whether all are over, whether any has failed. */
size_t attach_jobs_running(const struct attach_job *jobs, size_t count);
bool attach_jobs_over(const struct attach_job *jobs, size_t count);
bool attach_jobs_failed(const struct attach_job *jobs, size_t count);
