/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that open by themselves without being in crypttab. */
#include "remembered.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

#define FOLDER	 "volumes.d"
#define SUFFIX	 ".conf"
#define FILE_MAX 4096
/* Some thousand volumes. */
#define ALL_MAX (1024 * 1024)

static void dir_closep(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

/* The UUID becomes part of a path: only a real one. In lower case, as udev has it. */
static bool path_of(const char *dir, const char *uuid, char out[static PATH_MAX])
{
	char lower[40];
	int len;

	if (!text_is_guid(uuid) || !text_copy(lower, sizeof(lower), uuid))
		return false;
	for (char *p = lower; *p != '\0'; p++)
		*p = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
	len = snprintf(out, PATH_MAX, "%s/" FOLDER "/%s" SUFFIX, dir, lower);
	return len > 0 && len < PATH_MAX;
}

static int append_file(const char *folder, const char *name, struct buf *all, struct cmk_err *err)
{
	_cleanup_secret_ struct secret file = { 0 };
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
	int r;

	if (name[0] == '.' || !text_ends(name, SUFFIX) || len < 0 || len >= PATH_MAX)
		return 0;
	r = io_read_file(path, FILE_MAX, false, &file);
	if (r == -ENOMEM || r == -ENOENT)
		return r == -ENOENT ? 0 : r;
	if (r < 0)
		return cmk_err_errno(err, CMK_CONFIG, -r, "%s cannot be read", path);
	buf_puts(all, (const char *)file.data);
	buf_puts(all, "\n");
	return 0;
}

int remembered_load(const char *dir, struct crypttab *ret, struct cmk_err *err)
{
	__attribute__((cleanup(dir_closep))) DIR *entries = NULL;
	_cleanup_buf_ struct buf all = BUF(ALL_MAX);
	struct dirent *entry;
	char folder[PATH_MAX];
	int len = snprintf(folder, sizeof(folder), "%s/" FOLDER, dir);

	*ret = (struct crypttab){ 0 };
	entries = len > 0 && (size_t)len < sizeof(folder) ? opendir(folder) : NULL;
	if (entries == NULL)
		return errno == ENOENT
			       ? 0
			       : cmk_err_errno(err, CMK_CONFIG, errno, "%s cannot be read", folder);
	while ((entry = readdir(entries)) != NULL) {
		int r = append_file(folder, entry->d_name, &all, err);

		if (r < 0)
			return r;
	}
	if (buf_error(&all) < 0)
		return buf_error(&all);
	return all.len > 0 ? crypttab_parse(all.data, ret) : 0;
}

const struct crypttab_entry *remembered_find(const struct crypttab *remembered, const char *uuid)
{
	for (size_t i = 0; i < remembered->count; i++) {
		const char *source = remembered->entries[i].source;

		if (text_starts(source, "UUID=") && strcasecmp(source + strlen("UUID="), uuid) == 0)
			return &remembered->entries[i];
	}
	return NULL;
}

bool remembered_is_name(const char *name)
{
	return text_is_name(name, CRYPTTAB_NAME_MAX - 1);
}

int remembered_add(const char *dir, const char *uuid, const char *name, struct cmk_err *err)
{
	char path[PATH_MAX];
	char folder[PATH_MAX];
	char line[CRYPTTAB_NAME_MAX + 96];
	_cleanup_crypttab_ struct crypttab all = { 0 };
	int len, r;

	if (!path_of(dir, uuid, path) || !remembered_is_name(name))
		return cmk_err(
			err, CMK_STATE,
			"a volume with the UUID %s cannot be remembered as %s; choose a name of "
			"letters, digits, dots, dashes and underscores",
			uuid, name);
	if (access(path, F_OK) == 0)
		return 0;
	r = remembered_load(dir, &all, err);
	if (r < 0)
		return r;
	if (crypttab_find(&all, name) != NULL)
		return cmk_err(err, CMK_STATE,
			       "another volume is remembered as %s, see %s/" FOLDER
			       "; choose another name",
			       name, dir);
	(void)snprintf(folder, sizeof(folder), "%s/" FOLDER, dir);
	len = snprintf(line, sizeof(line), "%s UUID=%s none luks,_netdev,nofail\n", name, uuid);
	r = io_mkdir(dir, 0755);
	if (r == 0)
		r = io_mkdir(folder, 0755);
	if (r == 0)
		r = io_write_file(path, line, (size_t)len, 0644);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "%s cannot be written", path);
	return 1;
}

int remembered_forget(const char *dir, const char *uuid, struct cmk_err *err)
{
	char path[PATH_MAX];

	if (!path_of(dir, uuid, path))
		return 0;
	if (unlink(path) == 0)
		return 1;
	return errno == ENOENT
		       ? 0
		       : cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be removed", path);
}
