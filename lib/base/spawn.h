/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a program and takes its answer: a text through a socket on descriptor 3, or its exit status. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"

/* The descriptor that the program finds its socket on. */
#define SPAWN_FD 3

/*
 * Starts path (absolute) with an empty environment, default signals, standard input and output on
 * /dev/null, standard error inherited and no other descriptor; sends question, shuts the sending side
 * down, and reads the answer up to the end of file into ret_answer (at most answer_max bytes, else
 * -EFBIG). Waits as long as the program lives: its deadline is its own. Safe in a process with threads
 * or with SIGCHLD ignored: touches no state of the caller, raises no SIGPIPE.
 * 0; -ENOENT, -EACCES (the program cannot be started); other -errno. On success ret_status (may be
 * NULL) is the wait status, or -1 where the host collected it.
 */
int spawn_ask(const char *path, const struct secret *question, size_t answer_max,
	      struct secret *ret_answer, int *ret_status);

/*
 * The same, without waiting: the question is sent, and the answer is to be read from ret_fd, which does not block, up to
 * its end; then the child is the caller's to collect. The question fits into a socket's buffer. 0, or -errno as above.
 */
int spawn_ask_start(const char *path, const struct secret *question, int *ret_fd, pid_t *ret_pid);
/*
 * Starts a program (argv[0] is absolute) in the same surroundings, but without a socket and with its standard
 * error on /dev/null. The child is the caller's to collect. 0, or -errno as above.
 */
int spawn_start(const char *const argv[], pid_t *ret_pid);
/*
 * The same, and waits for its end. One that has not ended in time is killed: -ETIMEDOUT. Its exit status; -EINTR if a
 * signal ended it; -ECHILD where the host collected it; other -errno as above.
 */
int spawn_run(const char *const argv[], int64_t timeout_ms);
