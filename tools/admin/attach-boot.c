/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What attach --boot does beside opening volumes: the console, the prompts, Plymouth. */
#include "attach-boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "prompts.h"
#include "splash.h"
#include "typed.h"

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

int attach_boot(const struct attach_boot *boot, const struct crypttab_entry *entries, size_t count,
		struct attach_settings *settings, struct attach_report *report, struct cmk_err *err)
{
	__attribute__((cleanup(left_done))) struct left left = { 0 };
	_cleanup_typed_ struct typed typed = TYPED_INIT;
	_cleanup_free_ bool *flags = calloc(count + 1, sizeof(*flags));
	struct splash splash = { 0 };
	int r;

	if (flags == NULL)
		return -ENOMEM;
	if (boot->console != NULL)
		typed_open(&typed, boot->console);
	settings->typed = &typed;
	report->typing = typed.fd >= 0;
	report->left = flags;
	report->splash = &splash;
	r = attach_many(entries, count, settings, attach_say, report, err);
	typed_release(&typed);
	report->left = NULL;
	report->splash = NULL;
	settings->typed = NULL;
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
