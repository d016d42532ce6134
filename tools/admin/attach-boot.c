/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What attach --boot does beside opening volumes: the console, the prompts, Plymouth. */
#include "attach-boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "first.h"
#include "prompts.h"
#include "splash.h"
#include "typed.h"

/* Of the vault is the rest of the time, a third at least. */
#define FIRST_SHARE(timeout) ((timeout)*2 / 3)
/* Without a network, for the records that luks-cmk why tells of the volumes: to read their headers. */
#define IN_VAIN_S 2

struct left {
	struct crypttab_entry *entries;
	size_t count;
};

static void left_done(struct left *left)
{
	free(left->entries);
}

static int collect(const struct crypttab_entry *entries, size_t count, const bool *flags,
		   struct left *ret)
{
	ret->entries = calloc(count, sizeof(*entries));
	if (ret->entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (flags[i])
			ret->entries[ret->count++] = entries[i];
	}
	return 0;
}

/* What becomes of the line, now that the console is the prompt's again. */
static void pass_on(const struct typed *typed, const struct left *left)
{
	int r;

	if (left->count == 0 || (!typed->too_long && typed->line.len == 0))
		return;
	if (typed->too_long) {
		attach_note("what was typed is longer than %d characters and is discarded; type "
			    "it again at the prompt",
			    TYPED_MAX);
		return;
	}
	if (!typed->entered) {
		attach_note("what was typed without Enter is discarded; type it again at the "
			    "prompt");
		return;
	}
	r = prompts_hand_over(left->entries, left->count, &typed->line);
	if (r < 0)
		attach_note("what was typed cannot be handed to the prompt (%s); type it again "
			    "there",
			    strerror(-r));
}

static void say_network(void *data, uint32_t seconds)
{
	attach_waiting(data, "waiting for the network", seconds);
}

/* settings' timeout becomes what is left of it, and err, if there is no network, why. 0, or a signal. */
static int run_first(const char *program, struct attach_settings *settings,
		     struct attach_report *report, struct cmk_err *err)
{
	char why[FIRST_WHY_MAX];
	const struct first first = { .program = program,
				     .seconds = FIRST_SHARE(settings->timeout),
				     .say = say_network,
				     .data = report };
	int64_t start_ms = io_now_ms();
	int r = first_run(&first, settings->typed, why);
	uint32_t used = (uint32_t)((io_now_ms() - start_ms) / 1000);

	if (r > 0)
		return r;
	if (r == -EIO) {
		(void)cmk_err(err, CMK_NO_NETWORK,
			      "there is no network: %s; check ip=, card, cable and DHCP server",
			      why);
		settings->refused = err;
		settings->timeout = IN_VAIN_S;
	} else {
		settings->timeout -= used < settings->timeout ? used : settings->timeout - 1;
	}
	report->timeout = settings->timeout;
	return 0;
}

/* Opens what can be typed at; what to say of it, or NULL. */
static const char *take_keys(const char *console, struct splash *splash, struct typed *typed)
{
	pid_t watcher;

	if (splash_present(splash)) {
		if (splash_watch(splash, &watcher) < 0)
			return NULL;
		typed_watch(typed, watcher);
		return "; Enter brings the prompt";
	}
	typed_open(typed, console);
	return typed_fd(typed) >= 0 || typed_entered(typed)
		       ? "; type the passphrase, or Enter for the prompt"
		       : NULL;
}

int attach_boot(const struct attach_boot *boot, const struct crypttab_entry *entries, size_t count,
		struct attach_settings *settings, struct attach_report *report, struct cmk_err *err)
{
	__attribute__((cleanup(left_done))) struct left left = { 0 };
	_cleanup_typed_ struct typed typed = TYPED_INIT;
	_cleanup_free_ bool *flags = calloc(count + 1, sizeof(*flags));
	struct cmk_err no_network = { 0 };
	struct splash splash = { 0 };
	int r;

	if (flags == NULL)
		return -ENOMEM;
	if (boot->console != NULL)
		report->hint = take_keys(boot->console, &splash, &typed);
	settings->typed = &typed;
	report->left = flags;
	report->splash = &splash;
	r = boot->first != NULL ? run_first(boot->first, settings, report, &no_network) : 0;
	if (r == 0)
		r = attach_many(entries, count, settings, attach_say, report, err);
	typed_release(&typed);
	report->left = NULL;
	report->splash = NULL;
	settings->typed = NULL;
	settings->refused = NULL;
	if (r != 0)
		return r;
	if (report->status == 0)
		splash_hide(&splash);
	r = collect(entries, count, flags, &left);
	if (r < 0)
		return r;
	pass_on(&typed, &left);
	if (boot->background)
		prompts_end(entries, count, boot->asker);
	return 0;
}
