/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which code, whose turn and what sentence follows from what a service answers: each answer that is known of
 * the metadata service, of Entra and of the vaults, as it travels, and the table of causes behind it.
 */
#include "reply.h"

#include "base/cause.h"
#include "identity/identity.h"
#include "vault/entra.h"

#define VERSION	   "0123456789abcdef0123456789abcdef"
#define VAULT	   "contoso.vault.azure.net"
#define ENTRA	   "login.microsoftonline.com"
#define METADATA   "169.254.169.254"
#define AGENT	   "127.0.0.1:40342"
#define CORRELATED "5ee4a9a0-8a55-4f2b-8d35-4e2f63a3b5b1"

enum service { IMDS, ARC, GCP, SIGN_IN, KEY_VAULT, HSM };

struct row {
	enum service service;
	long status;
	const char *body;
	enum cmk_code code;
	enum cmk_party party;
	const char *sentence; /* a part of it */
};

#define MACHINE	 CMK_PARTY_MACHINE
#define PROVIDER CMK_PARTY_PROVIDER
#define CUSTOMER CMK_PARTY_CUSTOMER
#define NOBODY	 CMK_PARTY_NOBODY

#define METADATA_SAYS(error, text) \
	IMDS, 400, "{\"error\":\"" error "\",\"error_description\":\"" text "\"}"
#define ARC_SAYS(error, text) \
	ARC, 400, "{\"error\":\"" error "\",\"error_description\":\"" text "\"}"
#define SIGN_IN_SAYS(status, error, number)                                           \
	SIGN_IN, status,                                                              \
		"{\"error\":\"" error "\",\"error_description\":\"AADSTS" number      \
		": Words of Entra. More.\\r\\nTrace ID: x\",\"error_codes\":[" number \
		"],\"timestamp\":\"2026-11-23 "                                       \
		"17:00:00Z\",\"trace_id\":\"x\",\"correlation_id\":\"" CORRELATED     \
		"\",\"error_uri\":\"https://" ENTRA "/error?code=" number "\"}"
#define REFUSED(number) SIGN_IN_SAYS(401, "invalid_client", number)
#define INVALID(number) SIGN_IN_SAYS(400, "invalid_request", number)
#define FORBIDDEN(inner)                                                         \
	KEY_VAULT, 403,                                                          \
		"{\"error\":{\"code\":\"Forbidden\",\"message\":\"Words of the " \
		"vault.\\r\\nCaller: x\","                                       \
		"\"innererror\":{\"code\":\"" inner "\"}}}"
#define VAULT_SAYS(service, status, code, text) \
	service, status, "{\"error\":{\"code\":\"" code "\",\"message\":\"" text "\"}}"

