/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a mapping is mounted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MOUNTS_FILE "/proc/self/mountinfo"

/*
 * A mount point of the device /dev/mapper/NAME or /dev/NODE, the last one made; false if there is none.
 * file is in the format of proc(5), mountinfo.
 */
bool mounts_find(const char *file, const char *name, const char *node, char *ret, size_t size);
/* Takes all of them off where the first process sees them, also what is in use: for a disk that is gone. How many. */
size_t mounts_detach(const char *name, const char *node);
