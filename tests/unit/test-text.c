/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal gets to see of foreign text, and the small checks. */
#include "rows.h"

#include "base/text.h"

static void test_escape(void **state)
{
	static const struct {
		const char *name, *text, *expected;
		size_t size;
	} rows[] = {
		{ "plain", "contoso-1 (a/b)", "contoso-1 (a/b)", 64 },
		{ "empty", "", "", 64 },
		{ "letters of other scripts", "Schl\xc3\xbcssel \xe9\x8d\xb5 \xf0\x9f\x94\x91",
		  "Schl\xc3\xbcssel \xe9\x8d\xb5 \xf0\x9f\x94\x91", 64 },
		{ "terminal escape", "\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m", 64 },
		{ "title escape", "\033]0;owned\a", "\\x1b]0;owned\\x07", 64 },
		{ "line breaks", "a\r\nb\tc", "a\\x0d\\x0ab\\x09c", 64 },
		{ "DEL", "a\x7f", "a\\x7f", 64 },
		{ "C1 as UTF-8",
		  "\xc2\x9b"
		  "31m",
		  "\\xc2\\x9b31m", 64 },
		{ "C1 as a byte",
		  "\x9b"
		  "31m",
		  "\\x9b31m", 64 },
		{ "right-to-left override",
		  "a\xe2\x80\xae"
		  "b",
		  "a\\xe2\\x80\\xaeb", 64 },
		{ "isolate", "\xe2\x81\xa6", "\\xe2\\x81\\xa6", 64 },
		{ "line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8", 64 },
		{ "byte order mark",
		  "\xef\xbb\xbf"
		  "a",
		  "\\xef\\xbb\\xbfa", 64 },
		{ "tag characters", "\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81", 64 },
		{ "overlong slash", "\xc0\xaf", "\\xc0\\xaf", 64 },
		{ "overlong of three", "\xe0\x80\xaf", "\\xe0\\x80\\xaf", 64 },
		{ "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", 64 },
		{ "beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 64 },
		{ "cut character", "a\xe2\x82", "a\\xe2\\x82", 64 },
		{ "lone continuation", "\x80", "\\x80", 64 },
		{ "backslash stays, so that twice is once", "\\x1b", "\\x1b", 64 },
		{ "cut", "abcdef", "abc", 4 },
		{ "cut before a character of two", "ab\xc3\xbc", "ab", 4 },
		{ "cut before an escape", "a\033", "a", 5 },
		{ "just fits", "a\033", "a\\x1b", 6 },
		{ "room for the NUL only", "abc", "", 1 },
	};
	char out[64], again[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(out, '#', sizeof(out));
		text_escape(out, rows[i].size, rows[i].text);
		CHECK_TEXT(rows[i].name, out, rows[i].expected);
		text_escape(again, sizeof(again), out);
		CHECK_TEXT(rows[i].name, again, out);
	}
	out[0] = '#';
	text_escape(out, 0, "abc");
	assert_int_equal(out[0], '#');
}

static void test_utf8(void **state)
{
	static const struct {
		const char *name, *text;
		size_t len, expected;
		uint32_t code;
	} rows[] = {
		{ "nothing", "", 0, 0, 0 },
		{ "NUL", "\0", 1, 1, 0 },
		{ "one", "a", 1, 1, 'a' },
		{ "two", "\xc3\xbc", 2, 2, 0xfc },
		{ "three", "\xe2\x82\xac", 3, 3, 0x20ac },
		{ "four", "\xf0\x9f\x94\x91", 4, 4, 0x1f511 },
		{ "last", "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		{ "cut short by the length", "\xe2\x82\xac", 2, 0, 0 },
		{ "0xff", "\xff\xff\xff\xff", 4, 0, 0 },
		{ "five bytes", "\xf8\x88\x80\x80\x80", 5, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t code = 0;

		CHECK_INT(rows[i].name, text_utf8(rows[i].text, rows[i].len, &code),
			  rows[i].expected);
		CHECK_INT(rows[i].name, code, rows[i].code);
	}
}

static void test_guid(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{ "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10", true },
		{ "0B7E9A52-6D0C-4F6E-9A53-6F4C2E6D2F10", true },
		{ "", false },
		{ "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f1", false },
		{ "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f100", false },
		{ "0b7e9a526d0c-4f6e-9a53-6f4c2e6d2f10-", false },
		{ "{0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f1}", false },
		{ "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2g10", false },
		{ "../../../../../../../../../../etc/pa", false },
		{ "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10\n", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_INT(rows[i].text, text_is_guid(rows[i].text), rows[i].expected);
}

static void test_name(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		bool expected;
	} rows[] = {
		{ "contoso", 63, true },   { "a", 1, true },	      { "4.a_b-C", 63, true },
		{ "abcd", 4, true },	   { "abcde", 4, false },     { "", 63, false },
		{ ".hidden", 63, false },  { "-x", 63, false },	      { "..", 63, false },
		{ "a/b", 63, false },	   { "a b", 63, false },      { "a\n", 63, false },
		{ "\xc3\xbc", 63, false }, { "a\033[0m", 63, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_INT(rows[i].text, text_is_name(rows[i].text, rows[i].max), rows[i].expected);
}

static void test_domain(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{ "contoso.onmicrosoft.com", true },
		{ "Contoso.COM", true },
		{ "a-1.b2", true },
		{ "4.example", true },
		{ "", false },
		{ "contoso", false },
		{ ".com", false },
		{ "contoso.", false },
		{ "a..b", false },
		{ "-a.com", false },
		{ "a-.com", false },
		{ "a.com-", false },
		{ "169.254.169.254", false },
		{ "a.com/b", false },
		{ "a.com?b", false },
		{ "a.com:443", false },
		{ "a@b.com", false },
		{ "a b.com", false },
		{ "..", false },
		{ "a.com\n", false },
		{ "\xc3\xbc.com", false },
		{ "a123456789b123456789c123456789d123456789e123456789f123456789abc.de", true },
		{ "a123456789b123456789c123456789d123456789e123456789f123456789abcd.de", false },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_INT(rows[i].text, text_is_domain(rows[i].text), rows[i].expected);
	for (size_t i = 0; i < 254; i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = '\0';
	CHECK_INT("253 characters", text_is_domain(text), true);
	text[253] = 'a';
	text[254] = '\0';
	CHECK_INT("254 characters", text_is_domain(text), false);
}

static void test_plain(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{ "https://login.microsoftonline.com/0b7e/v2.0", true },
		{ "api://AzureADTokenExchange", true },
		{ "repo:octo/x:ref:refs/heads/main", true },
		{ "spiffe://example.org/a;b?c#d%20", true },
		{ "", false },
		{ "a b", false },
		{ "a'b", false },
		{ "a\"b", false },
		{ "a\\b", false },
		{ "$(id)", false },
		{ "`id`", false },
		{ "a!b", false },
		{ "a\nb", false },
		{ "a\033[2J", false },
		{ "a\x7f", false },
		{ "\xc3\xbc", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_INT(rows[i].text, text_is_plain(rows[i].text), rows[i].expected);
}

static void test_copy_and_ends(void **state)
{
	char out[4] = "###";

	(void)state;
	assert_true(text_copy(out, sizeof(out), "abc"));
	assert_string_equal(out, "abc");
	assert_false(text_copy(out, sizeof(out), "abcd"));
	assert_string_equal(out, "");
	assert_true(text_starts("https://x", "https://"));
	assert_false(text_starts("http", "https://"));
	assert_true(text_ends("a.vault.azure.net", ".vault.azure.net"));
	assert_false(text_ends("net", ".vault.azure.net"));
	assert_true(text_ends("net", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),	      cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_guid),	      cmocka_unit_test(test_name),
		cmocka_unit_test(test_domain),	      cmocka_unit_test(test_plain),
		cmocka_unit_test(test_copy_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