static const struct row rows[] = {
	/* The metadata service */
	{ METADATA_SAYS("invalid_request", "Identity not found"), CMK_IDENTITY, PROVIDER,
	  "has no identity " IDENTITY " for this machine" },
	{ METADATA_SAYS("invalid_request", "Multiple user assigned identities exist"), CMK_IDENTITY,
	  PROVIDER, "Multiple user assigned" },
	{ METADATA_SAYS("invalid_request", "Required metadata header not specified"), CMK_PROTOCOL,
	  MACHINE, "did not see our Metadata header" },
	{ METADATA_SAYS("invalid_resource", "AADSTS500011: none"), CMK_CONFIG, MACHINE,
	  "knows no audience 'api://AzureADTokenExchange'" },
	{ IMDS, 400, "", CMK_PROTOCOL, MACHINE, "without a reason" },
	{ IMDS, 403, "connecting to 169.254.169.254:80: network is unreachable", CMK_IDENTITY,
	  MACHINE, "is not Azure's metadata service" },
	{ IMDS, 404, "", CMK_SERVICE_DOWN, MACHINE, "virtual machine in Azure" },
	{ IMDS, 408, "", CMK_SERVICE_DOWN, MACHINE, "gives no token now" },
	{ IMDS, 410, "", CMK_SERVICE_DOWN, NOBODY, "70 seconds" },
	{ IMDS, 429, "", CMK_THROTTLED, MACHINE, "asks it all the time" },
	{ IMDS, 500, "", CMK_SERVICE_DOWN, NOBODY, "out of order" },
	{ IMDS, 502, "", CMK_SERVICE_DOWN, MACHINE, "through a proxy" },
	{ IMDS, 504, "", CMK_SERVICE_DOWN, MACHINE, "through a proxy" },
	/* Azure Arc's agent; what has no row of its own is said by those of the metadata service. */
	{ ARC_SAYS("invalid_request", "Identity not found"), CMK_IDENTITY, PROVIDER,
	  "Azure Arc's agent at 127.0.0.1:40342 has no identity " IDENTITY },
	{ ARC_SAYS("invalid_request", "Required metadata header not specified"), CMK_PROTOCOL,
	  MACHINE, "did not see our Metadata header" },
	{ ARC_SAYS("invalid_resource", "x"), CMK_CONFIG, MACHINE, "knows no audience" },
	{ ARC, 200, "{\"access_token\":\"a.b.c\",\"client_id\":\"" CLIENT "\"}", CMK_IDENTITY,
	  PROVIDER, "assign the right one to the machine in Azure Arc" },
	{ ARC, 200, "{\"access_token\":\"a.b.c\"}", CMK_IDENTITY, MACHINE,
	  "does not say that its answer is for identity " IDENTITY },
	{ ARC, 400, "", CMK_PROTOCOL, MACHINE, "without a reason" },
	{ ARC, 401, "", CMK_IDENTITY, MACHINE, "run this on a machine connected to Azure Arc" },
	{ ARC, 404, "", CMK_SERVICE_DOWN, MACHINE, "this is a machine connected to Azure Arc" },
	{ ARC, 429, "", CMK_THROTTLED, MACHINE, "asks it all the time" },
	{ ARC, 500, "", CMK_SERVICE_DOWN, NOBODY, "Azure Arc's agent at" },
	{ ARC, 502, "", CMK_SERVICE_DOWN, MACHINE, "through a proxy" },
	{ ARC, 302, "", CMK_PROTOCOL, MACHINE, "never should" },
	/* Google's metadata server */
	{ GCP, 200, "a.b.c", CMK_IDENTITY, MACHINE, "is not Google's metadata server" },
	{ GCP, 400, "Google", CMK_CONFIG, MACHINE, "audience 'api://AzureADTokenExchange'" },
	{ GCP, 403, "Google", CMK_IDENTITY, PROVIDER, "service account" },
	{ GCP, 404, "Google", CMK_IDENTITY, PROVIDER, "attach one to the instance (HTTP 404)" },
	{ GCP, 404, "", CMK_IDENTITY, MACHINE, "what answers at 169.254.169.254 is not" },
	{ GCP, 429, "Google", CMK_THROTTLED, MACHINE, "asks it all the time" },
	{ GCP, 408, "Google", CMK_SERVICE_DOWN, NOBODY, "out of order" },
	{ GCP, 503, "", CMK_SERVICE_DOWN, NOBODY, "out of order" },
	{ GCP, 302, "Google", CMK_PROTOCOL, MACHINE, "never should" },
	/* Entra */
	{ SIGN_IN_SAYS(400, "unauthorized_client", "700016"), CMK_CONSENT, CUSTOMER, "consents" },
	{ REFUSED("7000229"), CMK_CONSENT, CUSTOMER, "not consented" },
	{ INVALID("65001"), CMK_CONSENT, CUSTOMER, "not consented" },
	{ REFUSED("7000112"), CMK_PRINCIPAL_DISABLED, CUSTOMER, "disabled its service principal" },
	{ REFUSED("500014"), CMK_PRINCIPAL_DISABLED, CUSTOMER, "vault service's own principal" },
	{ INVALID("90002"), CMK_TENANT, MACHINE, "no such tenant" },
	{ INVALID("900023"), CMK_TENANT, MACHINE, "no tenant's id" },
	{ INVALID("50034"), CMK_TENANT, MACHINE, "not in that tenant" },
	{ SIGN_IN_SAYS(400, "invalid_resource", "500011"), CMK_TENANT, CUSTOMER,
	  "creates Key Vault's service principal" },
	{ SIGN_IN_SAYS(400, "invalid_resource", "50001"), CMK_TENANT, CUSTOMER, "vault service" },
	{ SIGN_IN_SAYS(400, "invalid_scope", "70011"), CMK_CONFIG, MACHINE, "scope is malformed" },
	{ SIGN_IN_SAYS(400, "invalid_scope", "28002"), CMK_CONFIG, MACHINE, "scope is malformed" },
	{ SIGN_IN_SAYS(400, "invalid_scope", "1002012"), CMK_CONFIG, MACHINE, "scope is" },
	{ REFUSED("70021"), CMK_FEDERATION, PROVIDER, "waits minutes" },
	{ REFUSED("700211"), CMK_FEDERATION, PROVIDER, "the assertion's issuer" },
	{ REFUSED("700212"), CMK_FEDERATION, PROVIDER, "the assertion's audience" },
	{ REFUSED("700213"), CMK_FEDERATION, PROVIDER, "the assertion's subject" },
	{ REFUSED("7002137"), CMK_FEDERATION, PROVIDER, "the assertion's subject" },
	{ REFUSED("7002138"), CMK_FEDERATION, PROVIDER, "letter case" },
	{ REFUSED("700236"), CMK_FEDERATION, PROVIDER, "another tenant than the application's" },
	{ REFUSED("700222"), CMK_FEDERATION, PROVIDER, "user-assigned" },
	{ REFUSED("700226"), CMK_FEDERATION, PROVIDER, "user-assigned" },
	{ REFUSED("700229"), CMK_FEDERATION, PROVIDER, "user-assigned" },
	{ REFUSED("700027"), CMK_FEDERATION, PROVIDER, "signature" },
	{ REFUSED("50166"), CMK_FEDERATION, PROVIDER, "the issuer's keys" },
	{ INVALID("50027"), CMK_FEDERATION, PROVIDER, "no JWT" },
	{ REFUSED("700024"), CMK_CLOCK, MACHINE, "1970-01-01 00:01:40 UTC there" },
	{ REFUSED("7000215"), CMK_CONFIG, MACHINE, "client secret" },
	{ SIGN_IN_SAYS(400, "access_denied", "53003"), CMK_GRANT, CUSTOMER, "conditional access" },
	{ INVALID("50105"), CMK_GRANT, CUSTOMER, "assigns it" },
	{ INVALID("501051"), CMK_GRANT, CUSTOMER, "assigns it" },
	{ INVALID("50002"), CMK_FIREWALL, PROVIDER, "restricts sign-in" },
	{ INVALID("500021"), CMK_FIREWALL, PROVIDER, "restricts sign-in" },
	{ INVALID("500022"), CMK_FIREWALL, PROVIDER, "restricts sign-in" },
	{ INVALID("900382"), CMK_TENANT, PROVIDER, "different clouds" },
	{ INVALID("90038"), CMK_TENANT, MACHINE, "another national cloud" },
	{ INVALID("90055"), CMK_THROTTLED, NOBODY, "fewer requests" },
	{ INVALID("90006"), CMK_SERVICE_DOWN, NOBODY, "temporarily" },
	{ INVALID("90024"), CMK_SERVICE_DOWN, NOBODY, "temporarily" },
	{ INVALID("90033"), CMK_SERVICE_DOWN, NOBODY, "temporarily" },
	{ SIGN_IN_SAYS(503, "server_error", "90090"), CMK_SERVICE_DOWN, NOBODY, "temporarily" },
	{ SIGN_IN_SAYS(429, "invalid_request", "123456"), CMK_THROTTLED, NOBODY, "HTTP 429" },
	{ SIGN_IN_SAYS(503, "x", "123456"), CMK_SERVICE_DOWN, NOBODY, "HTTP 503" },
	/* Numbers that are not known keep Entra's words and its id for them. */
	{ INVALID("123456"), CMK_PROTOCOL, MACHINE,
	  "AADSTS123456: Words of Entra. More (correlation id " CORRELATED "); " },
	{ REFUSED("123456"), CMK_FEDERATION, PROVIDER, "(correlation id " CORRELATED ")" },
	{ SIGN_IN_SAYS(400, "unauthorized_client", "123456"), CMK_CONSENT, CUSTOMER, "Words" },
	{ SIGN_IN_SAYS(400, "access_denied", "123456"), CMK_GRANT, CUSTOMER, "sign-in log" },
	{ SIGN_IN_SAYS(400, "invalid_scope", "123456"), CMK_CONFIG, MACHINE, "suffixes" },
	{ SIGN_IN_SAYS(400, "invalid_resource", "123456"), CMK_TENANT, CUSTOMER, "Words" },
	{ SIGN_IN_SAYS(400, "temporarily_unavailable", "123456"), CMK_SERVICE_DOWN, NOBODY, "Wor" },
	{ SIGN_IN_SAYS(400, "server_error", "123456"), CMK_SERVICE_DOWN, NOBODY, "Words" },
	/* Key Vault */
	{ VAULT_SAYS(KEY_VAULT, 400, "BadParameter", "x"), CMK_KEY_OPERATION, MACHINE,
	  "enrol the" },
	{ VAULT_SAYS(KEY_VAULT, 401, "Unauthorized", "AKV10000: x"), CMK_GRANT, CUSTOMER,
	  "AKV10000: x" },
	{ VAULT_SAYS(KEY_VAULT, 401, "Unauthorized", "AKV10022: Invalid audience."), CMK_CONFIG,
	  MACHINE, "https://vault.azure.net/.default" },
	{ VAULT_SAYS(KEY_VAULT, 401, "Unauthorized", "AKV10032: Invalid issuer."), CMK_TENANT,
	  MACHINE, "another tenant than " TENANT },
	{ FORBIDDEN("ForbiddenByRbac"), CMK_GRANT, CUSTOMER,
	  "role Key Vault Crypto Service Encryption User" },
	{ FORBIDDEN("AccessDenied"), CMK_GRANT, CUSTOMER, "access policy" },
	{ FORBIDDEN("ForbiddenByPolicy"), CMK_GRANT, CUSTOMER, "access policy" },
	{ FORBIDDEN("ForbiddenByFirewall"), CMK_FIREWALL, CUSTOMER,
	  "address through its firewall" },
	{ FORBIDDEN("ForbiddenByConnection"), CMK_FIREWALL, CUSTOMER, "public network" },
	{ FORBIDDEN("KeyOperationForbidden"), CMK_KEY_OPERATION, CUSTOMER, "permitted operations" },
	{ FORBIDDEN("KeyDisabled"), CMK_KEY_DISABLED, CUSTOMER,
	  "key disk/" VERSION "; KeyDisabled: Words of the vault)" },
	{ FORBIDDEN("ForbiddenByMoon"), CMK_GRANT, CUSTOMER,
	  "ForbiddenByMoon: Words of the vault" },
	{ VAULT_SAYS(KEY_VAULT, 404, "KeyNotFound", "x"), CMK_KEY_GONE, CUSTOMER, "purged" },
	{ VAULT_SAYS(KEY_VAULT, 404, "VaultNotFound", "x"), CMK_KEY_GONE, CUSTOMER,
	  "vault is gone" },
	{ VAULT_SAYS(KEY_VAULT, 404, "New", "x"), CMK_KEY_GONE, CUSTOMER, "New: x" },
	{ VAULT_SAYS(KEY_VAULT, 409, "ObjectIsDeletedButRecoverable", "x"), CMK_KEY_GONE, CUSTOMER,
	  "is deleted" },
	{ VAULT_SAYS(KEY_VAULT, 409, "ObjectIsBeingDeleted", "x"), CMK_KEY_GONE, CUSTOMER,
	  "being deleted" },
	{ VAULT_SAYS(KEY_VAULT, 429, "Throttled", "x"), CMK_THROTTLED, NOBODY, "HTTP 429" },
	{ VAULT_SAYS(KEY_VAULT, 500, "InternalServerError", "x"), CMK_SERVICE_DOWN, NOBODY, "500" },
	{ VAULT_SAYS(KEY_VAULT, 400, "Strange", "x"), CMK_PROTOCOL, MACHINE, "Strange: x" },
	/* Names of ours are none of a vault's. */
	{ VAULT_SAYS(KEY_VAULT, 400, "imds:410", "x"), CMK_PROTOCOL, MACHINE, "imds:410: x" },
	/* Managed HSM */
	{ HSM, 401, "", CMK_GRANT, CUSTOMER, "HTTP 401 without a reason" },
	{ VAULT_SAYS(HSM, 403, "AccessDenied", "x"), CMK_GRANT, CUSTOMER,
	  "role Managed HSM Crypto Service Encryption User" },
	{ VAULT_SAYS(HSM, 404, "KeyNotFound", "x (Activity ID: y)"), CMK_KEY_GONE, CUSTOMER,
	  "purg" },
};

