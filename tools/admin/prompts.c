/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts for passphrases that others show at boot: answered with what was typed before, or ended. */
#include "prompts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "askpass.h"
#include "base/io.h"
#include "entry.h"
#include "luks.h"
#include "query.h"

#define HAND_OVER_MS 30000
/* A passphrase that was wrong may still be tried: then comes one more prompt. */
#define END_MS	60000
#define LOOK_MS 50
/* Looks without a prompt, after which none is to come. */
#define QUIET 6

static const struct prompts_places places = { "/proc", "/lib/cryptsetup/askpass",
					      "/lib/cryptsetup/passfifo",
					      "/run/systemd/ask-password" };

struct volumes {
	const struct crypttab_entry *entries;
	size_t count;
	bool open; /* of interest are those that are open, or those that are not */
};

static void nap(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000L * 1000 }, NULL);
}

static bool is_wanted(void *data, const char *name, const char *device)
{
	const struct volumes *volumes = data;

	for (size_t i = 0; i < volumes->count; i++) {
		const struct crypttab_entry *entry = &volumes->entries[i];

		if (name != NULL ? strcmp(entry->name, name) == 0 : entry_is_at(entry, device))
			return luks_mapping_exists(entry->name) == volumes->open;
	}
	return false;
}

static bool is_left(const struct volumes *volumes)
{
	for (size_t i = 0; i < volumes->count; i++) {
		if (!luks_mapping_exists(volumes->entries[i].name))
			return true;
	}
	return false;
}

static void answer_first(struct volumes *volumes, const struct secret *passphrase)
{
	int64_t deadline_ms = io_now_ms() + HAND_OVER_MS;

	while (io_now_ms() < deadline_ms && is_left(volumes)) {
		if (query_answer(&places, is_wanted, volumes, passphrase) > 0)
			return;
		if (askpass_look(&places, is_wanted, volumes) == ASKPASS_WANTED &&
		    askpass_answer(&places, passphrase) == 0)
			return;
		nap();
	}
}

/* Nothing of the caller's: neither its console nor its signals, nor a pipe that somebody reads to its end. */
static void be_alone(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	/* Locks are not inherited. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

int prompts_hand_over(const struct crypttab_entry *entries, size_t count,
		      const struct secret *passphrase)
{
	struct volumes volumes = { entries, count, false };
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		be_alone();
		answer_first(&volumes, passphrase);
		explicit_bzero(passphrase->data, passphrase->max);
		_exit(0);
	}
	return 0;
}

static bool has_ended(int asker)
{
	struct pollfd pollfd = { .fd = asker, .events = POLLIN };

	return asker < 0 || poll(&pollfd, 1, 0) != 0;
}

static void end_asker(int asker)
{
	if (asker >= 0)
		(void)syscall(SYS_pidfd_send_signal, asker, SIGTERM, NULL, 0);
}

void prompts_end(const struct crypttab_entry *entries, size_t count, int asker)
{
	struct volumes volumes = { entries, count, true };
	int64_t deadline_ms = io_now_ms() + END_MS;
	int quiet = 0;

	/* While the asker lives and shows nothing, it may be about to ask, or about to end by itself. */
	while (io_now_ms() < deadline_ms && (quiet < QUIET || !has_ended(asker))) {
		enum askpass_state state = askpass_look(&places, is_wanted, &volumes);

		if (state == ASKPASS_OTHER)
			return;
		if (state == ASKPASS_WANTED) {
			end_asker(asker);
			(void)askpass_answer(&places, NULL);
		}
		if (query_answer(&places, is_wanted, &volumes, NULL) > 0 || state != ASKPASS_NONE)
			quiet = 0;
		else
			quiet++;
		nap();
	}
}

int prompts_asker(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}
