/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a spawned program finds around it, and how each way of misbehaving ends. Plays both parts. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/spawn.h"

#define LARGE (1 << 20)

/* The child's part: named by the link that it was started through. */

static int answer(const void *data, size_t len)
{
	return io_write_all(SPAWN_FD, data, len) < 0 ? 20 : 0;
}

static int child_echo(void)
{
	_cleanup_secret_ struct secret s = { 0 };

	if (secret_init(&s, LARGE) < 0 || io_read_all(SPAWN_FD, &s, INT64_MAX) < 0)
		return 21;
	return answer(s.data, s.len);
}

/* Answers at length before it reads a single byte of a long question. */
static int child_early(void)
{
	_cleanup_secret_ struct secret s = { 0 };
	static uint8_t zeros[LARGE];

	if (answer(zeros, sizeof(zeros)) != 0)
		return 22;
	return secret_init(&s, LARGE) < 0 || io_read_all(SPAWN_FD, &s, INT64_MAX) < 0 ? 23 : 0;
}

static int child_silent(void)
{
	return 7;
}

/* Ends with the question unread, having answered. */
static int child_deaf(void)
{
	return answer("no", 2);
}

static int child_killed(void)
{
	raise(SIGKILL);
	return 0;
}

static int child_inspect(void)
{
	_cleanup_buf_ struct buf b = BUF(4096);
	struct sigaction action;
	sigset_t blocked;

	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			buf_printf(&b, "%d ", fd);
	}
	for (char **e = environ; *e; e++)
		buf_printf(&b, "env:%s ", *e);
	sigemptyset(&blocked);
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int n = 1; n < 32; n++) {
		if (sigismember(&blocked, n))
			buf_printf(&b, "blocked:%d ", n);
		/* The sanitizers catch this one. */
		if (n != SIGSEGV && sigaction(n, NULL, &action) == 0 &&
		    action.sa_handler == SIG_IGN)
			buf_printf(&b, "ignored:%d ", n);
	}
	return buf_error(&b) ? 24 : answer(b.data, b.len);
}

static const struct {
	const char *name;
	int (*run)(void);
} children[] = {
	{ "echo", child_echo }, { "early", child_early },   { "silent", child_silent },
	{ "deaf", child_deaf }, { "killed", child_killed }, { "inspect", child_inspect },
};

static char folder[] = "/tmp/luks-cmk-spawn-XXXXXX";

static void path_of(const char *name, char *out)
{
	snprintf(out, PATH_MAX, "%s/%s", folder, name);
}

static int make_links(void **state)
{
	char self[PATH_MAX] = "", path[PATH_MAX];

	(void)state;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || !mkdtemp(folder))
		return -1;
	for (size_t i = 0; i < COUNT(children); i++) {
		path_of(children[i].name, path);
		if (symlink(self, path) < 0)
			return -1;
	}
	return 0;
}

static int remove_links(void **state)
{
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(children); i++) {
		path_of(children[i].name, path);
		unlink(path);
	}
	return rmdir(folder);
}

static int ask(const char *name, size_t question_len, size_t max, struct secret *ret, int *status)
{
	_cleanup_secret_ struct secret question = { 0 };
	char path[PATH_MAX];

	assert_int_equal(secret_init(&question, question_len), 0);
	memset(question.data, 'q', question_len);
	question.len = question_len;
	path_of(name, path);
	return spawn_ask(path, &question, max, ret, status);
}

