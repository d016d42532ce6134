/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes that this machine is to open by itself. */
#include "known.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "attach-say.h"
#include "base/io.h"
#include "base/text.h"
#include "disks.h"
#include "entry.h"
#include "paths.h"
#include "remembered.h"

static bool is_in(const struct crypttab *crypttab, const char *path,
		  const struct disk_header *header)
{
	for (size_t i = 0; i < crypttab->count; i++) {
		if (entry_is_of(&crypttab->entries[i], path, header))
			return true;
	}
	return false;
}

static int add_remembered(struct crypttab *crypttab, struct disks *disks,
			  const struct crypttab_entry *entry)
{
	_cleanup_free_ char *path = NULL;
	struct disk_header header = { 0 };

	/* A disk that is not there may come: then its own name, UUID=…, is all that there is to compare. */
	if (disks_resolve_in(disks, entry->source, &path, NULL) < 0 ||
	    disks_probe(path, &header) < 0) {
		for (size_t i = 0; i < crypttab->count; i++) {
			if (strcasecmp(crypttab->entries[i].source, entry->source) == 0)
				return 0;
		}
	} else if (is_in(crypttab, path, &header)) {
		return 0;
	}
	return crypttab_add(crypttab, entry);
}

static int add_disk(struct crypttab *crypttab, const char *path)
{
	static struct token token; /* large, and of no interest */
	struct crypttab_entry entry = { 0 };
	struct disk_header header;

	if (disks_enrolled(path, &header, &token) != 1 || !text_is_guid(header.uuid) ||
	    is_in(crypttab, path, &header) || !text_copy(entry.source, sizeof(entry.source), path))
		return 0;
	(void)snprintf(entry.name, sizeof(entry.name), "luks-%s", header.uuid);
	return crypttab_add(crypttab, &entry);
}

int known_add(struct crypttab *crypttab, const struct crypttab *remembered, bool every,
	      struct cmk_err *err)
{
	_cleanup_disks_ struct disks disks = { 0 };
	int r;

	for (size_t i = 0; i < remembered->count; i++) {
		r = add_remembered(crypttab, &disks, &remembered->entries[i]);
		if (r < 0)
			return r;
	}
	if (!every)
		return 0;
	r = disks_scan(&disks, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < disks.count; i++) {
		r = add_disk(crypttab, disks.items[i].path);
		if (r < 0)
			return r;
	}
	return 0;
}

int known_crypttab(const char *path, struct crypttab *ret, struct cmk_err *err)
{
	int r = crypttab_load(path, ret, err);

	if (r == 0 && ret->wrong_line > 0)
		attach_note(CRYPTTAB_WRONG "; it is left out", ret->wrong_line, path);
	return r;
}

int known_load(struct known *ret, struct cmk_err *err)
{
	struct cmk_err wrong = { 0 };
	int r = known_crypttab(CRYPTTAB_FILE, &ret->crypttab, err);

	if (r == 0)
		r = remembered_load(CONF_DIR, &ret->remembered, &wrong);
	if (wrong.code != CMK_OK)
		attach_note("%s; it is left out", wrong.text);
	return r;
}

void known_done(struct known *known)
{
	crypttab_done(&known->crypttab);
	crypttab_done(&known->remembered);
}

const char *known_by(const struct known *known, const char *path, const char *uuid)
{
	struct disk_header header = { 0 };

	if (disks_probe(path, &header) == 0 && is_in(&known->crypttab, path, &header))
		return "crypttab";
	return remembered_find(&known->remembered, uuid) != NULL ? "volumes.d" : "";
}
