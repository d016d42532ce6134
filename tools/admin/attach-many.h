/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What attach_many() is at: for its own files alone, attach-many*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attach-batch.h"
#include "attach-job.h"
#include "attach-worker.h"
#include "attach.h"
#include "disks.h"
#include "signals.h"

/* How often to look for devices, for mappings that others made, and for what is late. */
#define ATTACH_TICK_MS 500

struct attach_many {
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

/* Says where the job is now. */
void attach_many_say(struct attach_many *many, struct attach_job *job);
/* What is being done is to end now: by a signal, or by somebody who would rather type a passphrase. */
bool attach_many_is_stopped(const struct attach_many *many);

/* Jobs without a process: they wait for their device, then for their turn. */
void attach_many_advance(struct attach_many *many, int64_t now_ms);
/* Takes what workers and batches have said; ends who is late, and who has nothing left to do. */
void attach_many_hear(struct attach_many *many);
/* Those that had no process when somebody typed. */
void attach_many_leave(struct attach_many *many);
