/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header description: which parameters of a LUKS2 header the keyslot key is bound to. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * What a header says about the data behind it: "cipher=aes-xts-plain64 key=512 sector=4096
 * offset=16777216 integrity=none" (key in bits, sector and offset in bytes). Changing any of these
 * decrypts with other parameters, so the payload is bound to them. The UUID is left out: people change it.
 */
#define HEADER_DESCRIPTION_MAX 256
struct header {
	const char *cipher; /* "aes-xts-plain64" */
	unsigned key_bits;
	unsigned sector_size;
	uint64_t offset;
	const char *integrity; /* NULL or "" is none */
};
/* Writes the canonical line; -EINVAL for a cipher or integrity outside [A-Za-z0-9:()_-], -ENOBUFS. */
int header_describe(const struct header *header, char out[static HEADER_DESCRIPTION_MAX]);

/* Refuses a null cipher, whatever else is right: CMK_NULL_CIPHER; and a malformed line: CMK_PROTOCOL. */
int header_check(const char *description, struct cmk_err *err);
