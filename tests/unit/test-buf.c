/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounded text and the JSON that is built in it. */
#include "rows.h"

#include <errno.h>

#include "base/buf.h"

static void test_limits(void **state)
{
	static const struct {
		const char *name;
		size_t max, len;
		int expected;
	} rows[] = {
		{ "nothing", 0, 0, 0 },
		{ "one too many", 0, 1, -ENOBUFS },
		{ "full", 8, 8, 0 },
		{ "over", 8, 9, -ENOBUFS },
		{ "255", 65536, 255, 0 },
		{ "256", 65536, 256, 0 },
		{ "many", 65536, 65536, 0 },
		{ "too many", 65536, 65537, -ENOBUFS },
		{ "absurd maximum", SIZE_MAX, 1, -ENOBUFS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_buf_ struct buf b = BUF(rows[i].max);

		for (size_t n = 0; n < rows[i].len; n++)
			buf_append(&b, "x", 1);
		CHECK_INT(rows[i].name, buf_error(&b), rows[i].expected);
		if (!rows[i].expected)
			CHECK_INT(rows[i].name, b.len, rows[i].len);
		if (b.data)
			CHECK_INT(rows[i].name, strlen(b.data), b.len);
	}
}

static void test_error_sticks(void **state)
{
	_cleanup_buf_ struct buf b = BUF(4);

	(void)state;
	buf_puts(&b, "abc");
	buf_printf(&b, "%d", 12);
	assert_int_equal(buf_error(&b), -ENOBUFS);
	buf_puts(&b, "d");
	assert_string_equal(b.data, "abc");
	assert_null(buf_take(&b));
}

static void test_take(void **state)
{
	_cleanup_buf_ struct buf b = BUF(16);
	char *text;

	(void)state;
	text = buf_take(&b);
	assert_string_equal(text, "");
	free(text);
	buf_printf(&b, "%s-%u", "a", 7U);
	text = buf_take(&b);
	assert_string_equal(text, "a-7");
	free(text);
	assert_int_equal(b.len, 0);
	buf_puts(&b, "again");
	assert_string_equal(b.data, "again");
}

static void test_json_string(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "\"\"" },
		{ "a/b", "\"a/b\"" },
		{ "say \"no\" \\", "\"say \\\"no\\\" \\\\\"" },
		{ "\n\t\033", "\"\\u000a\\u0009\\u001b\"" },
		{ "\x7f\xc2\x9b", "\"\\u007f\\u009b\"" },
		{ "\xc3\xbc", "\"\xc3\xbc\"" },
		{ "a\xff\xc3", "\"a\\ufffd\\ufffd\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_buf_ struct buf b = BUF(256);

		buf_json_string(&b, rows[i].text);
		CHECK_TEXT(rows[i].text, b.data, rows[i].expected);
	}
}

static void test_json(void **state)
{
	_cleanup_buf_ struct buf b = BUF(256);

	(void)state;
	buf_puts(&b, "{");
	buf_json_member(&b, "a", "{");
	buf_json_member(&b, "b\"", "y");
	buf_json_int(&b, "n", INT64_MIN);
	buf_json_bool(&b, "t", true);
	buf_json_bool(&b, "f", false);
	buf_json_name(&b, "list");
	buf_puts(&b, "[");
	for (int i = 0; i < 3; i++) {
		buf_json_next(&b);
		buf_printf(&b, "%d", i);
	}
	buf_json_next(&b);
	buf_puts(&b, "{}");
	buf_puts(&b, "]}");
	assert_int_equal(buf_error(&b), 0);
	assert_string_equal(b.data, "{\"a\":\"{\",\"b\\\"\":\"y\",\"n\":-9223372036854775808,"
				    "\"t\":true,\"f\":false,\"list\":[0,1,2,{}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits), cmocka_unit_test(test_error_sticks),
		cmocka_unit_test(test_take),   cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
