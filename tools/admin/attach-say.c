/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What attach says. At boot there may be no journal yet, and /run tells of this boot only: the kernel's log
 * gets each outcome too, and the journal keeps it from there, for the boots to come.
 */
#include "attach-say.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "format/config.h"

/* syslog(3)'s LOG_USER with LOG_ERR, and with LOG_DEBUG: kept, but not printed on the console. */
#define KMSG_ERROR  "<11>luks-cmk: "
#define KMSG_DEBUG  "<15>luks-cmk: "
#define LEVEL_ERROR 3
/* The kernel refuses a longer message: PRINTKRB_RECORD_MAX in kernel/printk/printk.c. */
#define KMSG_MAX      1024
#define KMSG_TEXT_MAX ((int)(KMSG_MAX - sizeof(KMSG_ERROR) - sizeof("\n")))
/* At boot; the others are kept in the journal, and luks-cmk why tells all. */
#define FAILURES_MAX 5
#define PRINTK_MAX   64

void attach_note(const char *format, ...)
{
	char text[512];
	char shown[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text_escape(shown, sizeof(shown), text);
	fprintf(stderr, "Note: %s.\n", shown);
}

/*
 * Each write to it is a message of its own, and no place in it can be sought, as stdio does. Without a newline more
 * could follow, and the kernel would keep it to itself until its next message: vprintk_store() in
 * kernel/printk/printk.c.
 */
static bool log_to_kernel(const struct attach_report *report, const char *prefix, const char *text)
{
	_cleanup_close_ int fd = -1;
	char message[KMSG_MAX];

	if (!report->boot || report->dry_run)
		return false;
	(void)snprintf(message, sizeof(message), "%s%.*s\n", prefix, KMSG_TEXT_MAX, text);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd >= 0 && io_write_all(fd, message, strlen(message)) == 0;
}

/* Whether the kernel prints errors on the console: proc_sys_kernel(5), printk, its first number. */
static bool kernel_shows_errors(void)
{
	_cleanup_secret_ struct secret file = { 0 };
	char *numbers;
	int level = 0;

	if (io_read_file("/proc/sys/kernel/printk", PRINTK_MAX, false, &file) < 0)
		return false;
	numbers = (char *)file.data;
	numbers[strcspn(numbers, " \t\n")] = '\0';
	return option_number(numbers, INT_MAX, &level) && level > LEVEL_ERROR;
}

/* One line, whole: a console has other writers. */
static void line(const struct attach_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void line(const struct attach_report *report, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)log_to_kernel(report, KMSG_DEBUG, text);
	if (report->json)
		return;
	printf("%s%s\n", report->boot ? "luks-cmk: " : "", text);
	(void)fflush(stdout);
}

static void report_failure(struct attach_report *report, const struct attach_event *event,
			   const char *name, const char *more)
{
	struct cmk_err err = event->err;
	char text[CMK_ERR_TEXT_MAX + CMK_REQUEST_ID_MAX + 64];

	/* A device that was named on the command line is named in the sentence, or is plain. */
	if (!report->single)
		(void)cmk_err(&err, event->err.code, "%s: %s%s", name, event->err.text, more);
	(void)snprintf(text, sizeof(text), "%s [%s]%s%s%s", err.text, cmk_code_name(err.code),
		       err.request_id[0] != '\0' ? " (request " : "", err.request_id,
		       err.request_id[0] != '\0' ? ")" : "");
	if (report->boot && report->failures++ >= FAILURES_MAX) {
		(void)log_to_kernel(report, KMSG_DEBUG, text);
		return;
	}
	splash_say(report->splash, text);
	if (report->json)
		return;
	/* Once on the console, by whoever shows it on all of them. */
	if (!log_to_kernel(report, KMSG_ERROR, text) || !kernel_shows_errors())
		(void)report_error(&err);
}

static void set_left(const struct attach_report *report, const struct attach_event *event)
{
	if (report->left != NULL)
		report->left[event->volume] = true;
}

/* The exit status is that of the first in the table that is not open. */
static void set_status(struct attach_report *report, const struct attach_event *event, int status)
{
	if (report->status != 0 && event->volume >= report->status_volume)
		return;
	report->status = status;
	report->status_volume = event->volume;
}

static void fail(struct attach_report *report, const struct attach_event *event, const char *name)
{
	report_failure(report, event, name, "");
	set_status(report, event, cmk_code_exit(event->err.code));
	set_left(report, event);
}

static void leave(struct attach_report *report, const struct attach_event *event, const char *name)
{
	line(report, "%s is left to the passphrase", name);
	set_status(report, event, cmk_code_exit(CMK_TIMEOUT));
	set_left(report, event);
}

static void not_ours(struct attach_report *report, const struct attach_event *event,
		     const char *name)
{
	struct attach_event refused = *event;

	if (!report->single)
		return;
	(void)cmk_err(&refused.err, CMK_STATE,
		      "the volume is not enrolled; enrol it with: luks-cmk enroll");
	fail(report, &refused, name);
}

void attach_waiting(struct attach_report *report, const char *what, uint32_t seconds)
{
	char bound[32] = "until it answers";
	char text[1200];

	if (seconds != CONFIG_TIMEOUT_FOREVER)
		(void)snprintf(bound, sizeof(bound), "up to %u s", seconds);
	(void)snprintf(text, sizeof(text), "%s (%s)%s", what, bound,
		       report->hint != NULL ? report->hint : "");
	report->hint = NULL;
	splash_say(report->splash, text);
	line(report, "%s", text);
}

static void ask(struct attach_report *report, const struct attach_event *event, const char *name)
{
	const char *host = event->host[0] != '\0' ? event->host : "the vault";
	char what[1024];

	if (!report->boot) {
		if (report->table == NULL)
			progress("Asking %s for the key of %s ...", host, name);
		return;
	}
	(void)snprintf(what, sizeof(what), "asking %s for the key of %s", host, name);
	attach_waiting(report, what, report->timeout);
}

static void say(struct attach_report *report, const struct attach_event *event)
{
	char name[CRYPTTAB_NAME_MAX * 4];

	text_escape(name, sizeof(name),
		    report->single ? report->names[0] : report->entries[event->volume].name);
	switch (event->phase) {
	case ATTACH_ASKING:
		ask(report, event, name);
		break;
	case ATTACH_TROUBLE:
		report_failure(report, event, name, "; it is tried again and again");
		break;
	case ATTACH_OPEN:
		report->ours++;
		line(report, "%s %s", name, report->dry_run ? "would open" : "is open");
		break;
	case ATTACH_WAS_OPEN:
		report->ours++;
		if (!report->boot)
			line(report, "%s is open already", name);
		break;
	case ATTACH_FAILED:
		report->ours++;
		fail(report, event, name);
		break;
	case ATTACH_MISSING:
		if (!report->json)
			attach_note("%s has not appeared: %s", name, event->err.text);
		break;
	case ATTACH_LEFT:
		leave(report, event, name);
		break;
	case ATTACH_OTHERS:
		not_ours(report, event, name);
		break;
	case ATTACH_IDLE:
	case ATTACH_ACTIVATING:
	case ATTACH_TRIED:
		break;
	}
}

void attach_say(void *data, struct attach_event *event)
{
	struct attach_report *report = data;

	if (report->table == NULL) {
		say(report, event);
		return;
	}
	attach_table_note(report->table, event);
	attach_table_clear(report->table);
	say(report, event);
	attach_table_draw(report->table);
}
