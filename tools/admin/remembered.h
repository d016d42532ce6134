/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that open by themselves without being in crypttab: DIR/volumes.d/UUID.conf, each a line of crypttab(5). */
#pragma once

#include <stdbool.h>

#include "crypttab.h"

/* All of them, as one table; what is no line of crypttab is left out. -ENOMEM or CMK_CONFIG. */
int remembered_load(const char *dir, struct crypttab *ret, struct cmk_err *err);
/* The entry of the volume, or NULL. */
const struct crypttab_entry *remembered_find(const struct crypttab *remembered, const char *uuid);

/* Whether a name may be remembered: it becomes part of a unit's name and of a path below /dev. */
bool remembered_is_name(const char *name);
/* Writes the file of a volume, if there is none. 1 if it wrote one, else 0. CMK_STATE, CMK_SYSTEM. */
int remembered_add(const char *dir, const char *uuid, const char *name, struct cmk_err *err);
/* Removes it; whether there was one. CMK_SYSTEM. */
int remembered_forget(const char *dir, const char *uuid, struct cmk_err *err);
