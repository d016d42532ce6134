/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is typed on the console while attach --boot waits: kept, and not shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "base/secret.h"

/* cryptsetup's limit for a typed passphrase. */
#define TYPED_MAX 512
/* How long after the last key a line without an end is still waited for. */
#define TYPED_PATIENCE_MS 10000

struct typed {
	int fd; /* of the terminal; -1: nobody can type */
	struct termios saved;
	struct secret line; /* so far; with its end reached, the passphrase, or nothing */
	bool entered;	    /* Enter: the line has its end, and no more is read */
	bool too_long;	    /* the line is lost */
	int64_t key_ms;	    /* when the last key came */
	pid_t watcher;	    /* instead of fd: a program that succeeds at Enter; 0: none */
};
#define TYPED_INIT       \
	{                \
		.fd = -1 \
	}
#define _cleanup_typed_ __attribute__((cleanup(typed_close)))

/*
 * Takes over the terminal at path: what is typed is no longer shown, and no key is a signal. Also what was
 * typed before counts. Where path is no terminal, or cannot be opened, nobody can type, and that is no error.
 * One at a time: a signal that ends this process restores the terminal of the last one that was opened.
 */
void typed_open(struct typed *typed, const char *path);
/* Takes over a program that ends with success at Enter, where the terminal is somebody else's. */
void typed_watch(struct typed *typed, pid_t watcher);
/* Restores the terminal; what was typed stays. Safe to repeat. */
void typed_release(struct typed *typed);
/* The same, and wipes what was typed. */
void typed_close(struct typed *typed);

/* All of these take NULL for somebody who cannot type. */

/* In a child that has nothing to do with it: wipes what was typed, and leaves the terminal alone. */
void typed_forget(struct typed *typed);
/* To be polled for input; -1 when there is nothing more to read. */
int typed_fd(const struct typed *typed);
/* Reads what is there, without waiting. */
void typed_receive(struct typed *typed);
bool typed_entered(const struct typed *typed);
/* Whether a line has been begun, and its end may still come. */
bool typed_is_busy(const struct typed *typed, int64_t now_ms);

/* One byte of a terminal, and what it does to the line: for typed_receive(), and for tests. */
void typed_key(struct typed *typed, char key);
