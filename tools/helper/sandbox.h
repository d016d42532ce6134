/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives up every right that speaking to a vault does not need, before the first network byte. */
#pragma once

#include "base/err.h"

/*
 * Before anything secret is in memory: no core dumps, not traceable by others, memory locked where the
 * limit allows it. Never fails: a machine with a low limit must still open its disks.
 */
void sandbox_memory(void);

/*
 * Drops to the user "luks-cmk" (65534 if there is none), sets no_new_privs, dies with its parent from here
 * on, keeps a terminal on standard error for writing only, and lets in by Landlock and
 * seccomp only what name resolution, TLS and timers need. Idempotent for a process that is unprivileged
 * already: it loses no less. A kernel without Landlock or seccomp is served without that layer; failing
 * to drop the user is CMK_SANDBOX.
 *
 * folder: an open folder whose files stay readable too, by its group, which is kept; 0: none.
 */
int sandbox_enter(int folder, struct cmk_err *err);
