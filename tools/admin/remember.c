/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a volume opens by itself when its disk appears: what the commands do about it. */
#include "remember.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attach-say.h"
#include "crypttab.h"
#include "disks.h"
#include "entry.h"
#include "output.h"
#include "paths.h"
#include "remembered.h"

static bool is_block_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

/* 1 if crypttab has the volume, 0 if it has neither that nor the name. CMK_STATE. */
static int find_in_crypttab(const char *path, const char *name, struct cmk_err *err)
{
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };
	struct disk_header header;

	if (disks_probe(path, &header) < 0 || crypttab_load(CRYPTTAB_FILE, &crypttab, NULL) < 0)
		return 0;
	for (size_t i = 0; i < crypttab.count; i++) {
		if (entry_is_of(&crypttab.entries[i], path, &header))
			return 1;
	}
	if (crypttab_find(&crypttab, name) == NULL)
		return 0;
	return cmk_err(err, CMK_STATE, "%s is another volume's name in %s; choose another name",
		       name, CRYPTTAB_FILE);
}

static bool is_remembered(const char *uuid)
{
	_cleanup_crypttab_ struct crypttab remembered = { 0 };

	return remembered_load(CONF_DIR, &remembered, NULL) == 0 &&
	       remembered_find(&remembered, uuid) != NULL;
}

bool remember_options_right(const struct remember *remember)
{
	return remember->name == NULL || (!remember->no && remembered_is_name(remember->name));
}

/*
 * What crypttab has opens by itself anyhow. A file without a line for the volume was somebody's wish that it should not;
 * who now wishes that it should is told.
 */
static int remember_device(const char *path, const char *uuid, const char *name, bool wished,
			   struct cmk_err *err)
{
	char file[PATH_MAX];
	int r = find_in_crypttab(path, name, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = remembered_add(CONF_DIR, uuid, name, err);
	if (r < 0 || !remembered_path(CONF_DIR, uuid, file))
		return r;
	if (r > 0)
		printf("It opens as %s when its disk appears; keep it from that with: rm %s\n",
		       name, file);
	else if (wished && !is_remembered(uuid))
		return cmk_err(err, CMK_STATE,
			       "%s has no line for the volume; remove that file first", file);
	return 0;
}

void remember_enrolled(const struct remember *remember, const char *path)
{
	char by_uuid[CRYPTTAB_NAME_MAX];
	const char *name;
	struct disk_header header;
	struct cmk_err err = { 0 };

	if (remember->no || !is_block_device(path) || disks_probe(path, &header) < 0 ||
	    (remember->name == NULL && is_remembered(header.uuid)))
		return;
	(void)snprintf(by_uuid, sizeof(by_uuid), "luks-%s", header.uuid);
	name = remember->name != NULL ? remember->name : by_uuid;
	if (remember_device(path, header.uuid, name, remember->name != NULL, &err) < 0)
		attach_note("the volume is enrolled, but will not open by itself as %s: %s", name,
			    err.text);
}

int remember_attached(const char *path, const char *uuid, const char *name, struct cmk_err *err)
{
	if (!is_block_device(path))
		return cmk_err(err, CMK_STATE,
			       "%s is no block device, and will never appear by itself: it cannot "
			       "be remembered",
			       path);
	return remember_device(path, uuid, name, true, err);
}

void remember_no_more(const struct luks *luks)
{
	struct cmk_err err = { 0 };
	int r = remembered_forget(CONF_DIR, luks->uuid, &err);

	if (r < 0)
		attach_note("it is still remembered: %s", err.text);
	else if (r > 0)
		printf("It does not open by itself any more.\n");
}
