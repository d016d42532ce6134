/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root's rights, given up for good. */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * Becomes the user "luks-cmk", or 65534 where there is none, with no supplementary group but group (0:
 * none at all), and checks that root does not come back. Nothing for a process that is not root. The
 * kernel forgets PR_SET_DUMPABLE and PR_SET_PDEATHSIG over this. CMK_SANDBOX.
 */
int drop_root(gid_t group, struct cmk_err *err);
