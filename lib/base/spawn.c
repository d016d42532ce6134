/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a program and takes its answer: a text through a socket on descriptor 3, or its exit status. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

/* posix_spawn_file_actions_addclosefrom_np() is glibc 2.34's. */
#if !__GLIBC_PREREQ(2, 34)
#error "glibc 2.34 or later is needed"
#endif

/*
 * The actions run in the child, in this order. The socket, if there is one, goes first to its place: where
 * the caller has closed its standard descriptors, the socket may sit on one of them.
 */
static int set_descriptors(posix_spawn_file_actions_t *actions, int fd, bool have_stderr)
{
	int r = 0;

	if (fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, fd, SPAWN_FD);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
	if (r == 0 && !have_stderr)
		r = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions,
							     fd >= 0 ? SPAWN_FD + 1 : SPAWN_FD);
	return -r;
}

/* The caller may block or ignore any signal: none of it is handed on. */
static int set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
					     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return -r;
}

static int start(const char *const argv[], int fd, bool have_stderr, pid_t *ret_pid)
{
	char *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r < 0) {
		posix_spawn_file_actions_destroy(&actions);
		return r;
	}
	r = set_descriptors(&actions, fd, have_stderr);
	if (r == 0)
		r = set_signals(&attributes);
	if (r == 0)
		r = -posix_spawn(ret_pid, argv[0], &actions, &attributes,
				 (char *const *)(uintptr_t)argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* The other end has gone, or will read no more: what it has sent before can still be read. */
static bool is_gone(int errnum)
{
	return errnum == EPIPE || errnum == ECONNRESET;
}

/* Sends more of the question, and shuts down after its last byte. */
static int send_some(int fd, const struct secret *question, size_t *sent, bool *done)
{
	ssize_t n = 0;

	if (*sent < question->len)
		n = send(fd, question->data + *sent, question->len - *sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && is_gone(errno)) {
		*done = true;
		return 0;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*sent += (size_t)n;
	if (*sent == question->len) {
		shutdown(fd, SHUT_WR);
		*done = true;
	}
	return 0;
}

/* Takes more of the answer; end is set at the end of file. */
static int receive_some(int fd, struct secret *answer, bool *end)
{
	uint8_t extra = 0;
	bool full = answer->len == answer->max;
	ssize_t n;

	n = recv(fd, full ? &extra : answer->data + answer->len,
		 full ? 1 : answer->max - answer->len, MSG_DONTWAIT);
	if (n < 0 && !is_gone(errno))
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n <= 0) {
		*end = true;
		return 0;
	}
	if (full)
		return -EFBIG;
	answer->len += (size_t)n;
	answer->data[answer->len] = '\0';
	return 0;
}

/* Sends and receives side by side: a program that answers early must not wait for us, nor we for it. */
static int exchange(int fd, const struct secret *question, struct secret *answer)
{
	bool asked = false, end = false;
	size_t sent = 0;

	while (!end) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		int r;

		if (!asked)
			pollfd.events |= POLLOUT;
		if (poll(&pollfd, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!asked && (pollfd.revents & (POLLOUT | POLLHUP | POLLERR))) {
			r = send_some(fd, question, &sent, &asked);
			if (r < 0)
				return r;
		}
		if (pollfd.revents & (POLLIN | POLLHUP | POLLERR)) {
			r = receive_some(fd, answer, &end);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Only ever this child: others are the caller's. */
static int collect(pid_t pid)
{
	int status = 0;
	pid_t r;

	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	return r == pid ? status : -1;
}

int spawn_ask(const char *path, const struct secret *question, size_t answer_max,
	      struct secret *ret_answer, int *ret_status)
{
	_cleanup_secret_ struct secret answer = { 0 };
	_cleanup_close_ int ours = -1, theirs = -1;
	const char *const argv[] = { path, NULL };
	bool have_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
	int pair[2] = { -1, -1 };
	pid_t pid = -1;
	int r, status;

	r = secret_init(&answer, answer_max);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = start(argv, theirs, have_stderr, &pid);
	if (r < 0)
		return r;
	io_closep(&theirs);
	theirs = -1;
	r = exchange(ours, question, &answer);
	/* Before waiting: a program that still writes is to see that nobody reads. */
	io_closep(&ours);
	ours = -1;
	status = collect(pid);
	if (r < 0)
		return r;
	secret_move(ret_answer, &answer);
	if (ret_status)
		*ret_status = status;
	return 0;
}

int spawn_ask_start(const char *path, const struct secret *question, int *ret_fd, pid_t *ret_pid)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	const char *const argv[] = { path, NULL };
	int pair[2] = { -1, -1 };
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	/* The question first: what does not fit is noticed before anybody is there to ask. */
	r = io_write_all(ours, question->data, question->len);
	if (r < 0)
		return r;
	if (shutdown(ours, SHUT_WR) < 0 || fcntl(theirs, F_SETFL, 0) < 0)
		return -errno;
	r = start(argv, theirs, fcntl(STDERR_FILENO, F_GETFD) >= 0, ret_pid);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(ours);
	return 0;
}

int spawn_start(const char *const argv[], pid_t *ret_pid)
{
	return start(argv, -1, false, ret_pid);
}

int spawn_run(const char *const argv[], int64_t timeout_ms)
{
	int64_t deadline_ms = io_now_ms() + timeout_ms;
	pid_t pid = -1;
	int status = 0;
	int r = start(argv, -1, false, &pid);

	if (r < 0)
		return r;
	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (io_now_ms() >= deadline_ms)
			break;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5L * 1000 * 1000 }, NULL);
	}
	(void)kill(pid, SIGKILL);
	(void)collect(pid);
	return -ETIMEDOUT;
}
