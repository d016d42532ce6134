/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk customer: whose keys this machine may enrol volumes with. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "customers.h"
#include "handover.h"
#include "keyurl.h"
#include "lookup.h"
#include "output.h"

struct add_args {
	const char *tenant;
	const char *key;
	struct option_list spares;
	bool force;
	bool debug;
};

static int add_key(const struct cloud *cloud, const char *url, char out[static TOKEN_KEY_MAX],
		   struct cmk_err *err)
{
	int r = keyurl_check(cloud, url, err);

	if (r < 0)
		return r;
	(void)text_copy(out, TOKEN_KEY_MAX, url); /* keyurl_check() bounds it */
	return 0;
}

static int fill(const struct add_args *args, const char *name, struct customer *ret,
		struct cmk_err *err)
{
	static struct config config; /* large, and there is one */
	const struct cloud *cloud;
	int r = customers_config(&config, &cloud, err);

	if (r >= 0)
		r = customer_name_check(name, err);
	if (r < 0)
		return r;
	(void)text_copy(ret->name, sizeof(ret->name), name);
	r = add_key(cloud, args->key, ret->key, err);
	for (size_t i = 0; r >= 0 && i < args->spares.count; i++)
		r = add_key(cloud, args->spares.items[i], ret->spare_keys[ret->spare_keys_count++],
			    err);
	/* Last: what needs no network is right by now. */
	return r < 0 ? r : lookup_tenant(args->tenant, args->debug, ret->tenant_id, err);
}

static bool same(const struct customer *a, const struct customer *b)
{
	if (strcasecmp(a->tenant_id, b->tenant_id) != 0 || strcmp(a->key, b->key) != 0 ||
	    a->spare_keys_count != b->spare_keys_count)
		return false;
	for (size_t i = 0; i < a->spare_keys_count; i++) {
		if (strcmp(a->spare_keys[i], b->spare_keys[i]) != 0)
			return false;
	}
	return true;
}

/* 1: it is there, just like this. */
static int check_existing(const struct customer *wanted, const char *path, bool force,
			  struct cmk_err *err)
{
	struct customer found;

	if (access(path, F_OK) < 0)
		return 0;
	if (customer_load(CONF_DIR, wanted->name, &found, NULL) >= 0 && same(&found, wanted))
		return 1;
	if (force)
		return 0;
	return cmk_err(err, CMK_STATE,
		       "customer %s is configured differently in %s; replace it with --force",
		       wanted->name, path);
}

static int write_file(const struct customer *customer, const char *path, struct cmk_err *err)
{
	_cleanup_free_ char *text = customer_format(customer);
	struct customer read_back;
	int r;

	if (text == NULL)
		return -ENOMEM;
	/* What is written now must be readable at the next enrolment. */
	r = customer_parse(text, path, customer->name, &read_back, err);
	if (r < 0)
		return r;
	r = io_mkdir(CONF_DIR, 0755);
	if (r >= 0)
		r = io_mkdir(CUSTOMERS_DIR, 0755);
	if (r >= 0)
		r = io_write_file(path, text, strlen(text), 0644);
	if (r < 0)
		return cmk_err_errno(err, CMK_CONFIG, -r, "%s cannot be written%s", path,
				     r == -EACCES ? "; run as root" : "");
	return 0;
}

static int customer_add(struct call *call, struct cmk_err *err)
{
	struct customer customer = { 0 };
	struct add_args args = { 0 };
	char path[sizeof(CUSTOMERS_DIR) + TOKEN_NAME_MAX + 8];
	const struct command_option options[] = {
		{ .name = "tenant", .value = &args.tenant },
		{ .name = "key", .value = &args.key },
		{ .name = "spare-key", .list = &args.spares },
		{ .name = "force", .flag = &args.force },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 1, 1);

	if (r != 0)
		return r;
	if (args.tenant == NULL || args.key == NULL)
		return usage_error(call, "customer add needs --tenant and --key");
	args.debug = call->debug;
	r = fill(&args, call->argv[0], &customer, err);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), CUSTOMERS_DIR "/%s.conf", customer.name);
	r = check_existing(&customer, path, args.force, err);
	if (r == 0)
		r = write_file(&customer, path, err);
	if (r < 0)
		return r;
	printf(r > 0 ? "Customer %s is in %s already, just like this.\n"
		     : "Added customer %s: %s\n",
	       customer.name, path);
	return 0;
}

