/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions, laid out. */
#include "guide.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WIDTH	 90
#define TEXT_MAX 8192

/* Errors stick as buf_error() has them: a text that is too long is one. */
static void fill(struct guide *guide, char out[static TEXT_MAX], const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));
static void fill(struct guide *guide, char out[static TEXT_MAX], const char *format, va_list list)
{
	int len = vsnprintf(out, TEXT_MAX, format, list);

	if (len >= 0 && len < TEXT_MAX)
		return;
	out[0] = '\0';
	guide->out.error = -ENOBUFS;
}

static void underline(struct guide *guide, const char *text, const char *with)
{
	buf_printf(&guide->out, "%s\n", text);
	for (size_t i = 0; i < strlen(text); i++)
		buf_puts(&guide->out, with);
	buf_puts(&guide->out, "\n\n");
}

void guide_title(struct guide *guide, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list list;

	va_start(list, format);
	fill(guide, text, format, list);
	va_end(list);
	if (guide->markdown)
		buf_printf(&guide->out, "# %s\n\n", text);
	else
		underline(guide, text, "=");
}

void guide_heading(struct guide *guide, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list list;

	va_start(list, format);
	fill(guide, text, format, list);
	va_end(list);
	if (guide->markdown)
		buf_printf(&guide->out, "## %s\n\n", text);
	else
		underline(guide, text, "-");
}

/* Up to the next blank; but what stands between backticks is one word. */
static size_t word_length(const char *text)
{
	bool quoted = false;
	size_t len = 0;

	for (; text[len] != '\0' && (quoted || text[len] != ' '); len++)
		quoted ^= text[len] == '`';
	return len;
}

void guide_text(struct guide *guide, const char *format, ...)
{
	char text[TEXT_MAX];
	size_t column = 0;
	va_list list;

	va_start(list, format);
	fill(guide, text, format, list);
	va_end(list);
	for (const char *word = text; *word != '\0';) {
		size_t len = word_length(word);

		if (column > 0 && column + 1 + len > WIDTH) {
			buf_puts(&guide->out, "\n");
			column = 0;
		} else if (column > 0) {
			buf_puts(&guide->out, " ");
			column++;
		}
		buf_append(&guide->out, word, len);
		column += len;
		word += len;
		word += strspn(word, " ");
	}
	buf_puts(&guide->out, "\n\n");
}

void guide_shell(struct guide *guide, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list list;

	va_start(list, format);
	fill(guide, text, format, list);
	va_end(list);
	buf_puts(&guide->out, guide->markdown ? "```sh\n" : "");
	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");

		buf_puts(&guide->out, guide->markdown || len == 0 ? "" : "    ");
		buf_append(&guide->out, line, len);
		buf_puts(&guide->out, "\n");
		line += len + (line[len] == '\n');
	}
	buf_puts(&guide->out, guide->markdown ? "```\n\n" : "\n");
}

int guide_print(struct guide *guide)
{
	int r = buf_error(&guide->out);

	if (r < 0)
		return r;
	/* Each part ends in an empty line; the last one needs none. */
	(void)printf("%.*s", (int)guide->out.len - 1, guide->out.data);
	return 0;
}
