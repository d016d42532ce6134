/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people, JSON documents for programs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Version of every --json document; new members do not raise it (luks-cmk(8), JSON OUTPUT). */
#define OUTPUT_VERSION 1
/* Room for some thousand volumes. */
#define OUTPUT_MAX (16 * 1024 * 1024)

/* Text that a terminal gets printed comes out of a header or a file: see text_escape(). */
void output_escaped(const char *text);

#define TABLE_COLUMNS_MAX 10

/* Set columns, zero the rest. Cells are added in reading order, the headings first. */
struct table {
	size_t columns;
	char **cells;
	size_t count;
	int error;
};
#define _cleanup_table_ __attribute__((cleanup(table_done)))

void table_add(struct table *table, const char *text);
void table_printf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints it with columns as wide as their widest cell. 0 or -ENOMEM. */
int table_print(const struct table *table);
void table_done(struct table *table);

/* {"version":1 and what follows; output_end() closes it and prints. */
void output_begin(struct buf *b);
int output_end(struct buf *b);
/* A member whose text may hold anything: escaped first, so that the document stays valid. */
void output_member(struct buf *b, const char *name, const char *text);
/* "keyslots":[1,2] of a set. */
void output_slots(struct buf *b, const char *name, uint32_t slots);
/* "error":{"code","class","message","acts","cause","request_id"}, or null for none. */
void output_error(struct buf *b, const struct cmk_err *err);
/* Who must act, in a sentence. */
const char *output_party(enum cmk_party party);
