/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crypttab(5) as systemd and Debian read it, where it matters to us. */
#include "rows.h"

#include <errno.h>

#include "tools/admin/crypttab.h"

#define U "UUID=0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		const char *name, *source; /* NULL: no entry */
		unsigned options;
		bool wrong;
	} rows[] = {
		{ "root " U " none luks,initramfs", "root", U, 0, false },
		{ "root " U, "root", U, 0, false },
		{ "\t root\t\t" U "  -\t", "root", U, 0, false },
		{ "root " U " none luks\r", "root", U, 0, false },
		{ "root UUID=\"0b7e\" none", "root", "UUID=0b7e", 0, false },
		{ "root LABEL=\"a\"b\" none", "root", "LABEL=a\"b", 0, false },
		{ "root LABEL=\" none", "root", "LABEL=\"", 0, false },
		{ "root LABEL=\"\" none", "root", "LABEL=", 0, false },
		{ "root LABEL=\"x none", "root", "LABEL=\"x", 0, false },
		{ "a\\040b /dev/disk/by-label/c\\011d none", "a b", "/dev/disk/by-label/c\td", 0,
		  false },
		{ "a\\04 /dev/vda", "a\\04", "/dev/vda", 0, false },
		{ "a\\ /dev/vda", "a\\", "/dev/vda", 0, false },
		{ "a\\000 /dev/vda", "a\\000", "/dev/vda", 0, false },
		{ "a\\777 /dev/vda", "a\\777", "/dev/vda", 0, false },
		{ "a /dev/vda none discard", "a", "/dev/vda", CRYPTTAB_DISCARD, false },
		{ "a /dev/vda none luks,discard,discard", "a", "/dev/vda", CRYPTTAB_DISCARD,
		  false },
		{ "a /dev/vda none read-only", "a", "/dev/vda", CRYPTTAB_READ_ONLY, false },
		{ "a /dev/vda none readonly", "a", "/dev/vda", CRYPTTAB_READ_ONLY, false },
		{ "a /dev/vda none no-read-workqueue,no-write-workqueue", "a", "/dev/vda",
		  CRYPTTAB_NO_READ_WORKQUEUE | CRYPTTAB_NO_WRITE_WORKQUEUE, false },
		{ "a /dev/vda none same-cpu-crypt,submit-from-crypt-cpus", "a", "/dev/vda",
		  CRYPTTAB_SAME_CPU | CRYPTTAB_SUBMIT_FROM_CPUS, false },
		{ "a /dev/vda none noauto,tries=3,,x-initrd.attach,timeout=5", "a", "/dev/vda",
		  CRYPTTAB_NOAUTO, false },
		{ "a /dev/vda none luks,_netdev,nofail", "a", "/dev/vda", CRYPTTAB_NETDEV, false },
		{ "a /dev/vda none header=/boot/h", "a", "/dev/vda", CRYPTTAB_DETACHED, false },
		{ "a /dev/vda none header", "a", "/dev/vda", 0, false },
		{ "a /dev/vda none discards,nodiscard,DISCARD,discard=1", "a", "/dev/vda", 0,
		  false },
		{ "a /dev/vda /dev/urandom swap", "a", "/dev/vda", CRYPTTAB_OTHER, false },
		{ "a /dev/vda /dev/urandom plain,tmp=ext4", "a", "/dev/vda", CRYPTTAB_OTHER,
		  false },
		{ "a /dev/vda none tcrypt-hidden", "a", "/dev/vda", CRYPTTAB_OTHER, false },
		{ "a /dev/vda none discard # not a comment, but ignored", "a", "/dev/vda",
		  CRYPTTAB_DISCARD, false },
		{ "", NULL, NULL, 0, false },
		{ "   \t", NULL, NULL, 0, false },
		{ "# root " U, NULL, NULL, 0, false },
		{ "  #root " U, NULL, NULL, 0, false },
		{ "root", NULL, NULL, 0, true },
		{ "a/b " U, NULL, NULL, 0, true },
		{ ".. " U, NULL, NULL, 0, true },
		{ "a\\057b " U, NULL, NULL, 0, true },
		{ "1234567890123456789012345678901234567890123456789012345678901234"
		  "123456789012345678901234567890123456789012345678901234567890123 " U,
		  "1234567890123456789012345678901234567890123456789012345678901234"
		  "123456789012345678901234567890123456789012345678901234567890123",
		  U, 0, false },
		{ "1234567890123456789012345678901234567890123456789012345678901234"
		  "1234567890123456789012345678901234567890123456789012345678901234 " U,
		  NULL, NULL, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_crypttab_ struct crypttab crypttab = { 0 };

		CHECK_INT(rows[i].line,
			  crypttab_parse(rows[i].line, strlen(rows[i].line), &crypttab), 0);
		CHECK_INT(rows[i].line, crypttab.count, rows[i].name != NULL);
		CHECK_INT(rows[i].line, crypttab.wrong_line, rows[i].wrong);
		if (rows[i].name == NULL)
			continue;
		CHECK_TEXT(rows[i].line, crypttab.entries[0].name, rows[i].name);
		CHECK_TEXT(rows[i].line, crypttab.entries[0].source, rows[i].source);
		CHECK_INT(rows[i].line, crypttab.entries[0].options, rows[i].options);
	}
}

