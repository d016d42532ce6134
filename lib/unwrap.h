/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a token in a loaded header to its keyslot's passphrase: one way, for the plugin and the tool. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

struct crypt_device;

/*
 * Describes the header, checks the token's keyslots, has the helper ask the vault. timeout as in struct
 * wire_request. Writes the failure record, or removes it. err must not be NULL; its request_id is set on
 * success too. Any code, and -ENOMEM as CMK_SYSTEM.
 */
int unwrap_token(struct crypt_device *cd, int token, uint32_t timeout, struct secret *ret,
		 struct cmk_err *err);
