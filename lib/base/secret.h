/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that must not outlive their use: keys, assertions, access tokens. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Owned memory of a size fixed by secret_init(), so that it is never moved by a realloc which would
 * leave a copy behind. data[len] is always a NUL that is not counted: JSON and HTTP code may read it as
 * a string, but nothing prints it. A zeroed struct is valid and empty.
 */
struct secret {
	uint8_t *data;
	size_t len;
	size_t max;
};

#define _cleanup_secret_ __attribute__((cleanup(secret_done)))

/* Allocates room for max bytes. Wipes what was there. 0 or -ENOMEM. */
int secret_init(struct secret *s, size_t max);
/* Appends a copy of len bytes; -ENOBUFS if they do not fit (then nothing is appended). */
int secret_append(struct secret *s, const void *data, size_t len);
/* secret_init() to exactly len bytes and secret_append(). 0 or -ENOMEM. */
int secret_set(struct secret *s, const void *data, size_t len);
/* Moves the content of from to to; from is empty afterwards. */
void secret_move(struct secret *to, struct secret *from);
/* Wipes the content, keeps the room. */
void secret_clear(struct secret *s);
/* Wipes and frees; safe to repeat. */
void secret_done(struct secret *s);
/* Whether both hold the same bytes, in time that depends only on the length. */
int secret_equal(const struct secret *a, const struct secret *b);
