/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of an INI file, each with its number: the only user of libinih. */
#include "format/config-lines.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/*
 * libinih splits a file into sections and names. Three of its habits do not suit a file that decides where
 * secrets go, and differ from one build of it to another: it cuts lines at 200 bytes, and names of sections
 * at 49, without a word; it knows no # after a value; and it goes on after an error. So it is fed line by
 * line from here, with the value kept back: it sees "name =", and the handler gets the value from us.
 */
#define INI_SECTION_MAX 49
#define INI_NAME_MAX	32
#define BLANKS		" \t\r"
/* What editors of Windows put before the first line, as they end each by \r. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define NAME_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

struct reader {
	const char *rest; /* of the file */
	struct config_line line;
	char text[CONFIG_LINE_MAX]; /* the current line, cut into name and value */
	config_line_fn handler;
	void *user;
	int result; /* the first error */
};

int config_line_error(const struct config_line *line, const char *format, ...)
{
	char what[CMK_ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return cmk_err(line->err, CMK_CONFIG, "%s line %u: %s", line->file, line->number, what);
}

/* Cuts text at its comment, and at the blanks before that and at the end. */
static void cut_comment(char *text)
{
	size_t end;

	for (size_t i = 0; text[i]; i++) {
		if (strchr(";#", text[i]) && (i == 0 || strchr(BLANKS, text[i - 1]))) {
			text[i] = '\0';
			break;
		}
	}
	for (end = strlen(text); end > 0 && strchr(BLANKS, text[end - 1]); end--)
		text[end - 1] = '\0';
}

/* Copies the next line, without blanks around it, to reader->text. */
static int take_line(struct reader *reader)
{
	const char *start = reader->rest;
	size_t len = strcspn(start, "\n");

	reader->line.number++;
	reader->rest = start + len + (start[len] == '\n');
	while (len > 0 && strchr(BLANKS, *start)) {
		start++;
		len--;
	}
	if (len >= sizeof(reader->text))
		return config_line_error(
			&reader->line,
			"the line is longer than %zu bytes; write a list as several lines",
			sizeof(reader->text) - 1);
	memcpy(reader->text, start, len);
	reader->text[len] = '\0';
	cut_comment(reader->text);
	return 0;
}

static int check_section(const struct config_line *line, const char *text)
{
	size_t len = strlen(text);

	if (text[len - 1] != ']' || strchr(text, ']') != text + len - 1)
		return config_line_error(line,
					 "\"%s\" is no section; write [NAME] and nothing more",
					 text);
	if (len - 2 > INI_SECTION_MAX)
		return config_line_error(
			line, "the section's name is longer than %d characters; shorten it",
			INI_SECTION_MAX);
	return 0;
}

/* Cuts reader->text in two: name, and the value that line points to. */
static int split_value(struct reader *reader)
{
	char *text = reader->text, *equals = strchr(text, '=');
	size_t name_len = strspn(text, NAME_CHARS);

	if (!equals || name_len == 0 || text + name_len + strspn(text + name_len, BLANKS) != equals)
		return config_line_error(&reader->line,
					 "this is neither [SECTION] nor NAME = VALUE; correct it");
	if (name_len > INI_NAME_MAX)
		return config_line_error(&reader->line,
					 "no setting has so long a name; correct it");
	reader->line.value = equals + 1 + strspn(equals + 1, BLANKS);
	text[name_len] = '\0';
	return 0;
}

static int prepare_line(struct reader *reader)
{
	int r = take_line(reader);

	if (r < 0 || !reader->text[0])
		return r;
	if (reader->text[0] == '[')
		return check_section(&reader->line, reader->text);
	return split_value(reader);
}

/* What libinih reads in place of a file: the next line without its value; NULL ends it. */
static char *read_line(char *out, int size, void *user)
{
	struct reader *reader = user;

	if (reader->result < 0 || !*reader->rest)
		return NULL;
	reader->line.value = NULL;
	reader->result = prepare_line(reader);
	if (reader->result < 0)
		return NULL;
	snprintf(out, (size_t)size, "%s%s", reader->text, reader->line.value ? " =" : "");
	return out;
}

/* libinih: nonzero for success. */
static int take_value(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;

	(void)value;
	if (reader->result < 0)
		return 0;
	reader->line.section = section;
	reader->line.name = name;
	reader->result = reader->handler(&reader->line, reader->user);
	return reader->result >= 0;
}

int config_lines(const char *text, const char *file, config_line_fn handler, void *user,
		 struct cmk_err *err)
{
	struct reader reader = {
		.rest = text,
		.line = { .file = file, .err = err },
		.handler = handler,
		.user = user,
	};
	int r;

	if (text_starts(text, BYTE_ORDER_MARK))
		reader.rest += strlen(BYTE_ORDER_MARK);
	r = ini_parse_stream(read_line, &reader, take_value, &reader);

	if (reader.result < 0)
		return reader.result;
	if (r == -2)
		return -ENOMEM;
	if (r != 0)
		return config_line_error(&reader.line, "libinih cannot read this; correct it");
	return 0;
}
