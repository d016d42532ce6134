/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity from a program: which ones are run, for how long, and what of their output is believed. */
#include "reply.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "identity/identity.h"

/* The program gets the audience as its argument: the system's own can do much with one. */
#define ECHO  "/usr/bin/echo"
#define CAT   "/usr/bin/cat"
#define SLEEP "/usr/bin/sleep"

static char folder[] = "/tmp/luks-cmk-exec-XXXXXX";
static char plain[64], two[64], large[64], link_path[64], token_like[64];

static char *put(char *path, const char *name, const char *text)
{
	(void)snprintf(path, 64, "%s/%s", folder, name);
	assert_int_equal(io_write_file(path, text, strlen(text), 0644), 0);
	return path;
}

static int make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	/* For the helper's user, if these tests are root's. */
	assert_int_equal(chmod(folder, 0755), 0);
	put(plain, "plain", JWT "\r\n");
	put(two, "two", JWT "\n" JWT "\n");
	put(large, "large", JWT);
	put(token_like, "eyJhbGciOi", "");
	assert_int_equal(truncate(large, 1 << 20), 0);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", folder);
	return symlink(ECHO, link_path);
}

static int remove_files(void **state)
{
	(void)state;
	return unlink(plain) < 0 || unlink(two) < 0 || unlink(large) < 0 || unlink(link_path) < 0 ||
			       unlink(token_like) < 0 || rmdir(folder) < 0
		       ? -1
		       : 0;
}

static int run(const char *program, const char *audience, uint32_t timeout, struct secret *jwt,
	       struct cmk_err *err)
{
	struct config config;
	const struct token_identity from_token = { 0 };
	struct identity identity = { 0 };

	config_init(&config);
	config.network.timeout = timeout;
	(void)snprintf(config.identity.source, sizeof(config.identity.source), "exec");
	(void)snprintf(config.identity.program, sizeof(config.identity.program), "%s", program);
	(void)snprintf(config.clouds[0].audience, sizeof(config.clouds[0].audience), "%s",
		       audience);
	int r = identity_init(&identity, &config, &from_token, &config.clouds[0], err);
	if (r == 0)
		r = identity.ops->request(&identity, NULL, jwt, err);
	identity_done(&identity);
	return r;
}

static void test_run(void **state)
{
	const struct {
		const char *name, *program, *audience;
		uint32_t timeout;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "prints its argument", ECHO, JWT, 60, CMK_OK, "" },
		{ "prints a file", CAT, plain, 60, CMK_OK, "" },
		{ "two", CAT, two, 60, CMK_IDENTITY, "printed no JWT" },
		{ "no JWT", ECHO, "api://x", 60, CMK_IDENTITY, "printed no JWT" },
		{ "nothing", "/usr/bin/true", "x", 60, CMK_IDENTITY, "printed no JWT" },
		{ "too much", CAT, large, 60, CMK_IDENTITY, "more than any JWT" },
		{ "endless", "/usr/bin/yes", "x", 60, CMK_IDENTITY, "more than any JWT" },
		{ "fails", "/usr/bin/false", "x", 60, CMK_IDENTITY, "exit status 1)" },
		{ "complains", CAT, "/nowhere", 60, CMK_IDENTITY, "/nowhere: No such file" },
		{ "complaint with a token", CAT, "/nowhere/eyJhbGciOi", 60, CMK_IDENTITY,
		  "(exit status 1); run" },
		{ "hangs", SLEEP, "30", 1, CMK_TIMEOUT, "did not end in time" },
		{ "no program", "/usr/bin/luks-cmk-nothing", "x", 60, CMK_CONFIG, "No such file" },
		{ "not executable", "/etc/hostname", "x", 60, CMK_IDENTITY, "cannot be run" },
		{ "none", "", "x", 60, CMK_CONFIG, "names none" },
		{ "relative", "echo", "x", 60, CMK_CONFIG, "absolute" },
		{ "folder", "/usr/bin", "x", 60, CMK_CONFIG, "/usr/bin is no file" },
		{ "slash at its end", ECHO "/", "x", 60, CMK_CONFIG, "Not a directory" },
		{ "root", "/", "x", 60, CMK_CONFIG, "" },
		{ "device", "/dev/null", "x", 60, CMK_CONFIG, "/dev/null" },
		{ "out again", "/usr/bin/../../tmp", "x", 60, CMK_CONFIG, "/tmp" },
		{ "in a folder of everybody's", plain, "x", 60, CMK_CONFIG,
		  "/tmp can be changed by others" },
		{ "link", link_path, "x", 60, CMK_CONFIG, "/tmp can be changed by others" },
		{ "linked process", "/proc/self/exe", "x", 60, CMK_CONFIG, "/proc/self" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret jwt = { 0 };
		struct cmk_err err = { 0 };
		int64_t began = io_now_ms();
		int r = run(rows[i].program, rows[i].audience, rows[i].timeout, &jwt, &err);
		CHECK(rows[i].name, io_now_ms() - began < 10000);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		if (r < 0) {
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
			CHECK(rows[i].name, !strstr(err.text, "eyJ"));
			continue;
		}
		CHECK_TEXT(rows[i].name, (const char *)jwt.data, JWT);
	}
}

/* Root alone can be owner of what others may change. */
static void test_owner(void **state)
{
	static char path[] = "/run/luks-cmk-test-exec";
	struct cmk_err err = { 0 };
	_cleanup_secret_ struct secret jwt = { 0 };
	static const char script[] = "#!/bin/sh\n"
				     "[ -z \"$(tr -d '\\0' < /proc/$$/environ)\" ] && "
				     "[ \"$(id -u)\" != 0 ] && [ \"$(id -G)\" = \"$(id -g)\" ] && "
				     "grep -q '^NoNewPrivs:.1$' /proc/self/status && "
				     "[ \"$PWD\" = / ] && [ $# = 1 ] && echo \"$1\"\n";
	static const struct {
		mode_t mode;
		uid_t owner;
		const char *part; /* NULL: it runs */
	} rows[] = {
		{ 0755, 0, NULL },
		{ 0775, 0, "can be changed by others" },
		{ 0757, 0, "can be changed by others" },
		{ 0755, 65534, "does not belong to root" },
		{ 0700, 0, "cannot be run by the helper's user" },
	};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(io_write_file(path, script, strlen(script), rows[i].mode), 0);
		assert_int_equal(chown(path, rows[i].owner, rows[i].owner), 0);
		int r = run(path, JWT, 60, &jwt, &err);
		assert_int_equal(unlink(path), 0);
		if (!rows[i].part)
			assert_int_equal(r, 0);
		else
			CHECK_SENTENCE(rows[i].part, err.text, rows[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_owner),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
