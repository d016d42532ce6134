/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mount points, in a file that looks like proc(5)'s mountinfo. */
#include "rows.h"

#include <unistd.h>

#include "tools/admin/mounts.h"

static const char text[] = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
			   "36 22 253:0 / /data rw,noatime shared:9 master:1 - ext4 "
			   "/dev/mapper/data rw,errors=continue\n"
			   "37 22 253:1 / /by\\040node rw - xfs /dev/dm-1 rw\n"
			   "38 22 0:40 /sub /btrfs rw - btrfs /dev/mapper/my-data rw\n"
			   "39 22 0:40 / /btrfs/inner rw - btrfs /dev/mapper/my-data rw\n"
			   "40 22 0:41 / /mnt rw - tmpfs /dev/mapper/ rw\n"
			   "41 22 253:2 / /odd rw - ext4 /dev/mapper/a\\040b rw\n"
			   "42 22 253:3 / /no-separator rw ext4 /dev/mapper/none rw\n"
			   "43 22 253:3 / /cut rw - ext4\n";

static void test_find(void **state)
{
	static const struct {
		const char *name, *node, *point; /* NULL: not mounted */
	} rows[] = {
		{ "data", "dm-0", "/data" },
		{ "other", "dm-1", "/by node" },
		{ "my-data", "dm-2", "/btrfs/inner" },
		{ "a b", "dm-3", "/odd" },
		{ "dat", "dm-4", NULL },
		{ "data2", "dm-10", NULL },
		{ "none", "dm-5", NULL },
		{ "sda1", "dm-6", NULL },
	};
	char path[] = "/tmp/luks-cmk-mounts-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	(void)close(fd);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char point[64] = "";
		bool found = mounts_find(path, rows[i].name, rows[i].node, point, sizeof(point));

		CHECK_INT(rows[i].name, found, rows[i].point != NULL);
		if (found)
			CHECK_TEXT(rows[i].name, point, rows[i].point);
	}
	(void)unlink(path);
	assert_false(mounts_find(path, "data", "dm-0", path, sizeof(path)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_find) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
