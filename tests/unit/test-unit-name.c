/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of units: what systemd-escape --template=x@.service prints for the same. */
#include "rows.h"

#include "tools/admin/unit-name.h"

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X240 X50 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_names(void **state)
{
	static const struct {
		const char *name, *unit; /* NULL: does not fit */
	} rows[] = {
		{ "data", "x@data.service" },
		{ "my-data", "x@my\\x2ddata.service" },
		{ "luks-0b7e", "x@luks\\x2d0b7e.service" },
		{ "a.b_c:d", "x@a.b_c:d.service" },
		{ ".hidden", "x@\\x2ehidden.service" },
		{ "a b", "x@a\\x20b.service" },
		{ "a\\b", "x@a\\x5cb.service" },
		{ "a/b", "x@a-b.service" },
		{ "sm\xc3\xb6r", "x@sm\\xc3\\xb6r.service" },
		{ X240, "x@" X240 ".service" },
		{ X240 "xxxxx", "x@" X240 "xxxxx.service" },
		{ X240 "xxxxxx", NULL },
		{ X240 "xx-", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char unit[UNIT_NAME_MAX] = "";

		CHECK_INT(rows[i].name, unit_name("x", rows[i].name, unit), rows[i].unit != NULL);
		CHECK_TEXT(rows[i].name, unit, rows[i].unit != NULL ? rows[i].unit : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
