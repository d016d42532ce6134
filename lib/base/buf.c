/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A string that grows up to a fixed maximum, with JSON output. */
#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define FIRST_ROOM 256

/* The allocation doubles, so its size follows from len and needs no member of its own. */
static size_t room(size_t len)
{
	size_t size = FIRST_ROOM;

	while (size < len + 1)
		size *= 2;
	return size;
}

/* Makes place for len more bytes and a NUL; false, and the error noted, if there is none. */
static bool reserve(struct buf *b, size_t len)
{
	char *data;

	if (b->error)
		return false;
	if (b->len > b->max || len > b->max - b->len || b->max > SIZE_MAX / 4) {
		b->error = -ENOBUFS;
		return false;
	}
	if (b->data && room(b->len + len) == room(b->len))
		return true;
	data = realloc(b->data, room(b->len + len));
	if (!data) {
		b->error = -ENOMEM;
		return false;
	}
	b->data = data;
	return true;
}

void buf_append(struct buf *b, const char *text, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, text, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 && !b->error)
		b->error = -ENOBUFS;
	if (len < 0 || !reserve(b, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_json_string(struct buf *b, const char *text)
{
	size_t left = strlen(text);
	uint32_t c = 0;

	buf_puts(b, "\"");
	while (left > 0 && !b->error) {
		size_t n = text_utf8(text, left, &c);

		/* Broken UTF-8 would make the whole document unreadable: U+FFFD stands for it. */
		if (n == 0)
			buf_puts(b, "\\ufffd");
		else if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", (int)c);
		else if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			buf_printf(b, "\\u%04" PRIx32, c);
		else
			buf_append(b, text, n);
		n += n == 0;
		text += n;
		left -= n;
	}
	buf_puts(b, "\"");
}

void buf_json_next(struct buf *b)
{
	if (b->len > 0 && !strchr("{[:,", b->data[b->len - 1]))
		buf_puts(b, ",");
}

void buf_json_name(struct buf *b, const char *name)
{
	buf_json_next(b);
	buf_json_string(b, name);
	buf_puts(b, ":");
}

void buf_json_member(struct buf *b, const char *name, const char *text)
{
	buf_json_name(b, name);
	buf_json_string(b, text);
}

void buf_json_int(struct buf *b, const char *name, int64_t value)
{
	buf_json_name(b, name);
	buf_printf(b, "%" PRId64, value);
}

void buf_json_bool(struct buf *b, const char *name, bool value)
{
	buf_json_name(b, name);
	buf_puts(b, value ? "true" : "false");
}

int buf_error(const struct buf *b)
{
	return b->error;
}

char *buf_take(struct buf *b)
{
	char *text;

	/* An empty text is a text. */
	buf_append(b, "", 0);
	text = b->error ? NULL : b->data;
	if (text)
		*b = (struct buf){ .max = b->max };
	return text;
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}
