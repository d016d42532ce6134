/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which keys of a header may be asked for at all: by cloud, form, algorithm and policy. */
#include "reply.h"

#include "vault/vault.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define HOST	"contoso.vault.azure.net"
#define KEY	"https://" HOST "/keys/disk/" VERSION
#define HSM	"https://contoso.managedhsm.azure.net/keys/disk/" VERSION

static struct config config;

static int setup(void **state)
{
	struct cloud *lab;

	(void)state;
	config_init(&config);
	lab = &config.clouds[config.clouds_count++];
	*lab = config.clouds[0];
	(void)snprintf(lab->name, sizeof(lab->name), "lab");
	(void)snprintf(lab->vault_suffix, sizeof(lab->vault_suffix), "vault.test:8443");
	lab->hsm_suffix[0] = '\0';
	return 0;
}

static struct token_wrapping make_wrapping(const char *key)
{
	struct token_wrapping wrapping = { .vault = "azure",
					   .cloud = "AzurePublic",
					   .tenant_id = TENANT,
					   .client_id = CLIENT,
					   .alg = "RSA-OAEP-256",
					   .value = "d3JhcHBlZA" };

	(void)snprintf(wrapping.key, sizeof(wrapping.key), "%s", key);
	return wrapping;
}

struct resolve_row {
	const char *name, *cloud, *key, *alg, *value;
	bool template;
	enum cmk_code code;
	const char *expected; /* the scope, or a part of the sentence */
};

