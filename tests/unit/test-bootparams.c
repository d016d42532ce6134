/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's command line: what switches us off, what bounds us, and what only looks like it. */
#include "rows.h"

#include "format/config.h"
#include "tools/admin/bootparams.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		bool off;
		uint32_t timeout;
		const char *wrong;
	} rows[] = {
		{ "", false, 0, "" },
		{ "BOOT_IMAGE=/vmlinuz root=/dev/mapper/root ro quiet\n", false, 0, "" },
		{ "luks-cmk=off", true, 0, "" },
		{ "quiet luks-cmk=off\n", true, 0, "" },
		{ "luks-cmk=on", false, 0, "" },
		{ "luks-cmk=off luks-cmk=on", false, 0, "" },
		{ "rd.luks-cmk=0", true, 0, "" },
		{ "rd.luks-cmk=0 rd.luks-cmk=1", false, 0, "" },
		{ "luks-cmk", false, 0, "luks-cmk" },
		{ "luks-cmk=", false, 0, "luks-cmk=" },
		{ "luks-cmk=OFF", false, 0, "luks-cmk=OFF" },
		{ "luks-cmk=0", false, 0, "luks-cmk=0" },
		{ "rd.luks-cmk=off", false, 0, "rd.luks-cmk=off" },
		{ "luks-cmk=offline", false, 0, "luks-cmk=offline" },
		{ "xluks-cmk=off", false, 0, "" },
		{ "luks_cmk=off", false, 0, "" },
		{ "rd.luks=0", false, 0, "" },
		{ "luks-cmk.timeout=1", false, 1, "" },
		{ "luks-cmk.timeout=86400", false, 86400, "" },
		{ "luks-cmk.timeout=forever", false, CONFIG_TIMEOUT_FOREVER, "" },
		{ "luks-cmk.timeout=5\tluks-cmk.timeout=7", false, 7, "" },
		{ "luks-cmk.timeout=5 luks-cmk.timeout=x", false, 5, "luks-cmk.timeout=x" },
		{ "luks-cmk.timeout=0", false, 0, "luks-cmk.timeout=0" },
		{ "luks-cmk.timeout=86401", false, 0, "luks-cmk.timeout=86401" },
		{ "luks-cmk.timeout=-1", false, 0, "luks-cmk.timeout=-1" },
		{ "luks-cmk.timeout=+1", false, 0, "luks-cmk.timeout=+1" },
		{ "luks-cmk.timeout=10s", false, 0, "luks-cmk.timeout=10s" },
		{ "luks-cmk.timeout=0x10", false, 0, "luks-cmk.timeout=0x10" },
		{ "luks-cmk.timeout=", false, 0, "luks-cmk.timeout=" },
		{ "luks-cmk.timeout=99999999999999999999", false, 0,
		  "luks-cmk.timeout=99999999999999999999" },
		{ "luks-cmk.timeout=\"20\"", false, 20, "" },
		{ "\"luks-cmk=off\"", true, 0, "" },
		{ "foo=\"a luks-cmk=off b\" quiet", false, 0, "" },
		{ "foo=\"a luks-cmk=off", false, 0, "" },
		{ "quiet -- luks-cmk=off", false, 0, "" },
		{ "luks-cmk.timeout=\033[2J", false, 0, "luks-cmk.timeout=\\x1b[2J" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bootparams params;

		bootparams_parse(rows[i].text, &params);
		CHECK_INT(rows[i].text, params.off, rows[i].off);
		CHECK_INT(rows[i].text, params.timeout, rows[i].timeout);
		CHECK_TEXT(rows[i].text, params.wrong, rows[i].wrong);
	}
}

/* A word of any length is passed over, and one of ours that is too long is cut where it is shown. */
static void test_long(void **state)
{
	char text[1024];
	struct bootparams params;

	(void)state;
	memset(text, 'x', sizeof(text));
	snprintf(text + 900, sizeof(text) - 900, " luks-cmk.timeout=3");
	bootparams_parse(text, &params);
	assert_int_equal(params.timeout, 3);

	snprintf(text, sizeof(text), "luks-cmk=%0200d", 0);
	bootparams_parse(text, &params);
	assert_false(params.off);
	assert_int_equal(strlen(params.wrong), sizeof(params.wrong) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse),
					    cmocka_unit_test(test_long) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
