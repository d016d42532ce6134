/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block devices: the only user of libudev. Works without udevd, by looking at the disks itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/header.h"
#include "format/token.h"

/* Sizes of struct luks2_hdr_disk in cryptsetup's lib/luks2/luks2.h, with a NUL. Untrusted text. */
#define DISK_UUID_MAX  41
#define DISK_LABEL_MAX 49

/* The first sector of a LUKS header. */
struct disk_header {
	int version; /* 0: no LUKS header */
	char uuid[DISK_UUID_MAX];
	char label[DISK_LABEL_MAX]; /* this and the next: LUKS2 only */
	char subsystem[DISK_LABEL_MAX];
};

/* Reads the first sector of a block device or file. 0 or -errno. */
int disks_probe(const char *path, struct disk_header *ret);
/*
 * The same, and whether a token of ours opens the volume: 1, with that token, 0, or -errno. Takes the first
 * copy of the header, and its checksum for right: who is to open the volume looks more closely.
 */
int disks_enrolled(const char *path, struct disk_header *ret, struct token *ret_token);

/* That token, and what asking for its key takes. */
struct disk_enrolment {
	struct token token;
	int number;   /* its; -1: it has an odd one */
	size_t count; /* of tokens of ours that open the volume */
	char *json;   /* the token as it stands there; owned */
	char header
		[HEADER_DESCRIPTION_MAX]; /* see format/header.h; empty if this needs a closer look */
};
/* disks_enrolled() with all of it. */
int disks_read(const char *path, struct disk_header *ret, struct disk_enrolment *ret_enrolment);
void disks_enrolment_free(struct disk_enrolment *enrolment);

struct disk {
	char *path;
	struct disk_header header;
};

struct disks {
	struct disk *items; /* block devices with a LUKS2 header, in the order of their names */
	size_t count;
	size_t unreadable; /* devices that may not be looked at without being root */
	bool scanned;
};
#define _cleanup_disks_ __attribute__((cleanup(disks_done)))

/* Every LUKS2 block device of the machine; nothing if that was done before, into these. -ENOMEM or CMK_SYSTEM. */
int disks_scan(struct disks *disks, struct cmk_err *err);
void disks_done(struct disks *disks);

/* What udevd says of block devices that come, go and change. NULL, of which all of these take, if it does not run. */
struct disks_monitor;
struct disks_monitor *disks_monitor_open(void);
void disks_monitor_close(struct disks_monitor *monitor);
/* To be polled; -1 for none. */
int disks_monitor_fd(const struct disks_monitor *monitor);
/* Takes what it has said; whether there was anything. */
bool disks_monitor_receive(struct disks_monitor *monitor);

/*
 * The path that a DEVICE argument means: itself, the volume of UUID=… or LABEL=…, or the partition of
 * PARTUUID=… or PARTLABEL=…. Owned by the caller. CMK_DEVICE if there is none, or more than one.
 */
int disks_resolve(const char *device, char **ret, struct cmk_err *err);
/* One of many: whichever needs it first scans the disks for all. */
int disks_resolve_in(struct disks *disks, const char *device, char **ret, struct cmk_err *err);

/* Whether a file is the backing file of a loop device, whose node is copied to node. */
bool disks_loop_of(const char *file, char *node, size_t size);