#define PUBLIC	"AzurePublic"
#define OAEP	"RSA-OAEP-256"
#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct resolve_row resolves[] = {
	{ "vault", PUBLIC, KEY, OAEP, "AA", false, CMK_OK, "https://vault.azure.net/.default" },
	{ "SHA-1", PUBLIC, KEY, "RSA-OAEP", "AA", false, CMK_OK,
	  "https://vault.azure.net/.default" },
	{ "HSM", PUBLIC, HSM, OAEP, "AA", false, CMK_OK, "https://managedhsm.azure.net/.default" },
	{ "AES", PUBLIC, HSM, "A256KW", "AA", false, CMK_OK,
	  "https://managedhsm.azure.net/.default" },
	{ "AES of another size", PUBLIC, HSM, "A128KW", "AA", false, CMK_TOKEN, "'A128KW'" },
	{ "lab", "lab", "https://v.vault.test:8443/keys/disk/" VERSION, OAEP, "AA", false, CMK_OK,
	  "https://vault.test/.default" },
	{ "case", PUBLIC, "https://CONTOSO.Vault.Azure.Net/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_OK, "https://vault.azure.net/.default" },
	{ "template", PUBLIC, "https://" HOST "/keys/disk", "", "", true, CMK_OK,
	  "https://vault.azure.net/.default" },
	{ "longest", PUBLIC, "https://" LABEL63 ".vault.azure.net/keys/k", "", "", true, CMK_OK,
	  "https://vault.azure.net/.default" },
	{ "too long", PUBLIC, "https://a" LABEL63 ".vault.azure.net/keys/k", "", "", true,
	  CMK_POLICY, "no vault of cloud" },
	{ "no version", PUBLIC, "https://" HOST "/keys/disk", OAEP, "AA", false, CMK_TOKEN,
	  "no version" },
	{ "no value", PUBLIC, KEY, OAEP, "", false, CMK_TOKEN, "no wrapped value" },
	{ "no algorithm", PUBLIC, KEY, "", "AA", false, CMK_TOKEN, "''" },
	{ "weak", PUBLIC, KEY, "RSA1_5", "AA", false, CMK_TOKEN, "padding is weak" },
	{ "newer", PUBLIC, KEY, "ML-KEM", "AA", false, CMK_TOKEN, "'ML-KEM'" },
	{ "foreign", PUBLIC, "https://contoso.example.com/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "contoso.example.com is no vault of cloud AzurePublic" },
	{ "lookalike", PUBLIC, "https://evilvault.azure.net/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "evilvault.azure.net" },
	{ "the suffix", PUBLIC, "https://vault.azure.net/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "empty label", PUBLIC, "https://.vault.azure.net/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "two labels", PUBLIC, "https://a.b.vault.azure.net/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "suffix inside", PUBLIC, "https://a.vault.azure.net.evil.com/keys/d/" VERSION, OAEP, "AA",
	  false, CMK_POLICY, "" },
	{ "final dot", PUBLIC, "https://" HOST "./keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "port", PUBLIC, "https://" HOST ":443/keys/disk/" VERSION, OAEP, "AA", false, CMK_POLICY,
	  "" },
	{ "lab without port", "lab", "https://v.vault.test/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "other port", "lab", "https://v.vault.test:8444/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "number", PUBLIC, "https://169.254.169.254/keys/disk/" VERSION, OAEP, "AA", false,
	  CMK_POLICY, "" },
	{ "other cloud's", "AzureChina", KEY, OAEP, "AA", false, CMK_POLICY, "AzureChina" },
	{ "user", PUBLIC, "https://x@" HOST "/keys/disk/" VERSION, OAEP, "AA", false, CMK_TOKEN,
	  "" },
	{ "backslash", PUBLIC, "https://evil.com\\." HOST "/keys/d/" VERSION, OAEP, "AA", false,
	  CMK_TOKEN, "" },
	{ "escaped", PUBLIC, "https://evil.com%2f." HOST "/keys/d/" VERSION, OAEP, "AA", false,
	  CMK_TOKEN, "" },
	{ "IPv6", PUBLIC, "https://[::1]/keys/disk/" VERSION, OAEP, "AA", false, CMK_TOKEN, "" },
	{ "http", PUBLIC, "http://" HOST "/keys/disk/" VERSION, OAEP, "AA", false, CMK_TOKEN, "" },
	{ "secret", PUBLIC, "https://" HOST "/secrets/disk/" VERSION, OAEP, "AA", false, CMK_TOKEN,
	  "must look like https://VAULT.vault.azure.net/keys/NAME/VERSION" },
	{ "query", PUBLIC, KEY "?x=1", OAEP, "AA", false, CMK_TOKEN, "" },
	{ "fragment", PUBLIC, KEY "#x", OAEP, "AA", false, CMK_TOKEN, "" },
	{ "deeper", PUBLIC, KEY "/decrypt", OAEP, "AA", false, CMK_TOKEN, "" },
	{ "final slash", PUBLIC, "https://" HOST "/keys/disk/", "", "", true, CMK_TOKEN, "" },
	{ "up", PUBLIC, "https://" HOST "/keys/../" VERSION, OAEP, "AA", false, CMK_TOKEN, "" },
	{ "short version", PUBLIC, "https://" HOST "/keys/disk/0123", OAEP, "AA", false, CMK_TOKEN,
	  "" },
	{ "escape", PUBLIC, "https://\033[2J/keys/d", OAEP, "AA", false, CMK_TOKEN, "\\x1b" },
	{ "unknown cloud", "Mars", KEY, OAEP, "AA", false, CMK_CONFIG, "[cloud Mars]" },
};

static void test_resolve(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(resolves); i++) {
		const struct resolve_row *row = &resolves[i];
		struct token_wrapping wrapping = make_wrapping(row->key);
		struct vault_target target = { 0 };
		struct cmk_err err = { 0 };
		(void)snprintf(wrapping.cloud, sizeof(wrapping.cloud), "%s", row->cloud);
		(void)snprintf(wrapping.alg, sizeof(wrapping.alg), "%s", row->alg);
		(void)snprintf(wrapping.value, sizeof(wrapping.value), "%s", row->value);
		int r = vault_target_init(&target, &config, &wrapping, row->template, &err);
		CHECK_INT(row->name, err.code, row->code);
		CHECK_INT(row->name, r, cmk_code_errno(row->code));
		if (r < 0) {
			CHECK_SENTENCE(row->name, err.text, row->expected);
			CHECK(row->name, target.ops == NULL);
			continue;
		}
		CHECK_TEXT(row->name, target.scope, row->expected);
		CHECK_TEXT(row->name, target.origin + strlen("https://"), target.host);
		CHECK_INT(row->name, target.hsm, strstr(row->expected, "hsm") != NULL);
	}
}

static void test_policy(void **state)
{
	static const struct {
		const char *name, *vault, *tenant, *allow_vault, *allow_tenant;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "all", "azure", TENANT, "", "", CMK_OK, "" },
		{ "both", "azure", TENANT, "Contoso.vault.azure.net", TENANT, CMK_OK, "" },
		{ "other vault", "azure", TENANT, "fabrikam.vault.azure.net", "", CMK_POLICY,
		  "allow_vaults" },
		{ "other tenant", "azure", TENANT, "", CLIENT, CMK_POLICY, "allow_tenants" },
		{ "no GUID", "azure", "../x", "", "", CMK_TOKEN, "GUID" },
		{ "kind", "gcp", TENANT, "", "", CMK_TOKEN, "newer luks-cmk" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token_wrapping wrapping = make_wrapping(KEY);
		struct config_list *vaults = &config.policy.allow_vaults,
				   *tenants = &config.policy.allow_tenants;
		struct vault_target target;
		struct cmk_err err = { 0 };
		(void)snprintf(wrapping.vault, sizeof(wrapping.vault), "%s", rows[i].vault);
		(void)snprintf(wrapping.tenant_id, sizeof(wrapping.tenant_id), "%s",
			       rows[i].tenant);
		vaults->count = rows[i].allow_vault[0] != '\0';
		tenants->count = rows[i].allow_tenant[0] != '\0';
		(void)snprintf(vaults->items[0], CONFIG_HOST_MAX, "%s", rows[i].allow_vault);
		(void)snprintf(tenants->items[0], CONFIG_HOST_MAX, "%s", rows[i].allow_tenant);
		CHECK_INT(rows[i].name, vault_target_init(&target, &config, &wrapping, false, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		if (rows[i].code != CMK_OK)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		vaults->count = tenants->count = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_policy),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
