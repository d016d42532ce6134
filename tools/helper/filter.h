/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls that the helper keeps. */
#pragma once

#include "base/err.h"

/*
 * From here on every system call that talking TLS and resolving names does not need fails with EPERM:
 * running programs, opening files for writing, making memory executable, listening, changing users.
 * Needs no_new_privs. CMK_SANDBOX; success without effect where the kernel or the build has no seccomp.
 */
int filter_enter(struct cmk_err *err);
