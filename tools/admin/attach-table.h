/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of each volume of attach --all: a table for people, a document for programs, and a bar meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attach.h"

struct attach_table {
	const struct crypttab_entry *entries;
	struct attach_event *last; /* by index: the last word, or phase ATTACH_IDLE */
	size_t count;
	size_t over;
	bool dry_run;
	bool bar; /* on standard error, a terminal */
};
#define _cleanup_attach_table_ __attribute__((cleanup(attach_table_done)))

/* 0 or -ENOMEM. */
int attach_table_init(struct attach_table *ret, const struct crypttab_entry *entries, size_t count,
		      bool dry_run);
void attach_table_done(struct attach_table *table);
/* Keeps what was said of a volume. */
void attach_table_note(struct attach_table *table, const struct attach_event *event);
/* The bar: drawn again after what was printed, and taken away before. */
void attach_table_draw(const struct attach_table *table);
void attach_table_clear(const struct attach_table *table);
/* The enrolled volumes; all rows, if any of several failed or somebody looks on. 0 or -ENOMEM. */
int attach_table_print(const struct attach_table *table);
int attach_table_json(const struct attach_table *table);
