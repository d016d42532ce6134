/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URLs of keys as people write them: under the configured cloud, and nothing else. */
#include "rows.h"

#include "tools/admin/keyurl.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define DISK	"https://contoso.vault.azure.net/keys/disk"

static const struct cloud cloud = { .name = "AzurePublic",
				    .vault_suffix = "vault.azure.net",
				    .hsm_suffix = "managedhsm.azure.net" };
static const struct cloud lab = { .name = "lab", .vault_suffix = "vault.localhost:8443" };

static void test_check(void **state)
{
	static const struct {
		const char *url;
		const struct cloud *cloud;
		bool good;
	} rows[] = {
		{ DISK, &cloud, true },
		{ DISK "/" VERSION, &cloud, true },
		{ "https://CONTOSO.Vault.Azure.NET/keys/Disk-1", &cloud, true },
		{ "https://h.managedhsm.azure.net/keys/a", &cloud, true },
		{ "https://contoso.vault.localhost:8443/keys/disk", &lab, true },
		{ "https://contoso.vault.localhost/keys/disk", &lab, false },
		{ "https://contoso.vault.localhost:84430/keys/disk", &lab, false },
		{ "https://contoso./keys/disk", &lab, false }, /* it has no suffix for HSMs */
		{ "", &cloud, false },
		{ "http://contoso.vault.azure.net/keys/disk", &cloud, false },
		{ "https://vault.azure.net/keys/disk", &cloud, false },
		{ "https://.vault.azure.net/keys/disk", &cloud, false },
		{ "https://a.b.vault.azure.net/keys/disk", &cloud, false },
		{ "https://contoso.vault.azure.net.example/keys/disk", &cloud, false },
		{ "https://contoso.vault.azure.net:443/keys/disk", &cloud, false },
		{ "https://a@contoso.vault.azure.net/keys/disk", &cloud, false },
		{ "https://evil/contoso.vault.azure.net/keys/disk", &cloud, false },
		{ "https://contoso.vault.azure.net", &cloud, false },
		{ "https://contoso.vault.azure.net/keys/", &cloud, false },
		{ DISK "/", &cloud, false },
		{ DISK "/latest", &cloud, false },
		{ DISK "/" VERSION "0", &cloud, false },
		{ DISK "/" VERSION "/x", &cloud, false },
		{ DISK "?a=b", &cloud, false },
		{ DISK "#a", &cloud, false },
		{ DISK "\n", &cloud, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { 0 };
		int r = keyurl_check(rows[i].cloud, rows[i].url, &err);

		CHECK_INT(rows[i].url, r == 0, rows[i].good);
		CHECK_INT(rows[i].url, err.code, rows[i].good ? CMK_OK : CMK_CONFIG);
		if (!rows[i].good)
			CHECK_SENTENCE(rows[i].url, err.text, rows[i].cloud->vault_suffix);
	}
}

static void test_same(void **state)
{
	static const struct {
		const char *wanted;
		const char *key;
		bool same;
		bool matches;
	} rows[] = {
		{ DISK, DISK, true, true },
		{ DISK, DISK "/" VERSION, true, true },
		{ DISK "/" VERSION, DISK "/" VERSION, true, true },
		{ DISK "/", DISK "/" VERSION, true, true },
		{ DISK "/ffff456789abcdef0123456789abcdef", DISK "/" VERSION, true, false },
		{ "https://Contoso.vault.azure.net/keys/DISK", DISK "/" VERSION, true, true },
		{ DISK "2", DISK "/" VERSION, false, false },
		{ "https://contoso.vault.azure.net/keys/dis", DISK, false, false },
		{ "https://fabrikam.vault.azure.net/keys/disk", DISK, false, false },
		{ "", DISK, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_INT(rows[i].wanted, keyurl_same_key(rows[i].wanted, rows[i].key),
			  rows[i].same);
		CHECK_INT(rows[i].wanted, keyurl_matches(rows[i].wanted, rows[i].key),
			  rows[i].matches);
	}
}

static void test_split(void **state)
{
	static const struct {
		const char *url;
		const struct cloud *cloud;
		const char *store; /* NULL: refused */
		const char *key;
		bool hsm, versioned;
	} rows[] = {
		{ DISK, &cloud, "contoso", "disk", false, false },
		{ DISK "/" VERSION, &cloud, "contoso", "disk", false, true },
		{ "https://h-1.managedhsm.azure.net/keys/A-b", &cloud, "h-1", "A-b", true, false },
		{ "https://contoso.vault.localhost:8443/keys/disk", &lab, "contoso", "disk", false,
		  false },
		{ "https://contoso.vault.azure.net/keys/disk'", &cloud, NULL, NULL, false, false },
		{ "https://a123456789b123456789c123456789d123456789e123456789f123456789abcd"
		  ".vault.azure.net/keys/disk",
		  &cloud, NULL, NULL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct keyurl parts = { 0 };
		struct cmk_err err = { 0 };
		int r = keyurl_split(rows[i].cloud, rows[i].url, &parts, &err);

		CHECK_INT(rows[i].url, r == 0, rows[i].store != NULL);
		CHECK_INT(rows[i].url, err.code, rows[i].store ? CMK_OK : CMK_CONFIG);
		CHECK_TEXT(rows[i].url, parts.store, rows[i].store ? rows[i].store : "");
		CHECK_TEXT(rows[i].url, parts.key, rows[i].key ? rows[i].key : "");
		CHECK_INT(rows[i].url, parts.hsm, rows[i].hsm);
		CHECK_INT(rows[i].url, parts.versioned, rows[i].versioned);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
