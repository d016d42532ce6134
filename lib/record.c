/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failure records: small text files of "name=value" lines under RUNDIR/failed. */

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

#define RECORD_MAX 2048
#define PATH_SIZE  512

/* The UUID comes from a header: only a real one may become part of a path. */
static bool record_path(const char *rundir, const char *uuid, int token, char out[static PATH_SIZE])
{
	if (!uuid || !text_is_guid(uuid) || token < 0)
		return false;
	int len = snprintf(out, PATH_SIZE, "%s/failed/%s.%d", rundir, uuid, token);
	return len > 0 && len < PATH_SIZE;
}

static bool claim_path(const char *rundir, const char *uuid, char out[static PATH_SIZE])
{
	if (!uuid || !text_is_guid(uuid))
		return false;
	int len = snprintf(out, PATH_SIZE, "%s/asking/%s", rundir, uuid);
	return len > 0 && len < PATH_SIZE;
}

static bool make_folder(const char *rundir, const char *name)
{
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "%s/%s", rundir, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return false;
	return io_mkdir(rundir, 0700) == 0 && io_mkdir(path, 0700) == 0;
}

void record_write(const char *rundir, const char *uuid, int token, const struct cmk_err *err)
{
	char path[PATH_SIZE];
	if (!record_path(rundir, uuid, token, path) || !make_folder(rundir, "failed"))
		return;
	_cleanup_buf_ struct buf text = BUF(RECORD_MAX);
	buf_printf(&text, "code=%s\nwhen=%" PRId64 "\nboot_ms=%" PRId64 "\n",
		   cmk_code_name(err->code), (int64_t)time(NULL), io_now_ms());
	if (err->request_id[0])
		buf_printf(&text, "request=%s\n", err->request_id);
	if (err->cause[0])
		buf_printf(&text, "cause=%s\n", err->cause);
	buf_printf(&text, "text=%s\n", err->text);
	/* Without room for it the one before must not stand for it. */
	if (buf_error(&text) != 0 || io_write_file(path, text.data, text.len, 0600) < 0)
		(void)unlink(path);
}

void record_remove(const char *rundir, const char *uuid, int token)
{
	char path[PATH_SIZE];
	if (record_path(rundir, uuid, token, path))
		(void)unlink(path);
}

static bool parse_number(const char *text, int64_t *ret)
{
	char *end = NULL;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0)
		return false;
	*ret = value;
	return true;
}

static bool parse_line(const char *name, const char *value, struct record *record)
{
	if (strcmp(name, "code") == 0)
		return cmk_code_parse(value, &record->err.code);
	if (strcmp(name, "when") == 0)
		return parse_number(value, &record->when);
	if (strcmp(name, "boot_ms") == 0)
		return parse_number(value, &record->boot_ms);
	if (strcmp(name, "request") == 0)
		return text_copy(record->err.request_id, sizeof(record->err.request_id), value);
	if (strcmp(name, "cause") == 0) {
		text_escape(record->err.cause, sizeof(record->err.cause), value);
		return true;
	}
	if (strcmp(name, "text") == 0) {
		text_escape(record->err.text, sizeof(record->err.text), value);
		return true;
	}
	return false;
}

static int read_file(const char *path, struct record *ret)
{
	_cleanup_secret_ struct secret file = { 0 };
	if (io_read_file(path, RECORD_MAX, true, &file) < 0)
		return -ENOENT;

	struct record record = { 0 };
	char *rest = (char *)file.data;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *value = strchr(line, '=');
		if (*line == '\0')
			continue;
		if (!value)
			return -EBADMSG;
		*value++ = '\0';
		if (!parse_line(line, value, &record))
			return -EBADMSG;
	}
	if (record.err.code == CMK_OK || record.err.text[0] == '\0')
		return -EBADMSG;
	*ret = record;
	return 0;
}

int record_read(const char *rundir, const char *uuid, int token, struct record *ret)
{
	char path[PATH_SIZE];
	if (!record_path(rundir, uuid, token, path))
		return -ENOENT;
	int r = read_file(path, ret);
	if (r == 0)
		ret->token = token;
	return r;
}

int record_read_boot(const char *rundir, struct record *ret)
{
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "%s/failed/boot", rundir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENOENT;
	int r = read_file(path, ret);
	if (r == 0)
		ret->token = -1;
	return r;
}

int record_claim(const char *rundir, const char *uuid)
{
	char path[PATH_SIZE];
	if (!claim_path(rundir, uuid, path))
		return -EINVAL;
	if (!make_folder(rundir, "asking"))
		return -EACCES;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* Shared: claims do not exclude each other. The plugin's test holds its lock for no time. */
	if (fd < 0 || flock(fd, LOCK_SH) < 0)
		return -errno;
	return TAKE_FD(fd);
}

bool record_is_claimed(const char *rundir, const char *uuid)
{
	char path[PATH_SIZE];
	if (!claim_path(rundir, uuid, path))
		return false;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
