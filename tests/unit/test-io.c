/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files whole or not at all, and waits that end. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static char folder[] = "/tmp/luks-cmk-io-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void test_read_file(void **state)
{
	static const struct {
		const char *path;
		size_t max;
		bool nofollow;
		int expected;
	} rows[] = {
		{ "file", 100, true, 0 },
		{ "file", 5, true, 0 },
		{ "file", 4, true, -EFBIG },
		{ "empty", 0, true, 0 },
		{ "missing", 9, true, -ENOENT },
		{ "link", 9, true, -ELOOP },
		{ "link", 9, false, 0 },
		{ "fifo", 9, true, -EINVAL },
		{ "folder", 9, true, -EISDIR },
		{ "/dev/zero", 9, true, -EINVAL },
		{ "/proc/self/stat", 4096, true, 0 },
		{ "/proc/self/stat", 4, true, -EFBIG },
	};

	(void)state;
	assert_int_equal(io_write_file("file", "abcde", 5, 0600), 0);
	assert_int_equal(io_write_file("empty", NULL, 0, 0600), 0);
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret text = { 0 };

		CHECK_INT(rows[i].path,
			  io_read_file(rows[i].path, rows[i].max, rows[i].nofollow, &text),
			  rows[i].expected);
		CHECK(rows[i].path, (rows[i].expected == 0) == (text.data != NULL));
		if (i == 0)
			CHECK_TEXT(rows[i].path, (char *)text.data, "abcde");
	}
	assert_int_equal(unlink("file") | unlink("empty") | unlink("link") | unlink("fifo"), 0);
	assert_int_equal(rmdir("folder"), 0);
}

static void test_write_file(void **state)
{
	_cleanup_secret_ struct secret text = { 0 };
	mode_t old = umask(0777);
	struct stat st;

	(void)state;
	/* Neither the umask nor the file that was there decides the mode; a link is replaced. */
	assert_int_equal(symlink("elsewhere", "x"), 0);
	assert_int_equal(io_write_file("x", "1", 1, 0640), 0);
	assert_int_equal(lstat("x", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(io_write_file("x", "22", 2, 0600), 0);
	assert_int_equal(stat("x", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access("elsewhere", F_OK), -1);
	assert_int_equal(io_read_file("x", 9, true, &text), 0);
	assert_string_equal((char *)text.data, "22");
	umask(old);

	/* The folder must end empty: nothing temporary stays, also after a failure. */
	assert_int_equal(io_write_file("missing/x", "1", 1, 0600), -ENOENT);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(io_write_file("folder", "1", 1, 0600), -EISDIR);
	assert_int_equal(rmdir("folder"), 0);
	assert_int_equal(unlink("x"), 0);
}

static void test_mkdir(void **state)
{
	(void)state;
	assert_int_equal(io_mkdir("d", 0700), 0);
	assert_int_equal(io_mkdir("d", 0700), 0);
	assert_int_equal(io_mkdir("a/b", 0700), -ENOENT);
	assert_int_equal(symlink("d", "l"), 0);
	assert_int_equal(io_mkdir("l", 0700), -ENOTDIR);
	assert_int_equal(unlink("l") | rmdir("d"), 0);
}

static void test_read_all(void **state)
{
	static const struct {
		const char *name;
		size_t sent, max;
		bool closed;
		int expected;
	} rows[] = {
		{ "all", 10, 10, true, 0 },
		{ "nothing", 0, 10, true, 0 },
		{ "one too many", 11, 10, true, -EFBIG },
		{ "unfinished", 5, 10, false, -ETIMEDOUT },
		{ "full and unfinished", 10, 10, false, -ETIMEDOUT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret s = { 0 };
		int64_t begin = io_now_ms();
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		assert_int_equal(secret_init(&s, rows[i].max), 0);
		assert_int_equal(io_write_all(pair[1], "0123456789x", rows[i].sent), 0);
		if (rows[i].closed)
			io_closep(&pair[1]);
		CHECK_INT(rows[i].name, io_read_all(pair[0], &s, begin + 30), rows[i].expected);
		CHECK(rows[i].name, memcmp(s.data, "0123456789", s.len) == 0);
		CHECK_INT(rows[i].name, s.data[s.len], 0);
		CHECK(rows[i].name, rows[i].closed || io_now_ms() - begin >= 30);
		CHECK(rows[i].name, io_now_ms() - begin < 5000);
		io_closep(&pair[0]);
		if (!rows[i].closed)
			io_closep(&pair[1]);
	}
}

/* A signal would end this program. */
static void test_write_to_closed(void **state)
{
	_cleanup_close_ int fd = -1;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fd = pair[0];
	close(pair[1]);
	assert_int_equal(io_write_all(fd, "x", 1), -EPIPE);
	assert_int_equal(io_write_all(-1, "x", 1), -EBADF);
	assert_int_equal(io_write_all(-1, NULL, 0), 0);
}

/* Its caller goes on, where the kernel's signal would end it. */
static void test_size_limit(void **state)
{
	struct rlimit old, limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int longer = io_write_file("x", "1234", 4, 0600),
	    fitting = io_write_file("x", "123", 3, 0600);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(longer, -EFBIG);
	assert_int_equal(fitting, 0);
	assert_int_equal(unlink("x"), 0);
}

static void test_take(void **state)
{
	_cleanup_free_ char *text = strdup("x");
	_cleanup_free_ char *taken = TAKE_PTR(text);
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int taken_fd = TAKE_FD(fd);
	int negative = -7;

	(void)state;
	assert_null(text);
	assert_string_equal(taken, "x");
	assert_int_equal(fd, -1);
	assert_true(taken_fd >= 0);
	errno = ENOTTY;
	io_closep(&negative);
	assert_int_equal(errno, ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_file),	cmocka_unit_test(test_write_file),
		cmocka_unit_test(test_mkdir),		cmocka_unit_test(test_read_all),
		cmocka_unit_test(test_size_limit),	cmocka_unit_test(test_take),
		cmocka_unit_test(test_write_to_closed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