static void print_json(struct buf *b, const struct customer *customer)
{
	output_member(b, "name", customer->name);
	output_member(b, "tenant_id", customer->tenant_id);
	output_member(b, "key", customer->key);
	buf_json_name(b, "spare_keys");
	buf_puts(b, "[");
	for (size_t i = 0; i < customer->spare_keys_count; i++) {
		char shown[TOKEN_KEY_MAX];

		text_escape(shown, sizeof(shown), customer->spare_keys[i]);
		buf_json_next(b);
		buf_json_string(b, shown);
	}
	buf_puts(b, "]");
}

/* One wrong file does not hide the other customers. */
static int list_one(const char *name, struct table *table, struct buf *json)
{
	struct cmk_err err = { 0 };
	struct customer customer;

	if (customer_load(CONF_DIR, name, &customer, &err) < 0)
		return report_error(&err);
	table_add(table, customer.name);
	table_add(table, customer.tenant_id);
	if (customer.spare_keys_count > 0)
		table_printf(table, "%s (+%zu)", customer.key, customer.spare_keys_count);
	else
		table_add(table, customer.key);
	buf_json_next(json);
	buf_puts(json, "{");
	print_json(json, &customer);
	buf_puts(json, "}");
	return 0;
}

static int customer_list(struct call *call, struct cmk_err *err)
{
	_cleanup_customers_ struct customers customers = { 0 };
	_cleanup_table_ struct table table = { .columns = 3 };
	_cleanup_buf_ struct buf json = BUF(OUTPUT_MAX);
	const struct command_option options[] = { { .name = "json", .flag = &call->json } };
	int status = 0;
	int r = options_parse(call, options, 1, 0, 0);

	if (r != 0)
		return r;
	r = customers_scan(&customers, err);
	if (r < 0)
		return r;
	table_add(&table, "NAME");
	table_add(&table, "TENANT");
	table_add(&table, "KEY");
	output_begin(&json);
	buf_json_name(&json, "customers");
	buf_puts(&json, "[");
	for (size_t i = 0; i < customers.count; i++) {
		r = list_one(customers.names[i], &table, &json);
		status = status != 0 ? status : r;
	}
	buf_puts(&json, "]");
	if (call->json)
		r = output_end(&json);
	else if (customers.count == 0)
		r = puts("No customer is configured in " CUSTOMERS_DIR ".") < 0 ? -EIO : 0;
	else
		r = table_print(&table);
	return r < 0 ? r : status;
}

static int customer_show(struct call *call, struct cmk_err *err)
{
	_cleanup_buf_ struct buf json = BUF(OUTPUT_MAX);
	const struct command_option options[] = { { .name = "json", .flag = &call->json } };
	struct customer customer;
	int r = options_parse(call, options, 1, 1, 1);

	if (r != 0)
		return r;
	r = customer_load(CONF_DIR, call->argv[0], &customer, err);
	if (r < 0)
		return r;
	if (call->json) {
		output_begin(&json);
		print_json(&json, &customer);
		return output_end(&json);
	}
	printf("Customer:  %s\nTenant:    %s\nKey:       ", customer.name, customer.tenant_id);
	output_escaped(customer.key);
	for (size_t i = 0; i < customer.spare_keys_count; i++) {
		printf("\nSpare key: ");
		output_escaped(customer.spare_keys[i]);
	}
	printf("\nFile:      " CUSTOMERS_DIR "/%s.conf\n", customer.name);
	return 0;
}

int cmd_customer(struct call *call, struct cmk_err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct call *call, struct cmk_err *err);
	} verbs[] = {
		{ "add", customer_add },
		{ "list", customer_list },
		{ "show", customer_show },
		{ "handover", customer_handover },
	};
	const char *verb = call->argc > 1 ? call->argv[1] : "";

	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return STATUS_HELP;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		call->argc--;
		call->argv++;
		return verbs[i].run(call, err);
	}
	return usage_error(call, "customer wants add, list, show or handover");
}
