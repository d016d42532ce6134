/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LUKS2 mappings that are open, as sysfs tells them. */
#include "mappings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/text.h"

/* DM_UUID_LEN and DM_NAME_LEN of linux/dm-ioctl.h are 129 and 128. */
#define ATTRIBUTE_MAX 256
#define DM_UUID	      "CRYPT-LUKS2-"
/* dm-integrity below dm-crypt. */
#define DM_BELOW_UUID "CRYPT-SUBDEV-"
#define UUID_DIGITS   32
#define LEVELS_MAX    3

static void dir_closep(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}
#define _cleanup_dir_ __attribute__((cleanup(dir_closep)))

/* One line of a file, or "". */
static void read_attribute(const char *sysfs, const char *node, const char *name,
			   char out[static ATTRIBUTE_MAX])
{
	_cleanup_secret_ struct secret file = { 0 };
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/block/%s/%s", sysfs, node, name);

	out[0] = '\0';
	/* sysfs says 4096 for the size of any file. */
	if (len < 0 || len >= PATH_MAX || io_read_file(path, 4096, false, &file) < 0)
		return;
	file.data[strcspn((char *)file.data, "\n")] = '\0';
	(void)text_copy(out, ATTRIBUTE_MAX, (const char *)file.data);
}

/* "CRYPT-LUKS2-0123456789abcdef0123456789abcdef-NAME": the UUID with its dashes. */
static bool parse_uuid(const char *text, char out[static 37])
{
	static const unsigned groups[] = { 8, 4, 4, 4, 12 };
	char guid[37];
	size_t used = 0;

	if (!text_starts(text, DM_UUID))
		return false;
	text += strlen(DM_UUID);
	if (strnlen(text, UUID_DIGITS + 1) <= UUID_DIGITS || text[UUID_DIGITS] != '-')
		return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (i > 0)
			guid[used++] = '-';
		memcpy(guid + used, text, groups[i]);
		used += groups[i];
		text += groups[i];
	}
	guid[used] = '\0';
	memcpy(out, guid, sizeof(guid));
	return text_is_guid(out);
}

/* What the mapping lies on; false if there is nothing any more. */
static bool find_below(const char *sysfs, const char *node, char *out, size_t size)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/block/%s/slaves", sysfs, node);

	dir = len > 0 && len < PATH_MAX ? opendir(path) : NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		len = snprintf(path, sizeof(path), "%s/block/%s/slaves/%s", sysfs, node,
			       entry->d_name);
		/* Of a disk that was pulled out, the link may stay and lead nowhere. */
		if (entry->d_name[0] != '.' && len < PATH_MAX && stat(path, &st) == 0)
			return text_copy(out, size, entry->d_name);
	}
	return false;
}

static void find_device(const char *sysfs, struct mapping *mapping)
{
	char node[sizeof(mapping->device)];
	char below[sizeof(mapping->device)];
	char uuid[ATTRIBUTE_MAX];

	(void)text_copy(node, sizeof(node), mapping->node);
	for (int level = 0; level < LEVELS_MAX; level++) {
		if (!find_below(sysfs, node, below, sizeof(below)))
			return;
		read_attribute(sysfs, below, "dm/uuid", uuid);
		if (!text_starts(uuid, DM_BELOW_UUID))
			break;
		memcpy(node, below, sizeof(node));
	}
	/* sysfs has no names with a slash. */
	for (char *p = below; *p != '\0'; p++)
		*p = *p == '!' ? '/' : *p;
	memcpy(mapping->device, below, sizeof(mapping->device));
}

/* False for what is no LUKS2 mapping. */
static bool read_mapping(const char *sysfs, const char *node, struct mapping *ret)
{
	struct mapping mapping = { 0 };
	char text[ATTRIBUTE_MAX];

	if (!text_copy(mapping.node, sizeof(mapping.node), node))
		return false;
	read_attribute(sysfs, node, "dm/uuid", text);
	if (!parse_uuid(text, mapping.uuid))
		return false;
	read_attribute(sysfs, node, "dm/name", text);
	if (!text_copy(mapping.name, sizeof(mapping.name), text))
		return false;
	find_device(sysfs, &mapping);
	*ret = mapping;
	return true;
}

static int add(struct mappings *mappings, const char *sysfs, const char *node)
{
	struct mapping mapping;
	struct mapping *grown;

	if (!read_mapping(sysfs, node, &mapping))
		return 0;
	grown = reallocarray(mappings->items, mappings->count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	mappings->items = grown;
	grown[mappings->count++] = mapping;
	return 0;
}

int mappings_load(const char *sysfs, struct mappings *ret)
{
	_cleanup_mappings_ struct mappings mappings = { 0 };
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/block", sysfs);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (text_starts(entry->d_name, "dm-") && add(&mappings, sysfs, entry->d_name) < 0)
			return -ENOMEM;
	}
	*ret = mappings;
	mappings = (struct mappings){ 0 };
	return 0;
}

void mappings_done(struct mappings *mappings)
{
	free(mappings->items);
	*mappings = (struct mappings){ 0 };
}

const struct mapping *mappings_find_name(const struct mappings *mappings, const char *name)
{
	for (size_t i = 0; i < mappings->count; i++) {
		if (strcmp(mappings->items[i].name, name) == 0)
			return &mappings->items[i];
	}
	return NULL;
}

const struct mapping *mappings_find_uuid(const struct mappings *mappings, const char *uuid)
{
	for (size_t i = 0; i < mappings->count; i++) {
		if (strcasecmp(mappings->items[i].uuid, uuid) == 0)
			return &mappings->items[i];
	}
	return NULL;
}

bool mappings_path(const struct mapping *mapping, char *out, size_t size)
{
	int len = snprintf(out, size, "/dev/%s", mapping->device);

	return mapping->device[0] != '\0' && len > 0 && (size_t)len < size;
}

/* folder is a block device's own in sysfs. */
static bool find_above(const char *sysfs, const char *folder, int levels, struct mapping *ret)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];
	char uuid[ATTRIBUTE_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s/holders", sysfs, folder);

	dir = len > 0 && len < PATH_MAX ? opendir(path) : NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (!text_starts(entry->d_name, "dm-"))
			continue;
		if (read_mapping(sysfs, entry->d_name, ret))
			return true;
		read_attribute(sysfs, entry->d_name, "dm/uuid", uuid);
		(void)snprintf(path, sizeof(path), "block/%s", entry->d_name);
		if (text_starts(uuid, DM_BELOW_UUID) && levels > 1 &&
		    find_above(sysfs, path, levels - 1, ret))
			return true;
	}
	return false;
}

bool mappings_on(const char *sysfs, dev_t device, struct mapping *ret)
{
	char folder[64];

	(void)snprintf(folder, sizeof(folder), "dev/block/%u:%u", major(device), minor(device));
	return find_above(sysfs, folder, LEVELS_MAX, ret);
}

bool mappings_on_path(const char *path, struct mapping *ret)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
	       mappings_on(MAPPINGS_SYSFS, st.st_rdev, ret);
}
