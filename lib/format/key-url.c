/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key URLs, as tokens and configuration files hold them: https://HOST/keys/NAME/VERSION. */
#include <string.h>

#include "base/text.h"
#include "format/token.h"

#define SCHEME	     "https://"
#define KEYS	     "/keys/"
#define HOST_LEN_MAX 253 /* RFC 1035, section 2.3.4, without the root's dot */
#define LABEL_MAX    63
#define DIGITS	     "0123456789"
#define LETTERS	     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define HOST_CHARS   DIGITS LETTERS ".-"
#define PATH_CHARS   HOST_CHARS "_:/"

/* The part between the scheme and the path, with its port; NULL without a scheme. */
static const char *find_authority(const char *key, size_t *ret_len)
{
	if (!text_starts(key, SCHEME))
		return NULL;
	key += strlen(SCHEME);
	*ret_len = strcspn(key, "/");
	return key;
}

/*
 * Whether a host name's last label makes it an address: all digits, or 0x and more (inet_aton(3) reads
 * 127.1, 2130706433 and 0x7f.1 as addresses, and so do HTTP libraries).
 */
static bool is_number(const char *label, size_t len)
{
	return strspn(label, DIGITS) >= len ||
	       (len >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'));
}

static const char *host_problem(const char *host, size_t len)
{
	const char *label = host, *end = host + len;
	size_t n;

	if (len == 0 || len > HOST_LEN_MAX)
		return "has no host name of at most 253 characters";
	for (;; label += n + 1) {
		n = strcspn(label, ".:/");
		if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
			return "has a malformed host name";
		if (label + n >= end)
			break;
	}
	return is_number(label, n) ? "has an IP address in place of a host name" : NULL;
}

static const char *authority_problem(const char *authority, size_t len)
{
	size_t host_len = strcspn(authority, ":/");
	const char *port = authority + host_len;
	size_t digits;

	if (memchr(authority, '@', len))
		return "has a user name before its host";
	if (authority[0] == '[')
		return "has an IP address in place of a host name";
	if (strspn(authority, HOST_CHARS) < host_len)
		return "has characters that no host name has";
	if (*port == ':') {
		digits = strspn(port + 1, DIGITS);
		if (digits == 0 || digits > 5 || host_len + 1 + digits != len)
			return "has a malformed port";
	}
	return host_problem(authority, host_len);
}

const char *token_key_problem(const char *key)
{
	size_t len = 0;
	const char *authority = find_authority(key, &len);
	const char *path, *problem;

	if (!authority)
		return "does not begin with https://";
	problem = authority_problem(authority, len);
	if (problem)
		return problem;
	path = authority + len;
	if (path[0] != '/' || !path[1])
		return "has no path";
	if (path[strspn(path, PATH_CHARS)])
		return "has characters that no key's path has";
	if (strstr(path, "/.") || strstr(path, "//"))
		return "has empty or dotted parts in its path";
	return strlen(key) < TOKEN_KEY_MAX ? NULL : "is too long";
}

/* What follows /keys/, NULL if the path begins otherwise. */
static const char *find_name(const char *key)
{
	size_t len = 0;
	const char *authority = find_authority(key, &len);

	if (!authority || !text_starts(authority + len, KEYS))
		return NULL;
	return authority + len + strlen(KEYS);
}

static void copy_part(const char *part, size_t len, char *out, size_t size)
{
	if (size == 0)
		return;
	if (!part || len >= size)
		len = 0;
	if (len > 0)
		memcpy(out, part, len);
	out[len] = '\0';
}

const char *token_key_version(const char *key)
{
	const char *name = find_name(key);
	const char *slash = name ? strchr(name, '/') : NULL;

	return slash && !strchr(slash + 1, '/') ? slash + 1 : "";
}

void token_key_host(const char *key, char *out, size_t size)
{
	size_t len = 0;
	const char *authority = find_authority(key, &len);

	copy_part(authority, len, out, size);
}

void token_key_name(const char *key, char *out, size_t size)
{
	const char *name = find_name(key);

	copy_part(name, name ? strcspn(name, "/") : 0, out, size);
}
