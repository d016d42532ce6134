/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What attach says: on the terminal or console, and at boot to the kernel's log as well. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attach-table.h"
#include "attach.h"
#include "splash.h"

struct attach_report {
	bool single; /* a DEVICE was named: nothing is passed over in silence */
	bool boot;
	bool dry_run;
	const char *hint;      /* what somebody may type meanwhile: said once; or NULL */
	uint32_t timeout;      /* at boot: of the whole, as of struct attach_settings */
	struct splash *splash; /* shows the same; or NULL */
	const struct crypttab_entry *entries; /* their names, by index; or with single: */
	const char *const *names;
	size_t ours;		    /* volumes with a token of ours, so far */
	int status;		    /* exit status: 0, or that of the first failure in the table */
	size_t status_volume;	    /* whose it is */
	size_t failures;	    /* at boot: told so far */
	bool *left;		    /* by index: needs a passphrase now; or NULL */
	struct attach_table *table; /* of --all: keeps what became of each; or NULL */
	bool json;		    /* nothing but that table */
};

/* An attach_say_fn; data is a struct attach_report. */
void attach_say(void *data, struct attach_event *event);
/* At boot: what is being done, and for how long, or CONFIG_TIMEOUT_FOREVER. */
void attach_waiting(struct attach_report *report, const char *what, uint32_t seconds);
/* Something that is no failure, on standard error. */
void attach_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
