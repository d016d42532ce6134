/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last failure of each token of each volume, in RUNDIR/failed/UUID.TOKEN, root-only: so that a second
 * attempt moments later returns at once, and `luks-cmk why` can tell it after boot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* libcryptsetup opens a failing token of a preferred keyslot twice, and initramfs scripts ask three times. */
#define RECORD_FRESH_MS 5000

struct record {
	struct cmk_err err;
	int64_t when;	 /* seconds since 1970, by a clock that may have been wrong at boot */
	int64_t boot_ms; /* the same moment, by io_now_ms() */
	int token;	 /* -1: of no volume, see record_read_boot() */
};

/* All of these do nothing, or find nothing, without the right to the directory. */
void record_write(const char *rundir, const char *uuid, int token, const struct cmk_err *err);
void record_remove(const char *rundir, const char *uuid, int token);
/* 0, -ENOENT, or -EBADMSG for a file that is none of ours. */
int record_read(const char *rundir, const char *uuid, int token, struct record *ret);
/*
 * What kept the initramfs's scripts from asking at all, in RUNDIR/failed/boot: initramfs/functions writes it,
 * for there may be no tool to do so. token is -1. As record_read().
 */
int record_read_boot(const char *rundir, struct record *ret);

/*
 * While the descriptor that record_claim() returns is open, `luks-cmk attach --boot` asks for the volume's
 * key and may do so for ever: the plugin then leaves it alone, so that a passphrase typed meanwhile does
 * not wait. Any number of processes may claim a volume; a dead one's claim is gone. -errno.
 */
int record_claim(const char *rundir, const char *uuid);
bool record_is_claimed(const char *rundir, const char *uuid);
