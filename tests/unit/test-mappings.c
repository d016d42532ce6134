/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open mappings, in a tree that looks as sysfs does. */
#include "rows.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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
}

/* dev/block/8:1 is sdb1, and so on, as links there; holders as the kernel makes them. */
static void hold(unsigned number, const char *node, const char *const holders[])
{
	char path[PATH_MAX], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/dev/block/8:%u", sysfs, number);
	(void)snprintf(target, sizeof(target), "%s/block/%s", sysfs, node);
	assert_int_equal(symlink(target, path), 0);
	(void)snprintf(path, sizeof(path), "%s/block/%s/holders", sysfs, node);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; holders[i] != NULL; i++) {
		(void)snprintf(path, sizeof(path), "%s/block/%s/holders/%s", sysfs, node,
			       holders[i]);
		(void)snprintf(target, sizeof(target), "%s/block/%s", sysfs, holders[i]);
		assert_int_equal(symlink(target, path), 0);
	}
}

static void test_on(void **state)
{
	static const struct {
		const char *node, *name; /* NULL: nothing is open there */
		const char *holders[5];
	} rows[] = {
		{ "sdb1", "data", { "dm-6", "dm-7", "dm-8", "dm-0" } },
		{ "cciss!c0d0", "cciss", { "dm-3" } },
		{ "sdc", "sealed", { "md0", "dm-4" } },
		{ "dm-4", "sealed", { "dm-5" } },
		{ "sdd", NULL, { "dm-6", "dm-7", "dm-8", "dm-9" } },
		{ "sde", NULL, { NULL } },
		{ "dm-6", NULL, { NULL } },
		{ "sdf", NULL, { "dm-77" } },
	};
	struct mapping found = { .name = "as it was" };
	char path[PATH_MAX];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/dev", sysfs);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/dev/block", sysfs);
	assert_int_equal(mkdir(path, 0700), 0);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		(void)snprintf(path, sizeof(path), "%s/block/%s", sysfs, rows[i].node);
		(void)mkdir(path, 0700);
		hold(i, rows[i].node, rows[i].holders);
	}
	for (unsigned i = 0; i < COUNT(rows); i++) {
		struct mapping mapping = { 0 };
		bool on = mappings_on(sysfs, makedev(8, i), &mapping);

		CHECK_INT(rows[i].node, on, rows[i].name != NULL);
		CHECK_TEXT(rows[i].node, mapping.name, on ? rows[i].name : "");
	}
	assert_false(mappings_on(sysfs, makedev(9, 0), &found));
	assert_false(mappings_on_path("/dev/null", &found));
	assert_false(mappings_on_path(sysfs, &found));
	assert_string_equal(found.name, "as it was");
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_on),
					    cmocka_unit_test(test_none) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
