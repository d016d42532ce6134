/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plymouth, played by a script that notes what it was asked for. */
#include "rows.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "tools/admin/splash.h"

struct stage {
	char folder[64], program[80], log[80];
};

static void stage_open(struct stage *stage, const char *script)
{
	char text[256];

	snprintf(stage->folder, sizeof(stage->folder), "/tmp/test-splash.XXXXXX");
	assert_non_null(mkdtemp(stage->folder));
	snprintf(stage->program, sizeof(stage->program), "%s/plymouth", stage->folder);
	snprintf(stage->log, sizeof(stage->log), "%s/log", stage->folder);
	snprintf(text, sizeof(text), "#!/bin/sh\nprintf '%%s,' \"$@\" >>%s\n%s\n", stage->log,
		 script);
	assert_int_equal(io_write_file(stage->program, text, strlen(text), 0700), 0);
}

static void stage_close(const struct stage *stage, char *log, size_t size)
{
	_cleanup_secret_ struct secret content = { 0 };

	if (io_read_file(stage->log, size - 1, false, &content) == 0)
		(void)unlink(stage->log);
	snprintf(log, size, "%s", content.data != NULL ? (const char *)content.data : "");
	assert_int_equal(unlink(stage->program), 0);
	assert_int_equal(rmdir(stage->folder), 0);
}

static void test_say(void **state)
{
	static const struct {
		const char *script;
		const char *log;
		int64_t most_ms;
	} rows[] = {
		{ "exit 0",
		  "--ping,display-message,--text=asking,hide-message,--text=asking,display-message,"
		  "--text=failed \\x1b[2J,hide-message,--text=failed \\x1b[2J,",
		  5000 },
		{ "exit 1", "--ping,", 5000 },
		{ "case $1 in hide*) exit 1 ;; esac",
		  "--ping,display-message,--text=asking,hide-message,--text=asking,display-message,"
		  "--text=failed \\x1b[2J,hide-message,--text=failed \\x1b[2J,",
		  5000 },
		/* It hangs: once, for a second. */
		{ "exec sleep 30", "--ping,", 5000 },
		{ "case $1 in d*) exec sleep 30 ;; esac", "--ping,display-message,--text=asking,",
		  5000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct stage stage;
		struct splash splash = { .program = stage.program };
		int64_t start_ms = io_now_ms();
		char log[1024];

		stage_open(&stage, rows[i].script);
		splash_say(&splash, "asking");
		splash_say(&splash, "failed \033[2J");
		splash_hide(&splash);
		splash_hide(&splash);
		CHECK(rows[i].script, io_now_ms() - start_ms < rows[i].most_ms);
		stage_close(&stage, log, sizeof(log));
		CHECK_TEXT(rows[i].script, log, rows[i].log);
	}
}

static void test_watch(void **state)
{
	struct stage stage;
	struct splash splash = { .program = stage.program };
	pid_t pid = -1;
	int status = -1;
	char log[256];

	(void)state;
	stage_open(&stage, "exit 0");
	assert_true(splash_present(&splash));
	assert_int_equal(splash_watch(&splash, &pid), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	stage_close(&stage, log, sizeof(log));
	assert_string_equal(log, "--ping,watch-keystroke,--keys=\n,");
}

static void test_none(void **state)
{
	struct splash splash = { .program = "/nonexistent/plymouth" };
	pid_t pid;

	(void)state;
	splash_say(NULL, "asking");
	splash_hide(NULL);
	splash_say(&splash, "asking");
	splash_hide(&splash);
	assert_false(splash_present(&splash) || splash_present(NULL));
	assert_int_equal(splash_watch(&splash, &pid), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_say),
					    cmocka_unit_test(test_watch),
					    cmocka_unit_test(test_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
