/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Debian's askpass, played by a copy of sleep(1) with its variable, and the FIFO that it reads. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "tools/admin/askpass.h"

struct place {
	char folder[64], program[80], fifo[80];
	struct prompts_places places;
};

static void place_open(struct place *place)
{
	_cleanup_secret_ struct secret program = { 0 };

	snprintf(place->folder, sizeof(place->folder), "/tmp/test-askpass.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->program, sizeof(place->program), "%s/askpass", place->folder);
	snprintf(place->fifo, sizeof(place->fifo), "%s/fifo", place->folder);
	assert_int_equal(io_read_file("/bin/sleep", 1 << 24, false, &program), 0);
	assert_int_equal(io_write_file(place->program, program.data, program.len, 0755), 0);
	place->places = (struct prompts_places){ .proc = "/proc",
						 .askpass = place->program,
						 .fifo = place->fifo };
}

static void place_close(const struct place *place)
{
	(void)unlink(place->fifo);
	assert_int_equal(unlink(place->program), 0);
	assert_int_equal(rmdir(place->folder), 0);
}

static bool is_root(void *data, const char *name, const char *device)
{
	(void)data;
	assert_null(device);
	return strcmp(name, "root") == 0;
}

static pid_t start(const struct place *place, const char *variable)
{
	char *const argv[] = { (char *)(uintptr_t)place->program, (char *)(uintptr_t) "60", NULL };
	char *const environment[] = { (char *)(uintptr_t) "A=1", (char *)(uintptr_t)variable,
				      NULL };
	char path[64], exe[128] = { 0 };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execve(place->program, argv, environment);
		_exit(127);
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	for (int i = 0; i < 500 && strcmp(exe, place->program) != 0; i++) {
		memset(exe, 0, sizeof(exe));
		assert_true(readlink(path, exe, sizeof(exe) - 1) > 0);
		(void)usleep(10000);
	}
	assert_string_equal(exe, place->program);
	return pid;
}

static void test_look(void **state)
{
	static const struct {
		const char *variable;
		enum askpass_state expected;
	} rows[] = {
		{ "CRYPTTAB_NAME=root", ASKPASS_WANTED }, { "CRYPTTAB_NAME=data", ASKPASS_OTHER },
		{ "CRYPTTAB_NAME=", ASKPASS_OTHER },	  { "XCRYPTTAB_NAME=root", ASKPASS_OTHER },
		{ "_CRYPTTAB_NAME=root", ASKPASS_OTHER },
	};
	struct place place;

	(void)state;
	place_open(&place);
	for (size_t i = 0; i < COUNT(rows); i++) {
		pid_t pid = start(&place, rows[i].variable);
		int status;

		CHECK_INT(rows[i].variable, askpass_look(&place.places, is_root, NULL),
			  rows[i].expected);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(askpass_look(&place.places, is_root, NULL), ASKPASS_NONE);
	place_close(&place);
	assert_int_equal(askpass_look(&place.places, is_root, NULL), ASKPASS_NONE);
}

static void test_answer(void **state)
{
	_cleanup_secret_ struct secret passphrase = { 0 };
	struct place place;
	char got[64] = { 0 };
	int fd;

	(void)state;
	place_open(&place);
	assert_int_equal(secret_set(&passphrase, "tell nobody", 11), 0);
	assert_int_equal(askpass_answer(&place.places, &passphrase), -ENOENT);
	assert_int_equal(mkfifo(place.fifo, 0600), 0);
	assert_int_equal(askpass_answer(&place.places, &passphrase), -ENXIO);
	fd = open(place.fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	/* Exactly the passphrase, then the end. */
	assert_int_equal(askpass_answer(&place.places, &passphrase), 0);
	assert_int_equal(read(fd, got, sizeof(got)), 11);
	assert_string_equal(got, "tell nobody");
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	/* Nothing but the end. */
	assert_int_equal(askpass_answer(&place.places, NULL), 0);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	/* Others could read along. */
	assert_int_equal(chmod(place.fifo, 0644), 0);
	assert_int_equal(askpass_answer(&place.places, &passphrase), -EPERM);
	assert_int_equal(unlink(place.fifo), 0);
	assert_int_equal(io_write_file(place.fifo, "", 0, 0600), 0);
	assert_int_equal(askpass_answer(&place.places, &passphrase), -EPERM);
	assert_int_equal(unlink(place.fifo), 0);
	assert_int_equal(symlink("askpass", place.fifo), 0);
	assert_int_equal(askpass_answer(&place.places, &passphrase), -ELOOP);
	(void)close(fd);
	place_close(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_look),
					    cmocka_unit_test(test_answer) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
