/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LUKS2 token of type "luks-cmk": reading and writing its JSON. */
#include "format/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

#define WHO "the LUKS2 token"

/* The members of the outermost object that are no part of struct token. */
struct preamble {
	char type[32];
	int64_t version;
};

static const struct json_field preamble_fields[] = {
	JSON_FIELD(struct preamble, type, "type", JSON_KIND_STRING, true),
	JSON_FIELD(struct preamble, version, "version", JSON_KIND_INT, true),
};

static const struct json_field token_fields[] = {
	JSON_FIELD(struct token, customer, "customer", JSON_KIND_STRING, true),
};

static const struct json_field identity_fields[] = {
	JSON_FIELD(struct token_identity, source, "source", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_identity, client_id, "client_id", JSON_KIND_STRING, false),
};

static const struct json_field wrapping_fields[] = {
	JSON_FIELD(struct token_wrapping, vault, "vault", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_wrapping, cloud, "cloud", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_wrapping, tenant_id, "tenant_id", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_wrapping, client_id, "client_id", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_wrapping, key, "key", JSON_KIND_STRING, true),
	JSON_FIELD(struct token_wrapping, alg, "alg", JSON_KIND_STRING, false),
	JSON_FIELD(struct token_wrapping, value, "value", JSON_KIND_STRING, false),
	JSON_FIELD(struct token_wrapping, created, "created", JSON_KIND_STRING, false),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int wrong(struct cmk_err *err, const char *who, const char *what)
{
	return cmk_err(err, CMK_TOKEN, "%s: %s; %s", who, what, cmk_code_hint(CMK_TOKEN));
}

static int read_preamble(const struct json *json, struct cmk_err *err)
{
	struct preamble preamble = { 0 };
	int r;

	r = json_read(json, json_root(json), preamble_fields, COUNT(preamble_fields), &preamble,
		      WHO, CMK_TOKEN, err);
	if (r < 0)
		return r;
	/* json_read() also takes a number in quotes, as the metadata service writes them. */
	if (json_node_type(json_member(json, json_root(json), "version")) != JSON_NUMBER)
		return wrong(err, WHO, "\"version\" is no number");
	if (strcmp(preamble.type, TOKEN_TYPE) != 0)
		return wrong(err, WHO, "its type is not \"" TOKEN_TYPE "\"");
	if (preamble.version > TOKEN_VERSION)
		return cmk_err(
			err, CMK_TOKEN,
			WHO " has version %lld and was written by a newer luks-cmk, this one knows "
			    "version %d; update luks-cmk on this machine",
			(long long)preamble.version, TOKEN_VERSION);
	if (preamble.version < 1)
		return wrong(err, WHO, "its version is no version of luks-cmk");
	return 0;
}

/* Number of a keyslot in the only spelling that cryptsetup writes, or -1. */
static int parse_keyslot(const char *text)
{
	int slot = 0;

	if (!text[0] || (text[0] == '0' && text[1]))
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		slot = slot * 10 + (*text - '0');
		if (slot >= TOKEN_KEYSLOTS_MAX)
			return -1;
	}
	return slot;
}

static bool has_keyslot(const struct token *token, int slot)
{
	for (size_t i = 0; i < token->keyslots_count; i++) {
		if (token->keyslots[i] == slot)
			return true;
	}
	return false;
}

static int read_keyslots(const struct json *json, struct token *token, struct cmk_err *err)
{
	const struct json_node *list = json_member(json, json_root(json), "keyslots"), *item = NULL;

	if (json_node_type(list) != JSON_ARRAY)
		return wrong(err, WHO, "it lacks the list \"keyslots\"");
	while ((item = json_next(json, list, item))) {
		char text[4] = "";
		int slot = json_copy_string(json, item, text, sizeof(text)) ? parse_keyslot(text)
									    : -1;

		/* Different and below the maximum, they also fit in the array. */
		if (slot < 0 || has_keyslot(token, slot))
			return wrong(
				err, WHO,
				"\"keyslots\" holds something else than different numbers from "
				"\"0\" to \"31\"");
		token->keyslots[token->keyslots_count++] = slot;
	}
	return 0;
}

static int read_identity(const struct json *json, struct token_identity *identity,
			 struct cmk_err *err)
{
	static const char who[] = WHO "'s identity";
	const struct json_node *node = json_member(json, json_root(json), "identity");
	int r;

	if (!node || json_node_type(node) == JSON_NULL)
		return 0;
	r = json_read(json, node, identity_fields, COUNT(identity_fields), identity, who, CMK_TOKEN,
		      err);
	if (r < 0)
		return r;
	if (!text_is_name(identity->source, sizeof(identity->source) - 1))
		return wrong(err, who, "\"source\" is no name");
	if (identity->client_id[0] && !text_is_guid(identity->client_id))
		return wrong(err, who, "\"client_id\" is no GUID");
	return 0;
}

static bool is_base64url(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";
	size_t len = strlen(text);

	return len % 4 != 1 && strspn(text, alphabet) == len;
}

/* NULL, or what is wrong with a wrapping. */
static const char *wrapping_problem(const struct token_wrapping *w, bool template)
{
	if (!text_is_name(w->vault, sizeof(w->vault) - 1))
		return "\"vault\" is no name";
	if (!text_is_name(w->cloud, sizeof(w->cloud) - 1))
		return "\"cloud\" is no name";
	if (!text_is_guid(w->tenant_id))
		return "\"tenant_id\" is no GUID";
	if (!text_is_guid(w->client_id))
		return "\"client_id\" is no GUID";
	if (!template && (!w->alg[0] || !w->value[0]))
		return "it lacks \"alg\" or \"value\"";
	if (w->alg[0] && !text_is_name(w->alg, sizeof(w->alg) - 1))
		return "\"alg\" is no name";
	if (!is_base64url(w->value))
		return "\"value\" is no base64url";
	return NULL;
}

