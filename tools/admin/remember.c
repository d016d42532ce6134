/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a volume opens by itself when its disk appears: what the commands do about it. */
#include "remember.h"

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

static bool is_in_crypttab(const char *path)
{
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };
	struct disk_header header;

	if (disks_probe(path, &header) < 0 || crypttab_load(CRYPTTAB_FILE, &crypttab, NULL) < 0)
		return false;
	for (size_t i = 0; i < crypttab.count; i++) {
		if (entry_is_of(&crypttab.entries[i], path, &header))
			return true;
	}
	return false;
}

bool remember_options_right(const struct remember *remember)
{
	return remember->name == NULL || (!remember->no && remembered_is_name(remember->name));
}

static void say_remembered(const char *name)
{
	printf("It opens as ");
	output_escaped(name);
	printf(" when its disk appears; keep it from that with: rm %s/volumes.d/UUID.conf\n",
	       CONF_DIR);
}

void remember_enrolled(const struct remember *remember, const char *path)
{
	char by_uuid[CRYPTTAB_NAME_MAX];
	const char *name = remember->name;
	struct disk_header header;
	struct cmk_err err = { 0 };
	int r;

	if (remember->no || !is_block_device(path) || is_in_crypttab(path) ||
	    disks_probe(path, &header) < 0)
		return;
	(void)snprintf(by_uuid, sizeof(by_uuid), "luks-%s", header.uuid);
	if (name == NULL)
		name = by_uuid;
	r = remembered_add(CONF_DIR, header.uuid, name, &err);
	if (r < 0)
		attach_note("the volume is enrolled, but will not open by itself: %s", err.text);
	else if (r > 0)
		say_remembered(name);
}

int remember_attached(const char *path, const char *uuid, const char *name, struct cmk_err *err)
{
	int r;

	if (!is_block_device(path))
		return cmk_err(err, CMK_STATE,
			       "%s is no block device, and will never appear by itself: it cannot "
			       "be remembered",
			       path);
	if (is_in_crypttab(path))
		return 0;
	r = remembered_add(CONF_DIR, uuid, name, err);
	if (r > 0)
		say_remembered(name);
	return r < 0 ? r : 0;
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
