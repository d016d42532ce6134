/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts for passphrases that others show at boot: answered with what was typed before, or ended. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/secret.h"
#include "crypttab.h"

/* Where they are found. */
struct prompts_places {
	const char *proc;
	const char *askpass; /* Debian's program */
	const char *fifo;    /* and what it reads */
	const char *queries; /* systemd's folder */
};

/* Whether a prompt is for a volume of interest: either its name or its device is known, the other is NULL. */
typedef bool (*prompts_wanted_fn)(void *data, const char *name, const char *device);

/*
 * Forks: the first prompt for one of these volumes that is shown within half a minute gets the passphrase,
 * unless all of them are open by then. The caller goes on at once, and may end. 0 or -errno.
 */
int prompts_hand_over(const struct crypttab_entry *entries, size_t count,
		      const struct secret *passphrase);
/*
 * Ends the prompts for those of the volumes that are open, as there is nothing left to ask; a prompt for
 * another volume is left alone. asker is a pidfd of the process that shows askpass' prompts one after the
 * other, such as cryptroot, or -1: it is ended first, as it would ask again. Takes a minute at most, where that process neither asks nor ends.
 */
void prompts_end(const struct crypttab_entry *entries, size_t count, int asker);
/* A pidfd, or -errno. */
int prompts_asker(pid_t pid);
