/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel's command line says to `luks-cmk attach --boot`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BOOTPARAMS_FILE_MAX 65536

struct bootparams {
	bool off;	  /* luks-cmk=off, rd.luks-cmk=0 */
	uint32_t timeout; /* luks-cmk.timeout=: seconds, CONFIG_TIMEOUT_FOREVER, or 0: not given */
	char wrong[128];  /* the last parameter of ours with a value that means nothing; ignored */
};

/*
 * Parameters are words apart from white space, double quotes hold one together (the kernel's next_arg()),
 * and all behind -- is for init. Of two the last counts.
 */
void bootparams_parse(const char *text, struct bootparams *ret);
/* A number of seconds from 1 to 86400, or forever. */
bool bootparams_timeout(const char *text, uint32_t *ret);
