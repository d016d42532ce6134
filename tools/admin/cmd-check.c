/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk check: whether the next unlock would succeed, step by step. Changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "check-initrd.h"
#include "command.h"
#include "customers.h"
#include "disks.h"
#include "enrol.h"
#include "luks.h"
#include "output.h"
#include "probe.h"
#include "warnings.h"

struct check {
	bool debug;
	bool json;
	struct buf buf;
	size_t count;
	int status; /* of the first failure */
	struct enrol enrol;
	struct probe_result result;
};

/* What is being checked: of a volume, or only of a customer (luks NULL). */
struct target {
	struct luks *luks;
	int token_number;
	const struct token *token; /* with this wrapping alone */
	size_t wrappings;	   /* that the volume has in all */
};

static void fail(struct check *check, int status)
{
	if (check->status == 0)
		check->status = status;
}

/* How often a failure follows itself: a service that stays away is tried until the timeout. */
static size_t count_repeated(const struct probe_result *result, size_t first)
{
	const struct probe_step *step = &result->steps[first];
	size_t i = first + 1;

	if (strcmp(step->code, "ok") == 0)
		return 1;
	while (i < result->steps_count && strcmp(result->steps[i].name, step->name) == 0 &&
	       strcmp(result->steps[i].host, step->host) == 0 &&
	       strcmp(result->steps[i].code, step->code) == 0)
		i++;
	return i - first;
}

static void print_result(const struct target *target, const struct probe_result *result,
			 const struct warnings *warnings)
{
	_cleanup_table_ struct table table = { .columns = 5 };

	if (target->luks != NULL)
		printf("%s, ", target->luks->name);
	output_escaped(target->token->customer);
	printf(": ");
	output_escaped(target->token->wrapped[0].key);
	putchar('\n');
	for (size_t i = 0, times; i < result->steps_count; i += times) {
		const struct probe_step *step = &result->steps[i];
		bool ok = strcmp(step->code, "ok") == 0;

		times = count_repeated(result, i);
		table_add(&table, ok ? "  ok" : "  FAILED");
		table_add(&table, step->name);
		table_add(&table, step->host);
		table_printf(&table, "%lld ms", (long long)step->ms);
		if (times > 1)
			table_printf(&table, "%s (%zu times)", step->code, times);
		else
			table_add(&table, ok ? "" : step->code);
	}
	(void)table_print(&table);
	for (size_t i = 0; i < warnings->count; i++)
		printf("  warning: %s\n", warnings->items[i]);
}

