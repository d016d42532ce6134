/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk status: who can open a volume. Reads the header, asks no vault. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "luks.h"
#include "output.h"
#include "volume.h"

static void print_field(const char *name, const char *text)
{
	printf("    %-12s ", name);
	output_escaped(text);
	putchar('\n');
}

static void print_wrapping(const struct token_wrapping *wrapping, size_t number)
{
	char host[TOKEN_KEY_MAX];
	char name[TOKEN_KEY_MAX];

	token_key_host(wrapping->key, host, sizeof(host));
	token_key_name(wrapping->key, name, sizeof(name));
	printf("  Wrapping %zu:\n", number);
	print_field("Vault:", host);
	print_field("Key:", name);
	print_field("Version:", token_key_version(wrapping->key));
	print_field("Algorithm:", wrapping->alg);
	print_field("Created:", wrapping->created);
	print_field("Cloud:", wrapping->cloud);
	print_field("Tenant:", wrapping->tenant_id);
	print_field("Application:", wrapping->client_id);
}

static void print_slots(uint32_t slots)
{
	const char *separator = "";

	if (slots == 0)
		printf("none: an interrupted command left this token, it opens nothing");
	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		printf("%s%d", separator, i);
		separator = ", ";
	}
	putchar('\n');
}

static int print_token(struct luks *luks, int number, struct cmk_err *err)
{
	struct token token;
	int r = luks_token(luks, number, &token, err);

	printf("\nToken %d: ", number);
	printf(r < 0 ? "cannot be read" : "customer ");
	if (r >= 0)
		output_escaped(token.customer);
	printf("\n  Keyslot:       ");
	print_slots(luks_token_slots(luks, number));
	if (r < 0)
		return r;
	printf("  Identity:      ");
	output_escaped(token.identity.source);
	printf(" ");
	output_escaped(token.identity.client_id);
	putchar('\n');
	for (size_t i = 0; i < token.wrapped_count; i++)
		print_wrapping(&token.wrapped[i], i);
	return 0;
}

static void print_others(const struct luks *luks, bool enrolled)
{
	uint32_t slots = luks_bypass_slots(luks);

	putchar('\n');
	if (luks_active_slots(luks) == 0)
		printf("No keyslot is in use: nothing opens this volume.\n");
	else if (slots == 0 && enrolled)
		printf("The customer's key is the only way in.\n");
	else
		printf("Keyslots that open it without the customer's key:\n");
	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		char owner[512];

		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		volume_slot_owner(luks, i, owner, sizeof(owner));
		printf("  %d: %s\n", i, owner);
	}
}

static int print_status(struct luks *luks, struct cmk_err *err)
{
	int token = luks_next_token(luks, LUKS_NONE);
	bool enrolled = token != LUKS_NONE;
	int first = 0; /* error: a token that cannot be read hides nothing else */

	printf("Device: %s\nUUID:   %s\n", luks->name, luks->uuid);
	if (luks->label[0] != '\0')
		printf("Label:  %s\n", luks->label);
	printf("Header: %s\n",
	       luks->header[0] != '\0' ? luks->header : "unknown, as no keyslot is in use");
	if (!enrolled)
		printf("\nNot enrolled for any customer.\n");
	for (; token != LUKS_NONE; token = luks_next_token(luks, token)) {
		struct cmk_err one = { 0 };
		int r = print_token(luks, token, &one);

		if (r < 0 && first == 0) {
			first = r;
			*err = one;
		}
	}
	print_others(luks, enrolled);
	return first;
}

int cmd_status(struct call *call, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	_cleanup_buf_ struct buf json = BUF(OUTPUT_MAX);
	const struct command_option options[] = {
		{ .name = "json", .flag = &call->json },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 1, 1);

	if (r != 0)
		return r;
	r = luks_open(call->argv[0], call->debug, &luks, err);
	if (r < 0)
		return r;
	if (!call->json)
		return print_status(luks, err);
	output_begin(&json);
	r = volume_json(&json, luks, err);
	if (r < 0)
		return r;
	return output_end(&json);
}
