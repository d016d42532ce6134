/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that open by themselves without being in crypttab. */
#include "remembered.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define FOLDER "volumes.d"
#define SUFFIX ".conf"
/* Some lines. */
#define FILE_MAX 4096

/* The UUID becomes part of a path: only a real one. */
bool remembered_path(const char *dir, const char *uuid, char out[static PATH_MAX])
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

/* What is wrong with one file must not keep the volumes of the others from opening. */
static int add_file(const char *path, struct crypttab *all, struct cmk_err *err)
{
	_cleanup_secret_ struct secret text = { 0 };
	_cleanup_crypttab_ struct crypttab file = { 0 };
	int r = io_read_file(path, FILE_MAX, false, &text);

	if (r < 0 && r != -ENOMEM && r != -ENOENT)
		(void)cmk_err_errno(err, CMK_CONFIG, -r, "%s cannot be read", path);
	if (r == 0)
		r = crypttab_parse((const char *)text.data, text.len, &file);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (file.wrong_line > 0)
		(void)cmk_err(err, CMK_CONFIG, CRYPTTAB_WRONG, file.wrong_line, path);
	for (size_t i = 0; i < file.count; i++) {
		r = crypttab_add(all, &file.entries[i]);
		if (r < 0)
			return r;
		if (r == 0)
			(void)cmk_err(err, CMK_CONFIG,
				      "%s remembers a volume as %s, as another file does", path,
				      file.entries[i].name);
	}
	return 0;
}

static int is_one(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends(entry->d_name, SUFFIX);
}

int remembered_load(const char *dir, struct crypttab *ret, struct cmk_err *err)
{
	char folder[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	struct cmk_err first = { 0 };
	struct dirent **entries = NULL;
	int count, r = 0;

	*ret = (struct crypttab){ 0 };
	(void)snprintf(folder, sizeof(folder), "%s/" FOLDER, dir);
	/* Sorted: of two that have one name, it is always the same that counts. */
	count = scandir(folder, &entries, is_one, alphasort);
	if (count < 0 && errno != ENOENT)
		(void)cmk_err_errno(&first, CMK_CONFIG, errno, "%s cannot be read", folder);
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (r == 0)
			r = add_file(path, ret, first.code == CMK_OK ? &first : NULL);
		free(entries[i]);
	}
	free(entries);
	if (r < 0)
		crypttab_done(ret);
	if (err != NULL && first.code != CMK_OK)
		*err = first;
	return r;
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

/* 1 if the volume is remembered by that name, 0 if it is not at all, and the name is free. CMK_STATE. */
static int find(const char *dir, const char *uuid, const char *name, struct cmk_err *err)
{
	_cleanup_crypttab_ struct crypttab all = { 0 };
	const struct crypttab_entry *entry;
	int r = remembered_load(dir, &all, NULL);

	if (r < 0)
		return r;
	entry = remembered_find(&all, uuid);
	if (entry != NULL && strcmp(entry->name, name) != 0)
		return cmk_err(err, CMK_STATE,
			       "the volume is remembered as %s already; change that in %s/" FOLDER
			       ", or use that name",
			       entry->name, dir);
	if (entry == NULL && crypttab_find(&all, name) != NULL)
		return cmk_err(err, CMK_STATE,
			       "another volume is remembered as %s, see %s/" FOLDER
			       "; choose another name",
			       name, dir);
	return entry != NULL;
}

int remembered_add(const char *dir, const char *uuid, const char *name, struct cmk_err *err)
{
	char path[PATH_MAX];
	char folder[PATH_MAX];
	char line[CRYPTTAB_NAME_MAX + 96];
	int len, r;

	if (!remembered_path(dir, uuid, path) || !remembered_is_name(name))
		return cmk_err(
			err, CMK_STATE,
			"a volume with the UUID %s cannot be remembered as %s; choose a name of "
			"letters, digits, dots, dashes and underscores",
			uuid, name);
	r = find(dir, uuid, name, err);
	/* A file with the line taken out is somebody's wish. */
	if (r != 0 || access(path, F_OK) == 0)
		return r < 0 ? r : 0;
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

	if (!remembered_path(dir, uuid, path))
		return 0;
	if (unlink(path) == 0)
		return 1;
	return errno == ENOENT
		       ? 0
		       : cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be removed", path);
}
