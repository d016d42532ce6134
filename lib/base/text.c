/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small checks on text that came from elsewhere. */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Format and control characters beyond ASCII that would move, hide or reorder what a reader sees. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{ 0x0000, 0x001f },   /* C0 */
	{ 0x007f, 0x009f },   /* DEL and C1 */
	{ 0x00ad, 0x00ad },   /* soft hyphen */
	{ 0x061c, 0x061c },   /* Arabic letter mark */
	{ 0x180e, 0x180e },   /* Mongolian vowel separator */
	{ 0x200b, 0x200f },   /* zero width, direction marks */
	{ 0x2028, 0x202e },   /* line and paragraph separator, embeddings, overrides */
	{ 0x2060, 0x206f },   /* word joiner, isolates, deprecated format characters */
	{ 0xfeff, 0xfeff },   /* byte order mark */
	{ 0xfff9, 0xfffb },   /* interlinear annotation */
	{ 0xfffe, 0xffff },   /* noncharacters */
	{ 0xe0000, 0xe0fff }, /* tags, variation selectors */
};

size_t text_utf8(const char *text, size_t len, uint32_t *ret)
{
	/* The smallest code point of each length: a smaller one is overlong. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = len > 0 ? (uint8_t)text[0] : 0;
	uint32_t c;
	size_t n;

	if (len == 0)
		return 0;
	if (first < 0x80) {
		*ret = first;
		return 1;
	}
	n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || n > len)
		return 0;
	c = first & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		uint8_t byte = (uint8_t)text[i];

		if ((byte & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (byte & 0x3fU);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

static bool is_shown(uint32_t c)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	}
	return true;
}

void text_escape(char *out, size_t size, const char *text)
{
	size_t left = strlen(text), used = 0;
	uint32_t c = 0;

	while (left > 0 && size > 0) {
		size_t n = text_utf8(text, left, &c);
		bool shown = n > 0 && is_shown(c);
		size_t need;

		if (n == 0)
			n = 1;
		need = shown ? n : 4 * n;
		if (used + need >= size)
			break;
		if (shown)
			memcpy(out + used, text, n);
		for (size_t i = 0; !shown && i < n; i++)
			snprintf(out + used + 4 * i, 5, "\\x%02x", (unsigned)(uint8_t)text[i]);
		used += need;
		text += n;
		left -= n;
	}
	if (size > 0)
		out[used] = '\0';
}

/* <ctype.h> asks the locale, which is the host's. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool text_is_guid(const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !is_hex(text[i]))
			return false;
	}
	return i == 36 && !text[i];
}

bool text_is_name(const char *text, size_t max)
{
	size_t i;

	if (!is_alnum(text[0]))
		return false;
	for (i = 0; text[i] && i < max; i++) {
		if (!is_alnum(text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return !text[i];
}

#define DOMAIN_MAX 253
#define LABEL_MAX  63

bool text_is_domain(const char *text)
{
	size_t labels = 0, len = 0, digits = 0, i;

	for (i = 0; text[i] && i <= DOMAIN_MAX; i++) {
		if (text[i] == '.') {
			if (len == 0 || len > LABEL_MAX || text[i - 1] == '-')
				return false;
			labels++;
			len = digits = 0;
		} else if (is_alnum(text[i]) || (text[i] == '-' && len > 0)) {
			len++;
			digits += is_digit(text[i]);
		} else {
			return false;
		}
	}
	return i <= DOMAIN_MAX && labels > 0 && len > 0 && len <= LABEL_MAX && digits < len &&
	       text[i - 1] != '-';
}

bool text_is_plain(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || strchr("\"'\\$`!", *p))
			return false;
	}
	return text[0] != '\0';
}

bool text_copy(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size) {
		if (size > 0)
			out[0] = '\0';
		return false;
	}
	memcpy(out, text, len + 1);
	return true;
}

bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}
