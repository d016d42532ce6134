/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk detach: closes mappings of enrolled volumes, also when their disk is gone. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "disks.h"
#include "luks.h"
#include "mappings.h"
#include "mounts.h"
#include "output.h"

struct detach {
	bool all;
	bool deferred;
	struct mappings mappings;
	size_t count; /* closed, or tried to */
	int status;   /* of the first that could not be closed */
};

static void say(const char *name, const char *what)
{
	output_escaped(name);
	printf(" %s\n", what);
}

static bool is_gone(const struct mapping *mapping)
{
	return mapping->device[0] == '\0';
}

/* Whether its disk, which is there, holds an enrolled volume: 1 or 0. CMK_DEVICE. */
static int is_ours(const struct mapping *mapping, struct cmk_err *err)
{
	static struct token token; /* large, and of no interest */
	struct disk_header header;
	char node[sizeof(mapping->device) + sizeof("/dev/")];
	int r;

	(void)mappings_path(mapping, node, sizeof(node));
	r = disks_enrolled(node, &header, &token);
	if (r == -EACCES)
		return cmk_err_errno(err, CMK_DEVICE, -r,
				     "%s, which %s is on, cannot be read; run as root", node,
				     mapping->name);
	return r == 1;
}

static int check_free(const struct mapping *mapping, struct cmk_err *err)
{
	char point[PATH_MAX];

	if (!mounts_find(MOUNTS_FILE, mapping->name, mapping->node, point, sizeof(point)))
		return 0;
	return cmk_err(err, CMK_STATE,
		       "%s is mounted on %s; unmount it first, or say --deferred to close it when "
		       "it is free",
		       mapping->name, point);
}

static int close_mapping(struct detach *detach, const struct mapping *mapping, struct cmk_err *err)
{
	bool gone = is_gone(mapping);
	int r = 0;

	detach->count++;
	if (gone && mounts_detach(mapping->name, mapping->node) > 0)
		say(mapping->name, "was still mounted, and its disk is gone: unmounted");
	else if (!gone && !detach->deferred)
		r = check_free(mapping, err);
	if (r == 0)
		r = luks_deactivate(mapping->name, gone || detach->deferred, err);
	if (r < 0)
		return r;
	say(mapping->name, r > 0 ? "is in use and closes when it is free" : "is closed");
	return 0;
}

static int detach_all(struct detach *detach)
{
	for (size_t i = 0; i < detach->mappings.count; i++) {
		const struct mapping *mapping = &detach->mappings.items[i];
		struct cmk_err err = { 0 };
		int r = is_gone(mapping) ? 0 : is_ours(mapping, &err);

		if (r > 0)
			r = close_mapping(detach, mapping, &err);
		if (r < 0) {
			int status = report_error(&err);

			detach->status = detach->status != 0 ? detach->status : status;
		}
	}
	if (detach->count == 0 && detach->status == 0)
		printf("No enrolled volume is open.\n");
	return detach->status;
}

/* NAME, /dev/mapper/NAME, or anything that a volume is called by. */
static int find(const struct detach *detach, const char *argument, const struct mapping **ret,
		struct cmk_err *err)
{
	static const char folder[] = "/dev/mapper/";
	const char *name = text_starts(argument, folder) ? argument + strlen(folder) : argument;
	_cleanup_free_ char *path = NULL;
	struct mapping found;
	int r;

	*ret = mappings_find_name(&detach->mappings, name);
	if (*ret != NULL || (strchr(name, '/') == NULL && strchr(name, '=') == NULL))
		return 0;
	if (text_starts(argument, "UUID=")) {
		*ret = mappings_find_uuid(&detach->mappings, argument + strlen("UUID="));
		return 0;
	}
	r = disks_resolve(argument, &path, err);
	if (r < 0)
		return r;
	if (mappings_on_path(path, &found))
		*ret = mappings_find_name(&detach->mappings, found.name);
	return 0;
}

static int detach_one(struct detach *detach, const char *argument, struct cmk_err *err)
{
	const struct mapping *mapping = NULL;
	int r = find(detach, argument, &mapping, err);

	if (r < 0)
		return r;
	if (mapping == NULL) {
		say(argument, "is not open: nothing to do");
		return 0;
	}
	r = is_gone(mapping) ? 1 : is_ours(mapping, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cmk_err(err, CMK_STATE,
			       "%s is of a volume that is not enrolled; close it with: cryptsetup "
			       "close %s",
			       mapping->name, mapping->name);
	return close_mapping(detach, mapping, err);
}

int cmd_detach(struct call *call, struct cmk_err *err)
{
	struct detach detach = { 0 };
	const struct command_option options[] = {
		{ .name = "all", .flag = &detach.all },
		{ .name = "deferred", .flag = &detach.deferred },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 0, 1);

	if (r != 0)
		return r;
	if ((call->argc > 0) + detach.all != 1)
		return usage_error(call, "one of NAME, DEVICE and --all is needed");
	r = mappings_load(MAPPINGS_SYSFS, &detach.mappings);
	if (r == 0)
		r = detach.all ? detach_all(&detach) : detach_one(&detach, call->argv[0], err);
	mappings_done(&detach.mappings);
	return r;
}
