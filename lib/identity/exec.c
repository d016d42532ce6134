/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identity from a program of the administrator's that prints a JWT: for SPIFFE, AWS, and every other issuer.
 * It runs before the sandbox closes, which lets nothing be executed, but without root's rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cause.h"
#include "base/drop.h"
#include "base/io.h"
#include "identity/identity.h"

/* A program that has to ask somebody far away does that in less. */
#define RUN_MAX_MS 15000
/* When it is asked again, if it could not. */
#define AGAIN_AFTER_MS 1000
/* What it complains about is shown up to here. */
#define SAID_MAX 200
#define STRAY	 (S_IWGRP | S_IWOTH)
/* Exit status of a child that could not become the program, as a shell's. */
#define CANNOT_RUN 126
/* What a program says that could not do it now: EX_TEMPFAIL of <sysexits.h>. */
#define NOT_NOW 75

/* A run of the program. */
struct run {
	pid_t pid;
	int out;  /* its standard output, for us to read */
	int said; /* its standard error */
	int64_t deadline_ms;
	int status;
};

static int not_ours_alone(const char *path, const char *part, const char *what, struct cmk_err *err)
{
	return cmk_err(err, CMK_CONFIG,
		       "the identity's program %s is not run, because %s %s; make it root's alone, "
		       "or correct program in [identity]",
		       path, part, what);
}

static int check_part(const char *path, const char *part, bool last, struct cmk_err *err)
{
	struct stat status;

	if (lstat(part, &status) < 0)
		return cmk_err_errno(err, CMK_CONFIG, errno,
				     "the identity's program %s cannot be run: %s; correct program "
				     "in [identity]",
				     path, part);
	if (S_ISLNK(status.st_mode))
		return not_ours_alone(path, part, "is a symbolic link", err);
	if (status.st_uid != 0)
		return not_ours_alone(path, part, "does not belong to root", err);
	if (status.st_mode & STRAY)
		return not_ours_alone(path, part, "can be changed by others than root", err);
	if (last && !S_ISREG(status.st_mode))
		return not_ours_alone(path, part, "is no file", err);
	return 0;
}

/* Whoever could change a folder on the way could put another program there. */
static int check_path(const char *path, struct cmk_err *err)
{
	char part[CONFIG_PATH_MAX] = "/";

	int r = check_part(path, part, false, err);
	for (size_t i = 1; r == 0 && path[i - 1]; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		r = check_part(path, part, !path[i], err);
	}
	return r;
}

static void default_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Never returns. */
static void become_program(const struct identity *identity, pid_t helper, int out, int said)
{
	char *const arguments[] = { (char *)(uintptr_t)identity->path,
				    (char *)(uintptr_t)identity->audience, NULL };
	char *const environment[] = { NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	default_signals();
	(void)setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(said, STDERR_FILENO) < 0 || chdir("/") < 0)
		_exit(CANNOT_RUN);
	closefrom(STDERR_FILENO + 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || drop_root(0, NULL) < 0)
		_exit(CANNOT_RUN);
	/* After the change of user, which resets it: the program does not outlive the helper. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != helper)
		_exit(CANNOT_RUN);
	(void)execve(arguments[0], arguments, environment);
	_exit(CANNOT_RUN);
}

static int start(const struct identity *identity, struct run *ret, struct cmk_err *err)
{
	int out[2], said[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "there is no pipe to %s",
				     identity->path);
	_cleanup_close_ int out_read = out[0], out_write = out[1];
	if (pipe2(said, O_CLOEXEC) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "there is no pipe to %s",
				     identity->path);
	_cleanup_close_ int said_read = said[0], said_write = said[1];
	pid_t helper = getpid(), pid = fork();
	if (pid < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be started",
				     identity->path);
	if (pid == 0)
		become_program(identity, helper, out_write, said_write);
	ret->pid = pid;
	ret->out = TAKE_FD(out_read);
	ret->said = TAKE_FD(said_read);
	return 0;
}

/* Takes what one of the pipes has; what does not fit is dropped for said, and an error for out. */
static int take(int *fd, struct secret *into, bool strict)
{
	uint8_t rest[256];
	size_t room = into->max - into->len;
	ssize_t got = read(*fd, room > 0 ? into->data + into->len : rest,
			   room > 0 ? room : sizeof(rest));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (got == 0) {
		io_closep(fd);
		*fd = -1;
		return 0;
	}
	if (room > 0) {
		into->len += (size_t)got;
		into->data[into->len] = '\0';
		return 0;
	}
	explicit_bzero(rest, sizeof(rest));
	return strict ? -EFBIG : 0;
}

/* 0 at the end of both; -EFBIG, -ETIMEDOUT. */
static int listen_to(struct run *run, struct secret *out, struct secret *said)
{
	while (run->out >= 0 || run->said >= 0) {
		struct pollfd fds[] = { { .fd = run->out, .events = POLLIN },
					{ .fd = run->said, .events = POLLIN } };
		int64_t left = run->deadline_ms - io_now_ms();
		int r = 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			r = take(&run->out, out, true);
		if (r == 0 && fds[1].revents)
			r = take(&run->said, said, false);
		if (r < 0)
			return r;
	}
	return 0;
}

/* It may have closed its output and live on. It is left to be collected, so that its number stays its own. */
static int wait_for(struct run *run)
{
	for (;;) {
		siginfo_t info = { 0 };
		if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
		    errno != EINTR)
			return -errno;
		if (info.si_pid == run->pid)
			return 0;
		if (io_now_ms() >= run->deadline_ms)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 5);
	}
}

