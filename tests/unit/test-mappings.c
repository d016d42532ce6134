/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open mappings, in a tree that looks as sysfs does. */
#include "rows.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/admin/mappings.h"

#define HEX  "0b7e9a526d0c4f6e9a536f4c2e6d2f10"
#define GUID "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"

static char sysfs[] = "/tmp/luks-cmk-mappings-XXXXXX";

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Like the kernel's: below is a link to another block device, or to nothing once that is gone. */
static void add(const char *node, const char *name, const char *uuid, const char *below)
{
	char path[PATH_MAX], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/block/%s", sysfs, node);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/block/%s/dm", sysfs, node);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/block/%s/dm/name", sysfs, node);
	write_file(path, name);
	(void)snprintf(path, sizeof(path), "%s/block/%s/dm/uuid", sysfs, node);
	write_file(path, uuid);
	(void)snprintf(path, sizeof(path), "%s/block/%s/slaves", sysfs, node);
	assert_int_equal(mkdir(path, 0700), 0);
	if (below == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/block/%s/slaves/%s", sysfs, node, below);
	(void)snprintf(target, sizeof(target), "%s/block/%s", sysfs, below);
	assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
	static const char *const folders[] = { "", "/block", "/block/sdb1", "/block/cciss!c0d0" };

	(void)state;
	assert_non_null(mkdtemp(sysfs));
	for (size_t i = 1; i < COUNT(folders); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s%s", sysfs, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	add("dm-0", "data\n", "CRYPT-LUKS2-" HEX "-data\n", "sdb1");
	add("dm-1", "gone\n", "CRYPT-LUKS2-11111111222233334444555555555555-gone\n", "sdx");
	add("dm-2", "bare\n", "CRYPT-LUKS2-22222222222233334444555555555555-bare\n", NULL);
	add("dm-3", "cciss\n", "CRYPT-LUKS2-33333333222233334444555555555555-cciss\n",
	    "cciss!c0d0");
	add("dm-4", "sealed_dif\n", "CRYPT-SUBDEV-44444444222233334444555555555555-sealed_dif\n",
	    "sdb1");
	add("dm-5", "sealed\n", "CRYPT-LUKS2-44444444222233334444555555555555-sealed\n", "dm-4");
	add("dm-6", "vg-lv\n", "LVM-abcdef\n", "sdb1");
	add("dm-7", "old\n", "CRYPT-LUKS1-" HEX "-old\n", "sdb1");
	add("dm-8", "short\n", "CRYPT-LUKS2-0b7e-short\n", "sdb1");
	add("dm-9", "odd\n", "CRYPT-LUKS2-zz7e9a526d0c4f6e9a536f4c2e6d2f10-odd\n", "sdb1");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(sysfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_all(void **state)
{
	static const struct {
		const char *name, *uuid, *node, *device; /* device "": it is gone */
	} rows[] = {
		{ "data", GUID, "dm-0", "sdb1" },
		{ "gone", "11111111-2222-3333-4444-555555555555", "dm-1", "" },
		{ "bare", "22222222-2222-3333-4444-555555555555", "dm-2", "" },
		{ "cciss", "33333333-2222-3333-4444-555555555555", "dm-3", "cciss/c0d0" },
		{ "sealed", "44444444-2222-3333-4444-555555555555", "dm-5", "sdb1" },
	};
	_cleanup_mappings_ struct mappings mappings = { 0 };

	(void)state;
	assert_int_equal(mappings_load(sysfs, &mappings), 0);
	assert_int_equal(mappings.count, COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct mapping *found = mappings_find_name(&mappings, rows[i].name);
		char path[128];

		CHECK(rows[i].name, found != NULL);
		CHECK_TEXT(rows[i].name, found->uuid, rows[i].uuid);
		CHECK_TEXT(rows[i].name, found->node, rows[i].node);
		CHECK_TEXT(rows[i].name, found->device, rows[i].device);
		CHECK(rows[i].name, mappings_find_uuid(&mappings, rows[i].uuid) == found);
		CHECK_INT(rows[i].name, mappings_path(found, path, sizeof(path)),
			  rows[i].device[0] != '\0');
	}
	assert_null(mappings_find_name(&mappings, "old"));
	assert_null(mappings_find_uuid(&mappings, "55555555-2222-3333-4444-555555555555"));
	assert_null(mappings_find_device(&mappings, "/dev/null"));
	assert_null(mappings_find_device(&mappings, sysfs));
}

static void test_none(void **state)
{
	_cleanup_mappings_ struct mappings mappings = { .count = 7 };

	(void)state;
	assert_int_equal(mappings_load("/nonexistent", &mappings), 0);
	assert_int_equal(mappings.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all),
					    cmocka_unit_test(test_none) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
