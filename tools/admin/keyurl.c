/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URLs of keys. */
#include "keyurl.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define DIGITS	"0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
/* "Object identifiers": names of vaults, keys and versions (Key Vault REST API 7.4). */
#define NAME_CHARS DIGITS LETTERS "-"

/* Where the path starts, if the host is one label and then the suffix; else NULL. */
static const char *skip_host(const char *host, const char *suffix)
{
	size_t label = strspn(host, NAME_CHARS);
	const char *rest = host + label;

	if (label == 0 || suffix[0] == '\0' || *rest != '.')
		return NULL;
	rest++;
	if (strncasecmp(rest, suffix, strlen(suffix)) != 0)
		return NULL;
	rest += strlen(suffix);
	return *rest == '/' ? rest : NULL;
}

static bool is_key_path(const char *path)
{
	size_t len;

	if (!text_starts(path, "/keys/"))
		return false;
	path += strlen("/keys/");
	len = strspn(path, NAME_CHARS);
	if (len == 0 || len > 127)
		return false;
	path += len;
	if (*path == '\0')
		return true;
	path++;
	return path[-1] == '/' && strlen(path) == 32 && strspn(path, NAME_CHARS) == 32;
}

int keyurl_check(const struct cloud *cloud, const char *url, struct cmk_err *err)
{
	const char *path = NULL;

	if (text_starts(url, "https://")) {
		const char *host = url + strlen("https://");

		path = skip_host(host, cloud->vault_suffix);
		if (path == NULL)
			path = skip_host(host, cloud->hsm_suffix);
	}
	if (path == NULL || !is_key_path(path) || strlen(url) >= TOKEN_KEY_MAX)
		return cmk_err(
			err, CMK_CONFIG,
			"%s is no key of cloud %s: https://VAULT.%s/keys/NAME is expected%s%s%s",
			url, cloud->name, cloud->vault_suffix,
			cloud->hsm_suffix[0] != '\0' ? ", or https://HSM." : "", cloud->hsm_suffix,
			cloud->hsm_suffix[0] != '\0' ? "/keys/NAME" : "");
	return 0;
}

/* Copies what comes before end, or all; false if that is too long. */
static bool take(char *out, size_t size, const char *text, const char *end)
{
	size_t len = strcspn(text, end);

	if (len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

int keyurl_split(const struct cloud *cloud, const char *url, struct keyurl *ret,
		 struct cmk_err *err)
{
	struct keyurl parts = { 0 };
	int r = keyurl_check(cloud, url, err);

	if (r < 0)
		return r;
	const char *host = url + strlen("https://");
	const char *key = strstr(host, "/keys/") + strlen("/keys/");
	parts.hsm = skip_host(host, cloud->hsm_suffix) != NULL;
	parts.versioned = strchr(key, '/') != NULL;
	if (!take(parts.store, sizeof(parts.store), host, ".") ||
	    !take(parts.key, sizeof(parts.key), key, "/"))
		return cmk_err(err, CMK_CONFIG,
			       "%s has a longer name than any vault has; correct it", url);
	*ret = parts;
	return 0;
}

static size_t length_without_version(const char *url)
{
	size_t len = strlen(url) - strlen(token_key_version(url));

	while (len > 0 && url[len - 1] == '/')
		len--;
	return len;
}

bool keyurl_same_key(const char *a, const char *b)
{
	size_t len = length_without_version(a);

	return len == length_without_version(b) && strncasecmp(a, b, len) == 0;
}

bool keyurl_matches(const char *url, const char *key)
{
	const char *version = token_key_version(url);

	return keyurl_same_key(url, key) &&
	       (version[0] == '\0' || strcasecmp(version, token_key_version(key)) == 0);
}
