/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header description: which parameters of a LUKS2 header the keyslot key is bound to. */
#include "format/header.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MARKS ":()_-"

static bool is_word_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr(MARKS, c));
}

static bool is_word(const char *text)
{
	if (!*text)
		return false;
	while (is_word_char(*text))
		text++;
	return !*text;
}

int header_describe(const struct header *header, char out[static HEADER_DESCRIPTION_MAX])
{
	const char *integrity = header->integrity && *header->integrity ? header->integrity
									: "none";
	char line[HEADER_DESCRIPTION_MAX];
	int len;

	if (!header->cipher || !is_word(header->cipher) || !is_word(integrity))
		return -EINVAL;
	len = snprintf(line, sizeof(line),
		       "cipher=%s key=%u sector=%u offset=%" PRIu64 " integrity=%s", header->cipher,
		       header->key_bits, header->sector_size, header->offset, integrity);
	if (len < 0 || (size_t)len >= sizeof(line))
		return -ENOBUFS;
	memcpy(out, line, (size_t)len + 1);
	return 0;
}

/* Takes "name=" and a word off the text; NULL if it begins otherwise. */
static const char *take_word(const char *text, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(text, name, len) != 0 || !is_word_char(text[len]))
		return NULL;
	for (text += len; is_word_char(*text); text++)
		;
	return text;
}

/* The same for a number in its only spelling: digits without a leading zero that fit in 64 bits. */
static const char *take_number(const char *text, const char *name)
{
	size_t len = strlen(name);
	uint64_t value = 0;

	if (strncmp(text, name, len) != 0)
		return NULL;
	text += len;
	if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return NULL;
	}
	return text;
}

static bool is_well_formed(const char *text)
{
	if (strnlen(text, HEADER_DESCRIPTION_MAX) == HEADER_DESCRIPTION_MAX)
		return false;
	text = take_word(text, "cipher=");
	if (text)
		text = take_number(text, " key=");
	if (text)
		text = take_number(text, " sector=");
	if (text)
		text = take_number(text, " offset=");
	if (text)
		text = take_word(text, " integrity=");
	return text && !*text;
}

/*
 * libcryptsetup's own name for "no encryption" is cipher_null-ecb, the kernel's is ecb(cipher_null); no
 * real cipher has these letters in its name, whatever prefix or mode goes with it.
 */
static bool has_null_cipher(const char *description)
{
	char cipher[HEADER_DESCRIPTION_MAX];
	size_t len = strcspn(description, " ");

	if (len >= sizeof(cipher))
		return false;
	memcpy(cipher, description, len);
	cipher[len] = '\0';
	return strcasestr(cipher, "null") != NULL;
}

int header_check(const char *description, struct cmk_err *err)
{
	if (has_null_cipher(description))
		return cmk_err(
			err, CMK_NULL_CIPHER,
			"the LUKS2 header names a null cipher, under which data would be stored in "
			"the clear; %s",
			cmk_code_hint(CMK_NULL_CIPHER));
	if (!is_well_formed(description))
		return cmk_err(err, CMK_PROTOCOL,
			       "the description of the LUKS2 header is malformed: \"%s\"; install "
			       "luks-cmk "
			       "again, all of one release",
			       description);
	return 0;
}
