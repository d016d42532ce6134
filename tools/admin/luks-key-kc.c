/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume key by another token, with the keyslot contexts of libcryptsetup 2.6. */
#include "luks.h"

#include <errno.h>
#include <libcryptsetup.h>

static void context_freep(struct crypt_keyslot_context **context)
{
	crypt_keyslot_context_free(*context);
}

int luks_key_by_token(struct luks *luks, int token, const struct secret *pin, struct secret *ret,
		      struct cmk_err *err)
{
	__attribute__((cleanup(context_freep))) struct crypt_keyslot_context *context = NULL;
	_cleanup_secret_ struct secret key = { 0 };
	size_t size = (size_t)crypt_get_volume_key_size(luks->cd);
	int r = secret_init(&key, size);

	if (r < 0)
		return r;
	r = crypt_keyslot_context_init_by_token(luks->cd, token, NULL,
						pin->len > 0 ? (const char *)pin->data : NULL,
						pin->len, NULL, &context);
	if (r >= 0)
		r = crypt_volume_key_get_by_keyslot_context(luks->cd, CRYPT_ANY_SLOT,
							    (char *)key.data, &size, context);
	if (r == -ENOANO)
		return r;
	if (r == -EPERM)
		return cmk_err(
			err, CMK_KEYSLOT,
			"what token %d holds opens no keyslot of %s; use a passphrase instead",
			token, luks->name);
	if (r == -ENOENT && luks->said[0] == '\0')
		return cmk_err(err, CMK_KEYSLOT,
			       "%s has no token %d that can open it now; see: luks-cmk status %s",
			       luks->name, token, luks->name);
	if (r < 0)
		return luks_err(luks, r, CMK_KEYSLOT, err, "token %d did not open %s", token,
				luks->name);
	key.len = size;
	secret_move(ret, &key);
	return 0;
}
