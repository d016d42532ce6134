/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 volumes: keyslots and tokens, in an order in which every step leaves a volume that opens. */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "paths.h"
#include "record.h"

int luks_key_by_passphrase(struct luks *luks, const struct secret *passphrase, struct secret *ret,
			   struct cmk_err *err)
{
	_cleanup_secret_ struct secret key = { 0 };
	size_t size = (size_t)crypt_get_volume_key_size(luks->cd);
	int r = secret_init(&key, size);

	if (r < 0)
		return r;
	r = crypt_volume_key_get(luks->cd, CRYPT_ANY_SLOT, (char *)key.data, &size,
				 (const char *)passphrase->data, passphrase->len);
	if (r == -EPERM || r == -ENOENT)
		return cmk_err(err, CMK_PASSPHRASE, "no keyslot of %s opens with this %s",
			       luks->name, "passphrase or key file");
	if (r < 0)
		return luks_err(luks, r, CMK_KEYSLOT, err, "%s cannot be unlocked", luks->name);
	key.len = size;
	secret_move(ret, &key);
	return 0;
}

uint32_t luks_cheap_slots(const struct luks *luks)
{
	uint32_t slots = 0;

	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		struct crypt_pbkdf_type pbkdf;

		if (crypt_keyslot_get_pbkdf(luks->cd, i, &pbkdf) >= 0 &&
		    strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0)
			slots |= UINT32_C(1) << i;
	}
	return slots;
}

int luks_slot_of(struct luks *luks, uint32_t slots, const struct secret *payload)
{
	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		if (crypt_activate_by_passphrase(luks->cd, NULL, i, (const char *)payload->data,
						 payload->len, 0) >= 0)
			return i;
	}
	return LUKS_NONE;
}

static int add_keyslot(struct luks *luks, const struct secret *volume_key,
		       const struct secret *payload, int *ret, struct cmk_err *err)
{
	/* The payload holds 256 random bits: a slow derivation would add nothing but time at boot. */
	static const struct crypt_pbkdf_type fast = { .type = CRYPT_KDF_PBKDF2,
						      .hash = "sha256",
						      .iterations = 1000,
						      .flags = CRYPT_PBKDF_NO_BENCHMARK };
	int r = crypt_set_pbkdf_type(luks->cd, &fast);

	if (r >= 0)
		r = crypt_keyslot_add_by_volume_key(luks->cd, CRYPT_ANY_SLOT,
						    volume_key != NULL
							    ? (const char *)volume_key->data
							    : NULL,
						    volume_key != NULL ? volume_key->len : 0,
						    (const char *)payload->data, payload->len);
	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "no keyslot can be added to %s",
				luks->name);
	*ret = r;
	return 0;
}

/* In the reverse order: a token without keyslot is inert, a keyslot without token would be a riddle. */
bool luks_undo(struct luks *luks, const struct luks_enrolment *enrolment)
{
	if (enrolment->keyslot != LUKS_NONE)
		(void)crypt_keyslot_destroy(luks->cd, enrolment->keyslot);
	if (enrolment->token != LUKS_NONE)
		(void)luks_token_write(luks, enrolment->token, NULL, NULL);
	return enrolment->token != LUKS_NONE;
}

int luks_assign(struct luks *luks, const struct luks_enrolment *enrolment, struct cmk_err *err)
{
	int r = crypt_token_assign_keyslot(luks->cd, enrolment->token, enrolment->keyslot);

	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "token %d of %s cannot be assigned",
				enrolment->token, luks->name);
	return 0;
}

void luks_unassign(struct luks *luks, const struct luks_enrolment *enrolment)
{
	(void)crypt_token_unassign_keyslot(luks->cd, enrolment->token, enrolment->keyslot);
}

static int add_token(struct luks *luks, const struct token *token, int *ret, struct cmk_err *err)
{
	_cleanup_free_ char *json = token_format(token);
	int r;

	if (json == NULL)
		return -ENOMEM;
	r = crypt_token_json_set(luks->cd, CRYPT_ANY_TOKEN, json);
	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err,
				"the header of %s has no room for another token", luks->name);
	*ret = r;
	return 0;
}

