/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base64url without padding (RFC 4648, section 5). */
#include "base/b64.h"

#include <errno.h>

/*
 * Both directions compute instead of looking up in a table, because what passes here is partly secret
 * and a table's index can be seen in the cache.
 */

/* All ones where first <= c <= last, else zero. */
static int in_range(int c, int first, int last)
{
	return ((first - 1 - c) & (c - last - 1)) >> 8;
}

static char encode_sextet(unsigned sextet)
{
	int s = (int)sextet, c;

	c = in_range(s, 0, 25) & (s + 'A');
	c |= in_range(s, 26, 51) & (s - 26 + 'a');
	c |= in_range(s, 52, 61) & (s - 52 + '0');
	c |= in_range(s, 62, 62) & '-';
	c |= in_range(s, 63, 63) & '_';
	return (char)c;
}

/* 0 to 63, or -1 for a character outside the alphabet. */
static int decode_sextet(char character)
{
	int c = (unsigned char)character, s = -1;

	s += in_range(c, 'A', 'Z') & (c - 'A' + 1);
	s += in_range(c, 'a', 'z') & (c - 'a' + 27);
	s += in_range(c, '0', '9') & (c - '0' + 53);
	s += in_range(c, '-', '-') & 63;
	s += in_range(c, '_', '_') & 64;
	return s;
}

int b64url_encode(const uint8_t *data, size_t len, char *out, size_t size)
{
	unsigned bits = 0, pending = 0;

	if (len > SIZE_MAX / 8 || size <= B64URL_LEN(len))
		return -ENOBUFS;
	for (size_t i = 0; i < len; i++) {
		pending = (pending << 8 | data[i]) & 0xffff;
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = encode_sextet(pending >> (bits - 6) & 0x3f);
	}
	if (bits > 0)
		*out++ = encode_sextet(pending << (6 - bits) & 0x3f);
	*out = '\0';
	return 0;
}

int b64url_decode(const char *text, size_t len, struct secret *out)
{
	_cleanup_secret_ struct secret decoded = { 0 };
	unsigned bits = 0, pending = 0;
	int r;

	if (len % 4 == 1)
		return -EBADMSG;
	r = secret_init(&decoded, len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++) {
		int sextet = decode_sextet(text[i]);

		if (sextet < 0)
			return -EBADMSG;
		pending = (pending << 6 | (unsigned)sextet) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			decoded.data[decoded.len++] = (uint8_t)(pending >> bits);
		}
	}
	/* Otherwise two texts would mean the same bytes. */
	if (pending & ((1U << bits) - 1))
		return -EBADMSG;
	decoded.data[decoded.len] = '\0';
	secret_move(out, &decoded);
	return 0;
}
