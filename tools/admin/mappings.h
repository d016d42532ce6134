/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LUKS2 mappings that are open, as sysfs tells them: also of disks that are gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "crypttab.h"

#define MAPPINGS_SYSFS "/sys"

struct mapping {
	char name[CRYPTTAB_NAME_MAX];
	char uuid[37];	 /* the volume's, as a GUID */
	char node[64];	 /* the mapping's own: "dm-0" */
	char device[64]; /* what it is on: "sdb1", "cciss/c0d0"; empty: that is gone */
};

struct mappings {
	struct mapping *items;
	size_t count;
};
#define _cleanup_mappings_ __attribute__((cleanup(mappings_done)))

/* All of them; none where there is no device-mapper. -ENOMEM. */
int mappings_load(const char *sysfs, struct mappings *ret);
void mappings_done(struct mappings *mappings);
/* By the mapping's name or by the volume's UUID; or NULL. */
const struct mapping *mappings_find_name(const struct mappings *mappings, const char *name);
const struct mapping *mappings_find_uuid(const struct mappings *mappings, const char *uuid);
/* Of all that are open, the one that is on a block device, from what sysfs has of that alone: whether there is one. */
bool mappings_on(const char *sysfs, dev_t device, struct mapping *ret);
/* The same by the device's path. */
bool mappings_on_path(const char *path, struct mapping *ret);
/* "/dev/sdb1"; false if the disk is gone. */
bool mappings_path(const struct mapping *mapping, char *out, size_t size);