static struct config config;

static void make_target(struct vault_target *target, bool hsm)
{
	static const struct token_wrapping wrapping = {
		.vault = "azure",
		.cloud = "AzurePublic",
		.tenant_id = TENANT,
		.client_id = CLIENT,
		.key = "https://" VAULT "/keys/disk/" VERSION,
	};

	config_init(&config);
	assert_int_equal(vault_target_init(target, &config, &wrapping, true, NULL), 0);
	target->hsm = hsm;
}

static void answer(const struct row *row, struct cmk_err *err)
{
	static const char *const hosts[] = { METADATA, AGENT, METADATA, ENTRA, VAULT, VAULT };
	static const struct identity_ops *const sources[] = { &identity_imds, &identity_arc,
							      &identity_gcp };
	struct vault_credential credential = { 0 };
	_cleanup_secret_ struct secret out = { 0 };
	_cleanup_http_reply_ struct http_reply reply;
	struct vault_target target;
	struct identity identity = { .client_id = IDENTITY,
				     .answered = true,
				     .audience = "api://AzureADTokenExchange" };

	make_reply(&reply, hosts[row->service], row->status, row->body);
	reply.date = 100;
	/* What Google's server says it is, in a header. */
	if (strcmp(row->body, "Google") == 0)
		(void)snprintf(reply.kept, sizeof(reply.kept), "Google");
	make_target(&target, row->service == HSM);
	if (row->service <= GCP)
		assert_true(sources[row->service]->reply(&identity, &reply, &out, err) < 0);
	else if (row->service == SIGN_IN)
		assert_true(entra_reply(&target, &reply, &credential, err) < 0);
	else
		assert_true(target.ops->unwrap_reply(&target, &reply, &out, err) < 0);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { 0 };
		char name[400];
		(void)snprintf(name, sizeof(name), "%zu: %ld %s", i, rows[i].status, rows[i].body);
		answer(&rows[i], &err);
		CHECK_TEXT(name, cmk_code_name(err.code), cmk_code_name(rows[i].code));
		CHECK_TEXT(name, cmk_party_name(cause_party(&err)), cmk_party_name(rows[i].party));
		CHECK_SENTENCE(name, err.text, rows[i].sentence);
	}
}

