/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block devices, through libudev. */
#include "disks.h"

#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

static void udev_unrefp(struct udev **udev)
{
	udev_unref(*udev);
}
static void enumerate_unrefp(struct udev_enumerate **enumerate)
{
	udev_enumerate_unref(*enumerate);
}
static void device_unrefp(struct udev_device **device)
{
	udev_device_unref(*device);
}
#define _cleanup_udev_	    __attribute__((cleanup(udev_unrefp)))
#define _cleanup_enumerate_ __attribute__((cleanup(enumerate_unrefp)))
#define _cleanup_device_    __attribute__((cleanup(device_unrefp)))

/*
 * Whether a look at the device is worth while. Where udevd has probed it, its word counts: a leg of a
 * mirror or a multipath carries the header of the whole, and must not be taken for it.
 */
static bool is_candidate(struct udev_device *device)
{
	const char *type = udev_device_get_property_value(device, "ID_FS_TYPE");
	const char *size = udev_device_get_sysattr_value(device, "size");

	if (type != NULL && strcmp(type, "crypto_LUKS") != 0)
		return false;
	return size != NULL && strcmp(size, "0") != 0; /* an empty drive takes long to open */
}

static int disks_add(struct disks *disks, const char *node, const struct disk_header *header)
{
	struct disk *grown = reallocarray(disks->items, disks->count + 1, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	disks->items = grown;
	grown[disks->count] = (struct disk){ .path = strdup(node), .header = *header };
	if (grown[disks->count].path == NULL)
		return -ENOMEM;
	disks->count++;
	return 0;
}

/* Calls each for every block device until it returns other than 0. */
static int each_block(int (*each)(struct udev_device *device, void *data), void *data,
		      struct cmk_err *err)
{
	_cleanup_udev_ struct udev *udev = udev_new();
	_cleanup_enumerate_ struct udev_enumerate *enumerate = NULL;
	struct udev_list_entry *entry;

	if (udev == NULL)
		return -ENOMEM;
	enumerate = udev_enumerate_new(udev);
	if (enumerate == NULL)
		return -ENOMEM;
	if (udev_enumerate_add_match_subsystem(enumerate, "block") < 0 ||
	    udev_enumerate_scan_devices(enumerate) < 0)
		return cmk_err(err, CMK_SYSTEM,
			       "the block devices cannot be listed: is /sys mounted");
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		_cleanup_device_ struct udev_device *device =
			udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
		int r;

		if (device == NULL || udev_device_get_devnode(device) == NULL)
			continue; /* gone meanwhile */
		r = each(device, data);
		if (r != 0)
			return r;
	}
	return 0;
}

static int scan_one(struct udev_device *device, void *data)
{
	struct disks *disks = data;
	const char *node = udev_device_get_devnode(device);
	struct disk_header header;
	int r;

	if (!is_candidate(device))
		return 0;
	r = disks_probe(node, &header);
	if ((r == -EACCES || r == -EPERM) && geteuid() != 0)
		disks->unreadable++;
	if (r < 0 || header.version != 2)
		return 0;
	return disks_add(disks, node, &header);
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct disk *)a)->path, ((const struct disk *)b)->path);
}

int disks_scan(struct disks *disks, struct cmk_err *err)
{
	_cleanup_disks_ struct disks found = { .scanned = true };
	int r;

	if (disks->scanned)
		return 0;
	r = each_block(scan_one, &found, err);
	if (r < 0)
		return r;
	if (found.count > 1)
		qsort(found.items, found.count, sizeof(*found.items), by_name);
	*disks = found;
	found = (struct disks){ 0 };
	return 0;
}

void disks_done(struct disks *disks)
{
	for (size_t i = 0; i < disks->count; i++)
		free(disks->items[i].path);
	free(disks->items);
	*disks = (struct disks){ 0 };
}

static bool tag_matches(const struct disk_header *header, bool by_uuid, const char *value)
{
	/* LABEL= alone is not every volume without one. */
	if (value[0] == '\0' || header->version == 0)
		return false;
	return by_uuid ? strcasecmp(header->uuid, value) == 0 : strcmp(header->label, value) == 0;
}

/* udevd's links say at once which device it is; a link that lies or is late is not believed. */
static char *resolve_link(bool by_uuid, const char *value)
{
	char encoded[256];
	char link[sizeof(encoded) + 32];
	struct disk_header header;

	if (udev_util_encode_string(value, encoded, sizeof(encoded)) != 0)
		return NULL;
	(void)snprintf(link, sizeof(link), "/dev/disk/%s/%s", by_uuid ? "by-uuid" : "by-label",
		       encoded);
	if (disks_probe(link, &header) < 0 || !tag_matches(&header, by_uuid, value))
		return NULL;
	return realpath(link, NULL);
}

