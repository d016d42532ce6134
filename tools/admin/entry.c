/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an entry of crypttab means a certain device. */
#include "entry.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) < 0 || stat(b, &y) < 0)
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool entry_is_at(const struct crypttab_entry *entry, const char *path)
{
	_cleanup_free_ char *source = NULL;

	return disks_resolve(entry->source, &source, NULL) == 0 && same_file(source, path);
}

bool entry_is_of(const struct crypttab_entry *entry, const char *path,
		 const struct disk_header *header)
{
	if ((entry->options & CRYPTTAB_OTHER) != 0)
		return false;
	if (text_starts(entry->source, "UUID="))
		return strcasecmp(entry->source + strlen("UUID="), header->uuid) == 0;
	if (text_starts(entry->source, "LABEL="))
		return header->label[0] != '\0' &&
		       strcmp(entry->source + strlen("LABEL="), header->label) == 0;
	return entry_is_at(entry, path);
}
