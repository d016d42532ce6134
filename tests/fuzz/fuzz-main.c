/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replays every file of the folders given through a fuzz target: the corpus as a plain test. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "fuzz.h"

#define FILE_MAX (1 << 20)

static int replay_file(const char *path)
{
	_cleanup_secret_ struct secret content = { 0 };
	_cleanup_free_ uint8_t *copy = NULL;
	int r;

	r = io_read_file(path, FILE_MAX, false, &content);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return r;
	}
	/* Of the exact size, so that a sanitizer sees a read behind it. */
	copy = malloc(content.len > 0 ? content.len : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, content.data, content.len);
	/* Told before, so that the culprit of a crash is the last line. */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(copy, content.len);
	return 0;
}

/* The number of files, or -errno. */
static int replay_folder(const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, NULL, alphasort), files = 0, r = 0;

	if (count < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && r == 0) {
			r = replay_file(file);
			files++;
		}
		free(entries[i]);
	}
	free(entries);
	return r < 0 ? r : files;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int files = replay_folder(argv[i]);

		if (files < 0)
			return EXIT_FAILURE;
		if (files == 0) {
			fprintf(stderr, "%s: no files\n", argv[i]);
			return EXIT_FAILURE;
		}
		total += files;
	}
	if (total == 0) {
		fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
		return EXIT_FAILURE;
	}
	fprintf(stderr, "%d files\n", total);
	return EXIT_SUCCESS;
}
