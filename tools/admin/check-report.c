/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How luks-cmk check shows what it found: for people, and as JSON. */
#include <stdio.h>
#include <string.h>

#include "base/cause.h"
#include "base/text.h"
#include "check.h"
#include "output.h"

/* Values for a command, taken apart; what is empty stays a placeholder. */
struct parts {
	char host[256]; /* of the failed step, without a port */
	char origin[256 + 8];
	char vault_host[TOKEN_KEY_MAX];
	char vault[64];
	char key[TOKEN_KEY_MAX];
};

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/*
 * What the one who must act runs, filled in with what is known; false if there is nothing to run, as where it
 * passes by itself.
 */
static bool make_command(const struct check_outcome *outcome, char *out, size_t size)
{
	const struct token_wrapping *wrapping = &outcome->target->token->wrapped[0];
	const struct probe_result *result = outcome->result;
	const struct probe_found *found = &result->found;
	const struct probe_step *step = probe_failed_step(result);
	const char *template = outcome->command != NULL ? outcome->command
							: cause_command(&result->err);
	struct parts parts = { 0 };
	struct cause_names names = {
		.application = or_null(wrapping->client_id),
		.tenant = or_null(wrapping->tenant_id),
		.customer = or_null(outcome->target->token->customer),
		.url = or_null(result->has_key ? result->key.kid : wrapping->key),
		.identity = or_null(found->identity),
		.issuer = or_null(found->issuer),
		.subject = or_null(found->subject),
		.audience = or_null(found->audience[0] ? found->audience : found->exchange),
		.device = outcome->target->luks != NULL ? outcome->target->luks->name : NULL,
	};

	if (template == NULL)
		return false;
	if (step != NULL)
		(void)snprintf(parts.host, sizeof(parts.host), "%.*s",
			       (int)strcspn(step->host, ":"), step->host);
	/* Services on this machine that know identities speak http. */
	if (step != NULL && parts.host[0] != '\0')
		(void)snprintf(parts.origin, sizeof(parts.origin), "%s://%s",
			       strcmp(step->name, "identity") == 0 ? "http" : "https", parts.host);
	token_key_host(wrapping->key, parts.vault_host, sizeof(parts.vault_host));
	(void)snprintf(parts.vault, sizeof(parts.vault), "%.*s",
		       (int)strcspn(parts.vault_host, "."), parts.vault_host);
	token_key_name(wrapping->key, parts.key, sizeof(parts.key));
	names.host = or_null(parts.host);
	names.origin = or_null(parts.origin);
	names.vault_host = or_null(parts.vault_host);
	names.vault = or_null(parts.vault);
	names.key = or_null(parts.key);
	return cause_expand(out, size, template, &names, true);
}

static void print_steps(const struct probe_result *result)
{
	_cleanup_table_ struct table table = { .columns = 5 };

	for (size_t i = 0; i < result->steps_count; i++) {
		const struct probe_step *step = &result->steps[i];
		bool ok = strcmp(step->code, "ok") == 0;

		table_add(&table, ok ? "  ok" : "  FAILED");
		table_add(&table, step->name);
		table_add(&table, step->host);
		table_printf(&table, "%lld ms", (long long)step->ms);
		table_add(&table, ok ? "" : step->code);
	}
	(void)table_print(&table);
}

static void print_claim(const char *name, const char *value)
{
	printf("    %-10s", name);
	output_escaped(value);
	putchar('\n');
}

void check_print(const struct check_outcome *outcome)
{
	const struct probe_result *result = outcome->result;
	char command[CAUSE_COMMAND_MAX];

	if (outcome->target->luks != NULL)
		printf("%s, ", outcome->target->luks->name);
	output_escaped(outcome->target->token->customer);
	printf(": ");
	output_escaped(outcome->target->token->wrapped[0].key);
	putchar('\n');
	print_steps(result);
	if (result->found.issuer[0] != '\0') {
		printf("  A federated credential of the application must say, letter for "
		       "letter:\n");
		print_claim("issuer", result->found.issuer);
		print_claim("subject", result->found.subject);
		print_claim("audience", result->found.audience);
	}
	for (size_t i = 0; i < outcome->warnings->count; i++)
		printf("  warning: %s\n", outcome->warnings->items[i]);
	if (result->err.code == CMK_OK)
		return;
	printf("  Who acts: %s\n", output_party(cause_party(&result->err)));
	if (make_command(outcome, command, sizeof(command)))
		printf("  Run:      %s\n", command);
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

static void json_assertion(struct buf *b, const struct probe_found *found)
{
	buf_json_name(b, "assertion");
	buf_puts(b, "{");
	output_member(b, "issuer", found->issuer);
	output_member(b, "subject", found->subject);
	output_member(b, "audience", found->audience);
	buf_puts(b, "}");
}

static void json_failure(struct buf *b, const struct check_outcome *outcome)
{
	const struct probe_step *step = probe_failed_step(outcome->result);
	char command[CAUSE_COMMAND_MAX];

	if (outcome->result->err.code == CMK_OK)
		return;
	if (step != NULL)
		output_member(b, "failed", step->name);
	if (make_command(outcome, command, sizeof(command)))
		output_member(b, "run", command);
}

void check_json(struct buf *b, const struct check_outcome *outcome)
{
	const struct check_target *target = outcome->target;
	const struct probe_result *result = outcome->result;

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
	if (result->found.issuer[0] != '\0')
		json_assertion(b, &result->found);
	buf_json_int(b, "clock_ahead", result->found.clock_ahead);
	buf_json_int(b, "token_seconds", result->found.token_seconds);
	buf_json_name(b, "warnings");
	buf_puts(b, "[");
	for (size_t i = 0; i < outcome->warnings->count; i++) {
		buf_json_next(b);
		buf_json_string(b, outcome->warnings->items[i]);
	}
	buf_puts(b, "]");
	output_error(b, &result->err);
	json_failure(b, outcome);
	buf_puts(b, "}");
}
