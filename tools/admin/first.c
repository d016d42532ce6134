/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program that attach --boot runs first: it brings the network up. */
#include "first.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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

static void be_child(const struct first *first, const struct signals *signals, int output)
{
	char seconds[16];

	/* All that it starts is ended with it. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	signals_release(signals);
	(void)snprintf(seconds, sizeof(seconds), "%u", first->seconds);
	(void)dup2(output, STDOUT_FILENO);
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

/* What it left in the pipe; more than a pipe holds nobody says about a network. */
static void read_why(int fd, const struct first *first, char *ret)
{
	ssize_t n = read(fd, ret, FIRST_WHY_MAX - 1);

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (ret[0] == '\0')
		(void)snprintf(ret, FIRST_WHY_MAX, "%s did not say why", first->program);
}

int first_run(const struct first *first, struct typed *typed, char *ret_why)
{
	_cleanup_close_ int from = -1, to = -1;
	struct signals signals;
	int pair[2];
	pid_t pid;
	int r = -EIO;

	(void)snprintf(ret_why, FIRST_WHY_MAX, "%s cannot be started", first->program);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -EIO;
	from = pair[0];
	to = pair[1];
	/* Who is left over from it may still have the other end. */
	(void)fcntl(from, F_SETFL, O_NONBLOCK);
	(void)fflush(NULL);
	signals_catch(&signals);
	pid = fork();
	if (pid == 0)
		be_child(first, &signals, to);
	if (pid > 0) {
		(void)setpgid(pid, pid); /* whoever is first */
		r = watch(first, pid, typed, &signals);
		if (r != 0)
			(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0); /* gone already, unless it was ended */
		read_why(from, first, ret_why);
	}
	signals_release(&signals);
	return signals_caught() != 0 ? signals_caught() : r;
}
