/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Passphrases from a terminal, a pipe or a file. */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"

/* cryptsetup's limit for a typed passphrase. */
#define LINE_LEN_MAX 512

static const int prompt_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define PROMPT_SIGNALS (sizeof(prompt_signals) / sizeof(prompt_signals[0]))

/* Set by a handler, which can reach nothing else. */
static volatile sig_atomic_t prompt_signal;

static void note_signal(int number)
{
	prompt_signal = number;
}

bool prompt_interactive(void)
{
	return isatty(STDIN_FILENO) == 1;
}

/* Signals come in here alone, if at all: one that came just before a read would not end it. */
static int wait_readable(int fd, const sigset_t *mask)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	while (mask != NULL && ppoll(&pollfd, 1, NULL, mask) < 0) {
		if (errno != EINTR || prompt_signal != 0)
			return -errno;
	}
	return 0;
}

/*
 * One byte at a time: what follows the line is someone else's. mask is what to wait with, or NULL. 0 or
 * -errno; -ENODATA for no line.
 */
static int read_line(int fd, const sigset_t *mask, struct secret *line)
{
	for (;;) {
		char c;
		int r = wait_readable(fd, mask);
		ssize_t n = r < 0 ? r : read(fd, &c, 1);

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return line->len > 0 ? 0 : -ENODATA;
		if (c == '\n')
			return 0;
		if (secret_append(line, &c, 1) < 0)
			return -EFBIG;
	}
}

struct caught {
	struct sigaction actions[PROMPT_SIGNALS];
	sigset_t mask;
};

/* The wait ends, the terminal is restored, then the signal does its work. */
static void catch_signals(struct caught *old)
{
	struct sigaction action = { .sa_handler = note_signal };
	sigset_t blocked;

	prompt_signal = 0;
	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		(void)sigaddset(&blocked, prompt_signals[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &old->mask);
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		(void)sigaction(prompt_signals[i], &action, &old->actions[i]);
}

static void release_signals(const struct caught *old)
{
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		(void)sigaction(prompt_signals[i], &old->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &old->mask, NULL);
	if (prompt_signal != 0)
		(void)raise(prompt_signal);
}

static int ask_terminal(const char *question, struct secret *line)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct caught old;
	struct termios saved;
	struct termios quiet;
	int fd = tty >= 0 ? tty : STDIN_FILENO;
	int out = tty >= 0 ? tty : STDERR_FILENO;
	int r;

	if (tcgetattr(fd, &saved) < 0)
		return -errno;
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	catch_signals(&old);
	/* Before the question: who answers it at once is neither shown nor lost. */
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	(void)io_write_all(out, question, strlen(question));
	r = read_line(fd, &old.mask, line);
	(void)tcsetattr(fd, TCSAFLUSH, &saved);
	(void)io_write_all(out, "\n", 1);
	release_signals(&old);
	return r;
}

int prompt_secret(const char *question, struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret line = { 0 };
	int r = secret_init(&line, LINE_LEN_MAX);

	if (r < 0)
		return r;
	r = prompt_interactive() ? ask_terminal(question, &line)
				 : read_line(STDIN_FILENO, NULL, &line);
	if (r == -ENODATA)
		return cmk_err(err, CMK_PASSPHRASE, "no passphrase was given");
	if (r == -EFBIG)
		return cmk_err(err, CMK_PASSPHRASE,
			       "the passphrase is longer than %d characters; use --key-file",
			       LINE_LEN_MAX);
	if (r < 0)
		return cmk_err_errno(err, CMK_PASSPHRASE, -r, "the passphrase cannot be read");
	secret_move(ret, &line);
	return 0;
}

bool prompt_yes(const char *question)
{
	char answer[8];

	fputs(question, stderr);
	(void)fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		answer[0] = '\0';
	if (!prompt_interactive() || answer[0] == '\0')
		fputc('\n', stderr); /* nobody pressed Enter on this terminal */
	return strcmp(answer, "YES\n") == 0 || strcmp(answer, "YES") == 0;
}

int prompt_key_file(const char *path, struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret content = { 0 };
	int r;

	if (strcmp(path, "-") == 0) {
		r = secret_init(&content, KEY_FILE_MAX);
		if (r >= 0)
			r = io_read_all(STDIN_FILENO, &content, INT64_MAX);
	} else {
		r = io_read_file(path, KEY_FILE_MAX, false, &content);
	}
	if (r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		return cmk_err(err, CMK_PASSPHRASE, "key file %s is larger than 8 MiB", path);
	if (r < 0)
		return cmk_err_errno(err, CMK_PASSPHRASE, -r, "key file %s cannot be read", path);
	if (content.len == 0)
		return cmk_err(err, CMK_PASSPHRASE, "key file %s is empty", path);
	secret_move(ret, &content);
	return 0;
}