/* Each row of the table is met by an answer above, or is found by what is no answer. */
static void test_all_are_met(void **state)
{
	static const char *const elsewhere[] = {
		"imds:other-identity", "imds:other", "imds:refused", "imds:timeout", "arc:refused",
		"arc:timeout",	       "arc:agent",  "gcp:refused",  "gcp:timeout",  "Throttled",
	};
	const struct cause *table;
	size_t count = cause_table(&table), met = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		bool found = strncmp(table[i].name, "net:", 4) == 0 ||
			     strncmp(table[i].name, "proxy:", 6) == 0 ||
			     strncmp(table[i].name, "key:", 4) == 0 ||
			     strncmp(table[i].name, "identity:", 9) == 0;
		for (size_t j = 0; j < COUNT(elsewhere); j++)
			found = found || strcmp(table[i].name, elsewhere[j]) == 0;
		for (size_t j = 0; j < COUNT(rows) && !found; j++) {
			struct cmk_err err = { 0 };
			answer(&rows[j], &err);
			found = strcmp(err.cause, table[i].name) == 0;
		}
		CHECK(table[i].name, found);
		met += found;
	}
	print_message("# %zu of %zu causes, by %zu answers\n", met, count, COUNT(rows));
}

static void test_table(void **state)
{
	static const struct cause_names none = { 0 };
	const struct cause *table;
	size_t count = cause_table(&table);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *const texts[] = { table[i].meaning, table[i].next,
					      table[i].command ? table[i].command : "" };
		char out[CAUSE_COMMAND_MAX];
		CHECK(table[i].name, cause_find(table[i].name) == &table[i]);
		CHECK(table[i].name, strlen(table[i].name) < CMK_CAUSE_MAX);
		CHECK(table[i].name, table[i].next[0] != '\0');
		for (size_t j = 0; j < COUNT(texts); j++) {
			CHECK(table[i].name, cause_expand(out, sizeof(out), texts[j], &none, true));
			/* All placeholders are known. */
			CHECK(table[i].name, strchr(out, '{') == NULL);
		}
	}
	assert_null(cause_find(""));
	assert_null(cause_find("AADSTS7000"));
}

