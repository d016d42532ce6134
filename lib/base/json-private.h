/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What json.c, which checks a document, and json-read.c, which reads it, know in common. */
#pragma once

#include "base/json.h"

struct json {
	const char *text;
	size_t len;
	struct json_node *nodes;
	size_t count;
	size_t room;
};

/* Walks over a string that json.c has checked, yielding it unescaped, byte by byte. */
struct json_chars {
	const char *p;
	const char *end;
	uint8_t pending
		[4]; /* the rest of a character that was written as \uNNNN, in reverse order */
	size_t pending_count;
};

struct json_chars json_chars(const struct json *json, uint32_t start, uint32_t end);
/* The next byte, or -1 at the end. */
int json_chars_next(struct json_chars *chars);
/* Whether both yield the same bytes. */
bool json_chars_equal(struct json_chars a, struct json_chars b);
/* The value of four hexadecimal digits, or -1. */
int json_hex4(const char *text);
