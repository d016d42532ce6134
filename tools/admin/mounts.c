/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a mapping is mounted: proc(5), mountinfo. */
#include "mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/io.h"
#include "base/text.h"

#define MOUNTINFO_MAX (16 * 1024 * 1024)
/* More than one mount on another, and bind mounts; and no endless loop where one does not go away. */
#define DETACH_MAX 1024

/* \040 and the like stand for blanks. In place. */
static void unescape(char *text)
{
	char *out = text;

	while (*text != '\0') {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 /root /point options tag:1 - ext4 /dev/mapper/x rw": point, if the source is the device. */
static const char *parse_line(char *line, const char *name, const char *node)
{
	static const char folder[] = "/dev/mapper/", devices[] = "/dev/";
	const char *point = NULL;
	char *field;
	unsigned after = 0;

	for (unsigned i = 0; (field = strsep(&line, " ")) != NULL; i++) {
		if (i == 4)
			point = field;
		if (after > 0)
			after++;
		else if (i > 5 && strcmp(field, "-") == 0)
			after = 1;
		if (after == 3)
			break;
	}
	if (field == NULL)
		return NULL;
	unescape(field);
	if (!(text_starts(field, folder) && strcmp(field + strlen(folder), name) == 0) &&
	    !(text_starts(field, devices) && strcmp(field + strlen(devices), node) == 0))
		return NULL;
	return point;
}

bool mounts_find(const char *file, const char *name, const char *node, char *ret, size_t size)
{
	_cleanup_secret_ struct secret content = { 0 };
	bool found = false;
	char *rest;

	if (io_read_file(file, MOUNTINFO_MAX, false, &content) < 0)
		return false;
	rest = (char *)content.data;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		const char *point = parse_line(line, name, node);

		if (point != NULL && text_copy(ret, size, point))
			found = true;
	}
	if (found)
		unescape(ret);
	return found;
}

/* systemd gives a service mounts of its own, ExecStop=+ too: taking those off changes nothing for others. */
static void join_first_process(void)
{
	_cleanup_close_ int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)setns(fd, CLONE_NEWNS);
}

size_t mounts_detach(const char *name, const char *node)
{
	char point[PATH_MAX];
	size_t count = 0;

	join_first_process();
	while (count < DETACH_MAX && mounts_find(MOUNTS_FILE, name, node, point, sizeof(point)) &&
	       umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		count++;
	return count;
}
