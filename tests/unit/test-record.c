/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "record.h"

#define UUID "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"

static char folder[] = "/tmp/luks-cmk-record-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[256];
	(void)state;
	snprintf(path, sizeof(path), "%s/failed", folder);
	rmdir(path);
	return rmdir(folder);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct cmk_err err = { 0 };
	struct record record;
	cmk_err(&err, CMK_KEY_DISABLED, "the vault said \033[31mno\n; ask the customer");
	snprintf(err.request_id, sizeof(err.request_id), "%s", UUID);
	snprintf(err.cause, sizeof(err.cause), "KeyDisabled");

	assert_int_equal(record_read(folder, UUID, 3, &record), -ENOENT);
	record_write(folder, UUID, 3, &err);
	assert_int_equal(record_read(folder, UUID, 3, &record), 0);
	assert_int_equal(record.err.code, CMK_KEY_DISABLED);
	assert_string_equal(record.err.text, err.text);
	assert_null(strchr(record.err.text, '\033'));
	assert_string_equal(record.err.request_id, UUID);
	assert_string_equal(record.err.cause, "KeyDisabled");
	assert_true(io_now_ms() - record.boot_ms < 10000);
	assert_int_equal(record.token, 3);
	assert_int_equal(record_read(folder, UUID, 4, &record), -ENOENT);

	char path[256];
	struct stat status;
	snprintf(path, sizeof(path), "%s/failed/%s.3", folder, UUID);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	record_remove(folder, UUID, 3);
	assert_int_equal(record_read(folder, UUID, 3, &record), -ENOENT);
}

/* Where there is no room for the new reason, the old one must not be told in its place. */
static void test_no_room(void **state)
{
	(void)state;
	struct cmk_err err = { 0 };
	struct record record;
	struct rlimit before, none;

	cmk_err(&err, CMK_KEY_DISABLED, "the key is disabled");
	record_write(folder, UUID, 3, &err);
	assert_int_equal(record_read(folder, UUID, 3, &record), 0);
	cmk_err(&err, CMK_TIMEOUT, "the vault did not answer");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	record_write(folder, UUID, 3, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(record_read(folder, UUID, 3, &record), -ENOENT);
}

/* As initramfs/functions writes it. */
static void test_boot(void **state)
{
	(void)state;
	static const char text[] = "code=helper\nwhen=1700000000\nboot_ms=5000\n"
				   "text=/usr/sbin/luks-cmk is missing in this image\n";
	struct record record;
	char path[256];

	assert_int_equal(record_read_boot(folder, &record), -ENOENT);
	snprintf(path, sizeof(path), "%s/failed", folder);
	assert_int_equal(io_mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/failed/boot", folder);
	assert_int_equal(io_write_file(path, text, sizeof(text) - 1, 0600), 0);
	assert_int_equal(record_read_boot(folder, &record), 0);
	assert_int_equal(record.err.code, CMK_HELPER);
	assert_int_equal(record.boot_ms, 5000);
	assert_int_equal(record.token, -1);
	assert_int_equal(unlink(path), 0);
}

/* The UUID is the header's: it must never lead out of the folder. */
static void test_hostile_uuid(void **state)
{
	(void)state;
	static const char *const uuids[] = { "",    "..",	"../../etc/passwd",
					     "a/b", UUID "/..", UUID "x" };
	struct cmk_err err = { 0 };
	struct record record;
	cmk_err(&err, CMK_DNS, "x");
	for (size_t i = 0; i < sizeof(uuids) / sizeof(uuids[0]); i++) {
		record_write(folder, uuids[i], 0, &err);
		assert_int_equal(record_read(folder, uuids[i], 0, &record), -ENOENT);
	}
}

static void test_hostile_file(void **state)
{
	(void)state;
	static const char *const files[] = {
		"",
		"code=dns\n",
		"code=nonsense\ntext=x\n",
		"text\n",
		"when=x\ntext=x\ncode=dns\n",
		"when=-1\ntext=x\ncode=dns\n",
		"unknown=x\n",
		"when=99999999999999999999\ntext=x\ncode=dns\n",
		"request=0123456789012345678901234567890123456789\ntext=x\ncode=dns\n",
	};
	char path[256];
	struct record record;
	struct cmk_err err = { 0 };
	cmk_err(&err, CMK_DNS, "x");
	record_write(folder, UUID, 1, &err);
	snprintf(path, sizeof(path), "%s/failed/%s.1", folder, UUID);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(io_write_file(path, files[i], strlen(files[i]), 0600), 0);
		if (record_read(folder, UUID, 1, &record) != -EBADMSG)
			fail_msg("taken: %s", files[i]);
	}
	static const char escape[] = "code=dns\nwhen=1\nboot_ms=1\ntext=a\033[2Jb\n";
	assert_int_equal(io_write_file(path, escape, strlen(escape), 0600), 0);
	assert_int_equal(record_read(folder, UUID, 1, &record), 0);
	assert_null(strchr(record.err.text, '\033'));
	record_remove(folder, UUID, 1);
}

/* Two claims beside each other; the plugin sees a claim until the last of them is gone. */
static void test_claim(void **state)
{
	(void)state;
	assert_false(record_is_claimed(folder, UUID));
	int first = record_claim(folder, UUID), second = record_claim(folder, UUID);
	assert_true(first >= 0 && second >= 0);
	assert_true(record_is_claimed(folder, UUID));
	close(first);
	assert_true(record_is_claimed(folder, UUID));
	close(second);
	assert_false(record_is_claimed(folder, UUID));
	assert_int_equal(record_claim(folder, "../../etc/passwd"), -EINVAL);

	char path[256];
	snprintf(path, sizeof(path), "%s/asking/%s", folder, UUID);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/asking", folder);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_boot),	     cmocka_unit_test(test_hostile_uuid),
		cmocka_unit_test(test_hostile_file), cmocka_unit_test(test_claim),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
