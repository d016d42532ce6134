/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk that somebody plugs in: what udev's rule reads of it, as root and before anybody has looked at it. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "fuzz.h"
#include "tools/admin/disks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("disk", MFD_CLOEXEC);
	static struct token token;
	struct disk_header header;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(fd >= 0 && io_write_all(fd, data, size) == 0);
	if (disks_enrolled(path, &header, &token) != 1)
		return 0;
	/* It becomes a property of udev. */
	FUZZ_CHECK(header.version == 2 && text_is_name(token.customer, sizeof(token.customer) - 1));
	FUZZ_CHECK(strnlen(header.uuid, sizeof(header.uuid)) < sizeof(header.uuid));
	return 0;
}