static void json_steps(struct buf *b, const struct probe_result *result)
{
	buf_json_name(b, "steps");
	buf_puts(b, "[");
	for (size_t i = 0; i < result->steps_count; i++) {
		buf_json_next(b);
		buf_puts(b, "{");
		output_member(b, "name", result->steps[i].name);
		output_member(b, "host", result->steps[i].host);
		buf_json_int(b, "ms", result->steps[i].ms);
		output_member(b, "code", result->steps[i].code);
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
}

static void json_key(struct buf *b, const struct probe_key *key)
{
	buf_json_name(b, "attributes");
	buf_puts(b, "{");
	output_member(b, "kid", key->kid);
	buf_json_bool(b, "enabled", key->enabled);
	buf_json_int(b, "created", key->created);
	buf_json_int(b, "not_before", key->not_before);
	buf_json_int(b, "expires", key->expires);
	output_member(b, "recovery_level", key->recovery_level);
	buf_puts(b, "}");
}

static void json_result(struct buf *b, const struct target *target,
			const struct probe_result *result, const struct warnings *warnings)
{
	buf_json_next(b);
	buf_puts(b, "{");
	if (target->luks != NULL) {
		output_member(b, "device", target->luks->name);
		output_member(b, "uuid", target->luks->uuid);
		buf_json_int(b, "token", target->token_number);
	}
	output_member(b, "customer", target->token->customer);
	output_member(b, "key", target->token->wrapped[0].key);
	json_steps(b, result);
	if (result->has_key)
		json_key(b, &result->key);
	buf_json_name(b, "warnings");
	buf_puts(b, "[");
	for (size_t i = 0; i < warnings->count; i++) {
		buf_json_next(b);
		buf_json_string(b, warnings->items[i]);
	}
	buf_puts(b, "]");
	output_error(b, &result->err);
	buf_puts(b, "}");
}

/* The last step, that needs no network: what the vault has unwrapped opens the keyslot. */
static void check_keyslot(const struct target *target, struct probe_result *result)
{
	struct luks *luks = target->luks;
	uint32_t slots = luks_token_slots(luks, target->token_number) & luks_active_slots(luks);

	if (luks_slot_of(luks, slots, &result->payload) == LUKS_NONE)
		(void)cmk_err(&result->err, CMK_KEYSLOT,
			      "the vault unwrapped the key of token %d, and it opens no keyslot of "
			      "%s; %s",
			      target->token_number, luks->name, cmk_code_hint(CMK_KEYSLOT));
}

static void run_target(struct check *check, const struct target *target)
{
	struct probe_result *result = &check->result;
	struct warnings warnings = { 0 };

	if (!check->json)
		progress("Asking the vault ...");
	probe_run(target->token, target->luks != NULL ? target->luks->header : "",
		  target->luks != NULL ? target->luks->uuid : "", check->debug, result);
	if (target->luks != NULL && result->err.code == CMK_OK)
		check_keyslot(target, result);
	if (target->luks != NULL && result->err.code == CMK_OK)
		(void)luks_plugin_check(&result->err);
	secret_done(&result->payload);
	if (result->has_key)
		warnings_of_key(&warnings, &result->key, (int64_t)time(NULL));
	if (target->luks != NULL)
		warnings_of_volume(&warnings, target->wrappings, luks_bypass_slots(target->luks));
	if (check->json)
		json_result(&check->buf, target, result, &warnings);
	else
		print_result(target, result, &warnings);
	check->count++;
	if (result->err.code != CMK_OK)
		fail(check,
		     check->json ? cmk_code_exit(result->err.code) : report_error(&result->err));
}

/* Each wrapping by itself: a spare vault that no longer answers must be noticed before it is needed. */
static int check_token(struct check *check, struct luks *luks, int number, struct cmk_err *err)
{
	struct token token;
	struct token single;
	int r = luks_token(luks, number, &token, err);

	if (r < 0)
		return r;
	single = token;
	single.wrapped_count = 1;
	for (size_t i = 0; i < token.wrapped_count; i++) {
		struct target target = { luks, number, &single, token.wrapped_count };

		single.wrapped[0] = token.wrapped[i];
		run_target(check, &target);
	}
	return 0;
}

static int check_volume(struct check *check, const char *device, bool must, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	int t = LUKS_NONE;
	int r = luks_open(device, check->debug, &luks, err);

	if (r < 0)
		return r;
	if (must && luks_next_token(luks, LUKS_NONE) == LUKS_NONE)
		return cmk_err(err, CMK_STATE, "%s is not enrolled; see: luks-cmk enroll --help",
			       luks->name);
	while ((t = luks_next_token(luks, t)) != LUKS_NONE) {
		r = check_token(check, luks, t, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_customer(struct check *check, const char *name, struct cmk_err *err)
{
	struct token token;
	struct target target = { NULL, LUKS_NONE, &token, 0 };
	int r = enrol_load(&check->enrol, name, check->debug, err);

	if (r >= 0)
		r = enrol_template(&check->enrol, check->enrol.customer.key, &token, err);
	if (r < 0)
		return r;
	run_target(check, &target);
	for (size_t i = 0; i < check->enrol.customer.spare_keys_count; i++) {
		(void)text_copy(token.wrapped[0].key, sizeof(token.wrapped[0].key),
				check->enrol.customer.spare_keys[i]);
		run_target(check, &target);
	}
	return 0;
}

static int check_all(struct check *check, struct cmk_err *err)
{
	_cleanup_customers_ struct customers customers = { 0 };
	_cleanup_disks_ struct disks disks = { 0 };
	int r = disks_scan(&disks, err);

	if (r >= 0)
		r = customers_scan(&customers, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < disks.count; i++) {
		struct cmk_err one = { 0 };

		if (check_volume(check, disks.paths[i], false, &one) < 0)
			fail(check, report_error(&one));
	}
	for (size_t i = 0; i < customers.count; i++) {
		struct cmk_err one = { 0 };

		if (check_customer(check, customers.names[i], &one) < 0)
			fail(check, report_error(&one));
	}
	if (check->count == 0 && check->status == 0 && !check->json)
		printf("No volume is enrolled and no customer is configured on this machine.\n");
	return 0;
}

static int run(struct call *call, const char *customer, struct check *check, struct cmk_err *err)
{
	int r;

	output_begin(&check->buf);
	buf_json_name(&check->buf, "checks");
	buf_puts(&check->buf, "[");
	if (call->argc > 0)
		r = check_volume(check, call->argv[0], true, err);
	else if (customer != NULL)
		r = check_customer(check, customer, err);
	else
		r = check_all(check, err);
	if (r >= 0 && check->json) {
		buf_puts(&check->buf, "]");
		r = output_end(&check->buf);
	}
	return r < 0 ? r : check->status;
}

/* For whoever builds an initramfs: nothing is asked, and no volume is needed. */
static int check_config(struct cmk_err *err)
{
	static struct config config; /* large, and there is one */
	int r = config_load(CONF_DIR, &config, err);

	if (r < 0)
		return r;
	return puts("The configuration in " CONF_DIR " can be read.") < 0 ? -EIO : 0;
}

int cmd_check(struct call *call, struct cmk_err *err)
{
	static struct check check = { .buf = BUF(OUTPUT_MAX) }; /* large, and there is one */
	const char *customer = NULL;
	const char *initrd = NULL;
	bool all = false;
	bool config = false;
	const struct command_option options[] = {
		{ .name = "customer", .value = &customer },
		{ .name = "initrd", .value = &initrd },
		{ .name = "all", .flag = &all },
		{ .name = "config", .flag = &config },
		{ .name = "json", .flag = &call->json },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 0, 1);

	if (r != 0)
		return r;
	if ((call->argc > 0) + (customer != NULL) + all > 1)
		return usage_error(call, "DEVICE, --customer and --all exclude each other");
	if (initrd != NULL && (customer != NULL || all || call->json))
		return usage_error(call, "--initrd takes a DEVICE and nothing else");
	if (config && (call->argc > 0 || customer != NULL || all || initrd != NULL || call->json))
		return usage_error(call, "--config takes nothing else");
	if (config)
		return check_config(err);
	if (initrd != NULL)
		return check_initrd(initrd, call->argc > 0 ? call->argv[0] : NULL, err);
	check.debug = call->debug;
	check.json = call->json;
	r = run(call, customer, &check, err);
	buf_done(&check.buf);
	return r;
}
