/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of an INI file, each with its number: the only user of libinih. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A key's URL has at most 511 characters; longer lists are written as several lines. */
#define CONFIG_LINE_MAX 1024

/* What a handler is told: where it is, so that it can say what is wrong there. */
struct config_line {
	const char *file;
	unsigned number;
	const char *section; /* "" before the first */
	const char *name;
	const char *value;
	struct cmk_err *err;
};

/* 0, or config_line_error(). */
typedef int (*config_line_fn)(const struct config_line *line, void *user);

/*
 * Calls handler for each "name = value" of text, until the first error. Comments begin with ; or # at the
 * start of a line or after a blank. 0, -ENOMEM or CMK_CONFIG.
 */
int config_lines(const char *text, const char *file, config_line_fn handler, void *user,
		 struct cmk_err *err);

/* CMK_CONFIG with "FILE line N: what". */
int config_line_error(const struct config_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