static void test_conversations(void **state)
{
	static const struct {
		const char *name;
		size_t question, max;
		int expected;
		size_t answer;
		int status; /* exit status, or minus the signal */
	} rows[] = {
		{ "echo", 10, 10, 0, 10, 0 },
		{ "echo", 0, 10, 0, 0, 0 },
		{ "echo", LARGE, LARGE, 0, LARGE, 0 },
		{ "echo", 11, 10, -EFBIG, 0, 0 },
		{ "early", LARGE, LARGE, 0, LARGE, 0 },
		{ "early", 10, 5, -EFBIG, 0, 0 },
		{ "silent", 10, 10, 0, 0, 7 },
		{ "silent", LARGE, 10, 0, 0, 7 },
		{ "deaf", 10, 10, 0, 2, 0 },
		{ "deaf", LARGE, 10, 0, 2, 0 },
		{ "killed", 10, 10, 0, 0, -SIGKILL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret got = { 0 };
		int status = 99;
		int r = ask(rows[i].name, rows[i].question, rows[i].max, &got, &status);

		CHECK_INT(rows[i].name, r, rows[i].expected);
		CHECK_INT(rows[i].name, got.len, rows[i].answer);
		if (r < 0)
			CHECK_INT(rows[i].name, status, 99);
		else if (rows[i].status < 0)
			CHECK_INT(rows[i].name, WTERMSIG(status), -rows[i].status);
		else
			CHECK_INT(rows[i].name, WEXITSTATUS(status), rows[i].status);
		CHECK_INT(rows[i].name, waitpid(-1, NULL, WNOHANG), -1);
	}
}

/* Without waiting: the question is sent by then, and the answer comes as it pleases. */
static void test_start(void **state)
{
	_cleanup_secret_ struct secret question = { 0 };
	char path[PATH_MAX], got[64] = "";
	pid_t pid = -1;
	int fd = -1, status = -1, r;
	struct pollfd pollfd;

	(void)state;
	assert_int_equal(secret_set(&question, "hello", 5), 0);
	path_of("echo", path);
	assert_int_equal(spawn_ask_start(path, &question, &fd, &pid), 0);
	pollfd = (struct pollfd){ .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, 10000), 1);
	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	assert_non_null(strstr(got, "hello"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	(void)close(fd);
	path_of("nobody", path);
	r = spawn_ask_start(path, &question, &fd, &pid);
	if (r != 0) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	/* Under valgrind the child shares no memory with us, and can tell by its exit status only. */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 127);
	(void)close(fd);
}

static void test_missing(void **state)
{
	_cleanup_secret_ struct secret got = { 0 };
	int status = 0;
	int r = ask("missing", 10, 10, &got, &status);

	(void)state;
	/* Under valgrind the child shares no memory with us, and can tell by its exit status only. */
	if (r == 0)
		assert_int_equal(WEXITSTATUS(status), 127);
	else
		assert_int_equal(r, -ENOENT);
	assert_int_equal(got.len, 0);
}

/* The caller's open files, blocked and ignored signals stay with the caller. */
static void test_surroundings(void **state)
{
	_cleanup_close_ int leak = open("/dev/null", O_RDONLY); /* not O_CLOEXEC: on purpose */
	_cleanup_secret_ struct secret got = { 0 };
	sigset_t all, old, now;

	(void)state;
	assert_true(leak >= 3);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	assert_int_equal(ask("inspect", 1, 4096, &got, NULL), 0);
	assert_string_equal((char *)got.data, "0 1 2 3 ");
	sigprocmask(SIG_SETMASK, &old, &now);
	assert_true(sigismember(&now, SIGTERM));
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}

/* A host that lets the kernel collect its children, and one that has closed its standard descriptors. */
static void test_odd_hosts(void **state)
{
	_cleanup_secret_ struct secret got = { 0 };
	int saved[3], status = 99;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(ask("echo", 10, 10, &got, &status), 0);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(status, -1);
	assert_int_equal(got.len, 10);

	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	secret_done(&got);
	status = ask("inspect", 1, 4096, &got, NULL);
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	assert_int_equal(status, 0);
	assert_string_equal((char *)got.data, "0 1 2 3 ");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations), cmocka_unit_test(test_start),
		cmocka_unit_test(test_missing),	      cmocka_unit_test(test_surroundings),
		cmocka_unit_test(test_odd_hosts),
	};
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;

	for (size_t i = 0; name && i < COUNT(children); i++) {
		if (strcmp(name + 1, children[i].name) == 0)
			return children[i].run();
	}
	return cmocka_run_group_tests(tests, make_links, remove_links);
}
