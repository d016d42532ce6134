/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debian's askpass, which asks for the passphrases of an initramfs of initramfs-tools, one at a time. It reads
 * a FIFO beside the console: /lib/cryptsetup/passfifo (README.Debian of cryptsetup-initramfs).
 */
#pragma once

#include <stdbool.h>

#include "base/secret.h"
#include "prompts.h"

enum askpass_state {
	ASKPASS_NONE,
	ASKPASS_WANTED, /* it asks for a volume that wanted() accepts by its name */
	ASKPASS_OTHER,
};

enum askpass_state askpass_look(const struct prompts_places *places, prompts_wanted_fn wanted,
				void *data);
/* Answers it; NULL: ends it without an answer, and nothing is tried. 0 or -errno. */
int askpass_answer(const struct prompts_places *places, const struct secret *passphrase);
