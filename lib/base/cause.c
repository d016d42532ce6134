/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks causes up, and fills their templates. */
#include "base/cause.h"

#include <string.h>

#include "base/text.h"

#define PLACEHOLDER_MAX 16
/* What a shell takes literally, without quotes and within either kind of them. */
#define SHELL_SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@=+,"

#define NAME(word, member)                                 \
	{                                                  \
		word, offsetof(struct cause_names, member) \
	}
static const struct {
	const char *word;
	size_t offset;
} placeholders[] = {
	NAME("host", host),
	NAME("origin", origin),
	NAME("application", application),
	NAME("tenant", tenant),
	NAME("customer", customer),
	NAME("vault", vault),
	NAME("vault-host", vault_host),
	NAME("key", key),
	NAME("url", url),
	NAME("role", role),
	NAME("scope", scope),
	NAME("cloud", cloud),
	NAME("identity", identity),
	NAME("issuer", issuer),
	NAME("subject", subject),
	NAME("audience", audience),
	NAME("device", device),
	NAME("service", service),
	NAME("machine", machine),
	NAME("place", place),
};

const struct cause *cause_find(const char *name)
{
	const struct cause *table;
	size_t count = cause_table(&table);

	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static bool is_shell_safe(const char *value)
{
	return value[0] && value[0] != '-' && value[strspn(value, SHELL_SAFE)] == '\0';
}

/* {word} of len bytes: its value, or NULL; ret_known says whether there is such a placeholder. */
static const char *value_of(const char *word, size_t len, const struct cause_names *names,
			    bool *ret_known)
{
	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++) {
		const char *value;
		if (strlen(placeholders[i].word) != len ||
		    strncmp(placeholders[i].word, word, len) != 0)
			continue;
		*ret_known = true;
		memcpy(&value, (const char *)names + placeholders[i].offset, sizeof(value));
		return value;
	}
	*ret_known = false;
	return NULL;
}

struct out {
	char *text;
	size_t size, len;
	bool cut;
};

static void put(struct out *out, char c)
{
	if (out->len + 1 < out->size)
		out->text[out->len++] = c;
	else
		out->cut = true;
}

static void put_value(struct out *out, const char *value, const char *word, size_t len)
{
	for (; value && *value; value++)
		put(out, *value);
	/* VAULT-HOST */
	for (size_t i = 0; !value && i < len; i++)
		put(out, word[i] == '-' ? '-' : (char)(word[i] - 'a' + 'A'));
}

bool cause_expand(char *out, size_t size, const char *template, const struct cause_names *names,
		  bool shell)
{
	struct out to = { .text = out, .size = size };

	for (const char *p = template; *p; p++) {
		size_t len = *p == '{' ? strcspn(p + 1, "}") : 0;
		bool known = false;
		const char *value = NULL;
		if (len > 0 && len < PLACEHOLDER_MAX && p[len + 1] == '}')
			value = value_of(p + 1, len, names, &known);
		if (!known) {
			put(&to, *p);
			continue;
		}
		put_value(&to, value && (!shell || is_shell_safe(value)) ? value : NULL, p + 1,
			  len);
		p += len + 1;
	}
	out[to.len] = '\0';
	return !to.cut;
}

void cause_set(struct cmk_err *err, const char *name)
{
	if (err)
		(void)text_copy(err->cause, sizeof(err->cause), name);
}

enum cmk_party cause_party(const struct cmk_err *err)
{
	const struct cause *cause = cause_find(err->cause);

	return cause ? cause->party : cmk_code_party(err->code);
}

const char *cause_command(const struct cmk_err *err)
{
	const struct cause *cause = cause_find(err->cause);

	return cause && cause->command ? cause->command : cmk_code_command(err->code);
}
