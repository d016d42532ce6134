/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions for people: headings, paragraphs, and commands to copy and paste; as plain text, whose
 * commands are the lines that begin with four blanks, or as Markdown.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* Zeroed but for markdown and out; errors stick in out. */
struct guide {
	bool markdown;
	struct buf out;
};

#define GUIDE(as_markdown)                                          \
	{                                                           \
		.markdown = (as_markdown), .out = {.max = 1 << 18 } \
	}

void guide_title(struct guide *guide, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void guide_heading(struct guide *guide, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One paragraph, broken into lines here. `Words between these` are commands or their words. */
void guide_text(struct guide *guide, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lines of shell, each with its newline. What is filled in must be text_is_plain(). */
void guide_shell(struct guide *guide, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints it all to standard output. 0, -ENOMEM or -ENOBUFS. */
int guide_print(struct guide *guide);
