/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an entry of crypttab means a certain device. */
#pragma once

#include <stdbool.h>

#include "crypttab.h"
#include "disks.h"

/* header is what disks_probe() has found on path: no other device is asked for its own. */
bool entry_is_of(const struct crypttab_entry *entry, const char *path,
		 const struct disk_header *header);
/* The same for a path, as of udev, of which nothing is known. */
bool entry_is_at(const struct crypttab_entry *entry, const char *path);
