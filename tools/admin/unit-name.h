/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of systemd's units. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* UNIT_NAME_MAX of systemd's src/basic/unit-name.h. */
#define UNIT_NAME_MAX 256

/*
 * "PREFIX@NAME.service", with name escaped as systemd-escape(1) does: what systemd's own generator makes of a
 * name in crypttab. False, and empty, if it does not fit.
 */
bool unit_name(const char *prefix, const char *name, char out[static UNIT_NAME_MAX]);
