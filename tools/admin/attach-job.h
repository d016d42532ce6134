/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the volumes that attach_many() opens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attach.h"
#include "disks.h"

struct attach_job {
	const struct crypttab_entry *entry;
	size_t index;
	char *device; /* once it is there */
	struct disk_enrolment
		*enrolment; /* then: what its header says; NULL: needs a closer look */
	bool asked;	    /* in a batch, which has not answered yet */
	struct secret key;  /* what one has answered, until a worker has it */
	struct attach_worker
		*worker; /* the process that is at it, or NULL; set by attach-worker.c alone */
	bool keyed;	 /* that one got the key with it */
	struct attach_event last; /* what was said last; err also while the device is missing */
	int64_t activating_ms;	  /* since when; 0: not */
	bool opened_by_other;
};

bool attach_job_is_over(const struct attach_job *job);
/*
 * Looks for the device, and what is on it: may be over after that. disks is scanned for it if udevd's links do not
 * have it.
 */
void attach_job_look(struct attach_job *job, struct disks *disks);
/* Makes err, which is copied, the job's end; and leaves a record of it where the token is known. */
void attach_job_fail(struct attach_job *job, const struct cmk_err *err);
void attach_job_done(struct attach_job *job);

/*
 * Of several: the one to start next, or NULL: whose vault has the fewest volumes under way, so that one that does not
 * answer leaves room for the others. At most keyed_max of those that have their key are under way: they wait for
 * nothing but the processor, and for udevd.
 */
struct attach_job *attach_jobs_next(struct attach_job *jobs, size_t count, size_t keyed_max);
/* How many have a worker, whether all are over, whether any has failed. */
size_t attach_jobs_running(const struct attach_job *jobs, size_t count);
bool attach_jobs_over(const struct attach_job *jobs, size_t count);
bool attach_jobs_failed(const struct attach_job *jobs, size_t count);
