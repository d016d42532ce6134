/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program that attach --boot runs first: it brings the network up. */
#include "first.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "signals.h"

/* What is over before needs no line on the console. */
#define SAY_MS 3000
/* It keeps to its time by itself. */
#define MARGIN_MS 3000
#define LOOK_MS	  100

static void be_child(const struct first *first, const struct signals *signals)
{
	char seconds[16];

	/* All that it starts is ended with it. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	signals_release(signals);
	(void)snprintf(seconds, sizeof(seconds), "%u", first->seconds);
	(void)execl(first->program, first->program, seconds, (char *)NULL);
	fprintf(stderr, "luks-cmk: %s: %m\n", first->program);
	_exit(127);
}

/* Whether it has ended. */
static bool has_ended(pid_t pid, int *ret_status)
{
	pid_t ended = waitpid(pid, ret_status, WNOHANG);

	if (ended < 0 && errno != EINTR)
		*ret_status = -1;
	return ended == pid || (ended < 0 && errno != EINTR);
}

/* Until it has ended or shall be. 0, -EIO, -ECANCELED or a signal. */
static int watch(const struct first *first, pid_t pid, struct typed *typed,
		 const struct signals *signals)
{
	int64_t start_ms = io_now_ms();
	int64_t deadline_ms = start_ms + (int64_t)first->seconds * 1000 + MARGIN_MS;
	bool said = false;

	for (;;) {
		struct pollfd pollfd = { .fd = typed_fd(typed), .events = POLLIN };
		struct timespec look = { .tv_nsec = LOOK_MS * 1000L * 1000 };
		int64_t now_ms = io_now_ms();
		int status = 0;

		if (has_ended(pid, &status))
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
		if (signals_caught() != 0)
			return signals_caught();
		if (typed_entered(typed))
			return -ECANCELED;
		if (now_ms > deadline_ms)
			return -EIO;
		if (!said && now_ms > start_ms + SAY_MS) {
			first->say(first->data, first->seconds);
			said = true;
		}
		(void)ppoll(&pollfd, 1, &look, &signals->mask);
		typed_receive(typed);
	}
}

int first_run(const struct first *first, struct typed *typed)
{
	struct signals signals;
	pid_t pid;
	int r;

	(void)fflush(NULL);
	signals_catch(&signals);
	pid = fork();
	if (pid == 0)
		be_child(first, &signals);
	if (pid > 0) {
		(void)setpgid(pid, pid); /* whoever is first */
		r = watch(first, pid, typed, &signals);
		if (r != 0)
			(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0); /* gone already, unless it was ended */
	} else {
		r = -EIO;
	}
	signals_release(&signals);
	return r;
}
