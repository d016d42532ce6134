/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of each volume of attach --all. */
#include "attach-table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cause.h"
#include "base/text.h"
#include "output.h"

#define BAR_WIDTH 32

int attach_table_init(struct attach_table *ret, const struct crypttab_entry *entries, size_t count,
		      bool dry_run)
{
	*ret = (struct attach_table){ .entries = entries, .count = count, .dry_run = dry_run };
	ret->last = calloc(count + 1, sizeof(*ret->last));
	ret->bar = count > 1 && isatty(STDERR_FILENO) == 1;
	return ret->last == NULL ? -ENOMEM : 0;
}

void attach_table_done(struct attach_table *table)
{
	free(table->last);
	table->last = NULL;
}

void attach_table_note(struct attach_table *table, const struct attach_event *event)
{
	struct attach_event *last = &table->last[event->volume];

	/* What was missing may come. */
	table->over -= last->phase >= ATTACH_OTHERS;
	table->over += event->phase >= ATTACH_OTHERS;
	*last = *event;
}

void attach_table_draw(const struct attach_table *table)
{
	char bar[BAR_WIDTH + 1];
	size_t done = table->count > 0 ? table->over * BAR_WIDTH / table->count : 0;

	if (!table->bar || table->over == table->count)
		return;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', done);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %zu of %zu", bar, table->over, table->count);
	(void)fflush(stderr);
}

void attach_table_clear(const struct attach_table *table)
{
	if (table->bar)
		fprintf(stderr, "\r\033[K");
}

static bool is_enrolled(const struct attach_event *event)
{
	return event->phase > ATTACH_OTHERS;
}

/* For programs; and the first word that people read. */
static const char *result_of(const struct attach_table *table, const struct attach_event *event)
{
	switch (event->phase) {
	case ATTACH_OPEN:
		return table->dry_run ? "would open" : "open";
	case ATTACH_WAS_OPEN:
		return "open";
	case ATTACH_FAILED:
		return cmk_class_name(cmk_code_class(event->err.code));
	case ATTACH_MISSING:
		return "missing";
	case ATTACH_LEFT:
	case ATTACH_TRIED:
	case ATTACH_OTHERS:
	case ATTACH_IDLE:
	case ATTACH_ASKING:
	case ATTACH_TROUBLE:
	case ATTACH_ACTIVATING:
		break;
	}
	return "not asked";
}

static void add_row(struct table *out, const struct attach_table *table, size_t index)
{
	const struct attach_event *event = &table->last[index];
	bool failed = event->phase == ATTACH_FAILED;

	table_add(out, table->entries[index].name);
	table_add(out, event->customer);
	if (failed)
		table_printf(out, "%s [%s]", result_of(table, event),
			     cmk_code_name(event->err.code));
	else
		table_add(out, result_of(table, event));
	table_add(out, failed ? event->host : "");
	table_add(out, failed ? cmk_party_name(cause_party(&event->err)) : "");
	table_add(out, failed ? cmk_code_hint(event->err.code) : "");
}

int attach_table_print(const struct attach_table *table)
{
	static const char *const headings[] = { "NAME",	 "CUSTOMER", "RESULT",
						"VAULT", "ACTS",     "NEXT" };
	_cleanup_table_ struct table out = { .columns = 6 };
	size_t enrolled = 0, failed = 0;

	for (size_t i = 0; i < table->count; i++) {
		enrolled += is_enrolled(&table->last[i]);
		failed += table->last[i].phase == ATTACH_FAILED;
	}
	if (enrolled < 2 || (failed == 0 && isatty(STDOUT_FILENO) != 1))
		return 0;
	for (size_t i = 0; i < out.columns; i++)
		table_add(&out, headings[i]);
	for (size_t i = 0; i < table->count; i++) {
		if (is_enrolled(&table->last[i]))
			add_row(&out, table, i);
	}
	return table_print(&out);
}

static void json_row(struct buf *b, const struct attach_table *table, size_t index)
{
	static const struct cmk_err none = { 0 };
	const struct attach_event *event = &table->last[index];
	bool failed = event->phase == ATTACH_FAILED;

	buf_json_next(b);
	buf_puts(b, "{");
	output_member(b, "name", table->entries[index].name);
	output_member(b, "uuid", event->uuid);
	output_member(b, "customer", event->customer);
	output_member(b, "host", event->host);
	buf_json_member(b, "result", failed ? "failed" : result_of(table, event));
	output_error(b, failed ? &event->err : &none);
	if (failed)
		buf_json_member(b, "next", cmk_code_hint(event->err.code));
	buf_puts(b, "}");
}

int attach_table_json(const struct attach_table *table)
{
	_cleanup_buf_ struct buf json = BUF(OUTPUT_MAX);

	output_begin(&json);
	buf_json_name(&json, "volumes");
	buf_puts(&json, "[");
	for (size_t i = 0; i < table->count; i++) {
		if (is_enrolled(&table->last[i]))
			json_row(&json, table, i);
	}
	buf_puts(&json, "]");
	return output_end(&json);
}
