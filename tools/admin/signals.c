/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that end a program which has children to end first. */
#include "signals.h"

static const int numbers[SIGNALS_COUNT] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE };

/* Set by a handler, which can reach nothing else. */
static volatile sig_atomic_t caught;

static void note_signal(int number)
{
	if (number != SIGCHLD && number != SIGPIPE)
		caught = number;
}

void signals_catch(struct signals *ret)
{
	struct sigaction action = { .sa_handler = note_signal };
	sigset_t blocked;

	caught = 0;
	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < SIGNALS_COUNT; i++) {
		(void)sigaddset(&blocked, numbers[i]);
		(void)sigaction(numbers[i], &action, &ret->old[i]);
		/* As nohup has it, and a shell for what it runs in the background. */
		if (numbers[i] != SIGCHLD && ret->old[i].sa_handler == SIG_IGN)
			(void)sigaction(numbers[i], &ret->old[i], NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &ret->mask);
}

void signals_release(const struct signals *signals)
{
	/* In this order, so that one which is pending is noted, and does not end us here. */
	(void)sigprocmask(SIG_SETMASK, &signals->mask, NULL);
	for (size_t i = 0; i < SIGNALS_COUNT; i++)
		(void)sigaction(numbers[i], &signals->old[i], NULL);
}

int signals_caught(void)
{
	return caught;
}
