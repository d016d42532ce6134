/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk check: whether the next unlock would succeed, step by step. Changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "check-initrd.h"
#include "check.h"
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

static void fail(struct check *check, int status)
{
	if (check->status == 0)
		check->status = status;
}

/* The last steps, that need no network: what the vault has unwrapped opens the keyslot. */
static void check_keyslot(const struct check_target *target, struct probe_result *result)
{
	struct luks *luks = target->luks;
	uint32_t slots = luks_token_slots(luks, target->token_number) & luks_active_slots(luks);
	int64_t began = io_now_ms();

	if (luks_slot_of(luks, slots, &result->payload) == LUKS_NONE)
		(void)cmk_err(&result->err, CMK_KEYSLOT,
			      "the vault unwrapped the key of token %d, and it opens no keyslot of "
			      "%s; %s",
			      target->token_number, luks->name, cmk_code_hint(CMK_KEYSLOT));
	probe_add_step(result, "keyslot", "", io_now_ms() - began, result->err.code);
	if (result->err.code != CMK_OK)
		return;
	began = io_now_ms();
	(void)luks_plugin_check(&result->err);
	probe_add_step(result, "plugin", "", io_now_ms() - began, result->err.code);
}

static void show(struct check *check, const struct check_outcome *outcome)
{
	const struct cmk_err *err = &outcome->result->err;

	if (check->json)
		check_json(&check->buf, outcome);
	else
		check_print(outcome);
	check->count++;
	if (err->code != CMK_OK)
		fail(check, check->json ? cmk_code_exit(err->code) : report_error(err));
}

static void run_target(struct check *check, const struct check_target *target)
{
	struct probe_result *result = &check->result;
	struct warnings warnings = { 0 };

	if (!check->json)
		progress("Asking the vault ...");
	probe_run(target->token, target->luks != NULL ? target->luks->header : "",
		  target->luks != NULL ? target->luks->uuid : "", check->debug, result);
	if (target->luks != NULL && result->err.code == CMK_OK)
		check_keyslot(target, result);
	secret_done(&result->payload);
	warnings_of_machine(&warnings, &result->found);
	if (result->has_key)
		warnings_of_key(&warnings, &result->key, (int64_t)time(NULL));
	if (target->luks != NULL)
		warnings_of_volume(&warnings, target->wrappings, luks_bypass_slots(target->luks));
	show(check, &(struct check_outcome){ target, result, &warnings, NULL });
}

/* A token of which there is nothing to ask the helper. */
static void show_unreadable(struct check *check, struct luks *luks, int number,
			    const struct cmk_err *err)
{
	static const struct token none;
	const struct check_target target = { luks, number, &none, 0 };
	const struct warnings warnings = { 0 };

	if (!check->json) {
		fail(check, report_error(err));
		return;
	}
	check->result = (struct probe_result){ .err = *err };
	probe_add_step(&check->result, "configuration", "", 0, err->code);
	show(check, &(struct check_outcome){ &target, &check->result, &warnings, NULL });
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
		struct check_target target = { luks, number, &single, token.wrapped_count };

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
	/* One that cannot be read hides no other. */
	while ((t = luks_next_token(luks, t)) != LUKS_NONE) {
		struct cmk_err one = { 0 };

		if (check_token(check, luks, t, &one) < 0)
			show_unreadable(check, luks, t, &one);
	}
	return 0;
}

/* Where the customer's file is what is wrong: what to run, as a template. */
static const char *customer_command(const char *name)
{
	char path[sizeof(CUSTOMERS_DIR) + TOKEN_NAME_MAX + 8];

	(void)snprintf(path, sizeof(path), CUSTOMERS_DIR "/%s.conf", name);
	if (customer_name_check(name, NULL) < 0 || access(path, F_OK) < 0)
		return "luks-cmk customer list";
	return "sudoedit " CUSTOMERS_DIR "/{customer}.conf";
}

/* The first step of all: without a configuration nobody is asked. Moves err into the outcome. */
static int not_configured(struct check *check, const char *name, int64_t ms, struct cmk_err *err)
{
	static struct token token; /* of which there is none */
	const struct check_target target = { NULL, LUKS_NONE, &token, 0 };
	const struct warnings warnings = { 0 };

	token = (struct token){ 0 };
	/* The beginning of one that is too long for any customer. */
	(void)snprintf(token.customer, sizeof(token.customer), "%.*s", TOKEN_NAME_MAX - 1, name);
	check->result = (struct probe_result){ .err = *err };
	*err = (struct cmk_err){ 0 };
	probe_add_step(&check->result, "configuration", "", ms, check->result.err.code);
	show(check, &(struct check_outcome){ &target, &check->result, &warnings,
					     check->enrol.customer_wrong ? customer_command(name)
									 : NULL });
	return 0;
}

static int check_customer(struct check *check, const char *name, struct cmk_err *err)
{
	struct token token;
	struct check_target target = { NULL, LUKS_NONE, &token, 0 };
	int64_t began = io_now_ms();
	int r = enrol_load(&check->enrol, name, check->debug, err);

	if (r >= 0)
		r = enrol_template(&check->enrol, check->enrol.customer.key, &token, err);
	if (r < 0)
		return r == -ENOMEM ? r : not_configured(check, name, io_now_ms() - began, err);
	run_target(check, &target);
	for (size_t i = 0; i < check->enrol.customer.spare_keys_count; i++) {
		(void)text_copy(token.wrapped[0].key, sizeof(token.wrapped[0].key),
				check->enrol.customer.spare_keys[i]);
		run_target(check, &target);
	}
	return 0;
}

static int config_check(struct cmk_err *err)
{
	static struct config config; /* large, and there is one */

	return config_load(CONF_DIR, &config, err);
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

		if (check_volume(check, disks.items[i].path, false, &one) < 0)
			fail(check, report_error(&one));
	}
	for (size_t i = 0; i < customers.count; i++) {
		struct cmk_err one = { 0 };

		if (check_customer(check, customers.names[i], &one) < 0)
			fail(check, report_error(&one));
	}
	if (check->count > 0 || check->status != 0)
		return 0;
	r = config_check(err);
	if (r < 0)
		return r;
	if (!check->json)
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
	int r = config_check(err);

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
