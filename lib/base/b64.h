/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base64url without padding (RFC 4648, section 5), as JOSE and Key Vault use it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

/* Characters of an encoding of len bytes, without the NUL. */
#define B64URL_LEN(len) (((len)*4 + 2) / 3)

/* Writes B64URL_LEN(len) characters and a NUL; -ENOBUFS if size is too small. */
int b64url_encode(const uint8_t *data, size_t len, char *out, size_t size);
/*
 * Decodes len characters into out, which gets that many bytes' room. -EBADMSG for a character outside
 * the alphabet, padding, an impossible length or set bits after the end; -ENOMEM.
 */
int b64url_decode(const char *text, size_t len, struct secret *out);