static int resolve_scan(struct disks *disks, const char *device, char **ret, struct cmk_err *err)
{
	bool by_uuid = text_starts(device, "UUID=");
	const char *value = strchr(device, '=') + 1;
	const char *found = NULL;
	int r = disks_scan(disks, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < disks->count; i++) {
		const struct disk *disk = &disks->items[i];

		if (!tag_matches(&disk->header, by_uuid, value))
			continue;
		if (found != NULL)
			return cmk_err(err, CMK_DEVICE, "%s is both %s and %s; name the device",
				       device, found, disk->path);
		found = disk->path;
	}
	if (found == NULL && disks->unreadable > 0)
		return cmk_err(err, CMK_DEVICE,
			       "%s was not found among the devices that may be read; run as root",
			       device);
	if (found == NULL)
		return cmk_err(err, CMK_DEVICE,
			       "no LUKS2 volume of this machine has %s; lsblk -f shows what it has",
			       device);
	*ret = strdup(found);
	return *ret == NULL ? -ENOMEM : 0;
}

/* A partition's own UUID or name is known to udevd alone. */
static int resolve_partition(const char *device, char **ret, struct cmk_err *err)
{
	bool by_uuid = text_starts(device, "PARTUUID=");
	char encoded[256];
	char link[sizeof(encoded) + 32];

	if (udev_util_encode_string(strchr(device, '=') + 1, encoded, sizeof(encoded)) != 0)
		return cmk_err(err, CMK_DEVICE, "%s is too long", device);
	for (char *p = encoded; by_uuid && *p != '\0'; p++)
		*p = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
	(void)snprintf(link, sizeof(link), "/dev/disk/%s/%s",
		       by_uuid ? "by-partuuid" : "by-partlabel", encoded);
	*ret = realpath(link, NULL);
	if (*ret == NULL && errno == ENOMEM)
		return -ENOMEM;
	if (*ret == NULL)
		return cmk_err(err, CMK_DEVICE, "udevd knows no partition that has %s", device);
	return 0;
}

int disks_resolve(const char *device, char **ret, struct cmk_err *err)
{
	_cleanup_disks_ struct disks disks = { 0 };

	return disks_resolve_in(&disks, device, ret, err);
}

int disks_resolve_in(struct disks *disks, const char *device, char **ret, struct cmk_err *err)
{
	bool by_uuid = text_starts(device, "UUID=");
	char *path;

	if (text_starts(device, "PARTUUID=") || text_starts(device, "PARTLABEL="))
		return resolve_partition(device, ret, err);
	if (!by_uuid && !text_starts(device, "LABEL=")) {
		path = strdup(device);
		if (path == NULL)
			return -ENOMEM;
		*ret = path;
		return 0;
	}
	path = resolve_link(by_uuid, strchr(device, '=') + 1);
	if (path == NULL)
		return resolve_scan(disks, device, ret, err);
	*ret = path;
	return 0;
}

struct disks_monitor {
	struct udev *udev;
	struct udev_monitor *monitor;
};

struct disks_monitor *disks_monitor_open(void)
{
	struct disks_monitor *monitor;

	/* Without udevd the kernel's own events would have to do, and nobody sends those on. */
	if (access("/run/udev/control", F_OK) < 0)
		return NULL;
	monitor = calloc(1, sizeof(*monitor));
	if (monitor == NULL)
		return NULL;
	monitor->udev = udev_new();
	if (monitor->udev != NULL)
		monitor->monitor = udev_monitor_new_from_netlink(monitor->udev, "udev");
	if (monitor->monitor == NULL ||
	    udev_monitor_filter_add_match_subsystem_devtype(monitor->monitor, "block", NULL) < 0 ||
	    udev_monitor_enable_receiving(monitor->monitor) < 0) {
		disks_monitor_close(monitor);
		return NULL;
	}
	return monitor;
}

void disks_monitor_close(struct disks_monitor *monitor)
{
	if (monitor == NULL)
		return;
	udev_monitor_unref(monitor->monitor);
	udev_unref(monitor->udev);
	free(monitor);
}

int disks_monitor_fd(const struct disks_monitor *monitor)
{
	return monitor == NULL ? -1 : udev_monitor_get_fd(monitor->monitor);
}

bool disks_monitor_receive(struct disks_monitor *monitor)
{
	struct udev_device *device;
	bool any = false;

	while (monitor != NULL &&
	       (device = udev_monitor_receive_device(monitor->monitor)) != NULL) {
		udev_device_unref(device);
		any = true;
	}
	return any;
}

struct loop_search {
	const char *file;
	char *node;
	size_t size;
};

static int match_loop(struct udev_device *device, void *data)
{
	struct loop_search *search = data;
	const char *backing = udev_device_get_sysattr_value(device, "loop/backing_file");

	if (backing == NULL || strcmp(backing, search->file) != 0)
		return 0;
	return text_copy(search->node, search->size, udev_device_get_devnode(device)) ? 1 : 0;
}

bool disks_loop_of(const char *file, char *node, size_t size)
{
	_cleanup_free_ char *real = realpath(file, NULL);
	struct loop_search search = { real, node, size };

	return real != NULL && each_block(match_loop, &search, NULL) == 1;
}
