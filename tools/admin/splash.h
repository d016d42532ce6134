/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plymouth, which may hide the console at boot: shows one sentence of ours on it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct splash {
	const char *program; /* plymouth; NULL: where distributions have it */
	bool known, present; /* asked once whether it runs */
	char text[512];	     /* shown now */
};

/*
 * All of these take NULL for none, do nothing where Plymouth does not run, and wait for it a second at most:
 * one that does not answer is not asked again.
 */

/* Whether it runs. */
bool splash_present(struct splash *splash);
/* Starts a program that succeeds when Enter is pressed: Plymouth reads the keyboard itself. -errno. */
int splash_watch(struct splash *splash, pid_t *ret_pid);
/* Shows a sentence instead of the one before. Never a secret: it is an argument of a program. */
void splash_say(struct splash *splash, const char *text);
/* Takes the sentence away. */
void splash_hide(struct splash *splash);
