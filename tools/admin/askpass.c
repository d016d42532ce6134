/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Debian's askpass: for which volume it asks, and its FIFO. */
#include "askpass.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define ENVIRON_MAX (64 * 1024)
#define VARIABLE    "CRYPTTAB_NAME="

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static bool is_askpass(const char *proc, const char *pid, const struct stat *program)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s/exe", proc, pid);
	return stat(path, &st) == 0 && st.st_dev == program->st_dev && st.st_ino == program->st_ino;
}

/* cryptroot tells it in a variable for which volume it asks. */
static bool is_wanted(const char *proc, const char *pid, prompts_wanted_fn wanted, void *data)
{
	_cleanup_secret_ struct secret variables = { 0 };
	const char *variable, *end;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s/environ", proc, pid);
	if (io_read_file(path, ENVIRON_MAX, false, &variables) < 0)
		return false;
	variable = (const char *)variables.data;
	end = variable + variables.len;
	for (; variable < end; variable += strlen(variable) + 1) {
		if (text_starts(variable, VARIABLE))
			return wanted(data, variable + strlen(VARIABLE), NULL);
	}
	return false;
}

enum askpass_state askpass_look(const struct prompts_places *places, prompts_wanted_fn wanted,
				void *data)
{
	__attribute__((cleanup(close_dir))) DIR *dir = NULL;
	struct stat program;
	const struct dirent *entry;

	if (stat(places->askpass, &program) < 0)
		return ASKPASS_NONE;
	dir = opendir(places->proc);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) || strlen(entry->d_name) > 10 ||
		    !is_askpass(places->proc, entry->d_name, &program))
			continue;
		return is_wanted(places->proc, entry->d_name, wanted, data) ? ASKPASS_WANTED
									    : ASKPASS_OTHER;
	}
	return ASKPASS_NONE;
}

int askpass_answer(const struct prompts_places *places, const struct secret *passphrase)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	/* Without a reader there is nobody to answer: ENXIO. */
	fd = open(places->fifo, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0077) != 0)
		return -EPERM;
	/*
	 * It reads up to the end of file and passes on all of it, a newline too. Nothing at all is no
	 * passphrase to cryptsetup, which then does not spend seconds on deriving a key from it.
	 */
	return passphrase != NULL ? io_write_all(fd, passphrase->data, passphrase->len) : 0;
}
