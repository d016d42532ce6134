/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* customers.d/NAME.conf: one customer's tenant and keys. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"
#include "format/config-value.h"
#include "format/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECTION	     "customer"
#define SPARE_KEY    "spare_key"

static const struct config_key customer_keys[] = {
	CONFIG_KEY(struct customer, tenant_id, SECTION, "tenant_id", config_set_guid),
	CONFIG_KEY(struct customer, key, SECTION, "key", config_set_key),
	CONFIG_KEY(struct customer, spare_keys[0], SECTION, SPARE_KEY, config_set_key),
};

struct parser {
	struct customer customer;
	unsigned seen[COUNT(customer_keys)];
};

int customer_name_check(const char *name, struct cmk_err *err)
{
	if (text_is_name(name, TOKEN_NAME_MAX - 1))
		return 0;
	/* As much of it as leaves room for the rest of the sentence. */
	return cmk_err(err, CMK_CONFIG,
		       "\"%.100s\" is no name of a customer; use at most %d letters, digits, dots, "
		       "dashes and underscores, the first a letter or digit",
		       name, TOKEN_NAME_MAX - 1);
}

static bool has_key(const struct customer *customer, const char *key)
{
	if (strcasecmp(customer->key, key) == 0)
		return true;
	for (size_t i = 0; i < customer->spare_keys_count; i++) {
		if (strcasecmp(customer->spare_keys[i], key) == 0)
			return true;
	}
	return false;
}

static int take_line(const struct config_line *line, void *user)
{
	struct parser *parser = user;
	struct customer *customer = &parser->customer;
	const struct config_key *key;
	struct config_key place;
	bool spare;

	key = config_key_find(customer_keys, COUNT(customer_keys), line->section, line);
	if (!key)
		return cmk_code_errno(CMK_CONFIG);
	spare = strcmp(key->name, SPARE_KEY) == 0;
	if (parser->seen[key - customer_keys] && !spare)
		return config_line_error(line,
					 "\"%s\" is set in line %u already; remove one of the two",
					 line->name, parser->seen[key - customer_keys]);
	parser->seen[key - customer_keys] = line->number;
	if (key->set == config_set_key && line->value[0] && has_key(customer, line->value))
		return config_line_error(line, "this key is named twice; remove one of the two");
	place = *key;
	if (spare && customer->spare_keys_count == CONFIG_SPARES_MAX)
		return config_line_error(line, "there are more than %d spare keys; remove some",
					 CONFIG_SPARES_MAX);
	if (spare)
		place.offset += customer->spare_keys_count++ * sizeof(customer->spare_keys[0]);
	return config_key_store(&place, customer, line);
}

int customer_parse(const char *text, const char *file, const char *name, struct customer *ret,
		   struct cmk_err *err)
{
	struct parser parser = { 0 };
	int r = customer_name_check(name, err);

	if (r < 0)
		return r;
	(void)text_copy(parser.customer.name, sizeof(parser.customer.name), name);
	r = config_lines(text, file, take_line, &parser, err);
	if (r < 0)
		return r;
	if (!parser.customer.tenant_id[0] || !parser.customer.key[0])
		return cmk_err(err, CMK_CONFIG,
			       "%s: [customer] lacks %s; ask the customer for it and add it", file,
			       parser.customer.key[0] ? "tenant_id" : "key");
	*ret = parser.customer;
	return 0;
}

int customer_load(const char *dir, const char *name, struct customer *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret text = { 0 };
	char path[PATH_MAX];
	int len, r;

	/* Before it becomes part of a path. */
	r = customer_name_check(name, err);
	if (r < 0)
		return r;
	len = snprintf(path, sizeof(path), "%s/customers.d/%s.conf", dir, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return cmk_err(err, CMK_CONFIG, "the path of the configuration is too long");
	r = config_read_file(path, &text, err);
	if (r == -ENOENT)
		return cmk_err(
			err, CMK_CONFIG,
			"this machine knows no customer %s (there is no %s); add it with: luks-cmk "
			"customer add %s",
			name, path, name);
	if (r < 0)
		return r;
	return customer_parse((const char *)text.data, path, name, ret, err);
}

char *customer_format(const struct customer *customer)
{
	_cleanup_buf_ struct buf b = BUF(CONFIG_FILE_MAX);

	buf_printf(&b, "[%s]\n", SECTION);
	buf_printf(&b, "tenant_id = %s\n", customer->tenant_id);
	buf_printf(&b, "key = %s\n", customer->key);
	for (size_t i = 0; i < customer->spare_keys_count; i++)
		buf_printf(&b, "%s = %s\n", SPARE_KEY, customer->spare_keys[i]);
	return buf_take(&b);
}
