/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of attach_many(), which open volumes one after another: a new process for each would take longer to
 * get ready than to open one.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "attach-job.h"

/* Each may have a helper with its libraries: some 20 MB in an initramfs. */
#define ATTACH_WORKERS_MAX 16

struct attach_worker {
	pid_t pid;		/* leader of its process group; 0: none */
	int fd;			/* to it, for one task after another */
	struct attach_job *job; /* what it is at; NULL: it waits */
	int64_t ending_ms;	/* since when it is told to end; 0: not */
};

struct attach_workers {
	struct attach_worker items[ATTACH_WORKERS_MAX];
	const struct attach_job *jobs; /* all that there are; this and the rest are the caller's */
	const struct attach_settings *settings;
	int events;    /* a pipe, into which they write a struct attach_event at a time */
	sigset_t mask; /* their signal mask */
	void (*forget)(void *data); /* in a new process: wipes the keys that it is not to have */
	void *data;
};

/* Starts processes until there are count, as far as that goes; while there is nothing else to do. */
void attach_workers_prepare(struct attach_workers *workers, size_t count);
/*
 * Has the job done, by a process that waits, or by a new one. timeout in seconds, as of struct attach_settings. The job's
 * key goes with it. 0; 1 if there is no place now; -errno.
 */
int attach_workers_give(struct attach_workers *workers, struct attach_job *job, uint32_t timeout);
/* The job's last word has come: its process is free for the next. */
void attach_worker_release(struct attach_worker *worker);
/* Tells a process and its helper to end; at the second call, or later, kills them. */
void attach_worker_end(struct attach_worker *worker, int64_t now_ms);
/* Collects a process that has ended; whether it had. Its job, if any, is the caller's to release. */
bool attach_worker_reap(struct attach_worker *worker, int *ret_status);
/* Kills and collects those that are left. */
void attach_workers_done(struct attach_workers *workers);