/*
 * A wrapping for a kind of vault that this release does not know has members that it does not know
 * either: the others on the token still open the volume.
 */
static bool is_foreign(const struct json *json, const struct json_node *node)
{
	char kind[sizeof(((struct token_wrapping *)0)->vault)];

	return json_copy_string(json, json_member(json, node, "vault"), kind, sizeof(kind)) &&
	       text_is_name(kind, sizeof(kind) - 1) && strcmp(kind, "azure") != 0;
}

static int read_wrapping(const struct json *json, const struct json_node *node, bool template,
			 struct token *token, struct cmk_err *err)
{
	struct token_wrapping *wrapping = &token->wrapped[token->wrapped_count];
	const char *problem;
	char who[64];
	int r;

	snprintf(who, sizeof(who), WHO "'s wrapping %zu", token->wrapped_count + 1);
	r = json_read(json, node, wrapping_fields, COUNT(wrapping_fields), wrapping, who, CMK_TOKEN,
		      err);
	if (r < 0)
		return r;
	problem = token_key_problem(wrapping->key);
	if (problem)
		return cmk_err(err, CMK_TOKEN, "%s: the key's URL %s: \"%s\"; %s", who, problem,
			       wrapping->key, cmk_code_hint(CMK_TOKEN));
	problem = wrapping_problem(wrapping, template);
	if (problem)
		return wrong(err, who, problem);
	token->wrapped_count++;
	return 0;
}

static int read_wrapped(const struct json *json, bool template, struct token *token,
			struct cmk_err *err)
{
	const struct json_node *list = json_member(json, json_root(json), "wrapped"), *item = NULL;

	if (json_node_type(list) != JSON_ARRAY)
		return wrong(err, WHO, "it lacks the list \"wrapped\"");
	while ((item = json_next(json, list, item))) {
		int r;

		if (token->wrapped_count + token->foreign_count == TOKEN_WRAPPED_MAX)
			return wrong(err, WHO, "it holds more than 8 wrappings");
		if (is_foreign(json, item)) {
			token->foreign_count++;
			continue;
		}
		r = read_wrapping(json, item, template, token, err);
		if (r < 0)
			return r;
	}
	if (token->wrapped_count == 0 && token->foreign_count > 0)
		return cmk_err(err, CMK_TOKEN,
			       WHO " names only kinds of vault that a newer luks-cmk knows; update "
				   "luks-cmk on this machine");
	return token->wrapped_count > 0 ? 0 : wrong(err, WHO, "it holds no wrapping");
}

int token_parse(const char *text, size_t len, bool template, struct token *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	struct token token = { 0 };
	int r;

	if (len > TOKEN_JSON_MAX)
		return cmk_err(err, CMK_TOKEN, WHO " is %zu bytes long, at most %d are allowed; %s",
			       len, TOKEN_JSON_MAX, cmk_code_hint(CMK_TOKEN));
	r = json_parse(text, len, WHO, CMK_TOKEN, &json, err);
	if (r < 0)
		return r;
	r = read_preamble(json, err);
	if (r < 0)
		return r;
	r = json_read(json, json_root(json), token_fields, COUNT(token_fields), &token, WHO,
		      CMK_TOKEN, err);
	if (r < 0)
		return r;
	if (!text_is_name(token.customer, sizeof(token.customer) - 1))
		return wrong(err, WHO, "\"customer\" is no name");
	r = read_keyslots(json, &token, err);
	if (r == 0)
		r = read_identity(json, &token.identity, err);
	if (r == 0)
		r = read_wrapped(json, template, &token, err);
	if (r < 0)
		return r;
	*ret = token;
	return 0;
}

static void put_optional(struct buf *b, const char *name, const char *text)
{
	if (text[0])
		buf_json_member(b, name, text);
}

static void put_wrapping(struct buf *b, const struct token_wrapping *wrapping)
{
	buf_json_next(b);
	buf_puts(b, "{");
	put_optional(b, "vault", wrapping->vault);
	put_optional(b, "cloud", wrapping->cloud);
	put_optional(b, "tenant_id", wrapping->tenant_id);
	put_optional(b, "client_id", wrapping->client_id);
	put_optional(b, "key", wrapping->key);
	put_optional(b, "alg", wrapping->alg);
	put_optional(b, "value", wrapping->value);
	put_optional(b, "created", wrapping->created);
	buf_puts(b, "}");
}

char *token_format(const struct token *token)
{
	_cleanup_buf_ struct buf b = BUF(TOKEN_JSON_MAX);

	buf_puts(&b, "{");
	buf_json_member(&b, "type", TOKEN_TYPE);
	buf_json_name(&b, "keyslots");
	buf_puts(&b, "[");
	for (size_t i = 0; i < token->keyslots_count; i++) {
		buf_json_next(&b);
		buf_printf(&b, "\"%d\"", token->keyslots[i]);
	}
	buf_puts(&b, "]");
	buf_json_int(&b, "version", TOKEN_VERSION);
	buf_json_member(&b, "customer", token->customer);
	if (token->identity.source[0]) {
		buf_json_name(&b, "identity");
		buf_puts(&b, "{");
		buf_json_member(&b, "source", token->identity.source);
		put_optional(&b, "client_id", token->identity.client_id);
		buf_puts(&b, "}");
	}
	buf_json_name(&b, "wrapped");
	buf_puts(&b, "[");
	for (size_t i = 0; i < token->wrapped_count; i++)
		put_wrapping(&b, &token->wrapped[i]);
	buf_puts(&b, "]}");
	return buf_take(&b);
}
