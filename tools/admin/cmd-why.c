/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk why: the failures that were recorded since boot, also by the initramfs. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/cause.h"
#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "disks.h"
#include "luks.h"
#include "output.h"
#include "paths.h"
#include "record.h"

#define JOURNALCTL "/usr/bin/journalctl"
#define FAILED_DIR RUN_DIR "/failed"
/* More volumes than a machine has. */
#define WHY_MAX 1024

struct failure {
	char uuid[37]; /* "": the scripts of the initramfs asked for no volume at all */
	struct record record;
};

struct failures {
	struct failure items[WHY_MAX];
	size_t count;
};

/* "UUID.TOKEN", as record.h names them. */
static bool parse_name(const char *name, char uuid[static 37], int *token)
{
	if (strlen(name) < 38 || name[36] != '.')
		return false;
	(void)snprintf(uuid, 37, "%.36s", name);
	return text_is_guid(uuid) && option_number(name + 37, LUKS_SLOTS_MAX - 1, token);
}

static int by_time(const void *a, const void *b)
{
	const struct failure *x = a;
	const struct failure *y = b;

	return (x->record.boot_ms > y->record.boot_ms) - (x->record.boot_ms < y->record.boot_ms);
}

static void closedirp(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

/* uuid NULL: of all volumes. */
static int read_failures(const char *uuid, struct failures *ret, struct cmk_err *err)
{
	__attribute__((cleanup(closedirp))) DIR *dir = opendir(FAILED_DIR);
	struct dirent *entry;

	if (dir == NULL && errno != ENOENT)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be read; run as root",
				     FAILED_DIR);
	while (dir != NULL && ret->count < WHY_MAX && (entry = readdir(dir)) != NULL) {
		struct failure *failure = &ret->items[ret->count];
		int token;

		if (!parse_name(entry->d_name, failure->uuid, &token))
			continue;
		if (uuid != NULL && strcasecmp(uuid, failure->uuid) != 0)
			continue;
		if (record_read(RUN_DIR, failure->uuid, token, &failure->record) == 0)
			ret->count++;
	}
	if (ret->count < WHY_MAX && record_read_boot(RUN_DIR, &ret->items[ret->count].record) == 0)
		ret->items[ret->count++].uuid[0] = '\0';
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_time);
	return 0;
}

static void format_time(int64_t seconds, char *out, size_t size)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, size, "unknown");
}

/* The device that has this UUID now, if any has. */
static char *find_device(const char *uuid)
{
	char tag[64];
	char *path = NULL;

	(void)snprintf(tag, sizeof(tag), "UUID=%s", uuid);
	return disks_resolve(tag, &path, NULL) < 0 ? NULL : path;
}

static void print_which(const struct failure *failure)
{
	_cleanup_free_ char *device = NULL;

	if (failure->uuid[0] == '\0') {
		printf("while booting, no volume was asked for");
		return;
	}
	device = find_device(failure->uuid);
	printf("volume %s", failure->uuid);
	if (device != NULL)
		printf(" (%s)", device);
	printf(", token %d", failure->record.token);
}

static void print_failure(const struct failure *failure)
{
	const struct cmk_err *err = &failure->record.err;
	char when[32];

	format_time(failure->record.when, when, sizeof(when));
	printf("%s  ", when);
	print_which(failure);
	printf(":\n  ");
	output_escaped(err->text);
	printf(" [%s]\n", cmk_code_name(err->code));
	if (err->request_id[0] != '\0') {
		printf("  Request: ");
		output_escaped(err->request_id);
		putchar('\n');
	}
	printf("  Acts:    %s\n", output_party(cause_party(err)));
	printf("  Next:    %s\n", cmk_code_hint(err->code));
}

