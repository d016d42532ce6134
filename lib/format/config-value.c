/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of configuration files: checks, and the one place that stores them. */
#include "format/config-value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "format/config.h"
#include "format/token.h"

#define HOST_LEN_MAX  253 /* RFC 1035, section 2.3.4, without the root's dot */
#define LABEL_LEN_MAX 63
#define TIMEOUT_MAX   86400 /* a day: whoever wants more means forever */
#define PORT_MAX      65535
#define DIGITS	      "0123456789"
#define HOST_CHARS    "abcdefghijklmnopqrstuvwxyz" DIGITS "-"

static const char TOO_LONG[] = "is too long";

static const char *copy(void *out, size_t size, const char *value)
{
	return text_copy(out, size, value) ? NULL : TOO_LONG;
}

/* A number of digits alone, from least to most; false for anything else. */
static bool parse_number(const char *text, uint32_t least, uint32_t most, uint32_t *ret)
{
	uint32_t value = 0;

	if (!*text || text[strspn(text, DIGITS)])
		return false;
	for (; *text; text++) {
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint32_t)(*text - '0'), &value))
			return false;
	}
	if (value < least || value > most)
		return false;
	*ret = value;
	return true;
}

static void lower(char *text)
{
	for (; *text; text++) {
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
	}
}

/* host[:port] in lower case: a name, or an IPv4 address. */
static bool is_host(const char *text, bool port_required)
{
	const char *label = text;
	uint32_t port = 0;
	size_t n;

	for (;; label += n + 1) {
		n = strspn(label, HOST_CHARS);
		if (n == 0 || n > LABEL_LEN_MAX || label[0] == '-' || label[n - 1] == '-')
			return false;
		if (label[n] != '.')
			break;
	}
	if (label + n - text > HOST_LEN_MAX)
		return false;
	if (!label[n])
		return !port_required;
	return label[n] == ':' && parse_number(label + n + 1, 1, PORT_MAX, &port);
}

const char *config_set_guid(void *out, size_t size, const char *value)
{
	return !*value || text_is_guid(value) ? copy(out, size, value) : "is no GUID";
}

const char *config_set_word(void *out, size_t size, const char *value)
{
	return !*value ? copy(out, size, value) : config_set_name(out, size, value);
}

const char *config_set_name(void *out, size_t size, const char *value)
{
	return text_is_name(value, size - 1) ? copy(out, size, value) : "is no name";
}

const char *config_set_path(void *out, size_t size, const char *value)
{
	return !*value || *value == '/' ? copy(out, size, value) : "is no absolute path";
}

const char *config_set_proxy(void *out, size_t size, const char *value)
{
	const char *host = strstr(value, "://");
	char text[CONFIG_PATH_MAX];

	if (!*value)
		return copy(out, size, value);
	if (!host || (!text_starts(value, "http://") && !text_starts(value, "https://")) ||
	    !text_copy(text, sizeof(text), host + 3))
		return "is not of the form http://HOST:PORT";
	lower(text);
	return is_host(text, true) ? copy(out, size, value) : "is not of the form http://HOST:PORT";
}

const char *config_set_host(void *out, size_t size, const char *value)
{
	char text[CONFIG_HOST_MAX];

	if (!text_copy(text, sizeof(text), value))
		return TOO_LONG;
	lower(text);
	return !*text || is_host(text, false) ? copy(out, size, text)
					      : "is no host name (with a port, where it needs one)";
}

/* Drops a scheme in front of value, and a slash behind it: people copy these along. */
static const char *bare_host(char *out, size_t size, const char *value, const char *scheme)
{
	if (text_starts(value, scheme))
		value += strlen(scheme);
	if (!*value)
		return "is empty";
	if (!text_copy(out, size, value))
		return TOO_LONG;
	if (text_ends(out, "/"))
		out[strlen(out) - 1] = '\0';
	return NULL;
}

const char *config_set_authority(void *out, size_t size, const char *value)
{
	char text[CONFIG_HOST_MAX];
	const char *problem = bare_host(text, sizeof(text), value, "https://");

	return problem ? problem : config_set_host(out, size, text);
}

/*
 * The metadata service hands out identities over plain http: anything but a link-local or loopback
 * address would let a neighbour on the network be this machine's identity.
 */
const char *config_set_metadata(void *out, size_t size, const char *value)
{
	char text[CONFIG_HOST_MAX], address[INET_ADDRSTRLEN];
	const char *problem = bare_host(text, sizeof(text), value, "http://");
	struct in_addr in = { 0 };
	uint32_t ip;
	size_t len;

	if (problem)
		return problem;
	len = strcspn(text, ":");
	if (len >= sizeof(address))
		return "is no IPv4 address";
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 || !is_host(text, false))
		return "is no IPv4 address (with a port, where it needs one)";
	ip = ntohl(in.s_addr);
	if (ip >> 16 != (169U << 8 | 254U) && ip >> 24 != 127U)
		return "is neither a link-local (169.254.0.0/16) nor a loopback address";
	return copy(out, size, text);
}

