/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume key by another token: libcryptsetup before 2.6 has no way to it. */
#include "luks.h"

int luks_key_by_token(struct luks *luks, int token, const struct secret *pin, struct secret *ret,
		      struct cmk_err *err)
{
	(void)luks;
	(void)token;
	(void)pin;
	(void)ret;
	return cmk_err(
		err, CMK_SYSTEM,
		"this libcryptsetup is older than 2.6 and cannot unlock by a token for enroll; "
		"use a passphrase or a key file");
}
