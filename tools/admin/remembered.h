/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that open by themselves without being in crypttab: DIR/volumes.d/UUID.conf, each a line of crypttab(5). */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "crypttab.h"

/*
 * All of them, as one table. 0, and then too err says of the first file, or part of one, that is left out, what is wrong
 * with it (CMK_CONFIG); -ENOMEM.
 */
int remembered_load(const char *dir, struct crypttab *ret, struct cmk_err *err);
/* The entry of the volume, or NULL. */
const struct crypttab_entry *remembered_find(const struct crypttab *remembered, const char *uuid);

/* Whether a name may be remembered: it becomes part of a unit's name and of a path below /dev. */
bool remembered_is_name(const char *name);
/* The file of a volume, its UUID in lower case, as udev has it; false if that is no UUID. */
bool remembered_path(const char *dir, const char *uuid, char out[static PATH_MAX]);
/*
 * Writes the file of a volume that is not remembered yet. 1 if it wrote one, else 0. CMK_STATE, also if it is
 * remembered by another name, or another volume by this; CMK_SYSTEM.
 */
int remembered_add(const char *dir, const char *uuid, const char *name, struct cmk_err *err);
/* Removes it; whether there was one. CMK_SYSTEM. */
int remembered_forget(const char *dir, const char *uuid, struct cmk_err *err);