int luks_enrol(struct luks *luks, const struct secret *volume_key, const struct secret *payload,
	       const struct token *token, struct luks_enrolment *ret, bool *ret_undone,
	       struct cmk_err *err)
{
	struct luks_enrolment enrolment = { LUKS_NONE, LUKS_NONE };
	int r = add_token(luks, token, &enrolment.token, err);

	if (r >= 0)
		r = add_keyslot(luks, volume_key, payload, &enrolment.keyslot, err);
	if (r >= 0)
		r = luks_assign(luks, &enrolment, err);
	if (r < 0) {
		*ret_undone = luks_undo(luks, &enrolment);
		return r;
	}
	*ret = enrolment;
	return 0;
}

int luks_check_writable(const struct luks *luks, struct cmk_err *err)
{
	_cleanup_close_ int fd = open(luks->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int read_only = 0;

	/* Kernels let root open a read-only block device for writing, and fail the write. */
	if (fd >= 0 && ioctl(fd, BLKROGET, &read_only) == 0 && read_only != 0)
		errno = EROFS;
	if (fd < 0 || read_only != 0)
		return cmk_err_errno(err, CMK_DEVICE, errno,
				     "%s cannot be written; run as root, or make it writable",
				     luks->name);
	return 0;
}

int luks_plugin_check(struct cmk_err *err)
{
	const char *dir = crypt_token_external_path();
	char path[4096];

	if (dir == NULL)
		return cmk_err(err, CMK_HELPER, "this libcryptsetup loads no token plugins");
	(void)snprintf(path, sizeof(path), "%s/libcryptsetup-token-" TOKEN_TYPE ".so", dir);
	if (access(path, R_OK) < 0)
		return cmk_err_errno(err, CMK_HELPER, errno,
				     "the token plugin is not installed, so nothing could open the "
				     "volume at boot: %s",
				     path);
	return 0;
}

int luks_prove(struct luks *luks, int token, struct cmk_err *err)
{
	struct record record;
	int r;

	/* A failure just recorded would be repeated without asking anyone. */
	record_remove(RUN_DIR, luks->uuid, token);
	luks->said[0] = '\0';
	r = crypt_activate_by_token(luks->cd, NULL, token, NULL, 0);
	if (r >= 0)
		return 0;
	if (record_read(RUN_DIR, luks->uuid, token, &record) == 0 && record.err.code != CMK_OK) {
		*err = record.err;
		return cmk_code_errno(record.err.code);
	}
	/* libcryptsetup keeps to itself why it could not load a plugin. */
	if (luks->said[0] == '\0')
		return cmk_err(
			err, CMK_HELPER,
			"libcryptsetup could not open %s by its new token; the plugin in %s may "
			"be broken or of another release: reinstall luks-cmk",
			luks->name, crypt_token_external_path());
	return luks_err(luks, r, CMK_HELPER, err, "the installed token plugin did not open %s",
			luks->name);
}

int luks_destroy_slots(struct luks *luks, int token, uint32_t slots, struct cmk_err *err)
{
	slots &= ~luks_other_slots(luks, token);
	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		int r;

		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		/* Takes it off its tokens too, in the same write of the header. */
		r = crypt_keyslot_destroy(luks->cd, i);
		if (r < 0)
			return luks_err(luks, r, CMK_KEYSLOT, err,
					"keyslot %d of %s cannot be destroyed", i, luks->name);
	}
	return 0;
}

int luks_token_write(struct luks *luks, int token, const char *json, struct cmk_err *err)
{
	int r = crypt_token_json_set(luks->cd, token, json);

	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "token %d of %s cannot be written", token,
				luks->name);
	if (json == NULL)
		record_remove(RUN_DIR, luks->uuid, token);
	return 0;
}

int luks_backup(struct luks *luks, const char *file, struct cmk_err *err)
{
	/* libcryptsetup writes to no file that is there already, which then may be an older backup. */
	bool is_new = access(file, F_OK) != 0 && errno == ENOENT;
	int r = crypt_header_backup(luks->cd, CRYPT_LUKS2, file);

	/* Half a header must not pass for a backup. */
	if (r < 0 && is_new)
		(void)unlink(file);
	if (r < 0)
		return luks_err(luks, r, CMK_SYSTEM, err, "the header of %s cannot be saved to %s",
				luks->name, file);
	return 0;
}
