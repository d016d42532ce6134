/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of vault, and what this machine's policy says about a wrapping. */
#include "vault/vault.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

static const struct vault_ops *const kinds[] = { &vault_azure };

static const struct vault_ops *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

/* An empty list allows everything. */
static bool is_allowed(const struct config_list *list, const char *item)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], item) == 0)
			return true;
	return list->count == 0;
}

static int check_policy(const struct vault_target *target, const struct config *config,
			struct cmk_err *err)
{
	if (!is_allowed(&config->policy.allow_tenants, target->wrapping.tenant_id))
		return cmk_err(err, CMK_POLICY,
			       "this machine's policy does not allow tenant %s, which the token "
			       "names; add it to allow_tenants in luks-cmk.conf if it is right",
			       target->wrapping.tenant_id);
	if (!is_allowed(&config->policy.allow_vaults, target->host))
		return cmk_err(err, CMK_POLICY,
			       "this machine's policy does not allow vault %s, which the token "
			       "names; add it to allow_vaults in luks-cmk.conf if it is right",
			       target->host);
	return 0;
}

int vault_target_init(struct vault_target *ret, const struct config *config,
		      const struct token_wrapping *wrapping, bool template, struct cmk_err *err)
{
	struct vault_target target = { .wrapping = *wrapping };

	target.ops = find_kind(wrapping->vault);
	if (!target.ops)
		return cmk_err(
			err, CMK_TOKEN,
			"the token names a vault of kind '%s', which needs a newer luks-cmk; "
			"update it",
			wrapping->vault);
	target.cloud = config_cloud(config, wrapping->cloud);
	if (!target.cloud)
		return cmk_err(
			err, CMK_CONFIG,
			"the token names cloud '%s', which this machine does not know; add a "
			"[cloud %s] section to luks-cmk.conf",
			wrapping->cloud, wrapping->cloud);
	/* Both become parts of requests. */
	if (!text_is_guid(wrapping->tenant_id) || !text_is_guid(wrapping->client_id))
		return cmk_err(err, CMK_TOKEN,
			       "the token's tenant_id or client_id is no GUID; enrol the volume "
			       "again");
	int r = target.ops->resolve(&target, template, err);
	if (r == 0)
		r = check_policy(&target, config, err);
	if (r < 0)
		return r;
	*ret = target;
	return 0;
}

void vault_credential_done(struct vault_credential *credential)
{
	secret_done(&credential->value);
	credential->expires = 0;
}
