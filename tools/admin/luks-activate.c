/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 volumes: opening one. Never writes to the header. */
#include <errno.h>
#include <libcryptsetup.h>
#include <string.h>
#include <time.h>

#include "crypttab.h"
#include "luks.h"

/* For those who use a mapping whose disk is gone: their next read or write fails. */
#define GONE_WAIT_MS 5000
#define GONE_LOOK_MS 250

static void device_freep(struct crypt_device **cd)
{
	crypt_free(*cd);
}

static uint32_t activation_flags(unsigned options)
{
	static const struct {
		unsigned option;
		uint32_t flag;
	} flags[] = {
		{ CRYPTTAB_DISCARD, CRYPT_ACTIVATE_ALLOW_DISCARDS },
		{ CRYPTTAB_READ_ONLY, CRYPT_ACTIVATE_READONLY },
		{ CRYPTTAB_NO_READ_WORKQUEUE, CRYPT_ACTIVATE_NO_READ_WORKQUEUE },
		{ CRYPTTAB_NO_WRITE_WORKQUEUE, CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE },
		{ CRYPTTAB_SAME_CPU, CRYPT_ACTIVATE_SAME_CPU_CRYPT },
		{ CRYPTTAB_SUBMIT_FROM_CPUS, CRYPT_ACTIVATE_SUBMIT_FROM_CRYPT_CPUS },
	};
	uint32_t result = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if ((options & flags[i].option) != 0)
			result |= flags[i].flag;
	}
	return result;
}

static bool is_open(crypt_status_info status)
{
	return status == CRYPT_ACTIVE || status == CRYPT_BUSY;
}

static void discard_message(int level, const char *message, void *data)
{
	(void)level;
	(void)message;
	(void)data;
}

static crypt_status_info status_of(const char *name)
{
	crypt_status_info status;

	/* Without a device there is none to log to: the library's default takes it. */
	crypt_set_log_callback(NULL, discard_message, NULL);
	status = crypt_status(NULL, name);
	crypt_set_log_callback(NULL, NULL, NULL);
	return status;
}

bool luks_mapping_exists(const char *name)
{
	return is_open(status_of(name));
}

bool luks_can_map(void)
{
	return status_of("luks-cmk-is-there-device-mapper") != CRYPT_INVALID;
}

int luks_mapping(struct luks *luks, const char *name, struct cmk_err *err)
{
	__attribute__((cleanup(device_freep))) struct crypt_device *cd = NULL;
	crypt_status_info status = crypt_status(luks->cd, name);
	const char *uuid;

	if (status == CRYPT_INVALID)
		return cmk_err(err, CMK_SYSTEM,
			       "the kernel's device-mapper does not answer; load its modules: "
			       "modprobe dm_crypt");
	if (!is_open(status))
		return 0;
	uuid = crypt_init_by_name(&cd, name) < 0 ? NULL : crypt_get_uuid(cd);
	if (uuid != NULL && strcmp(uuid, crypt_get_uuid(luks->cd)) == 0)
		return 1;
	return cmk_err(err, CMK_STATE,
		       "the mapping %s is there already, and is not of %s; choose another name",
		       name, luks->name);
}

int luks_activate(struct luks *luks, int token, const struct secret *payload, const char *name,
		  unsigned options, struct cmk_err *err)
{
	uint32_t slots = luks_token_slots(luks, token);
	int r = -EPERM;

	for (int i = 0; i < LUKS_SLOTS_MAX && r == -EPERM; i++) {
		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		r = crypt_activate_by_passphrase(luks->cd, name, i, (const char *)payload->data,
						 payload->len, activation_flags(options));
	}
	if (r >= 0)
		return 0;
	/* Somebody typed a passphrase meanwhile. */
	if (r == -EEXIST && name != NULL && luks_mapping(luks, name, NULL) == 1)
		return 0;
	if (r == -EPERM)
		return cmk_err(
			err, CMK_KEYSLOT,
			"what the vault unwrapped opens no keyslot of token %d of %s; enrol the "
			"volume again, or restore its header from a backup",
			token, luks->name);
	return luks_err(luks, r, CMK_DEVICE, err, "%s cannot be mapped", luks->name);
}

/*
 * Without a header, as of a disk that is gone, the mapping cannot be closed later by itself: libcryptsetup 2.7
 * (lib/setup.c, crypt_deactivate_by_name()) would look into the header for hardware encryption, and crash.
 */
static int deactivate(struct crypt_device *cd, const char *name, bool deferred)
{
	const struct timespec pause = { .tv_nsec = GONE_LOOK_MS * 1000L * 1000 };
	int r = crypt_deactivate_by_name(cd, name, 0);

	if (r != -EBUSY || !deferred)
		return r;
	if (crypt_get_type(cd) != NULL)
		return crypt_deactivate_by_name(cd, name, CRYPT_DEACTIVATE_DEFERRED);
	for (int i = 0; i < GONE_WAIT_MS / GONE_LOOK_MS && r == -EBUSY; i++) {
		(void)nanosleep(&pause, NULL);
		r = crypt_deactivate_by_name(cd, name, 0);
	}
	return r;
}

int luks_deactivate(const char *name, bool deferred, struct cmk_err *err)
{
	__attribute__((cleanup(device_freep))) struct crypt_device *cd = NULL;
	int r;

	/* Its complaint that the disk is gone is no news. */
	crypt_set_log_callback(NULL, discard_message, NULL);
	r = crypt_init_by_name(&cd, name);
	if (r >= 0) {
		crypt_set_log_callback(cd, discard_message, NULL);
		r = deactivate(cd, name, deferred);
	}
	crypt_set_log_callback(NULL, NULL, NULL);
	if (r == -EBUSY)
		return cmk_err(err, CMK_STATE,
			       "%s is in use; end what uses it (see: lsblk, fuser -m), %s", name,
			       deferred ? "then close it again"
					: "or say --deferred to close it when it is free");
	if (r < 0)
		return cmk_err_errno(err, CMK_DEVICE, -r, "%s cannot be closed", name);
	return luks_mapping_exists(name) ? 1 : 0;
}
