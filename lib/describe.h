/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header description of a LUKS2 device as libcryptsetup sees it: for the plugin and the tool alike. */
#pragma once

#include "base/err.h"
#include "format/header.h"

struct crypt_device;

/* Needs a loaded LUKS2 header. CMK_DEVICE for one whose segment cannot be described. */
int describe_header(struct crypt_device *cd, char out[static HEADER_DESCRIPTION_MAX],
		    struct cmk_err *err);

/*
 * Refuses a keyslot whose own area is not encrypted (CMK_NULL_CIPHER): any passphrase opens it, also ours,
 * and the volume key that comes out was chosen by whoever wrote the header.
 */
int describe_check_keyslots(struct crypt_device *cd, int token, struct cmk_err *err);
