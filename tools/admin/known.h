/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that this machine is to open by itself. */
#pragma once

#include <stdbool.h>

#include "crypttab.h"

/*
 * Adds what is remembered to a crypttab, and with every all other enrolled volumes that are there, as luks-UUID. What
 * crypttab has under whatever name stays as that says, noauto too. -ENOMEM, CMK_SYSTEM.
 */
int known_add(struct crypttab *crypttab, const struct crypttab *remembered, bool every,
	      struct cmk_err *err);

/* crypttab_load(), and says which line is left out. */
int known_crypttab(const char *path, struct crypttab *ret, struct cmk_err *err);

/* All of it, for a list of volumes. */
struct known {
	struct crypttab crypttab;
	struct crypttab remembered;
};

/* -ENOMEM or CMK_CONFIG. */
int known_load(struct known *ret, struct cmk_err *err);
void known_done(struct known *known);
/* "crypttab", "volumes.d" or "". */
const char *known_by(const struct known *known, const char *path, const char *uuid);
