/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plymouth: shows one sentence of ours on it. */
#include "splash.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/text.h"

#define ANSWER_MS 1000

static const char *find(void)
{
	static const char *const paths[] = { "/usr/bin/plymouth", "/bin/plymouth" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	}
	return NULL;
}

/* The exit status, or -errno. */
static int run(const struct splash *splash, const char *verb, const char *argument)
{
	const char *argv[] = { splash->program, verb, argument, NULL };

	return spawn_run(argv, ANSWER_MS);
}

bool splash_present(struct splash *splash)
{
	if (splash == NULL)
		return false;
	if (splash->known)
		return splash->present;
	splash->known = true;
	if (splash->program == NULL)
		splash->program = find();
	splash->present = splash->program != NULL && run(splash, "--ping", NULL) == 0;
	return splash->present;
}

static void send(struct splash *splash, const char *verb)
{
	char argument[sizeof("--text=") + sizeof(splash->text)];

	(void)snprintf(argument, sizeof(argument), "--text=%s", splash->text);
	splash->present = run(splash, verb, argument) >= 0;
}

int splash_watch(struct splash *splash, pid_t *ret_pid)
{
	const char *argv[] = { NULL, "watch-keystroke", "--keys=\n", NULL };

	if (!splash_present(splash))
		return -ENOENT;
	argv[0] = splash->program;
	return spawn_start(argv, ret_pid);
}

void splash_hide(struct splash *splash)
{
	if (splash == NULL || !splash->present || splash->text[0] == '\0')
		return;
	send(splash, "hide-message");
	splash->text[0] = '\0';
}

void splash_say(struct splash *splash, const char *text)
{
	if (!splash_present(splash))
		return;
	splash_hide(splash);
	text_escape(splash->text, sizeof(splash->text), text);
	if (splash->present)
		send(splash, "display-message");
}
