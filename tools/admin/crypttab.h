/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crypttab(5), as far as it matters to who opens a LUKS2 volume by a token. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define CRYPTTAB_FILE "/etc/crypttab"

/* DM_NAME_LEN of linux/dm-ioctl.h, with its NUL. */
#define CRYPTTAB_NAME_MAX   128
#define CRYPTTAB_SOURCE_MAX 512
#define CRYPTTAB_FILE_MAX   (1024 * 1024)

/* Bits of options. Those up to CRYPTTAB_ACTIVATION change how a mapping is made. */
enum {
	CRYPTTAB_DISCARD = 1 << 0,
	CRYPTTAB_READ_ONLY = 1 << 1,
	CRYPTTAB_NO_READ_WORKQUEUE = 1 << 2,
	CRYPTTAB_NO_WRITE_WORKQUEUE = 1 << 3,
	CRYPTTAB_SAME_CPU = 1 << 4,
	CRYPTTAB_SUBMIT_FROM_CPUS = 1 << 5,
	CRYPTTAB_ACTIVATION = (1 << 6) - 1,
	CRYPTTAB_NOAUTO = 1 << 6,
	CRYPTTAB_DETACHED = 1 << 7, /* header=: not ours */
	CRYPTTAB_OTHER =
		1 << 8, /* plain, swap, tcrypt...: no LUKS volume, whatever is on the device */
	CRYPTTAB_NETDEV = 1 << 9,
};

struct crypttab_entry {
	char name[CRYPTTAB_NAME_MAX];
	char source
		[CRYPTTAB_SOURCE_MAX]; /* a path, UUID=..., LABEL=..., PARTUUID=..., PARTLABEL=... */
	unsigned options;
};

struct crypttab {
	struct crypttab_entry *entries;
	size_t count;
	unsigned
		wrong_line; /* the first that is none of crypttab's, or 0; such lines are left out */
};
/* What there is to say of it: its number and the file. */
#define CRYPTTAB_WRONG	   "line %u of %s is not NAME DEVICE [KEY [OPTIONS]], or holds a NUL byte"
#define _cleanup_crypttab_ __attribute__((cleanup(crypttab_done)))

/* Whether a mapping may be called so. */
bool crypttab_is_name(const char *name);

/*
 * Reads lines of NAME SOURCE [KEY [OPTIONS]]; what follows is ignored, and so are unknown options. \040 and
 * the like stand for the character of that octal number, as in Debian's table for the initramfs. A name
 * that was there before is left out: whoever reads the table from its top has opened the first.
 * 0 or -ENOMEM.
 */
int crypttab_parse(const char *text, size_t len, struct crypttab *ret);
/* A file that is not there is an empty table. CMK_CONFIG. */
int crypttab_load(const char *path, struct crypttab *ret, struct cmk_err *err);
/* One more, unless its name is there already: 1 or 0, -ENOMEM. */
int crypttab_add(struct crypttab *crypttab, const struct crypttab_entry *entry);
void crypttab_done(struct crypttab *crypttab);
/* The entry of that name, or NULL. */
const struct crypttab_entry *crypttab_find(const struct crypttab *crypttab, const char *name);
