/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files, descriptors and time. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a file may grow by while it is read. */
#define GROWTH_MAX 4096

void io_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

void io_freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

int64_t io_now_ms(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int io_write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		/* send() for its flag: a signal would hit the host that we are a guest of. */
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Waits until fd can be read. 0, -ETIMEDOUT or -errno. */
static int wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - io_now_ms();
		int n;

		if (deadline_ms != INT64_MAX && left < 0)
			left = 0;
		n = poll(&pollfd, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && deadline_ms != INT64_MAX && io_now_ms() >= deadline_ms)
			return -ETIMEDOUT;
	}
}

int io_read_all(int fd, struct secret *s, int64_t deadline_ms)
{
	for (;;) {
		/* Once s is full, one more byte tells the end of file from a file that is too long. */
		uint8_t extra = 0;
		bool full = s->len == s->max;
		ssize_t n;
		int r;

		r = wait_readable(fd, deadline_ms);
		if (r < 0)
			return r;
		n = full ? read(fd, &extra, 1) : read(fd, s->data + s->len, s->max - s->len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (full) {
			explicit_bzero(&extra, 1);
			return -EFBIG;
		}
		s->len += (size_t)n;
		s->data[s->len] = '\0';
	}
}

int io_read_fd(int fd, size_t max, struct secret *ret)
{
	_cleanup_secret_ struct secret content = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (uintmax_t)st.st_size > max)
		return -EFBIG;
	/* All of the room is wiped in the end: no more than what it needs. A file in /proc says that it is empty. */
	if (st.st_size > 0 && max - (size_t)st.st_size > GROWTH_MAX)
		max = (size_t)st.st_size + GROWTH_MAX;
	r = secret_init(&content, max);
	if (r < 0)
		return r;
	r = io_read_all(fd, &content, INT64_MAX);
	if (r < 0)
		return r;
	secret_move(ret, &content);
	return 0;
}

int io_read_file(const char *path, size_t max, bool nofollow, struct secret *ret)
{
	_cleanup_close_ int fd = -1;

	fd = open(path, IO_READ_FLAGS | (nofollow ? O_NOFOLLOW : 0));
	return fd < 0 ? -errno : io_read_fd(fd, max, ret);
}

/* Makes the renaming of a file in the directory of path durable. */
static int sync_directory(const char *path)
{
	_cleanup_free_ char *directory = strdup(path);
	_cleanup_close_ int fd = -1;
	char *slash;

	if (!directory)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* Beyond the limit the kernel sends SIGXFSZ, which would end the host that we are a guest of. */
static bool exceeds_limit(size_t len)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < len;
}

static int write_and_sync(int fd, const void *data, size_t len, mode_t mode)
{
	int r;

	if (exceeds_limit(len))
		return -EFBIG;

	/* Not left to the umask, which is the host's. */
	if (fchmod(fd, mode) < 0)
		return -errno;
	r = io_write_all(fd, data, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int io_write_file(const char *path, const void *data, size_t len, mode_t mode)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_and_sync(fd, data, len, mode);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_directory(path);
}

int io_mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
