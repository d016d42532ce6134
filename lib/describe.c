/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks libcryptsetup for the parameters that a keyslot key is bound to. */

#include "describe.h"

#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>

/* libcryptsetup counts offsets in sectors of 512 bytes, whatever the volume's own sector size. */
#define OFFSET_UNIT 512

int describe_header(struct crypt_device *cd, char out[static HEADER_DESCRIPTION_MAX],
		    struct cmk_err *err)
{
	const char *cipher = crypt_get_cipher(cd);
	const char *mode = crypt_get_cipher_mode(cd);
	int key_bytes = crypt_get_volume_key_size(cd);
	int sector_size = crypt_get_sector_size(cd);
	if (!cipher || !mode || key_bytes <= 0 || sector_size <= 0)
		return cmk_err(err, CMK_DEVICE,
			       "the LUKS2 header does not say how the data is encrypted; if a "
			       "reencryption was "
			       "interrupted, finish it with cryptsetup repair");

	char spec[HEADER_DESCRIPTION_MAX];
	int len = snprintf(spec, sizeof(spec), "%s-%s", cipher, mode);
	struct crypt_params_integrity integrity = { 0 };
	(void)crypt_get_integrity_info(cd, &integrity);
	const struct header header = {
		.cipher = spec,
		.key_bits = (unsigned)key_bytes * 8,
		.sector_size = (unsigned)sector_size,
		.offset = crypt_get_data_offset(cd) * OFFSET_UNIT,
		.integrity = integrity.integrity,
	};
	if (len < 0 || (size_t)len >= sizeof(spec) || header_describe(&header, out) < 0)
		return cmk_err(err, CMK_DEVICE, "the LUKS2 header names an unusable cipher, %s-%s",
			       cipher, mode);
	return 0;
}

int describe_check_keyslots(struct crypt_device *cd, int token, struct cmk_err *err)
{
	int count = crypt_keyslot_max(CRYPT_LUKS2);
	for (int slot = 0; slot < count; slot++) {
		if (crypt_token_is_assigned(cd, token, slot) != 0)
			continue;
		size_t key_size;
		const char *cipher = crypt_keyslot_get_encryption(cd, slot, &key_size);
		if (cipher && strstr(cipher, "null"))
			return cmk_err(
				err, CMK_NULL_CIPHER,
				"keyslot %d of token %d is not encrypted (%s): someone changed the "
				"header; restore it from a backup",
				slot, token, cipher);
	}
	return 0;
}
