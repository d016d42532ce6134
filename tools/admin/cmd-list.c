/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk list: every enrolled volume of the machine. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "disks.h"
#include "known.h"
#include "luks.h"
#include "mappings.h"
#include "output.h"
#include "volume.h"

/* Enough of a version to tell it from its neighbours, as git abbreviates. */
#define VERSION_SHOWN 8

struct list {
	bool debug;
	bool json;
	bool named; /* the volumes, on the command line */
	struct known known;
	struct table table;
	struct buf buf;
	int status; /* of the first volume that could not be read */
};

static void add_row(struct list *list, const struct luks *luks, int number,
		    const struct token *token, const char *open_as)
{
	const struct token_wrapping *wrapping = &token->wrapped[0];
	char host[TOKEN_KEY_MAX];
	char name[TOKEN_KEY_MAX];

	token_key_host(wrapping->key, host, sizeof(host));
	token_key_name(wrapping->key, name, sizeof(name));
	table_add(&list->table, luks->name);
	table_add(&list->table, luks->uuid);
	table_add(&list->table, token->customer);
	if (token->wrapped_count > 1)
		table_printf(&list->table, "%s (+%zu)", host, token->wrapped_count - 1);
	else
		table_add(&list->table, host);
	table_add(&list->table, name);
	table_printf(&list->table, "%.*s", VERSION_SHOWN, token_key_version(wrapping->key));
	table_printf(&list->table, "%d/%d", __builtin_popcount(luks_token_slots(luks, number)),
		     __builtin_popcount(luks_bypass_slots(luks)));
	table_add(&list->table, known_by(&list->known, luks->path, luks->uuid));
	table_add(&list->table, open_as);
}

/* A row for each token; one that cannot be read hides no other. The first error. */
static int add_rows(struct list *list, struct luks *luks, const char *open_as, struct cmk_err *err)
{
	int t = LUKS_NONE, first = 0;

	while ((t = luks_next_token(luks, t)) != LUKS_NONE) {
		struct token token;
		int r = luks_token(luks, t, &token, first == 0 ? err : NULL);

		if (r >= 0)
			add_row(list, luks, t, &token, open_as);
		else if (first == 0)
			first = r;
	}
	return first;
}

static int add_volume(struct list *list, const char *device, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	int r = luks_open(device, list->debug, &luks, err);
	struct mapping mapping = { 0 };

	if (r < 0)
		return r;
	if (luks_next_token(luks, LUKS_NONE) == LUKS_NONE)
		return 0;
	(void)mappings_on_path(luks->path, &mapping);
	r = add_rows(list, luks, mapping.name, err);
	if (r < 0 || !list->json)
		return r;
	buf_json_next(&list->buf);
	buf_puts(&list->buf, "{");
	r = volume_json(&list->buf, luks, err);
	output_member(&list->buf, "known_by", known_by(&list->known, luks->path, luks->uuid));
	output_member(&list->buf, "open_as", mapping.name);
	buf_puts(&list->buf, "}");
	return r;
}

/* One unreadable volume does not hide the others. */
static void try_volume(struct list *list, const char *device)
{
	struct cmk_err err = { 0 };

	if (add_volume(list, device, &err) < 0) {
		int status = report_error(&err);

		if (list->status == 0)
			list->status = status;
	}
}

static int print_list(struct list *list)
{
	int r = 0;

	if (list->json) {
		buf_puts(&list->buf, "]");
		r = output_end(&list->buf);
	} else if (list->table.count > list->table.columns) {
		r = table_print(&list->table);
	} else if (list->status == 0) {
		printf("No volume %s is enrolled.\n",
		       list->named ? "among these" : "on this machine");
	}
	return r < 0 ? r : list->status;
}

static int scan(struct list *list, struct cmk_err *err)
{
	_cleanup_disks_ struct disks disks = { 0 };
	int r = disks_scan(&disks, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < disks.count; i++)
		try_volume(list, disks.items[i].path);
	if (disks.unreadable > 0)
		fprintf(stderr, "%zu block device%s could not be read; root sees them all.\n",
			disks.unreadable, disks.unreadable == 1 ? "" : "s");
	return 0;
}

static int run(struct call *call, struct list *list, struct cmk_err *err)
{
	static const char *const headings[] = { "DEVICE",      "UUID",	   "CUSTOMER",
						"VAULT",       "KEY",	   "VERSION",
						"SLOTS/OTHER", "KNOWN BY", "OPEN AS" };
	int r = known_load(&list->known, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->table.columns; i++)
		table_add(&list->table, headings[i]);
	output_begin(&list->buf);
	buf_json_name(&list->buf, "volumes");
	buf_puts(&list->buf, "[");
	for (int i = 0; i < call->argc; i++)
		try_volume(list, call->argv[i]);
	if (call->argc == 0)
		r = scan(list, err);
	return r < 0 ? r : print_list(list);
}

int cmd_list(struct call *call, struct cmk_err *err)
{
	const struct command_option options[] = {
		{ .name = "json", .flag = &call->json },
	};
	struct list list = { .table = { .columns = 9 }, .buf = BUF(OUTPUT_MAX) };
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 0, 1024);

	if (r != 0)
		return r;
	list.debug = call->debug;
	list.json = call->json;
	list.named = call->argc > 0;
	r = run(call, &list, err);
	known_done(&list.known);
	table_done(&list.table);
	buf_done(&list.buf);
	return r;
}
