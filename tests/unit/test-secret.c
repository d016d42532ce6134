/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets stay in one place, are bounded, and are wiped. */
#include "rows.h"

#include <errno.h>

#include "base/secret.h"

static void test_append(void **state)
{
	static const struct {
		const char *name, *text;
		size_t len;
		int expected;
		size_t len_after;
	} rows[] = {
		{ "first", "abc", 3, 0, 3 },
		{ "nothing", "", 0, 0, 3 },
		{ "one too many changes nothing", "defgh", 5, -ENOBUFS, 3 },
		{ "huge", "d", SIZE_MAX, -ENOBUFS, 3 },
		{ "up to the end", "def\0", 4, 0, 7 },
		{ "full", "x", 1, -ENOBUFS, 7 },
	};
	_cleanup_secret_ struct secret s = { 0 };
	uint8_t *place;

	(void)state;
	assert_int_equal(secret_append(&s, "x", 1), -ENOBUFS);
	assert_int_equal(secret_append(&s, NULL, 0), 0);
	assert_int_equal(secret_init(&s, 7), 0);
	place = s.data;
	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_INT(rows[i].name, secret_append(&s, rows[i].text, rows[i].len),
			  rows[i].expected);
		CHECK_INT(rows[i].name, s.len, rows[i].len_after);
		CHECK_INT(rows[i].name, s.data[s.len], 0);
		CHECK(rows[i].name, s.data == place);
	}
	assert_memory_equal(s.data, "abcdef\0", 7);
}

static void test_wipe(void **state)
{
	static const uint8_t zeros[8];
	_cleanup_secret_ struct secret s = { 0 };

	(void)state;
	assert_int_equal(secret_set(&s, "password", 8), 0);
	secret_clear(&s);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.max, 8);
	assert_memory_equal(s.data, zeros, sizeof(zeros));
	secret_done(&s);
	secret_done(&s);
	assert_null(s.data);
	assert_int_equal(s.max, 0);
	secret_clear(&s);
}

static void test_set_and_move(void **state)
{
	_cleanup_secret_ struct secret a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(secret_set(&a, "abc", 3), 0);
	/* A part of itself. */
	assert_int_equal(secret_set(&a, a.data + 1, 2), 0);
	assert_string_equal((char *)a.data, "bc");
	assert_int_equal(secret_set(&b, "old", 3), 0);
	secret_move(&b, &a);
	assert_null(a.data);
	assert_string_equal((char *)b.data, "bc");
	secret_move(&b, &b);
	assert_string_equal((char *)b.data, "bc");
	assert_int_equal(secret_set(&b, NULL, 0), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal((char *)b.data, "");
	assert_int_equal(secret_init(&b, SIZE_MAX), -ENOMEM);
}

static void test_equal(void **state)
{
	static const struct {
		const char *a, *b;
		size_t a_len, b_len;
		int expected;
	} rows[] = {
		{ "", "", 0, 0, 1 },	   { "abc", "abc", 3, 3, 1 }, { "abc", "abd", 3, 3, 0 },
		{ "abc", "ab", 3, 2, 0 },  { "xbc", "abc", 3, 3, 0 }, { "a\0c", "a\0d", 3, 3, 0 },
		{ "\x80", "\0", 1, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret a = { 0 }, b = { 0 };

		assert_int_equal(secret_set(&a, rows[i].a, rows[i].a_len), 0);
		assert_int_equal(secret_set(&b, rows[i].b, rows[i].b_len), 0);
		CHECK_INT(rows[i].a, secret_equal(&a, &b), rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_set_and_move),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
