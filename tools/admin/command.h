/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What main.c and the commands know of each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "format/config.h"

/* Exit status of wrong usage; the others come from cmk_code_exit(). */
#define STATUS_USAGE 2
/* Not an exit status: the command was asked for its help. */
#define STATUS_HELP 256

struct call;

/*
 * A command's function returns 0, a positive exit status for what it has already reported itself, or a
 * negative errno with err filled: main.c prints that and derives the exit status.
 */
struct command {
	const char *name;
	const char *synopsis; /* what follows the name on the command line */
	const char *summary;  /* one line for the list of commands */
	const char *help;     /* options, one in each line */
	const char *note;     /* a sentence after them, or NULL */
	int (*run)(struct call *call, struct cmk_err *err);
};

/* One invocation. argv holds what is not parsed yet; options_parse() leaves the operands in it. */
struct call {
	const struct command *command;
	int argc;
	char **argv;
	bool debug;
	bool json;
};

struct option_list {
	const char *items[CONFIG_SPARES_MAX];
	size_t count;
};

/* Exactly one of flag, value and list is set. */
struct command_option {
	const char *name;
	char letter; /* or 0 */
	bool *flag;
	const char **value;
	struct option_list *list;
};

/*
 * Parses call->argv by the table and the options that every command has; then call->argc and argv are the
 * operands, of which there must be min to max. 0, STATUS_HELP, or STATUS_USAGE with the reason printed.
 */
int options_parse(struct call *call, const struct command_option *options, size_t count, int min,
		  int max);
/* Prints "luks-cmk: SENTENCE" and where to find help; returns STATUS_USAGE. */
int usage_error(const struct call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, of what getopt_long() has just answered '?' to; its names have values above those of letters. */
int option_unknown(const struct call *call, char **argv);
/* A number of 0 to max and nothing else. */
bool option_number(const char *text, int max, int *ret);

/* The one form of every error line: "luks-cmk: SENTENCE [code] (request GUID)". Returns the exit status. */
int report_error(const struct cmk_err *err);
/* A line of progress, for people at a terminal only. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

int cmd_enroll(struct call *call, struct cmk_err *err);
int cmd_format(struct call *call, struct cmk_err *err);
int cmd_attach(struct call *call, struct cmk_err *err);
int cmd_detach(struct call *call, struct cmk_err *err);
int cmd_status(struct call *call, struct cmk_err *err);
int cmd_list(struct call *call, struct cmk_err *err);
int cmd_check(struct call *call, struct cmk_err *err);
int cmd_remove(struct call *call, struct cmk_err *err);
int cmd_customer(struct call *call, struct cmk_err *err);
int cmd_provider(struct call *call, struct cmk_err *err);
int cmd_why(struct call *call, struct cmk_err *err);
