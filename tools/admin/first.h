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

/*
 * Runs the program with our standard descriptors and environment, and reads what is typed meanwhile; Enter ends
 * it, with all that it has started. 0; -EIO: it failed, was late, or could not be started; -ECANCELED:
 * Enter; or the number of the signal that we got, which is for the caller to raise again.
 */
int first_run(const struct first *first, struct typed *typed);
