/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines: what the tables let through. */
#include "rows.h"

#include "tools/admin/command.h"

#define WORDS_MAX 16

static void test_parse(void **state)
{
	static const struct {
		const char *words[WORDS_MAX]; /* after the command's name */
		int result;
		int operands;
		bool flag;
		const char *value;
		size_t items;
	} rows[] = {
		{ { "a" }, 0, 1, false, NULL, 0 },
		{ { "a", "b", "c" }, STATUS_USAGE, 0, false, NULL, 0 },
		{ { "--flag" }, STATUS_USAGE, 0, true, NULL, 0 },
		{ { "--flag", "a" }, 0, 1, true, NULL, 0 },
		{ { "a", "-f", "b" }, 0, 2, true, NULL, 0 },
		{ { "a", "--value", "x" }, 0, 1, false, "x", 0 },
		{ { "--value=x", "a" }, 0, 1, false, "x", 0 },
		{ { "-v", "x", "a" }, 0, 1, false, "x", 0 },
		{ { "-vx", "-f", "a" }, 0, 1, true, "x", 0 },
		{ { "a", "--value" }, STATUS_USAGE, 0, false, NULL, 0 },
		{ { "a", "--value", "--flag" }, 0, 1, false, "--flag", 0 },
		{ { "a", "--value", "x", "--value", "y" }, STATUS_USAGE, 0, false, "x", 0 },
		{ { "a", "--item", "1", "--item", "2" }, 0, 1, false, NULL, 2 },
		{ { "a", "--item=1", "--item=2", "--item=3", "--item=4", "--item=5", "--item=6",
		    "--item=7", "--item=8" },
		  STATUS_USAGE,
		  0,
		  false,
		  NULL,
		  7 },
		{ { "--", "--flag" }, 0, 1, false, NULL, 0 },
		{ { "a", "--other" }, STATUS_USAGE, 0, false, NULL, 0 },
		{ { "a", "-x" }, STATUS_USAGE, 0, false, NULL, 0 },
		{ { "a", "--help" }, STATUS_HELP, 0, false, NULL, 0 },
		{ { "-h" }, STATUS_HELP, 0, false, NULL, 0 },
	};
	static const struct command command = { .name = "test", .synopsis = "A [B]" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char words[WORDS_MAX + 1][16] = { "test" };
		char *argv[WORDS_MAX + 2] = { words[0] };
		struct call call = { .command = &command, .argc = 1, .argv = argv };
		struct option_list items = { .count = 0 };
		const char *value = NULL;
		bool flag = false;
		const struct command_option options[] = {
			{ .name = "flag", .letter = 'f', .flag = &flag },
			{ .name = "value", .letter = 'v', .value = &value },
			{ .name = "item", .list = &items },
		};

		for (size_t w = 0; rows[i].words[w] != NULL; w++, call.argc++) {
			(void)snprintf(words[call.argc], sizeof(words[0]), "%s", rows[i].words[w]);
			argv[call.argc] = words[call.argc];
		}
		CHECK_INT(rows[i].words[0], options_parse(&call, options, COUNT(options), 1, 2),
			  rows[i].result);
		CHECK_INT(rows[i].words[0], flag, rows[i].flag);
		CHECK_INT(rows[i].words[0], items.count, rows[i].items);
		CHECK_TEXT(rows[i].words[0], value != NULL ? value : "-",
			   rows[i].value != NULL ? rows[i].value : "-");
		if (rows[i].result == 0)
			CHECK_INT(rows[i].words[0], call.argc, rows[i].operands);
	}
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		int number; /* or -1 */
	} rows[] = {
		{ "0", 0 },   { "31", 31 }, { "007", 7 },  { "32", -1 },
		{ "-1", -1 }, { "", -1 },   { " 1", -1 },  { "1 ", -1 },
		{ "+1", -1 }, { "1x", -1 }, { "0x1", -1 }, { "99999999999999999999", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int number = -1;

		CHECK_INT(rows[i].text, option_number(rows[i].text, 31, &number),
			  rows[i].number >= 0);
		CHECK_INT(rows[i].text, number, rows[i].number);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