/* Ends it, and what it may have started and left behind in its session. */
static void end(struct run *run)
{
	(void)kill(-run->pid, SIGKILL);
	(void)kill(run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
	io_closep(&run->out);
	io_closep(&run->said);
}

/* Its complaint, for people: the first line, and nothing that may be a token. */
static const char *complaint(struct secret *said)
{
	char *text = said->data ? (char *)said->data : NULL;

	if (!text || !text[0] || strstr(text, "eyJ"))
		return "";
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

static int judge(const struct identity *identity, const struct run *run, int r, struct secret *said,
		 struct cmk_err *err)
{
	const char *path = identity->path, *why = complaint(said);

	if (r == -EFBIG)
		return cmk_err(err, CMK_IDENTITY,
			       "%s printed more than any JWT has (%d bytes); correct it", path,
			       IDENTITY_JWT_MAX);
	if (r == -ETIMEDOUT)
		return cmk_err(
			err, CMK_TIMEOUT,
			"%s, which tells this machine's identity, did not end in time; run it "
			"by hand, and check what it waits for",
			path);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "%s cannot be listened to", path);
	if (WIFEXITED(run->status) && WEXITSTATUS(run->status) == 0)
		return 0;
	if (WIFEXITED(run->status) && WEXITSTATUS(run->status) == CANNOT_RUN && !why[0])
		return cmk_err(err, CMK_IDENTITY,
			       "%s, which tells this machine's identity, cannot be run by the "
			       "helper's user; check its mode and its first line",
			       path);
	if (WIFEXITED(run->status) && WEXITSTATUS(run->status) == NOT_NOW)
		return cmk_err(
			err, CMK_SERVICE_DOWN,
			"%s, which tells this machine's identity, says that it cannot now%s%s; "
			"try again",
			path, why[0] ? ": " : "", why);
	return cmk_err(
		err, CMK_IDENTITY,
		"%s, which tells this machine's identity, failed (%s %d)%s%s; run it by hand "
		"as the helper's user",
		path, WIFEXITED(run->status) ? "exit status" : "signal",
		WIFEXITED(run->status) ? WEXITSTATUS(run->status) : WTERMSIG(run->status),
		why[0] ? ": " : "", why);
}

static int run_program(struct identity *identity, int64_t deadline_ms, struct secret *out,
		       struct cmk_err *err)
{
	_cleanup_secret_ struct secret said = { 0 };
	struct run run = { .out = -1, .said = -1, .deadline_ms = deadline_ms };

	if (secret_init(out, IDENTITY_JWT_MAX + IDENTITY_BLANK_MAX) < 0 ||
	    secret_init(&said, SAID_MAX) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "%s cannot be listened to",
				     identity->path);
	int r = start(identity, &run, err);
	if (r < 0)
		return r;
	r = listen_to(&run, out, &said);
	if (r == 0)
		r = wait_for(&run);
	end(&run);
	return judge(identity, &run, r, &said, err);
}

/* At boot, the agent that the program asks may come up a moment later. */
static int run_until_it_can(struct identity *identity, struct cmk_err *err)
{
	int64_t most = (int64_t)identity->timeout * 1000;
	int64_t deadline_ms = io_now_ms() + (most < RUN_MAX_MS ? most : RUN_MAX_MS);

	for (;;) {
		struct cmk_err this = { 0 };
		int r = run_program(identity, deadline_ms, &identity->held, &this);
		if (r == 0 || this.code != CMK_SERVICE_DOWN ||
		    io_now_ms() + AGAIN_AFTER_MS >= deadline_ms) {
			if (r < 0 && err)
				*err = this;
			return r;
		}
		(void)poll(NULL, 0, AGAIN_AFTER_MS);
	}
}

/* What is wrong with the program, or what it asks, is this machine's to put right. */
static void set_cause(struct cmk_err *err)
{
	if (err && err->code == CMK_IDENTITY)
		cause_set(err, "identity:program");
	else if (err && err->code == CMK_TIMEOUT)
		cause_set(err, "identity:program-slow");
	else if (err && err->code == CMK_SERVICE_DOWN)
		cause_set(err, "identity:program-later");
}

static int exec_prepare(struct identity *identity, struct cmk_err *err)
{
	if (identity->path[0] != '/')
		return cmk_err(err, CMK_CONFIG,
			       "the identity comes from a program, and luks-cmk.conf names none; "
			       "set program in [identity] to an absolute path");
	int r = check_path(identity->path, err);
	if (r == 0)
		r = run_until_it_can(identity, err);
	if (r == 0 && !identity_trim_jwt(&identity->held))
		r = cmk_err(err, CMK_IDENTITY, "%s printed no JWT; correct it", identity->path);
	if (r < 0)
		set_cause(err);
	return r;
}

const struct identity_ops identity_exec = {
	.name = "exec",
	.machine_only = true,
	.prepare = exec_prepare,
	.request = identity_held,
};
