/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base64url: the vectors of RFC 4648 without their padding, and what must be refused. */
#include "rows.h"

#include <errno.h>

#include "base/b64.h"

static void test_both_ways(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} rows[] = {
		{ "", 0, "" },
		{ "f", 1, "Zg" },
		{ "fo", 2, "Zm8" },
		{ "foo", 3, "Zm9v" },
		{ "foob", 4, "Zm9vYg" },
		{ "fooba", 5, "Zm9vYmE" },
		{ "foobar", 6, "Zm9vYmFy" },
		{ "\xff\xff\xff", 3, "____" },
		{ "\xfb\xef\xbe", 3, "----" },
		{ "\0\0", 2, "AAA" },
		{ "\x69\xb7\x1d\x79\xf8\x21\x8a\x39", 8, "abcdefghijk" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const uint8_t *bytes = (const uint8_t *)rows[i].bytes;
		_cleanup_secret_ struct secret decoded = { 0 };
		char text[16];

		CHECK_INT(rows[i].text, B64URL_LEN(rows[i].len), strlen(rows[i].text));
		CHECK_INT(rows[i].text,
			  b64url_encode(bytes, rows[i].len, text, strlen(rows[i].text) + 1), 0);
		CHECK_TEXT(rows[i].text, text, rows[i].text);
		CHECK_INT(rows[i].text,
			  b64url_encode(bytes, rows[i].len, text, strlen(rows[i].text)), -ENOBUFS);
		CHECK_INT(rows[i].text, b64url_decode(rows[i].text, strlen(rows[i].text), &decoded),
			  0);
		CHECK_INT(rows[i].text, decoded.len, rows[i].len);
		CHECK(rows[i].text, memcmp(decoded.data, bytes, decoded.len) == 0);
		CHECK_INT(rows[i].text, decoded.data[decoded.len], 0);
	}
}

/* Each of the 256 characters is in the alphabet, or is not. */
static void test_alphabet(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char text[4] = { 'A', 'A', 'A', (char)c };
		const char *place = c ? strchr(alphabet, c) : NULL;
		_cleanup_secret_ struct secret decoded = { 0 };
		int r = b64url_decode(text, sizeof(text), &decoded);

		assert_int_equal(r, place ? 0 : -EBADMSG);
		if (place)
			assert_int_equal(decoded.data[2], place - alphabet);
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"A",		 /* impossible length */
		"AAAAA", "Zg==", /* padding */
		"Zm8=",	 "Zh",	 /* bits after the end */
		"Zm9",	 "+///", /* the other alphabet */
		"Zm 8",	 "Zm8\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct secret decoded = { 0 };

		CHECK_INT(rows[i], b64url_decode(rows[i], strlen(rows[i]), &decoded), -EBADMSG);
		CHECK(rows[i], !decoded.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_alphabet),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