const char *config_set_audience(void *out, size_t size, const char *value)
{
	if (!*value)
		return "is empty";
	for (const char *p = value; *p; p++) {
		if (*p <= ' ' || *p > '~')
			return "holds other characters than printable ASCII";
	}
	return copy(out, size, value);
}

const char *config_set_timeout(void *out, size_t size, const char *value)
{
	uint32_t timeout = CONFIG_TIMEOUT_FOREVER;

	if (strcmp(value, "forever") != 0 && !parse_number(value, 1, TIMEOUT_MAX, &timeout))
		return "is neither a number of seconds from 1 to 86400 nor forever";
	memcpy(out, &timeout, size);
	return NULL;
}

const char *config_set_expired(void *out, size_t size, const char *value)
{
	enum config_expired expired = CONFIG_EXPIRED_FOLLOW;

	if (strcmp(value, "refuse") == 0)
		expired = CONFIG_EXPIRED_REFUSE;
	else if (strcmp(value, "follow") != 0)
		return "is neither follow nor refuse";
	memcpy(out, &expired, size);
	return NULL;
}

const char *config_set_hotplug(void *out, size_t size, const char *value)
{
	enum config_hotplug hotplug = CONFIG_HOTPLUG_KNOWN;

	if (strcmp(value, "all") == 0)
		hotplug = CONFIG_HOTPLUG_ALL;
	else if (strcmp(value, "off") == 0)
		hotplug = CONFIG_HOTPLUG_OFF;
	else if (strcmp(value, "known") != 0)
		return "is neither known nor all nor off";
	memcpy(out, &hotplug, size);
	return NULL;
}

const char *config_set_key(void *out, size_t size, const char *value)
{
	const char *problem = token_key_problem(value);

	return problem ? problem : copy(out, size, value);
}

/* Appends items, separated by commas and blanks; each is checked by set. False if one is wrong. */
static bool append(struct config_list *list, const char *value, config_set_fn set)
{
	static const char separators[] = ", \t";

	for (value += strspn(value, separators); *value; value += strspn(value, separators)) {
		size_t len = strcspn(value, separators);
		char item[CONFIG_HOST_MAX];

		if (list->count == CONFIG_LIST_MAX || len >= sizeof(item))
			return false;
		memcpy(item, value, len);
		item[len] = '\0';
		lower(item);
		if (set(list->items[list->count], sizeof(list->items[0]), item))
			return false;
		list->count++;
		value += len;
	}
	return true;
}

const char *config_set_tenants(void *out, size_t size, const char *value)
{
	(void)size;
	return append(out, value, config_set_guid) ? NULL : "is no list of at most 64 GUIDs";
}

const char *config_set_vaults(void *out, size_t size, const char *value)
{
	(void)size;
	return append(out, value, config_set_host) ? NULL : "is no list of at most 64 host names";
}

const struct config_key *config_key_find(const struct config_key *keys, size_t count,
					 const char *section, const struct config_line *line)
{
	bool section_known = false;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].section, section) != 0)
			continue;
		section_known = true;
		if (strcmp(keys[i].name, line->name) == 0)
			return &keys[i];
	}
	if (!*line->section)
		config_line_error(line, "\"%s\" stands before the first section; move it into one",
				  line->name);
	else if (section_known)
		config_line_error(line, "\"%s\" is no setting of [%s]; correct the name",
				  line->name, line->section);
	else
		config_line_error(line, "[%s] is no section of this file; correct the name",
				  line->section);
	return NULL;
}

int config_key_store(const struct config_key *key, void *base, const struct config_line *line)
{
	const char *problem = key->set((char *)base + key->offset, key->size, line->value);

	if (problem)
		/* Without the value: people put passwords into URLs. */
		return config_line_error(line, "%s %s; correct it", line->name, problem);
	return 0;
}

int config_read_file(const char *path, struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret text = { 0 };
	const uint8_t *nul;
	unsigned line = 1;
	int r;

	r = io_read_file(path, CONFIG_FILE_MAX, false, &text);
	if (r == -ENOENT || r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		return cmk_err(err, CMK_CONFIG, "%s is longer than %d bytes; shorten it", path,
			       CONFIG_FILE_MAX);
	if (r < 0)
		return cmk_err_errno(err, CMK_CONFIG, -r, "cannot read %s%s", path,
				     r == -EACCES ? "; run as root" : "");
	nul = memchr(text.data, '\0', text.len);
	for (const uint8_t *p = text.data; nul && p < nul; p++)
		line += *p == '\n';
	if (nul)
		return cmk_err(err, CMK_CONFIG,
			       "%s line %u: there is a NUL byte; write the file again as text",
			       path, line);
	secret_move(ret, &text);
	return 0;
}