static void test_table(void **state)
{
	static const char text[] = "# name device\n"
				   "root " U " none luks\n"
				   "\n"
				   "wrong\n"
				   "also/wrong /dev/vdx\n"
				   "data /dev/vdb none noauto\n"
				   "root /dev/vdc none luks\n"
				   "last /dev/vdd";
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };

	(void)state;
	assert_int_equal(crypttab_parse(text, strlen(text), &crypttab), 0);
	assert_int_equal(crypttab.count, 3);
	assert_int_equal(crypttab.wrong_line, 4);
	assert_string_equal(crypttab_find(&crypttab, "root")->source, U);
	assert_string_equal(crypttab_find(&crypttab, "last")->source, "/dev/vdd");
	assert_null(crypttab_find(&crypttab, "wrong"));
}

/* As a file has them after a crash, or a table in UTF-16: what stands beside them is read. */
static void test_nul(void **state)
{
	static const struct {
		const char *row, *text;
		size_t len;
		size_t count;
		unsigned wrong_line;
	} rows[] = {
#define NUL_ROW(text, count, wrong) { #text, text, sizeof(text) - 1, count, wrong }
		NUL_ROW("a /dev/a\n\0b /dev/b\nc /dev/c\n", 2, 2),
		NUL_ROW("a /dev/a\nb /dev/b\0\nc /dev/c\n", 2, 2),
		NUL_ROW("a /dev/a none lu\0ks", 0, 1),
		NUL_ROW("a /dev/a\nc /dev/c\n\0\0\0\0", 2, 3),
		NUL_ROW("\0", 0, 1),
		NUL_ROW("# \0\na /dev/a\nc /dev/c", 2, 1),
		NUL_ROW("a\0 \0/\0d\0\n\0c\0 \0/\0", 0, 1),
		NUL_ROW("a /dev/a\n\nc /dev/c\n", 2, 0),
		NUL_ROW("", 0, 0),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_crypttab_ struct crypttab crypttab = { 0 };

		CHECK_INT(rows[i].row, crypttab_parse(rows[i].text, rows[i].len, &crypttab), 0);
		CHECK_INT(rows[i].row, crypttab.count, rows[i].count);
		CHECK_INT(rows[i].row, crypttab.wrong_line, rows[i].wrong_line);
		CHECK(rows[i].row, rows[i].count == 0 || crypttab_find(&crypttab, "c") != NULL);
	}
}

static void test_load(void **state)
{
	_cleanup_crypttab_ struct crypttab crypttab = { .wrong_line = 7 };
	struct cmk_err err = { 0 };

	(void)state;
	assert_int_equal(crypttab_load("/nonexistent/crypttab", &crypttab, &err), 0);
	assert_int_equal(crypttab.count, 0);
	assert_int_equal(crypttab.wrong_line, 0);
	assert_int_equal(crypttab_load("/dev/null", &crypttab, &err), -EINVAL);
	assert_int_equal(err.code, CMK_CONFIG);
	CHECK_SENTENCE("load", err.text, "/dev/null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