static void json_failure(struct buf *b, const struct failure *failure)
{
	bool volume = failure->uuid[0] != '\0';
	_cleanup_free_ char *device = volume ? find_device(failure->uuid) : NULL;
	char when[32];

	format_time(failure->record.when, when, sizeof(when));
	buf_json_next(b);
	buf_puts(b, "{");
	buf_json_member(b, "when", when);
	if (volume)
		buf_json_member(b, "uuid", failure->uuid);
	if (device != NULL)
		output_member(b, "device", device);
	if (volume)
		buf_json_int(b, "token", failure->record.token);
	output_error(b, &failure->record.err);
	buf_json_member(b, "next", cmk_code_hint(failure->record.err.code));
	buf_puts(b, "}");
}

static int print_json(const struct failures *failures)
{
	_cleanup_buf_ struct buf json = BUF(OUTPUT_MAX);

	output_begin(&json);
	buf_json_name(&json, "failures");
	buf_puts(&json, "[");
	for (size_t i = 0; i < failures->count; i++)
		json_failure(&json, &failures->items[i]);
	buf_puts(&json, "]");
	return output_end(&json);
}

/* The UUID that an argument means: a record may be of a device that is gone. */
static int which(struct call *call, char *uuid, size_t size, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	const char *argument = call->argv[0];
	const char *bare = text_starts(argument, "UUID=") ? argument + strlen("UUID=") : argument;
	int r;

	if (text_is_guid(bare)) {
		(void)text_copy(uuid, size, bare);
		return 0;
	}
	r = luks_open(argument, call->debug, &luks, err);
	if (r < 0)
		return r;
	(void)text_copy(uuid, size, luks->uuid);
	return 0;
}

/*
 * /run is of this boot only; the journal has what plugin and tool said in the ones before, the tool's by way
 * of the kernel's log if that was before there was a journal.
 */
static int show_previous(struct cmk_err *err)
{
	static const char *const words[] = {
		JOURNALCTL,
		"--boot=-1",
		"--no-pager",
		"--quiet",
		"--output=short-iso",
		"--identifier=luks-cmk",
		"--identifier=systemd-cryptsetup",
		/* The form of report_error()'s lines. */
		"--grep=\\[[a-z-]+\\]( \\(request [0-9a-f-]{36}\\))?$",
		NULL,
	};
	char *argv[sizeof(words) / sizeof(words[0])] = { NULL };
	char *const environment[] = { NULL };

	for (size_t i = 0; words[i] != NULL; i++)
		argv[i] = (char *)(uintptr_t)words[i];
	(void)execve(JOURNALCTL, argv, environment);
	return cmk_err_errno(err, CMK_SYSTEM, errno,
			     "%s cannot be run: without a journal nothing is known of the boot "
			     "before",
			     JOURNALCTL);
}

static void print_none(const struct call *call)
{
	printf("No unlock ");
	if (call->argc > 0) {
		printf("of ");
		output_escaped(call->argv[0]);
		putchar(' ');
	}
	printf("has failed since this machine started, or since the last that succeeded.\n");
}

int cmd_why(struct call *call, struct cmk_err *err)
{
	_cleanup_free_ struct failures *failures = calloc(1, sizeof(*failures));
	bool previous = false;
	const struct command_option options[] = { { .name = "json", .flag = &call->json },
						  { .name = "previous", .flag = &previous } };
	char uuid[64] = "";
	int r = options_parse(call, options, 2, 0, 1);

	if (r != 0)
		return r;
	if (previous && (call->json || call->argc > 0))
		return usage_error(call, "--previous shows the journal as it is, of all volumes");
	if (previous)
		return show_previous(err);
	if (failures == NULL)
		return -ENOMEM;
	if (call->argc > 0) {
		r = which(call, uuid, sizeof(uuid), err);
		if (r < 0)
			return r;
	}
	r = read_failures(call->argc > 0 ? uuid : NULL, failures, err);
	if (r < 0)
		return r;
	if (call->json)
		return print_json(failures);
	if (failures->count == 0)
		print_none(call);
	for (size_t i = 0; i < failures->count; i++)
		print_failure(&failures->items[i]);
	return 0;
}
