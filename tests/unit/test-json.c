/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strict JSON reader: what it accepts, what it must refuse, and what its readers yield. */
#include "rows.h"

#include <errno.h>

#include "base/buf.h"
#include "base/json.h"

static int parse(const char *text, struct json **ret, struct cmk_err *err)
{
	return json_parse(text, strlen(text), "the reply", CMK_PROTOCOL, ret, err);
}

static void test_accepted(void **state)
{
	static const struct {
		const char *text;
		enum json_type type;
	} rows[] = {
		{ "{}", JSON_OBJECT },
		{ " \t\r\n[ ] \n", JSON_ARRAY },
		{ "null", JSON_NULL },
		{ "true", JSON_BOOL },
		{ "\"\"", JSON_STRING },
		{ "0", JSON_NUMBER },
		{ "-0.10e+5", JSON_NUMBER },
		{ "1E5", JSON_NUMBER },
		{ "123456789012345678901234567890", JSON_NUMBER },
		{ "{\"\":{\"\":[[],{}]},\"a\":null}", JSON_OBJECT },
		{ "{\"a\":1,\"A\":2}", JSON_OBJECT },
		{ "[{\"a\":1},{\"a\":1}]", JSON_ARRAY },
		{ "\"\\u00e9\\ud83d\\udd11\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_STRING },
		{ "\"\x7f\xc3\xa9\xf0\x9f\x94\x91\"", JSON_STRING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_json_ struct json *json = NULL;
		struct cmk_err err = { 0 };

		CHECK_INT(rows[i].text, parse(rows[i].text, &json, &err), 0);
		CHECK_INT(rows[i].text, json_node_type(json_root(json)), rows[i].type);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "byte 0: the text ends too early" },
		{ "  ", "byte 2: the text ends too early" },
		{ "<html>", "byte 0: an unexpected character" },
		{ "\xef\xbb\xbf{}", "byte 0: an unexpected character" },
		{ "{", "a member without a name" },
		{ "{\"a\"", "a member without a colon" },
		{ "{\"a\":", "the text ends too early" },
		{ "{\"a\":1", "byte 6: the text ends too early" },
		{ "{\"a\":1,}", "a member without a name" },
		{ "{a:1}", "a member without a name" },
		{ "{'a':1}", "a member without a name" },
		{ "{\"a\" 1}", "a member without a colon" },
		{ "[1 2]", "neither a comma" },
		{ "[1,]", "byte 3: an unexpected character" },
		{ "[,1]", "an unexpected character" },
		{ "[1}", "neither a comma" },
		{ "{}{}", "byte 2: text after the end" },
		{ "{} x", "byte 3: text after the end" },
		{ "nul", "an unexpected character" },
		{ "nulll", "text after the end" },
		{ "True", "an unexpected character" },
		{ "NaN", "an unexpected character" },
		{ "-Infinity", "a number without digits" },
		{ "01", "a leading zero" },
		{ "-01", "a leading zero" },
		{ "+1", "an unexpected character" },
		{ ".5", "an unexpected character" },
		{ "1.", "a number without digits" },
		{ "1e", "a number without digits" },
		{ "1e+", "a number without digits" },
		{ "0x10", "text after the end" },
		{ "-", "a number without digits" },
		{ "\"", "a string without end" },
		{ "\"\\\"", "a string without end" },
		{ "\"\\", "an unknown escape" },
		{ "\"\\x41\"", "an unknown escape" },
		{ "\"\\U0041\"", "an unknown escape" },
		{ "\"\\u004\"", "four hexadecimal digits" },
		{ "\"\\u004", "four hexadecimal digits" },
		{ "\"\\u00g1\"", "four hexadecimal digits" },
		{ "\"a\nb\"", "byte 2: a control character" },
		{ "\"a\tb\"", "a control character" },
		{ "\"\033[31m\"", "a control character" },
		{ "\"\\u0000\"", "a NUL in a string" },
		{ "{\"a\\u0000b\":1}", "a NUL in a string" },
		{ "\"\\ud800\"", "a lone surrogate" },
		{ "\"\\ud800x\"", "a lone surrogate" },
		{ "\"\\ud800\\u0041\"", "a lone surrogate" },
		{ "\"\\udc00\\ud800\"", "a lone surrogate" },
		{ "\"\\ud800\\udc0\"", "a lone surrogate" },
		{ "\"\xff\"", "broken UTF-8" },
		{ "\"\xc0\xaf\"", "broken UTF-8" },
		{ "\"\xed\xa0\x80\"", "broken UTF-8" },
		{ "\"\xc3\"", "broken UTF-8" },
		{ "{\"a\":1,\"a\":2}", "byte 8: a member given twice" },
		{ "{\"a\":1,\"b\":0,\"\\u0061\":2}", "a member given twice" },
		{ "{\"\\n\":1,\"\\u000a\":2}", "a member given twice" },
		{ "{\"\\u00e9\":{},\"\xc3\xa9\":[]}", "a member given twice" },
		{ "[{\"k\":[{\"x\":1,\"x\":1}]}]", "a member given twice" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct json *json = NULL;
		struct cmk_err err = { 0 };

		CHECK_INT(rows[i].text, parse(rows[i].text, &json, &err), -EPROTO);
		CHECK(rows[i].text, !json);
		CHECK_INT(rows[i].text, err.code, CMK_PROTOCOL);
		CHECK_SENTENCE(rows[i].text, err.text, rows[i].why);
		CHECK_SENTENCE(rows[i].text, err.text, "the reply is no valid JSON");
	}
}

/* The text need not end in a NUL, and a NUL is no end. */
static void test_length(void **state)
{
	static const char nul_after[] = "{}\0", nul_inside[] = "\"a\0b\"";
	struct json *json = NULL;

	(void)state;
	assert_int_equal(json_parse("12345", 2, "x", CMK_TOKEN, &json, NULL), 0);
	json_free(json);
	json = NULL;
	assert_int_equal(json_parse("{\"a\":1}", 6, "x", CMK_TOKEN, &json, NULL), -EBADMSG);
	assert_int_equal(json_parse(nul_after, 3, "x", CMK_TOKEN, &json, NULL), -EBADMSG);
	assert_int_equal(json_parse(nul_inside, 5, "x", CMK_TOKEN, &json, NULL), -EBADMSG);
	assert_null(json);
	json_free(NULL);
}

static void test_limits(void **state)
{
	static const struct {
		const char *name, *open, *content, *close, *why;
		int count;
	} rows[] = {
		{ "deepest", "[", "", "]", NULL, JSON_DEPTH_MAX },
		{ "too deep", "[", "", "]", "too many levels", JSON_DEPTH_MAX + 1 },
		{ "deep objects", "{\"a\":", "1", "}", NULL, JSON_DEPTH_MAX },
		{ "objects too deep", "{\"a\":", "1", "}", "too many levels", JSON_DEPTH_MAX + 1 },
		{ "a bomb of brackets", "[", "", "", "too many levels", 30000 },
		{ "unclosed", "[", "", "", "the text ends too early", 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_buf_ struct buf b = BUF(1 << 20);
		_cleanup_json_ struct json *json = NULL;
		struct cmk_err err = { 0 };

		for (int n = 0; n < rows[i].count; n++)
			buf_puts(&b, rows[i].open);
		buf_puts(&b, rows[i].content);
		for (int n = 0; n < rows[i].count; n++)
			buf_puts(&b, rows[i].close);
		CHECK_INT(rows[i].name, parse(b.data, &json, &err), rows[i].why ? -EPROTO : 0);
		if (rows[i].why)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].why);
	}
}

static void test_many_values(void **state)
{
	(void)state;
	/* The array itself is one value. */
	for (size_t extra = 0; extra < 2; extra++) {
		_cleanup_buf_ struct buf b = BUF(1 << 20);
		_cleanup_json_ struct json *json = NULL;
		const struct json_node *item = NULL;
		struct cmk_err err = { 0 };
		size_t count = 0;

		buf_puts(&b, "[");
		for (size_t n = 0; n < JSON_NODES_MAX - 1 + extra; n++) {
			buf_json_next(&b);
			buf_puts(&b, "7");
		}
		buf_puts(&b, "]");
		assert_int_equal(parse(b.data, &json, &err), extra ? -EPROTO : 0);
		if (extra) {
			assert_non_null(strstr(err.text, "too many values"));
			continue;
		}
		while ((item = json_next(json, json_root(json), item)))
			count++;
		assert_int_equal(count, JSON_NODES_MAX - 1);
	}
}

static void test_walk(void **state)
{
	static const char text[] = "{\"a\":[1,[2,3],{\"b\":4}],\"c\":{\"a\":5},\"d\":\"x\"}";
	_cleanup_json_ struct json *json = NULL;
	const struct json_node *root, *list, *item = NULL;
	int64_t number = 0;
	size_t count = 0;

	(void)state;
	assert_int_equal(parse(text, &json, NULL), 0);
	root = json_root(json);
	list = json_member(json, root, "a");
	assert_int_equal(json_node_type(list), JSON_ARRAY);
	while ((item = json_next(json, list, item)))
		count++;
	assert_int_equal(count, 3);
	assert_true(
		json_get_int(json, json_member(json, json_member(json, root, "c"), "a"), &number));
	assert_int_equal(number, 5);
	assert_null(json_member(json, root, "b"));
	assert_null(json_member(json, root, "A"));
	assert_null(json_member(json, root, ""));
	assert_null(json_member(json, list, "a"));
	assert_null(json_member(json, NULL, "a"));
	assert_null(json_next(json, json_member(json, root, "d"), NULL));
	assert_null(json_next(json, NULL, NULL));
	assert_int_equal(json_node_type(NULL), JSON_INVALID);
}

static void test_strings(void **state)
{
	static const struct {
		const char *text, *expected;
		size_t size;
	} rows[] = {
		{ "\"abc\"", "abc", 4 },
		{ "\"abc\"", NULL, 3 },
		{ "\"\"", "", 1 },
		{ "\"\"", NULL, 0 },
		{ "\"\\u0041\\u00e9\\u20ac\\ud83d\\udd11z\"",
		  "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91z", 64 },
		{ "\"\\uD83D\\uDD11\"", "\xf0\x9f\x94\x91", 5 },
		{ "\"\\uD83D\\uDD11\"", NULL, 4 },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 64 },
		{ "\"\\u001b[31m\"", "\033[31m", 64 },
		{ "1", NULL, 64 },
		{ "null", NULL, 64 },
		{ "[\"a\"]", NULL, 64 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_json_ struct json *json = NULL;
		char out[64] = "";

		CHECK_INT(rows[i].text, parse(rows[i].text, &json, NULL), 0);
		CHECK_INT(rows[i].text, json_copy_string(json, json_root(json), out, rows[i].size),
			  rows[i].expected != NULL);
		if (rows[i].expected)
			CHECK_TEXT(rows[i].text, out, rows[i].expected);
	}
}

static void test_integers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t expected;
	} rows[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "-12", true, -12 },
		{ "32503680000", true, 32503680000 },
		{ "9007199254740993", true, 9007199254740993 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "-9223372036854775809", false, 0 },
		{ "1e3", false, 0 },
		{ "1.0", false, 0 },
		{ "\"86399\"", true, 86399 },
		{ "\"007\"", true, 7 },
		{ "\"\"", false, 0 },
		{ "\"-1\"", false, 0 },
		{ "\" 1\"", false, 0 },
		{ "\"1 \"", false, 0 },
		{ "\"0x10\"", false, 0 },
		{ "\"\\u0031\"", false, 0 },
		{ "\"99999999999999999999\"", false, 0 },
		{ "true", false, 0 },
		{ "null", false, 0 },
		{ "[1]", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_json_ struct json *json = NULL;
		int64_t value = 77;

		CHECK_INT(rows[i].text, parse(rows[i].text, &json, NULL), 0);
		CHECK_INT(rows[i].text, json_get_int(json, json_root(json), &value), rows[i].ok);
		CHECK_INT(rows[i].text, value, rows[i].ok ? rows[i].expected : 77);
	}
}

