/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk.conf: the machine's configuration, and the clouds that are built in. */
#include "format/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "format/config-value.h"

#define METADATA_ADDRESS "169.254.169.254"
#define AUDIENCE	 "api://AzureADTokenExchange"
#define CLOUD_SECTION	 "cloud"

/* https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud, with the vaults' names. */
static const struct cloud builtin_clouds[] = {
	{
		.name = "AzurePublic",
		.authority = "login.microsoftonline.com",
		.vault_suffix = "vault.azure.net",
		.hsm_suffix = "managedhsm.azure.net",
		.audience = AUDIENCE,
		.metadata = METADATA_ADDRESS,
	},
	{
		.name = "AzureUSGovernment",
		.authority = "login.microsoftonline.us",
		.vault_suffix = "vault.usgovcloudapi.net",
		.hsm_suffix = "managedhsm.usgovcloudapi.net",
		.audience = AUDIENCE "USGov",
		.metadata = METADATA_ADDRESS,
	},
	{
		.name = "AzureChina",
		.authority = "login.partner.microsoftonline.cn",
		.vault_suffix = "vault.azure.cn",
		.hsm_suffix = "managedhsm.azure.cn",
		.audience = AUDIENCE "China",
		.metadata = METADATA_ADDRESS,
	},
};

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define BUILTIN_COUNT COUNT(builtin_clouds)

static const struct config_key config_keys[] = {
	CONFIG_KEY(struct config, provider.cloud, "provider", "cloud", config_set_name),
	CONFIG_KEY(struct config, provider.client_id, "provider", "client_id", config_set_guid),
	CONFIG_KEY(struct config, identity.source, "identity", "source", config_set_word),
	CONFIG_KEY(struct config, identity.client_id, "identity", "client_id", config_set_guid),
	CONFIG_KEY(struct config, identity.file, "identity", "file", config_set_path),
	CONFIG_KEY(struct config, identity.program, "identity", "program", config_set_path),
	CONFIG_KEY(struct config, network.timeout, "network", "timeout", config_set_timeout),
	CONFIG_KEY(struct config, network.ca_file, "network", "ca_file", config_set_path),
	CONFIG_KEY(struct config, network.proxy, "network", "proxy", config_set_proxy),
	CONFIG_KEY(struct config, policy.allow_tenants, "policy", "allow_tenants",
		   config_set_tenants),
	CONFIG_KEY(struct config, policy.allow_vaults, "policy", "allow_vaults", config_set_vaults),
	CONFIG_KEY(struct config, policy.expired_keys, "policy", "expired_keys",
		   config_set_expired),
	CONFIG_KEY(struct config, attach.hotplug, "attach", "hotplug", config_set_hotplug),
};

static const struct config_key cloud_keys[] = {
	CONFIG_KEY(struct cloud, authority, CLOUD_SECTION, "authority", config_set_authority),
	CONFIG_KEY(struct cloud, vault_suffix, CLOUD_SECTION, "vault_suffix", config_set_host),
	CONFIG_KEY(struct cloud, hsm_suffix, CLOUD_SECTION, "hsm_suffix", config_set_host),
	CONFIG_KEY(struct cloud, audience, CLOUD_SECTION, "audience", config_set_audience),
	CONFIG_KEY(struct cloud, metadata, CLOUD_SECTION, "metadata", config_set_metadata),
};

/* What is known of a text that is being read. */
struct parser {
	struct config *config;
	unsigned seen[COUNT(config_keys)]; /* line number, or 0 */
	unsigned seen_of_cloud[CONFIG_CLOUDS_MAX][COUNT(cloud_keys)];
};

void config_init(struct config *ret)
{
	*ret = (struct config){ .network.timeout = CONFIG_TIMEOUT_DEFAULT };
	snprintf(ret->provider.cloud, sizeof(ret->provider.cloud), "%s", builtin_clouds[0].name);
	memcpy(ret->clouds, builtin_clouds, sizeof(builtin_clouds));
	ret->clouds_count = BUILTIN_COUNT;
}

static struct cloud *find_cloud(struct config *config, const char *name)
{
	for (size_t i = 0; i < config->clouds_count; i++) {
		if (strcmp(config->clouds[i].name, name) == 0)
			return &config->clouds[i];
	}
	return NULL;
}

const struct cloud *config_cloud(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->clouds_count; i++) {
		if (strcmp(config->clouds[i].name, name) == 0)
			return &config->clouds[i];
	}
	return NULL;
}

