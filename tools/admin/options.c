/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines: tables instead of a switch in each command. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

/* More than any command has, with the common ones. */
#define OPTIONS_MAX 20
/* Values that getopt_long() returns for the table's entries: above every character. */
#define OPTION_BASE  1000
#define OPTION_DEBUG (OPTION_BASE - 1)
#define OPTION_HELP  (OPTION_BASE - 2)

int usage_error(const struct call *call, const char *format, ...)
{
	char text[512];
	char shown[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text_escape(shown, sizeof(shown), text);
	fprintf(stderr, "luks-cmk: %s\nTry 'luks-cmk %s%s--help' for more information.\n", shown,
		call->command != NULL ? call->command->name : "", call->command != NULL ? " " : "");
	return STATUS_USAGE;
}

bool option_number(const char *text, int max, int *ret)
{
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max)
		return false;
	if (text[0] < '0' || text[0] > '9')
		return false;
	*ret = (int)value;
	return true;
}

static int store(struct call *call, const struct command_option *option, const char *value)
{
	if (option->flag != NULL) {
		*option->flag = true;
		return 0;
	}
	if (option->value != NULL) {
		if (*option->value != NULL)
			return usage_error(call, "option --%s is given twice", option->name);
		*option->value = value;
		return 0;
	}
	if (option->list->count == sizeof(option->list->items) / sizeof(option->list->items[0]))
		return usage_error(call, "option --%s is given more than %zu times", option->name,
				   option->list->count);
	option->list->items[option->list->count++] = value;
	return 0;
}

/* getopt_long() wants short options as one string, and a leading ':' keeps it from printing itself. */
static void build(const struct command_option *options, size_t count, struct option *longs,
		  char *shorts)
{
	size_t n = 0;

	*shorts++ = ':';
	*shorts++ = 'h';
	for (size_t i = 0; i < count; i++) {
		longs[n++] = (struct option){ options[i].name,
					      options[i].flag != NULL ? no_argument
								      : required_argument,
					      NULL, OPTION_BASE + (int)i };
		if (options[i].letter != 0) {
			*shorts++ = options[i].letter;
			if (options[i].flag == NULL)
				*shorts++ = ':';
		}
	}
	longs[n++] = (struct option){ "debug", no_argument, NULL, OPTION_DEBUG };
	longs[n++] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	*shorts = '\0';
}

static const struct command_option *find(const struct command_option *options, size_t count, int c)
{
	for (size_t i = 0; i < count; i++) {
		if (c == OPTION_BASE + (int)i || (c < OPTION_HELP && c == options[i].letter))
			return &options[i];
	}
	return NULL;
}

int option_unknown(const struct call *call, char **argv)
{
	if (optopt > UCHAR_MAX)
		return usage_error(call, "option '%s' takes no value", argv[optind - 1]);
	/* Of "-xyz" the word is not done with yet: argv[optind - 1] is the one before. */
	if (optopt != 0)
		return usage_error(call, "unknown option '-%c'", optopt);
	return usage_error(call, "unknown option '%s'", argv[optind - 1]);
}

static int operands(struct call *call, int min, int max)
{
	call->argc -= optind;
	call->argv += optind;
	if (call->argc < min)
		return usage_error(call, "an argument is missing: luks-cmk %s %s",
				   call->command->name, call->command->synopsis);
	if (call->argc > max)
		return usage_error(call, "unexpected argument '%s'", call->argv[max]);
	return 0;
}

int options_parse(struct call *call, const struct command_option *options, size_t count, int min,
		  int max)
{
	struct option longs[OPTIONS_MAX + 3];
	char shorts[2 * OPTIONS_MAX + 3];
	int c;
	int r;

	if (count > OPTIONS_MAX)
		abort();
	build(options, count, longs, shorts);
	optind = 0; /* glibc: starts afresh, the global options were parsed before */
	opterr = 0;
	while ((c = getopt_long(call->argc, call->argv, shorts, longs, NULL)) != -1) {
		const struct command_option *option = find(options, count, c);

		if (c == OPTION_HELP || c == 'h')
			return STATUS_HELP;
		if (c == OPTION_DEBUG) {
			call->debug = true;
			continue;
		}
		if (c == ':')
			return usage_error(call, "option '%s' needs a value",
					   call->argv[optind - 1]);
		if (option == NULL)
			return option_unknown(call, call->argv);
		r = store(call, option, optarg);
		if (r != 0)
			return r;
	}
	return operands(call, min, max);
}

int report_error(const struct cmk_err *err)
{
	enum cmk_code code = err->code != CMK_OK ? err->code : CMK_SYSTEM;

	(void)fflush(stdout);
	fprintf(stderr, "luks-cmk: %s [%s]", err->code != CMK_OK ? err->text : "out of memory",
		cmk_code_name(code));
	if (err->request_id[0] != '\0')
		fprintf(stderr, " (request %s)", err->request_id);
	fputc('\n', stderr);
	return cmk_code_exit(code);
}

void progress(const char *format, ...)
{
	va_list ap;

	if (isatty(STDERR_FILENO) != 1)
		return;
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}
