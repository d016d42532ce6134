/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes docs/errors.md: the prose of docs/errors.in.md, and below each code what the code's table and the
 * table of causes say of it. errors-md TEMPLATE prints it; errors-md TEMPLATE FILE compares, for the tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cause.h"
#include "base/io.h"
#include "base/secret.h"

#define FILE_MAX (256 * 1024)
/* Shorter ones explain nothing. */
#define PROSE_MIN 80

static const char *who(enum cmk_party party)
{
	switch (party) {
	case CMK_PARTY_NOBODY:
		return "nobody: wait";
	case CMK_PARTY_MACHINE:
		return "this machine";
	case CMK_PARTY_PROVIDER:
		return "the provider";
	case CMK_PARTY_CUSTOMER:
		return "the customer";
	}
	return "";
}

/* A template, as a reader sees it: placeholders in capitals; a bar would end a cell of a table. */
static void put_text(struct buf *out, const char *template, bool arc)
{
	static const struct cause_names usual = { .origin = "https://HOST",
						  .service = "Azure's metadata service",
						  .machine = "a virtual machine in Azure",
						  .place = "the virtual machine" };
	static const struct cause_names of_arc = { .origin = "http://HOST",
						   .service = "Azure Arc's agent",
						   .machine = "a machine connected to Azure Arc",
						   .place = "the machine in Azure Arc" };
	char text[CAUSE_COMMAND_MAX];

	(void)cause_expand(text, sizeof(text), template, arc ? &of_arc : &usual, false);
	for (const char *p = text; *p; p++)
		buf_printf(out, *p == '|' ? "\\%c" : "%c", *p);
}

static bool has_causes(enum cmk_code code)
{
	const struct cause *table;
	size_t count = cause_table(&table);

	for (size_t i = 0; i < count; i++)
		if (table[i].code == code)
			return true;
	return false;
}

static void put_row(struct buf *out, const struct cause *cause)
{
	const char *command = cause->command;
	bool arc = strncmp(cause->name, "arc:", 4) == 0;

	buf_printf(out, "| `%s` | ", cause->name);
	put_text(out, cause->meaning[0] ? cause->meaning : "what it says", arc);
	buf_printf(out, " | %s | ", who(cause->party));
	put_text(out, cause->next, arc);
	if (command) {
		buf_puts(out, ": `");
		put_text(out, command, arc);
		buf_puts(out, "`");
	}
	buf_puts(out, " |\n");
}

static void put_facts(struct buf *out, enum cmk_code code)
{
	const struct cause *table;
	size_t count = cause_table(&table);

	buf_printf(out, "Who acts: %s.", who(cmk_code_party(code)));
	if (cmk_code_command(code)) {
		buf_puts(out, " What to run first:\n\n```\n");
		put_text(out, cmk_code_command(code), false);
		buf_puts(out, "\n```");
	}
	buf_puts(out, "\n\n");
	if (!has_causes(code))
		return;
	buf_puts(out,
		 "| cause | what it means | who acts | what to do |\n| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < count; i++)
		if (table[i].code == code)
			put_row(out, &table[i]);
	buf_puts(out, "\n");
}

struct page {
	struct buf out;
	bool seen[CMK_CODE_COUNT];
	enum cmk_class class; /* of the chapter */
	enum cmk_code code;   /* of the section; CMK_OK: none */
	size_t prose;
	int problems;
};

static void complain(struct page *page, const char *what, const char *name)
{
	(void)fprintf(stderr, "docs/errors.in.md: %s: %s\n", name, what);
	page->problems++;
}

static void end_section(struct page *page)
{
	if (page->code == CMK_OK)
		return;
	if (page->prose < PROSE_MIN)
		complain(page, "has no paragraph", cmk_code_name(page->code));
	put_facts(&page->out, page->code);
	page->code = CMK_OK;
}

static void begin_section(struct page *page, const char *name)
{
	if (!cmk_code_parse(name, &page->code) || page->code == CMK_OK) {
		complain(page, "is no code", name);
		return;
	}
	if (page->seen[page->code])
		complain(page, "has two paragraphs", name);
	if (cmk_code_class(page->code) != page->class)
		complain(page, "stands in another class", name);
	page->seen[page->code] = true;
	page->prose = 0;
}

/* "## refused (exit status 3)" begins a chapter; others have no codes. */
static void begin_chapter(struct page *page, const char *title)
{
	page->class = CMK_CLASS_NONE;
	for (int class = CMK_CLASS_SETUP; class <= CMK_CLASS_STATE; class ++) {
		const char *name = cmk_class_name((enum cmk_class) class);
		if (strncmp(title, name, strlen(name)) == 0 && title[strlen(name)] == ' ')
			page->class = (enum cmk_class) class;
	}
}

static void take_line(struct page *page, const char *line)
{
	bool chapter = strncmp(line, "## ", 3) == 0, section = strncmp(line, "### ", 4) == 0;

	if (chapter || section)
		end_section(page);
	buf_printf(&page->out, "%s\n", line);
	if (chapter)
		begin_chapter(page, line + 3);
	else if (section)
		begin_section(page, line + 4);
	else
		page->prose += strlen(line);
}

static int make(const char *template, struct page *page)
{
	_cleanup_secret_ struct secret in = { 0 };

	if (io_read_file(template, FILE_MAX, false, &in) < 0) {
		(void)fprintf(stderr, "%s cannot be read\n", template);
		return -1;
	}
	char *rest = (char *)in.data;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && (rest || *line);)
		take_line(page, line);
	end_section(page);
	for (int code = CMK_OK + 1; code < CMK_CODE_COUNT; code++)
		if (!page->seen[code])
			complain(page, "has no section", cmk_code_name((enum cmk_code)code));
	/* One newline at the end. */
	while (page->out.len > 1 && page->out.data[page->out.len - 2] == '\n')
		page->out.data[--page->out.len] = '\0';
	return buf_error(&page->out) < 0 || page->problems > 0 ? -1 : 0;
}

static int compare(const struct buf *made, const char *path)
{
	_cleanup_secret_ struct secret old = { 0 };

	if (io_read_file(path, FILE_MAX, false, &old) == 0 && old.len == made->len &&
	    memcmp(old.data, made->data, made->len) == 0)
		return 0;
	(void)fprintf(stderr, "%s is not what the table says; make it anew: ninja errors-md\n",
		      path);
	return 1;
}

int main(int argc, char **argv)
{
	static struct page page = { .out = BUF(FILE_MAX) };

	if (argc < 2 || argc > 3) {
		(void)fprintf(stderr, "usage: errors-md TEMPLATE [FILE]\n");
		return 2;
	}
	int status = make(argv[1], &page) < 0 ? 1 : 0;
	if (status == 0 && argc == 3)
		status = compare(&page.out, argv[2]);
	else if (status == 0)
		status = fputs(page.out.data, stdout) < 0 ? 1 : 0;
	buf_done(&page.out);
	return status;
}
