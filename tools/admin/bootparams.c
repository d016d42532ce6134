/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's command line, read as strictly as our own: a value that means nothing changes nothing. */
#include "bootparams.h"

#include <string.h>

#include "base/text.h"
#include "format/config-value.h"

#define WORD_MAX 256

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word without its quotes; false at the end. A word that is too long is none of ours. */
static bool next_word(const char **text, char word[static WORD_MAX])
{
	const char *p = *text;
	bool quoted = false;
	size_t len = 0;

	while (is_blank(*p))
		p++;
	if (*p == '\0')
		return false;
	for (; *p != '\0' && (quoted || !is_blank(*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (len < WORD_MAX)
			word[len++] = *p;
	}
	word[len < WORD_MAX ? len : 0] = '\0';
	*text = p;
	return true;
}

bool bootparams_timeout(const char *text, uint32_t *ret)
{
	return config_set_timeout(ret, sizeof(*ret), text) == NULL;
}

/* False for a value that the parameter cannot have. */
static bool take(const char *name, const char *value, struct bootparams *params)
{
	static const struct {
		const char *name, *value;
		bool off;
	} switches[] = {
		{ "luks-cmk", "off", true },
		{ "luks-cmk", "on", false },
		{ "rd.luks-cmk", "0", true },
		{ "rd.luks-cmk", "1", false },
	};
	bool ours = false;

	if (strcmp(name, "luks-cmk.timeout") == 0)
		return bootparams_timeout(value, &params->timeout);
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (strcmp(name, switches[i].name) != 0)
			continue;
		ours = true;
		if (strcmp(value, switches[i].value) == 0) {
			params->off = switches[i].off;
			return true;
		}
	}
	return !ours;
}

void bootparams_parse(const char *text, struct bootparams *ret)
{
	struct bootparams params = { 0 };
	char word[WORD_MAX];

	while (next_word(&text, word) && strcmp(word, "--") != 0) {
		char shown[sizeof(params.wrong)];
		char *value = strchr(word, '=');

		text_escape(shown, sizeof(shown), word);
		if (value != NULL)
			*value++ = '\0';
		if (!take(word, value != NULL ? value : "", &params))
			memcpy(params.wrong, shown, sizeof(shown));
	}
	*ret = params;
}
