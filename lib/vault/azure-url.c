/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key identifiers of Key Vault and Managed HSM: those of a token, untrusted, and those of a reply. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "vault/azure-internal.h"

#define DEFAULT_PORT ":443"
#define LOWER	     "abcdefghijklmnopqrstuvwxyz"
#define UPPER	     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	     "0123456789"

/* Copies what lies before the first of stop, if it is of these characters only, and not empty. */
static const char *take(const char *text, const char *characters, const char *stop, char *out,
			size_t size)
{
	size_t len = strcspn(text, stop);

	if (len == 0 || len >= size || strspn(text, characters) < len)
		return NULL;
	memcpy(out, text, len);
	out[len] = '\0';
	return text + len;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

bool azure_url_parse(const char *url, struct azure_url *ret)
{
	struct azure_url parsed = { 0 };

	if (!text_starts(url, "https://"))
		return false;
	const char *rest = take(url + strlen("https://"), LOWER UPPER DIGITS "-.:", "/",
				parsed.host, sizeof(parsed.host));
	if (!rest || !text_starts(rest, "/keys/"))
		return false;
	rest = take(rest + strlen("/keys/"), LOWER UPPER DIGITS "-", "/", parsed.name,
		    sizeof(parsed.name));
	if (rest && *rest == '/') {
		rest = take(rest + 1, "abcdefABCDEF" DIGITS, "/", parsed.version,
			    sizeof(parsed.version));
		if (strlen(parsed.version) != sizeof(parsed.version) - 1)
			return false;
	}
	if (!rest || *rest)
		return false;
	lower(parsed.host);
	*ret = parsed;
	return true;
}

int azure_check_kid(const struct vault_target *target, const char *kid, struct azure_url *ret,
		    struct cmk_err *err)
{
	struct azure_url ours = { 0 }, theirs = { 0 };

	if (!azure_url_parse(target->wrapping.key, &ours) || !azure_url_parse(kid, &theirs) ||
	    !theirs.version[0])
		return cmk_err(err, CMK_PROTOCOL,
			       "%s answered about '%.120s', which is no key's version; check for "
			       "something on the path that answers in its place",
			       target->host, kid);
	if (text_ends(theirs.host, DEFAULT_PORT) && !strchr(ours.host, ':'))
		theirs.host[strlen(theirs.host) - strlen(DEFAULT_PORT)] = '\0';
	/* Names and versions have no case for the vault, and come back as they were first written. */
	if (strcmp(theirs.host, ours.host) != 0 || strcasecmp(theirs.name, ours.name) != 0 ||
	    (ours.version[0] && strcasecmp(theirs.version, ours.version) != 0))
		return cmk_err(err, CMK_PROTOCOL,
			       "%s answered about another key (%.120s) than was asked for; check "
			       "for something on the path that answers in its place",
			       target->host, kid);
	*ret = theirs;
	return 0;
}