static int given_twice(const struct config_line *line, unsigned first)
{
	return config_line_error(line, "\"%s\" is set in line %u already; remove one of the two",
				 line->name, first);
}

/* The cloud that a section [cloud NAME] is about, made at its first line. */
static int open_cloud(struct config *config, const char *name, const struct config_line *line,
		      struct cloud **ret)
{
	struct cloud *cloud = find_cloud(config, name);

	if (!text_is_name(name, sizeof(cloud->name) - 1))
		return config_line_error(line,
					 "\"%s\" is no name of a cloud; use letters, digits, "
					 "dots, dashes and underscores",
					 name);
	if (cloud && cloud < config->clouds + BUILTIN_COUNT)
		return config_line_error(line, "the cloud %s is built in; choose another name",
					 name);
	if (!cloud) {
		if (config->clouds_count == CONFIG_CLOUDS_MAX)
			return config_line_error(line, "there are more than %d clouds; remove some",
						 CONFIG_CLOUDS_MAX);
		cloud = &config->clouds[config->clouds_count++];
		*cloud = (struct cloud){ .audience = AUDIENCE, .metadata = METADATA_ADDRESS };
		text_copy(cloud->name, sizeof(cloud->name), name);
	}
	*ret = cloud;
	return 0;
}

static int take_cloud_line(struct parser *parser, const struct config_line *line, const char *name)
{
	const struct config_key *key;
	struct cloud *cloud = NULL;
	unsigned *seen;
	int r;

	r = open_cloud(parser->config, name, line, &cloud);
	if (r < 0)
		return r;
	key = config_key_find(cloud_keys, COUNT(cloud_keys), CLOUD_SECTION, line);
	if (!key)
		return cmk_code_errno(CMK_CONFIG);
	seen = &parser->seen_of_cloud[cloud - parser->config->clouds][key - cloud_keys];
	if (*seen)
		return given_twice(line, *seen);
	*seen = line->number;
	return config_key_store(key, cloud, line);
}

static int take_line(const struct config_line *line, void *user)
{
	struct parser *parser = user;
	const struct config_key *key;
	unsigned *seen;
	bool list;

	if (text_starts(line->section, CLOUD_SECTION " "))
		return take_cloud_line(parser, line, line->section + sizeof(CLOUD_SECTION " ") - 1);
	key = config_key_find(config_keys, COUNT(config_keys), line->section, line);
	if (!key)
		return cmk_code_errno(CMK_CONFIG);
	seen = &parser->seen[key - config_keys];
	list = key->size == sizeof(struct config_list);
	if (*seen && !list)
		return given_twice(line, *seen);
	/* A list may go on in further lines; the first of them replaces what was there before. */
	if (!*seen && list)
		memset((char *)parser->config + key->offset, 0, key->size);
	*seen = line->number;
	return config_key_store(key, parser->config, line);
}

/* What only the whole file shows. */
static int check_clouds(const struct config *config, const char *name, struct cmk_err *err)
{
	for (size_t i = BUILTIN_COUNT; i < config->clouds_count; i++) {
		const struct cloud *cloud = &config->clouds[i];

		if (!cloud->authority[0] || !cloud->vault_suffix[0])
			return cmk_err(err, CMK_CONFIG,
				       "%s: [cloud %s] lacks authority or vault_suffix; add it",
				       name, cloud->name);
	}
	if (!config_cloud(config, config->provider.cloud))
		return cmk_err(
			err, CMK_CONFIG,
			"%s: the cloud \"%s\" of [provider] is not built in; correct the name, or "
			"add a section [cloud %s]",
			name, config->provider.cloud, config->provider.cloud);
	return 0;
}

int config_parse(const char *text, const char *name, struct config *config, struct cmk_err *err)
{
	_cleanup_free_ struct config *copy = malloc(sizeof(*copy));
	struct parser parser = { .config = copy };
	int r;

	if (!copy)
		return -ENOMEM;
	*copy = *config;
	r = config_lines(text, name, take_line, &parser, err);
	if (r < 0)
		return r;
	r = check_clouds(copy, name, err);
	if (r < 0)
		return r;
	*config = *copy;
	return 0;
}

int config_load(const char *dir, struct config *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret text = { 0 };
	char path[PATH_MAX];
	int len, r;

	config_init(ret);
	len = snprintf(path, sizeof(path), "%s/luks-cmk.conf", dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return cmk_err(err, CMK_CONFIG, "the path of the configuration is too long");
	r = config_read_file(path, &text, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return config_parse((const char *)text.data, path, ret, err);
}
