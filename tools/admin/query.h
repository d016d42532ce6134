/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd's questions for passphrases, and the part of an agent that answers them:
 * https://systemd.io/PASSWORD_AGENTS/ ("ask.*" files, datagrams). What is in the files is untrusted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"
#include "prompts.h"

#define QUERY_DEVICE_MAX 512
#define QUERY_FILE_MAX	 16384

/* A question of systemd-cryptsetup, as one file asks it. */
struct query {
	char socket[108]; /* sun_path */
	char device[QUERY_DEVICE_MAX];
	uint64_t not_after_us; /* CLOCK_MONOTONIC; 0: for ever */
	pid_t pid;	       /* who asks; 0: not said */
};

/*
 * Reads a file's text. folder is where the files lie: its socket must lie there, too. 0, or -EBADMSG for what
 * is no complete question of systemd-cryptsetup for the passphrase of a device, such as one for a PIN.
 */
int query_parse(const char *text, const char *folder, struct query *ret);
/*
 * Answers the questions for devices that wanted() accepts; NULL: cancels them. How many there were. One answer
 * is enough for all volumes with that passphrase: systemd caches it.
 */
size_t query_answer(const struct prompts_places *places, prompts_wanted_fn wanted, void *data,
		    const struct secret *passphrase);
