/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What attach --boot does beside opening volumes: the console, the prompts, Plymouth. */
#pragma once

#include "attach-say.h"
#include "attach.h"
#include "crypttab.h"

struct attach_boot {
	const char *console; /* what is typed there counts; NULL: nobody types */
	int asker;	     /* in the background: see prompts_end(); or -1 */
	bool background;
	const char *first; /* see first.h; or NULL */
};

/*
 * attach_many() with all of that: what is typed goes to the prompt that follows; in the background, the prompts
 * that stand beside are ended when there is nothing left to ask. report is set up but for what belongs to
 * this.
 */
int attach_boot(const struct attach_boot *boot, const struct crypttab_entry *entries, size_t count,
		struct attach_settings *settings, struct attach_report *report,
		struct cmk_err *err);
