/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The customers' files: what they take, and that each mistake is told with its file and line. */
#include "rows.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "format/config.h"

#define GUID	"6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"
#define X63	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define KEY(n)	"https://contoso.vault.azure.net/keys/" n
#define CONTOSO "[customer]\ntenant_id = " GUID "\nkey = " KEY("disk") "\n"

static void test_customers(void **state)
{
	static const struct {
		const char *name, *text, *why; /* NULL: accepted */
	} rows[] = {
		{ "contoso", CONTOSO, NULL },
		{ "contoso", CONTOSO "spare_key = " KEY("a") " # spare\nspare_key = " KEY("b") "\n",
		  NULL },
		{ "../x", CONTOSO, "\"../x\" is no name of a customer" },
		{ "", CONTOSO, "\"\" is no name of a customer" },
		{ X63 "x", CONTOSO, "; use at most 63 letters, digits, dots" },
		{ ".x", CONTOSO, "underscores, the first a letter or digit" },
		{ "contoso", "", "[customer] lacks key" },
		{ "contoso", "[customer]\ntenant_id = " GUID "\n", "[customer] lacks key" },
		{ "contoso", "[customer]\nkey = " KEY("disk") "\n", "[customer] lacks tenant_id" },
		{ "contoso", "[customer]\ntenant_id = contoso.example\n", "tenant_id is no GUID" },
		{ "contoso", "[customer]\nkey = http://a.vault.azure.net/keys/x\n",
		  "c.conf line 2: key does not begin with https://" },
		{ "contoso", "[customer]\nkey =\n", "key does not begin with https://" },
		{ "contoso", "[customer]\nkey = https://u:pass@h/keys/x\n", "key has a user name" },
		{ "contoso", CONTOSO "key = " KEY("b") "\n", "line 4: \"key\" is set in line 3" },
		{ "contoso", CONTOSO "spare_key = " KEY("DISK") "\n",
		  "line 4: this key is named twice" },
		{ "contoso", CONTOSO "tenant = x\n",
		  "line 4: \"tenant\" is no setting of [customer]" },
		{ "contoso", CONTOSO "[policy]\nallow_tenants =\n",
		  "line 5: [policy] is no section" },
		{ "contoso",
		  CONTOSO "spare_key = " KEY("1") "\nspare_key = " KEY("2") "\nspare_key = " KEY("3") "\nspare_key = " KEY(
			  "4") "\nspare_key = " KEY("5") "\nspare_key = " KEY("6") "\nspare_key "
										   "= " KEY("7") "\nspare_key = " KEY(
											   "8") "\n",
		  "line 11: there are more than 7 spare keys" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct customer customer = { 0 }, again;
		struct cmk_err err = { 0 };
		_cleanup_free_ char *text = NULL;
		int r = customer_parse(rows[i].text, "c.conf", rows[i].name, &customer, &err);

		CHECK_INT(rows[i].text, r, rows[i].why ? -EINVAL : 0);
		if (rows[i].why) {
			CHECK_SENTENCE(rows[i].text, err.text, rows[i].why);
			CHECK(rows[i].text, !strstr(err.text, "pass"));
			continue;
		}
		CHECK_TEXT(rows[i].text, customer.key, KEY("disk"));
		CHECK_INT(rows[i].text, customer.spare_keys_count, i == 1 ? 2 : 0);
		text = customer_format(&customer);
		CHECK(rows[i].text, text);
		CHECK_INT(rows[i].text, customer_parse(text, "c.conf", rows[i].name, &again, NULL),
			  0);
		CHECK(rows[i].text, memcmp(&customer, &again, sizeof(again)) == 0);
	}
}

static void test_files(void **state)
{
	char folder[] = "/tmp/luks-cmk-customer-XXXXXX", path[128];
	struct cmk_err err = { 0 };
	struct customer customer;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(customer_load(folder, "contoso", &customer, &err), -EINVAL);
	assert_non_null(strstr(err.text, "luks-cmk customer add contoso"));
	assert_int_equal(customer_load(folder, "../luks-cmk", &customer, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is no name of a customer"));

	snprintf(path, sizeof(path), "%s/customers.d", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/customers.d/contoso.conf", folder);
	assert_int_equal(io_write_file(path, CONTOSO, strlen(CONTOSO), 0600), 0);
	assert_int_equal(customer_load(folder, "contoso", &customer, &err), 0);
	assert_string_equal(customer.name, "contoso");
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/customers.d", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_customers),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
