/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables and JSON documents. */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cause.h"
#include "base/text.h"

/* As long as anything printed: an error's sentence, or a key's URL with every byte escaped. */
#define TEXT_MAX 2048

void output_escaped(const char *text)
{
	char shown[TEXT_MAX];

	text_escape(shown, sizeof(shown), text);
	fputs(shown, stdout);
}

void table_add(struct table *table, const char *text)
{
	char shown[TEXT_MAX];
	char **grown;

	if (table->error != 0)
		return;
	text_escape(shown, sizeof(shown), text);
	grown = reallocarray(table->cells, table->count + 1, sizeof(*grown));
	if (grown != NULL) {
		table->cells = grown;
		grown[table->count] = strdup(shown);
	}
	if (grown == NULL || grown[table->count] == NULL) {
		table->error = -ENOMEM;
		return;
	}
	table->count++;
}

void table_printf(struct table *table, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	table_add(table, text);
}

/* Whether nothing but empty cells follows in the row: no blanks at the end of a line. */
static bool ends_row(const struct table *table, size_t cell)
{
	while (++cell % table->columns != 0) {
		if (table->cells[cell][0] != '\0')
			return false;
	}
	return true;
}

static void print_cell(const struct table *table, size_t cell, int width)
{
	if (ends_row(table, cell))
		fputs(table->cells[cell], stdout);
	else
		printf("%-*s  ", width, table->cells[cell]);
}

int table_print(const struct table *table)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };

	if (table->error != 0)
		return table->error;
	for (size_t i = 0; i < table->count; i++) {
		int len = (int)strlen(table->cells[i]);

		if (len > width[i % table->columns])
			width[i % table->columns] = len;
	}
	for (size_t i = 0; i < table->count; i++) {
		if (i % table->columns == 0 || !ends_row(table, i - 1))
			print_cell(table, i, width[i % table->columns]);
		if (i % table->columns == table->columns - 1)
			putchar('\n');
	}
	return 0;
}

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->count = 0;
}

void output_begin(struct buf *b)
{
	buf_puts(b, "{");
	buf_json_int(b, "version", OUTPUT_VERSION);
}

int output_end(struct buf *b)
{
	buf_puts(b, "}\n");
	if (buf_error(b) != 0)
		return -ENOMEM;
	fputs(b->data, stdout);
	return 0;
}

void output_member(struct buf *b, const char *name, const char *text)
{
	char shown[TEXT_MAX];

	text_escape(shown, sizeof(shown), text);
	buf_json_member(b, name, shown);
}

void output_slots(struct buf *b, const char *name, uint32_t slots)
{
	buf_json_name(b, name);
	buf_puts(b, "[");
	for (int i = 0; i < 32; i++) {
		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		buf_json_next(b);
		buf_printf(b, "%d", i);
	}
	buf_puts(b, "]");
}

void output_error(struct buf *b, const struct cmk_err *err)
{
	buf_json_name(b, "error");
	if (err->code == CMK_OK) {
		buf_puts(b, "null");
		return;
	}
	buf_puts(b, "{");
	buf_json_member(b, "code", cmk_code_name(err->code));
	buf_json_member(b, "class", cmk_class_name(cmk_code_class(err->code)));
	buf_json_member(b, "message", err->text);
	buf_json_member(b, "acts", cmk_party_name(cause_party(err)));
	if (err->cause[0] != '\0')
		output_member(b, "cause", err->cause);
	if (err->request_id[0] != '\0')
		buf_json_member(b, "request_id", err->request_id);
	buf_puts(b, "}");
}

const char *output_party(enum cmk_party party)
{
	switch (party) {
	case CMK_PARTY_NOBODY:
		return "nobody: wait, then try again";
	case CMK_PARTY_MACHINE:
		return "whoever administers this machine";
	case CMK_PARTY_PROVIDER:
		return "the provider";
	case CMK_PARTY_CUSTOMER:
		return "the customer";
	}
	return "unknown";
}
