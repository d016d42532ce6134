/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A string that grows up to a fixed maximum, with JSON output. For public text only: see secret.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Set max, zero the rest. Errors stick: after the first failed append all later ones do nothing and
 * buf_error() tells it, so that a builder is a straight list of appends with one check at its end.
 * data is NUL-terminated once anything was appended.
 */
struct buf {
	char *data;
	size_t len;
	size_t max;
	int error;
};

#define BUF(maximum)             \
	{                        \
		.max = (maximum) \
	}
#define _cleanup_buf_ __attribute__((cleanup(buf_done)))

void buf_append(struct buf *b, const char *text, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes: ", \ and control characters escaped (RFC 8259, section 7). */
void buf_json_string(struct buf *b, const char *text);
/* ,"name":"text" with a comma only where the last character is not { or [ or the buffer's start. */
void buf_json_member(struct buf *b, const char *name, const char *text);
/* The same with a number, and with a boolean. */
void buf_json_int(struct buf *b, const char *name, int64_t value);
void buf_json_bool(struct buf *b, const char *name, bool value);
/* ,"name": and nothing after it, for a nested value. */
void buf_json_name(struct buf *b, const char *name);
/* A comma where one is needed before the next element of an array. */
void buf_json_next(struct buf *b);
/* 0, -ENOMEM or -ENOBUFS (max reached). */
int buf_error(const struct buf *b);
/* The text, owned by the caller; b is empty afterwards. NULL if an append failed. */
char *buf_take(struct buf *b);
void buf_done(struct buf *b);
