/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tries on a copy of the header what would be written to the volume. Whether a keyslot and a token still
 * fit is known to libcryptsetup alone, and a try on the volume itself would change its header.
 */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

/* Behind the header, so that the copy looks like a volume with some data. Sparse. */
#define COPY_DATA (1024 * 1024)

static int copy_bytes(int from, int to, uint64_t size)
{
	uint8_t block[65536];

	for (uint64_t done = 0; done < size;) {
		size_t want = size - done < sizeof(block) ? (size_t)(size - done) : sizeof(block);
		ssize_t n = pread(from, block, want, (off_t)done);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = io_write_all(to, block, (size_t)n);
		if (r < 0)
			return r;
		done += (uint64_t)n;
	}
	return 0;
}

/* Both copies of the metadata; the keyslots' areas, of no use to find room, stay holes. */
static int copy_header(struct luks *luks, struct cmk_err *err)
{
	_cleanup_close_ int from = open(luks->path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = memfd_create("luks-cmk-header", MFD_CLOEXEC);
	uint64_t metadata = 0;
	uint64_t keyslots = 0;
	int r;

	if (from < 0)
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be read", luks->name);
	r = to < 0 ? -errno : crypt_get_metadata_size(luks->cd, &metadata, &keyslots);
	if (r >= 0)
		r = copy_bytes(from, to, 2 * metadata);
	if (r >= 0 && ftruncate(to, (off_t)(crypt_get_data_offset(luks->cd) * 512 + COPY_DATA)) < 0)
		r = -errno;
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r,
				     "the header of %s cannot be copied to memory", luks->name);
	return TAKE_FD(to);
}

int luks_rehearse(struct luks *luks, const struct secret *volume_key, const struct secret *payload,
		  const struct token *token, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *copy = NULL;
	_cleanup_close_ int fd = copy_header(luks, err);
	struct luks_enrolment enrolment;
	bool undone = false;
	char *path = NULL;
	int r;

	if (fd < 0)
		return fd;
	if (asprintf(&path, "/proc/self/fd/%d", fd) < 0)
		return -ENOMEM;
	r = luks_attach(path, luks->debug, &copy, err);
	if (r < 0)
		return r;
	memcpy(copy->name, luks->name, sizeof(copy->name));
	r = crypt_load(copy->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return luks_err(copy, r, CMK_SYSTEM, err,
				"the copy of the header of %s in memory cannot be read",
				luks->name);
	return luks_enrol(copy, volume_key, payload, token, &enrolment, &undone, err);
}
