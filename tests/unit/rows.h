/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a table-driven test needs: cmocka, and checks that name the failing row. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK(row, condition)                                                    \
	do {                                                                     \
		if (!(condition))                                                \
			fail_msg("row \"%s\": not true: %s", (row), #condition); \
	} while (0)

#define CHECK_INT(row, actual, expected)                                                      \
	do {                                                                                  \
		long long actual_ = (long long)(actual), expected_ = (long long)(expected);   \
		if (actual_ != expected_)                                                     \
			fail_msg("row \"%s\": %s is %lld, not %lld", (row), #actual, actual_, \
				 expected_);                                                  \
	} while (0)

#define CHECK_TEXT(row, actual, expected)                                                         \
	do {                                                                                      \
		const char *actual_ = (actual), *expected_ = (expected);                          \
		if (strcmp(actual_, expected_) != 0)                                              \
			fail_msg("row \"%s\": %s is \"%s\", not \"%s\"", (row), #actual, actual_, \
				 expected_);                                                      \
	} while (0)

/* An error's sentence: it mentions what it should, ends in no full stop, and is printable throughout. */
#define CHECK_SENTENCE(row, text, part)                                                          \
	do {                                                                                     \
		const char *text_ = (text), *part_ = (part);                                     \
		size_t len_ = strlen(text_);                                                     \
		if (!strstr(text_, part_))                                                       \
			fail_msg("row \"%s\": \"%s\" lacks \"%s\"", (row), text_, part_);        \
		if (len_ == 0 || text_[len_ - 1] == '.')                                         \
			fail_msg("row \"%s\": \"%s\" is no sentence of ours", (row), text_);     \
		for (size_t i_ = 0; i_ < len_; i_++) {                                           \
			if ((unsigned char)text_[i_] < ' ' || text_[i_] == 0x7f)                 \
				fail_msg("row \"%s\": a control character in the error", (row)); \
		}                                                                                \
	} while (0)
