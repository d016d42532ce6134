/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keys do to a line, and what becomes of the terminal that they are typed on. */
#include "rows.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/spawn.h"
#include "tools/admin/typed.h"

static void test_keys(void **state)
{
	static const struct {
		const char *name;
		const char *keys;
		const char *line;
		bool entered;
	} rows[] = {
		{ "nothing", "", "", false },
		{ "half", "tell no", "tell no", false },
		{ "a line", "tell nobody\n", "tell nobody", true },
		{ "carriage return", "tell nobody\r", "tell nobody", true },
		{ "Enter alone", "\n", "", true },
		{ "backspace", "tall\b\b\bell\n", "tell", true },
		{ "delete", "tallx\x7f\n", "tall", true },
		{ "more backspaces than keys", "a\b\b\bb\n", "b", true },
		{ "backspace takes a character", "a\303\244\xe2\x82\xac\b\b\n", "a", true },
		{ "backspace in broken UTF-8", "a\x80\x80\b\n", "", true },
		{ "Ctrl-U", "wrong\x15right\n", "right", true },
		{ "Ctrl-C ends nothing", "wrong\x03right\n", "right", true },
		{ "blanks count", "  a \t b \n", "  a \t b ", true },
		{ "others are taken as they are", "a\x1b[A\x04\n", "a\x1b[A\x04", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_typed_ struct typed typed = TYPED_INIT;

		assert_int_equal(secret_init(&typed.line, TYPED_MAX), 0);
		for (const char *key = rows[i].keys; *key != '\0'; key++)
			typed_key(&typed, *key);
		CHECK_TEXT(rows[i].name, (const char *)typed.line.data, rows[i].line);
		CHECK_INT(rows[i].name, typed_entered(&typed), rows[i].entered);
		CHECK(rows[i].name, !typed.too_long);
	}
}

static void press(struct typed *typed, size_t count, char key)
{
	for (size_t i = 0; i < count; i++)
		typed_key(typed, key);
}

static void test_too_long(void **state)
{
	_cleanup_typed_ struct typed typed = TYPED_INIT;

	(void)state;
	assert_int_equal(secret_init(&typed.line, TYPED_MAX), 0);
	press(&typed, TYPED_MAX, 'a');
	assert_false(typed.too_long);
	press(&typed, 1, 'b');
	assert_true(typed.too_long);
	press(&typed, 1, '\b'); /* nobody knows which key it takes back */
	assert_true(typed.too_long);
	press(&typed, 1, 0x15);
	assert_false(typed.too_long);
	press(&typed, TYPED_MAX + 1, 'a');
	press(&typed, 1, '\n');
	assert_true(typed.too_long && typed_entered(&typed));
	assert_int_equal(typed.line.len, 0);
}

static void test_nobody(void **state)
{
	static const char *const paths[] = { "/dev/null", "/nonexistent", "/" };

	(void)state;
	assert_int_equal(typed_fd(NULL), -1);
	typed_receive(NULL);
	assert_false(typed_entered(NULL) || typed_is_busy(NULL, 0));
	for (size_t i = 0; i < COUNT(paths); i++) {
		_cleanup_typed_ struct typed typed;

		typed_open(&typed, paths[i]);
		CHECK_INT(paths[i], typed_fd(&typed), -1);
		typed_receive(&typed);
		typed_release(&typed);
	}
}

struct terminal {
	int keyboard;
	int screen; /* keeps it in being */
	char path[64];
};

static void terminal_open(struct terminal *terminal)
{
	assert_int_equal(openpty(&terminal->keyboard, &terminal->screen, terminal->path, NULL,
				 NULL),
			 0);
	assert_int_equal(fcntl(terminal->keyboard, F_SETFL, O_NONBLOCK), 0);
}

static void terminal_close(const struct terminal *terminal)
{
	(void)close(terminal->keyboard);
	(void)close(terminal->screen);
}

static bool has_echo(const struct terminal *terminal)
{
	struct termios settings;

	assert_int_equal(tcgetattr(terminal->screen, &settings), 0);
	assert_int_equal((settings.c_lflag & ECHO) != 0, (settings.c_lflag & ICANON) != 0);
	assert_int_equal((settings.c_lflag & ECHO) != 0, (settings.c_lflag & ISIG) != 0);
	return (settings.c_lflag & ECHO) != 0;
}

static void type(const struct terminal *terminal, const char *text)
{
	assert_int_equal(io_write_all(terminal->keyboard, text, strlen(text)), 0);
}

static void test_terminal(void **state)
{
	struct terminal terminal;
	struct typed typed;
	char shown[64];

	(void)state;
	terminal_open(&terminal);
	assert_true(has_echo(&terminal));
	typed_open(&typed, terminal.path);
	assert_false(has_echo(&terminal));
	assert_false(typed_is_busy(&typed, io_now_ms()));
	type(&terminal, "tell");
	typed_receive(&typed);
	assert_true(typed_is_busy(&typed, io_now_ms()));
	assert_false(typed_is_busy(&typed, io_now_ms() + TYPED_PATIENCE_MS + 1));
	type(&terminal, " nobody\rnor this");
	typed_receive(&typed);
	assert_string_equal((const char *)typed.line.data, "tell nobody");
	assert_true(typed_entered(&typed));
	assert_int_equal(typed_fd(&typed), -1);
	assert_false(typed_is_busy(&typed, io_now_ms()));
	typed_release(&typed);
	assert_true(has_echo(&terminal));
	assert_string_equal((const char *)typed.line.data, "tell nobody");
	typed_close(&typed);
	typed_close(&typed);
	assert_null(typed.line.data);
	assert_int_equal(read(terminal.keyboard, shown, sizeof(shown)), -1); /* nothing */
	terminal_close(&terminal);
}

/* What was typed before we came is shown already, but not lost: a line, and half of one. */
static void test_before(void **state)
{
	static const char *const rows[] = { "early\n", "early" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_typed_ struct typed typed = TYPED_INIT;
		struct terminal terminal;

		terminal_open(&terminal);
		type(&terminal, rows[i]);
		typed_open(&typed, terminal.path);
		CHECK_TEXT(rows[i], (const char *)typed.line.data, "early");
		CHECK_INT(rows[i], typed_entered(&typed), i == 0);
		typed_close(&typed);
		terminal_close(&terminal);
	}
}

static void test_cut(void **state)
{
	_cleanup_typed_ struct typed typed = TYPED_INIT;
	struct terminal terminal;

	(void)state;
	terminal_open(&terminal);
	typed_open(&typed, terminal.path);
	assert_true(typed_fd(&typed) >= 0);
	terminal_close(&terminal);
	typed_receive(&typed);
	assert_int_equal(typed_fd(&typed), -1);
	assert_false(typed_entered(&typed));
}

/* Where the terminal is somebody else's, a program tells of Enter. */
static void test_watcher(void **state)
{
	static const struct {
		const char *script;
		bool entered;
		bool there; /* it still watches */
	} rows[] = {
		{ "exit 0", true, false },
		{ "exit 1", false, false },
		{ "kill -9 $$", false, false },
		{ "exec sleep 60", false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *const argv[] = { "/bin/sh", "-c", rows[i].script, NULL };
		_cleanup_typed_ struct typed typed = TYPED_INIT;
		pid_t pid;

		assert_int_equal(spawn_start(argv, &pid), 0);
		typed_watch(&typed, pid);
		CHECK_INT(rows[i].script, typed_fd(&typed), -1);
		for (int j = 0; j < 50 && typed.watcher != 0; j++) {
			(void)usleep(10000);
			typed_receive(&typed);
		}
		CHECK_INT(rows[i].script, typed_entered(&typed), rows[i].entered);
		CHECK_INT(rows[i].script, typed.watcher != 0, rows[i].there);
		CHECK(rows[i].script, !typed_is_busy(&typed, io_now_ms()));
		typed_release(&typed);
		CHECK_INT(rows[i].script, kill(pid, 0), -1);
	}
}

/* cmocka catches the others itself. A signal that ends the process gives the terminal back; one that ends its child does not. */
static void test_signals(void **state)
{
	static const int numbers[] = { SIGQUIT, SIGABRT, SIGPIPE, SIGALRM };

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct terminal terminal;
		int status;
		pid_t pid;

		terminal_open(&terminal);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct typed typed;
			pid_t child;

			/* Whoever runs the tests may ignore it. */
			(void)signal(numbers[i], SIG_DFL);
			typed_open(&typed, terminal.path);
			child = fork();
			if (child == 0)
				(void)raise(numbers[i]);
			if (waitpid(child, &status, 0) != child || has_echo(&terminal) ||
			    !WIFSIGNALED(status))
				_exit(1);
			(void)raise(numbers[i]);
			_exit(2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), numbers[i]);
		assert_true(has_echo(&terminal));
		terminal_close(&terminal);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_nobody),	cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_before),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_watcher), cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
