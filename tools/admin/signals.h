/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that end a program which has children to end first. */
#pragma once

#include <signal.h>

#define SIGNALS_COUNT 5

struct signals {
	sigset_t mask; /* as it was: to wait with, and for children */
	struct sigaction old[SIGNALS_COUNT];
};

/*
 * SIGINT, SIGTERM and SIGHUP are noted, SIGCHLD wakes, and SIGPIPE does nothing: what was begun is ended though nobody
 * reads of it. All are blocked but where mask is used.
 */
void signals_catch(struct signals *ret);
/* As it was before; what was caught, until now, is for the caller to raise again. */
void signals_release(const struct signals *signals);
/* The number of the last signal caught that is to end us, or 0. */
int signals_caught(void);
