/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keyslot key: what the vault wraps, and byte for byte the keyslot's passphrase. */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "format/header.h"

#define PAYLOAD_MAGIC "LUKSCMK1"
/* Magic 8, random 32, SHA-256 of the header description 32. Fits RSA-OAEP and, as a multiple of 8, AES-KW. */
#define PAYLOAD_LEN	   72
#define PAYLOAD_RANDOM_LEN 32

/* A new one for a header. CMK_NULL_CIPHER, or CMK_SYSTEM without random bytes. */
int payload_new(const char *description, struct secret *ret, struct cmk_err *err);

/*
 * Checks length, magic and that it was made for a header of this description. CMK_PROTOCOL for what is
 * no payload (someone wrapped something else), CMK_HEADER_CHANGED, CMK_NULL_CIPHER.
 */
int payload_check(const struct secret *payload, const char *description, struct cmk_err *err);