static void test_expand(void **state)
{
	static const struct {
		const char *template, *host, *vault_host;
		bool shell;
		size_t size;
		const char *out; /* NULL: it is cut */
	} cases[] = {
		{ "ask {host}", "h.example", NULL, true, 64, "ask h.example" },
		{ "ask {host}", NULL, NULL, true, 64, "ask HOST" },
		{ "{vault-host}:{host}", "a", NULL, false, 64, "VAULT-HOST:a" },
		{ "{vault-host}", NULL, "v.example", false, 64, "v.example" },
		{ "{\"a\":\"{host}\"}", "h", NULL, true, 64, "{\"a\":\"h\"}" },
		{ "{unknown} {", "h", NULL, true, 64, "{unknown} {" },
		{ "x '{host}'", "'; rm -rf /; '", NULL, true, 64, "x 'HOST'" },
		{ "x {host}", "$(reboot)", NULL, true, 64, "x HOST" },
		{ "x {host}", "-o", NULL, true, 64, "x HOST" },
		{ "x {host}", "a b", NULL, true, 64, "x HOST" },
		{ "x {host}", "a b", NULL, false, 64, "x a b" },
		{ "x {host}", "", NULL, true, 64, "x HOST" },
		{ "12345678", NULL, NULL, true, 8, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct cause_names names = { .host = cases[i].host,
						   .vault_host = cases[i].vault_host };
		char out[64];
		bool whole = cause_expand(out, cases[i].size, cases[i].template, &names,
					  cases[i].shell);
		CHECK(cases[i].template, whole == (cases[i].out != NULL));
		if (whole)
			CHECK_TEXT(cases[i].template, out, cases[i].out);
		else
			CHECK_INT(cases[i].template, strlen(out), cases[i].size - 1);
	}
}

/* What is not in the table falls back on the code; a new sentence forgets the cause. */
static void test_party(void **state)
{
	struct cmk_err err = { 0 };

	(void)state;
	cmk_err(&err, CMK_FIREWALL, "x");
	assert_int_equal(cause_party(&err), CMK_PARTY_CUSTOMER);
	cause_set(&err, "AADSTS500021");
	assert_int_equal(cause_party(&err), CMK_PARTY_PROVIDER);
	cause_set(&err, "AADSTS1");
	assert_int_equal(cause_party(&err), CMK_PARTY_CUSTOMER);
	assert_string_equal(cause_command(&err), cmk_code_command(CMK_FIREWALL));
	cmk_err(&err, CMK_DNS, "x");
	assert_string_equal(err.cause, "");
	assert_string_equal(cause_command(&err), "getent hosts {host}");
	cause_set(NULL, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_all_are_met),
		cmocka_unit_test(test_table),	cmocka_unit_test(test_expand),
		cmocka_unit_test(test_party),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
