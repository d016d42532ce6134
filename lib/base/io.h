/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files, descriptors and time. */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"

#define _cleanup_close_ __attribute__((cleanup(io_closep)))
#define _cleanup_free_	__attribute__((cleanup(io_freep)))

/* Hands over: yields the value and leaves NULL, or -1, in the variable. */
#define TAKE_PTR(pointer)                    \
	({                                   \
		__auto_type _p = &(pointer); \
		__auto_type _value = *_p;    \
		*_p = NULL;                  \
		_value;                      \
	})
#define TAKE_FD(fd)               \
	({                        \
		int *_p = &(fd);  \
		int _value = *_p; \
		*_p = -1;         \
		_value;           \
	})

void io_closep(int *fd); /* keeps errno; nothing for a negative descriptor */
void io_freep(void *pointer_to_pointer);

/* Milliseconds since boot, suspended time included (CLOCK_BOOTTIME). */
int64_t io_now_ms(void);

/* Writes all of it, through short writes and EINTR. 0 or -errno (-EPIPE without a signal on sockets). */
int io_write_all(int fd, const void *data, size_t len);
/*
 * Reads to the end of file into s, whose max bounds it: -EFBIG beyond. deadline_ms as of io_now_ms(),
 * INT64_MAX for none: -ETIMEDOUT after it. 0 or -errno.
 */
int io_read_all(int fd, struct secret *s, int64_t deadline_ms);
/* To open what somebody else put there: a FIFO must not wait for its writer. */
#define IO_READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
/* Reads all of an open regular file of at most max bytes. 0 or -errno (-EFBIG, -EINVAL, -EISDIR). */
int io_read_fd(int fd, size_t max, struct secret *ret);
/* The same of a path; not through a final symbolic link if nofollow. */
int io_read_file(const char *path, size_t max, bool nofollow, struct secret *ret);
/*
 * Replaces path by a new file with this content, complete or not at all: temporary file in the same
 * directory, fsync, rename, fsync of the directory. 0 or -errno.
 */
int io_write_file(const char *path, const void *data, size_t len, mode_t mode);
/* mkdir for the last component only; an existing directory (not a link) is success. */
int io_mkdir(const char *path, mode_t mode);
