/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program that attach --boot runs first: it brings the network up. */
#pragma once

#include <stdint.h>

#include "typed.h"

struct first {
	const char *program; /* absolute */
	uint32_t seconds;    /* it gets them as its argument, and is ended somewhat after */
	/* Called once, when it has taken a while already. */
	void (*say)(void *data, uint32_t seconds);
	void *data;
};

/* Of what it says on its standard output the first line, which tells why it failed. */
#define FIRST_WHY_MAX 256

/*
 * Runs the program with our environment and standard descriptors, but for its output, and reads what is typed
 * meanwhile; Enter ends it, with all that it has started. 0; -EIO: it failed, was late, or could not be started,
 * and ret_why, of FIRST_WHY_MAX bytes, has its words, or ours; -ECANCELED: Enter; or the number of the signal that
 * we got, which is for the caller to raise again.
 */
int first_run(const struct first *first, struct typed *typed, char *ret_why);
