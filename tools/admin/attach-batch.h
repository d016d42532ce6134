/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes of one vault that are to be opened together: one helper asks for all their keys, and no worker waits for a
 * vault. Loading a helper's libraries takes longer than what it does for one volume.
 */
#pragma once

#include <sys/types.h>

#include "attach-job.h"
#include "format/wire.h"

/* Helpers at a time; volumes of further vaults are asked for one by one. */
#define ATTACH_BATCHES_MAX 16

struct attach_batch {
	pid_t pid; /* 0: none */
	int fd;
	struct secret replies; /* read so far */
	size_t taken;	       /* bytes of them */
	struct attach_job *members[WIRE_BATCH_MAX];
	size_t count;
};

struct attach_batches {
	struct attach_batch items[ATTACH_BATCHES_MAX];
};

/*
 * Asks for those that are there, of which there are several of one vault, and that nothing else is to be said of: one token,
 * a usual header, a bounded time, nobody at a console. Marks them asked; what cannot be asked so is left as it is.
 */
void attach_batches_start(struct attach_batches *batches, struct attach_job *jobs, size_t count,
			  const struct attach_settings *settings);
/* To be polled; -1 for none. */
int attach_batches_fd(const struct attach_batches *batches, size_t index);
/*
 * Takes what the helpers have said, and says so for each job: it is over if it failed, else it has a key. Those that a
 * helper has not answered before its end are to be asked for by themselves.
 */
void attach_batches_receive(struct attach_batches *batches,
			    void (*answered)(struct attach_job *job, void *data), void *data);
/* Kills the helpers. */
void attach_batches_end(struct attach_batches *batches);
