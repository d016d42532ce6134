/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* volumes.d: what is written is read again, and nothing of a header gets into a path. */
#include "rows.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/admin/remembered.h"

#define A "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"
#define B "1B7E9A52-6D0C-4F6E-9A53-6F4C2E6D2F10"
#define C "2b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"

static char dir[] = "/tmp/luks-cmk-remembered-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
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
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_add(void **state)
{
	static const struct {
		const char *row, *uuid, *name;
		int result;
	} rows[] = {
		{ "first", A, "data", 1 },
		{ "again", A, "data", 0 },
		{ "again, under another name", A, "other", -EEXIST },
		{ "in upper case", B, "luks-" B, 1 },
		{ "name in use", C, "data", -EEXIST },
		{ "name with a slash", C, "a/b", -EEXIST },
		{ "name with a blank", C, "a b", -EEXIST },
		{ "no name", C, "", -EEXIST },
		{ "no UUID", "../../../etc/passwd", "data", -EEXIST },
		{ "empty UUID", "", "data", -EEXIST },
	};
	_cleanup_crypttab_ struct crypttab all = { 0 };

	(void)state;
	assert_int_equal(remembered_load(dir, &all, NULL), 0);
	assert_int_equal(all.count, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { 0 };
		int r = remembered_add(dir, rows[i].uuid, rows[i].name, &err);

		CHECK_INT(rows[i].row, r < 0 ? -EEXIST : r, rows[i].result);
		if (r < 0) {
			CHECK_INT(rows[i].row, err.code, CMK_STATE);
			CHECK_SENTENCE(rows[i].row, err.text, "name");
		}
	}
	assert_int_equal(remembered_load(dir, &all, NULL), 0);
	assert_int_equal(all.count, 2);
	assert_string_equal(remembered_find(&all, A)->name, "data");
	assert_string_equal(remembered_find(&all, B)->name, "luks-" B);
	assert_ptr_equal(remembered_find(&all, "1b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"),
			 remembered_find(&all, B));
	assert_null(remembered_find(&all, C));
	assert_null(remembered_find(&all, ""));
}

static void test_forget(void **state)
{
	_cleanup_crypttab_ struct crypttab all = { 0 };

	(void)state;
	assert_int_equal(remembered_forget(dir, A, NULL), 1);
	assert_int_equal(remembered_forget(dir, A, NULL), 0);
	assert_int_equal(remembered_forget(dir, "../x", NULL), 0);
	assert_int_equal(remembered_load(dir, &all, NULL), 0);
	assert_int_equal(all.count, 1);
}

static void write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/volumes.d/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* By hand: options count, other files do not. */
static void test_by_hand(void **state)
{
	_cleanup_crypttab_ struct crypttab all = { 0 };
	struct cmk_err err = { 0 };

	(void)state;
	write_file("x.conf", "# mine\nmine UUID=" C " none luks,discard");
	write_file("x.conf~", "other UUID=" A " none\n");
	write_file(".x.conf", "other UUID=" A " none\n");
	assert_int_equal(remembered_load(dir, &all, &err), 0);
	assert_int_equal(err.code, CMK_OK);
	assert_int_equal(all.count, 2);
	assert_string_equal(remembered_find(&all, C)->name, "mine");
	assert_int_equal(remembered_find(&all, C)->options, CRYPTTAB_DISCARD);
	assert_null(remembered_find(&all, A));
	/* Remembered in whatever file; and a name without a line is not to come back. */
	assert_int_equal(remembered_add(dir, C, "mine", NULL), 0);
	write_file(A ".conf", "# data UUID=" A " none\n");
	assert_int_equal(remembered_add(dir, A, "data", NULL), 0);
}

/* Each is told, and the others are remembered nevertheless. */
static void test_wrong_files(void **state)
{
	static const struct {
		const char *file, *text, *sentence; /* NULL: a directory */
	} rows[] = {
		{ "z.conf", "w UUID=" A " none\nnothing\n", "line 2 of" },
		{ "z.conf", "mine UUID=" A " none\nw /dev/x\n",
		  "z.conf remembers a volume as mine" },
		{ "a.conf", NULL, "a.conf cannot be read" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_crypttab_ struct crypttab all = { 0 };
		struct cmk_err err = { 0 };
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/volumes.d/%s", dir, rows[i].file);
		if (rows[i].text != NULL)
			write_file(rows[i].file, rows[i].text);
		else
			assert_int_equal(mkdir(path, 0755), 0);
		assert_int_equal(remembered_load(dir, &all, &err), 0);
		CHECK_INT(rows[i].sentence, err.code, CMK_CONFIG);
		CHECK_SENTENCE(rows[i].sentence, err.text, rows[i].sentence);
		assert_non_null(remembered_find(&all, C));
		CHECK_INT(rows[i].sentence, crypttab_find(&all, "w") != NULL, rows[i].text != NULL);
		assert_int_equal(remove(path), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add),
					    cmocka_unit_test(test_forget),
					    cmocka_unit_test(test_by_hand),
					    cmocka_unit_test(test_wrong_files) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