struct record {
	char name[8];
	struct secret token;
	int64_t expires;
	bool enabled;
};

static const struct json_field record_fields[] = {
	JSON_FIELD(struct record, name, "name", JSON_KIND_STRING, true),
	JSON_FIELD_SECRET(struct record, token, "token", 8, true),
	JSON_FIELD(struct record, expires, "expires", JSON_KIND_INT, false),
	JSON_FIELD(struct record, enabled, "enabled", JSON_KIND_BOOL, false),
};

static void test_read(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: accepted */
	} rows[] = {
		{ "{\"name\":\"abcdefg\",\"token\":\"12345678\",\"other\":[1]}", NULL },
		{ "{\"enabled\":true,\"expires\":\"5\",\"token\":\"\\u0031\",\"name\":\"\"}",
		  NULL },
		{ "{\"name\":\"a\",\"token\":\"1\",\"expires\":null,\"enabled\":null}", NULL },
		{ "{\"name\":\"a\"}", "lacks the member \"token\"" },
		{ "{\"name\":\"a\",\"token\":null}", "lacks the member \"token\"" },
		{ "{\"Name\":\"a\",\"token\":\"1\"}", "lacks the member \"name\"" },
		{ "{\"name\":\"abcdefgh\",\"token\":\"1\"}", "\"name\" is no string of at most 7" },
		{ "{\"name\":1,\"token\":\"1\"}", "\"name\" is no string" },
		{ "{\"name\":[\"a\"],\"token\":\"1\"}", "\"name\" is no string" },
		{ "{\"name\":\"a\",\"token\":\"123456789\"}",
		  "\"token\" is no string of at most 8" },
		{ "{\"name\":\"a\",\"token\":7}", "\"token\" is no string" },
		{ "{\"name\":\"a\",\"token\":\"1\",\"expires\":1.5}",
		  "\"expires\" is no whole number" },
		{ "{\"name\":\"a\",\"token\":\"1\",\"enabled\":\"true\"}",
		  "\"enabled\" is neither" },
		{ "[]", "is no JSON object" },
		{ "\"name\"", "is no JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_json_ struct json *json = NULL;
		struct record record = { .expires = 5, .enabled = true };
		struct cmk_err err = { 0 };
		int r;

		CHECK_INT(rows[i].text, parse(rows[i].text, &json, NULL), 0);
		r = json_read(json, json_root(json), record_fields, COUNT(record_fields), &record,
			      "the reply", CMK_PROTOCOL, &err);
		CHECK_INT(rows[i].text, r, rows[i].why ? -EPROTO : 0);
		if (rows[i].why)
			CHECK_SENTENCE(rows[i].text, err.text, rows[i].why);
		CHECK(rows[i].text, !strstr(err.text, "123456789"));
		if (!rows[i].why) {
			CHECK_INT(rows[i].text, record.expires, 5);
			CHECK_INT(rows[i].text, record.enabled, true);
			CHECK_INT(rows[i].text, record.token.data[0], '1');
			CHECK_INT(rows[i].text, strlen((char *)record.token.data),
				  record.token.len);
		}
		secret_done(&record.token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length),	    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_values), cmocka_unit_test(test_walk),
		cmocka_unit_test(test_strings),	    cmocka_unit_test(test_integers),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
