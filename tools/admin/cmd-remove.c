/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk remove: takes a customer's key off a volume. Needs neither the key nor a network. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "command.h"
#include "keyurl.h"
#include "luks.h"
#include "output.h"
#include "remember.h"

struct remove_args {
	const char *key;
	const char *token_text;
	bool last;
	int token; /* or LUKS_NONE */
};

/* The keyslots first, then the token: killed in between, the token is inert and removed by a repetition. */
static int remove_token(const struct remove_args *args, struct luks *luks, int token,
			struct cmk_err *err)
{
	uint32_t slots = luks_token_slots(luks, token) & luks_active_slots(luks);
	int r;

	if (slots != 0 && luks_other_slots(luks, token) == 0 && !args->last)
		return cmk_err(err, CMK_STATE,
			       "nothing else opens %s: its data would be lost; add another way in "
			       "first (cryptsetup luksAddKey), or say --last",
			       luks->name);
	r = luks_check_writable(luks, err);
	if (r >= 0)
		r = luks_destroy_slots(luks, token, slots, err);
	if (r >= 0)
		r = luks_token_write(luks, token, NULL, err);
	if (r < 0)
		return r;
	printf("Removed token %d of %s%s.\n", token, luks->name,
	       slots != 0 ? " and its keyslot" : ", which no keyslot was assigned to");
	return 0;
}

/* Copies the "wrapped" array without the elements under the key; how many were left out. */
static size_t copy_others(const struct json *json, const char *text, const char *key,
			  struct buf *out)
{
	const struct json_node *array = json_member(json, json_root(json), "wrapped");
	const struct json_node *node = NULL;
	size_t dropped = 0;

	buf_append(out, text, array->start);
	buf_puts(out, "[");
	while ((node = json_next(json, array, node)) != NULL) {
		char url[TOKEN_KEY_MAX];

		if (json_copy_string(json, json_member(json, node, "key"), url, sizeof(url)) &&
		    keyurl_matches(key, url)) {
			dropped++;
			continue;
		}
		buf_json_next(out);
		buf_append(out, text + node->start, node->end - node->start);
	}
	buf_puts(out, "]");
	buf_puts(out, text + array->end);
	return dropped;
}

/*
 * Works on the text, not on what was understood of it: a later release may have put more into the token.
 * The number of wrappings removed.
 */
static int remove_wrapping(const struct remove_args *args, struct luks *luks, int number,
			   struct cmk_err *err)
{
	_cleanup_buf_ struct buf out = BUF(TOKEN_JSON_MAX);
	_cleanup_json_ struct json *json = NULL;
	const char *text = NULL;
	struct token token;
	size_t dropped;
	int r = luks_token(luks, number, &token, err);

	if (r >= 0)
		r = luks_token_json(luks, number, &text, err);
	if (r >= 0)
		r = json_parse(text, strlen(text), "the token", CMK_TOKEN, &json, err);
	if (r < 0)
		return r;
	dropped = copy_others(json, text, args->key, &out);
	if (dropped == token.wrapped_count + token.foreign_count) {
		r = remove_token(args, luks, number, err);
		return r < 0 ? r : (int)dropped;
	}
	if (buf_error(&out) != 0)
		return buf_error(&out);
	if (dropped == 0)
		return 0;
	r = luks_check_writable(luks, err);
	if (r >= 0)
		r = luks_token_write(luks, number, out.data, err);
	if (r < 0)
		return r;
	printf("Removed %zu of %zu wrappings from token %d of %s; the keyslot stays.\n", dropped,
	       token.wrapped_count + token.foreign_count, number, luks->name);
	return (int)dropped;
}

/* A typing error in --key or --token ends here too, so say what was looked for. */
static void say_nothing_removed(const struct remove_args *args, const struct luks *luks)
{
	printf("%s has no enrolment", luks->name);
	if (args->key != NULL) {
		printf(" under ");
		output_escaped(args->key);
	}
	if (args->token != LUKS_NONE)
		printf(" in token %d", args->token);
	printf(": nothing to remove.\n");
}

static int run(const struct remove_args *args, struct luks *luks, struct cmk_err *err)
{
	int token = LUKS_NONE;
	int removed = 0;

	if (args->token != LUKS_NONE && luks_token_type(luks, args->token) != NULL &&
	    strcmp(luks_token_type(luks, args->token), TOKEN_TYPE) != 0)
		return cmk_err(err, CMK_STATE, "token %d of %s is none of luks-cmk", args->token,
			       luks->name);
	while ((token = luks_next_token(luks, token)) != LUKS_NONE) {
		int r;

		if (args->token != LUKS_NONE && args->token != token)
			continue;
		r = args->key != NULL ? remove_wrapping(args, luks, token, err)
				      : remove_token(args, luks, token, err);
		if (r < 0)
			return r;
		removed += args->key != NULL ? r : 1;
	}
	if (removed == 0)
		say_nothing_removed(args, luks);
	if (luks_next_token(luks, LUKS_NONE) == LUKS_NONE)
		remember_no_more(luks);
	return 0;
}

int cmd_remove(struct call *call, struct cmk_err *err)
{
	struct remove_args args = { .token = LUKS_NONE };
	_cleanup_luks_ struct luks *luks = NULL;
	const struct command_option options[] = {
		{ .name = "key", .value = &args.key },
		{ .name = "token", .value = &args.token_text },
		{ .name = "last", .flag = &args.last },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 1, 1);

	if (r != 0)
		return r;
	if (args.token_text != NULL &&
	    !option_number(args.token_text, LUKS_SLOTS_MAX - 1, &args.token))
		return usage_error(call, "--token wants the number of a token");
	r = luks_open(call->argv[0], call->debug, &luks, err);
	if (r < 0)
		return r;
	return run(&args, luks, err);
}
