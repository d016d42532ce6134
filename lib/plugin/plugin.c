/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcryptsetup's token plugin for type "luks-cmk". It runs inside root's cryptsetup, systemd-cryptsetup
 * or udisksd (threads, all memory locked, unloaded again): it loads nothing but libc, changes nothing of
 * its host and leaves all real work to the helper.
 *
 * There is no cryptsetup_token_open_pin: with it, every PIN typed for another token would ask the vault.
 */

#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "format/token.h"
#include "paths.h"
#include "record.h"
#include "unwrap.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *cryptsetup_token_version(void);
EXPORT int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer,
				 size_t *buffer_len, void *usrptr);
EXPORT void cryptsetup_token_buffer_free(void *buffer, size_t buffer_len);
EXPORT int cryptsetup_token_validate(struct crypt_device *cd, const char *json);
EXPORT void cryptsetup_token_dump(struct crypt_device *cd, const char *json);

/*
 * The only way from our errors to libcryptsetup's. Its break_loop_retval() (lib/luks2/luks2_token.c) goes
 * on to the next token after -ENOENT and -EAGAIN; any other negative value would keep the volume from
 * every other token on it.
 */
static int result_for_host(enum cmk_code code, int r)
{
	if (r == -ENOMEM)
		return -ENOMEM;
	return cmk_code_class(code) == CMK_CLASS_UNREACHABLE ? -EAGAIN : -ENOENT;
}

/* One line, at error level: systemd shows nothing below it. crypt_logf() ends the line itself. */
static void say(struct crypt_device *cd, const struct cmk_err *err, const char *more)
{
	crypt_logf(cd, CRYPT_LOG_ERROR, "luks-cmk: %s%s [%s]%s%s%s", err->text, more,
		   cmk_code_name(err->code), err->request_id[0] ? " (request " : "",
		   err->request_id, err->request_id[0] ? ")" : "");
}

/* libcryptsetup may open a failing token twice, and scripts ask three times: do not make them wait again. */
static bool failed_just_now(const char *uuid, int token, struct record *record)
{
	if (record_read(RUN_DIR, uuid, token, record) < 0)
		return false;
	int64_t age = io_now_ms() - record->boot_ms;
	return age >= 0 && age < RECORD_FRESH_MS;
}

static int copy_key(const struct secret *key, char **buffer, size_t *buffer_len)
{
	char *copy = malloc(key->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, key->data, key->len);
	*buffer = copy;
	*buffer_len = key->len;
	return 0;
}

int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer, size_t *buffer_len,
			  void *usrptr)
{
	(void)usrptr;
	const char *uuid = crypt_get_uuid(cd);
	struct cmk_err claimed = { 0 };
	struct record record;
	if (!uuid)
		uuid = "";
	if (failed_just_now(uuid, token, &record)) {
		say(cd, &record.err, " (not asked again within 5 s)");
		return result_for_host(record.err.code, 0);
	}

	if (record_is_claimed(RUN_DIR, uuid)) {
		cmk_err(&claimed, CMK_STATE,
			"luks-cmk attach asks for this volume's key already; what it last met: "
			"luks-cmk why");
		say(cd, &claimed, "");
		return result_for_host(claimed.code, 0);
	}

	struct cmk_err err = { 0 };
	_cleanup_secret_ struct secret key = { 0 };
	int r = unwrap_token(cd, token, 0, &key, &err);
	if (r >= 0)
		r = copy_key(&key, buffer, buffer_len);
	if (r < 0) {
		if (err.code == CMK_OK)
			cmk_err(&err, CMK_SYSTEM, "out of memory");
		say(cd, &err, "");
		return result_for_host(err.code, r);
	}
	crypt_logf(cd, CRYPT_LOG_VERBOSE,
		   "luks-cmk: the vault unwrapped the key of token %d (request %s).", token,
		   err.request_id);
	return 0;
}

void cryptsetup_token_buffer_free(void *buffer, size_t buffer_len)
{
	if (!buffer)
		return;
	explicit_bzero(buffer, buffer_len);
	free(buffer);
}

/*
 * Called before every open and when a token is written: strict about what we need, tolerant of what a
 * later release may add.
 */
int cryptsetup_token_validate(struct crypt_device *cd, const char *json)
{
	struct cmk_err err = { 0 };
	struct token token;
	if (token_parse(json, strlen(json), false, &token, &err) == 0)
		return 0;
	say(cd, &err, "");
	return -EINVAL;
}

static void dump_line(struct crypt_device *cd, const char *name, const char *value)
{
	char line[CMK_ERR_TEXT_MAX];
	char safe[CMK_ERR_TEXT_MAX / 2];
	text_escape(safe, sizeof(safe), value);
	int len = snprintf(line, sizeof(line), "\t%-12s%s\n", name, safe);
	if (len > 0 && (size_t)len < sizeof(line))
		crypt_log(cd, CRYPT_LOG_NORMAL, line);
}

/* luksDump: what an administrator asks first, and nothing of the wrapped value. */
void cryptsetup_token_dump(struct crypt_device *cd, const char *json)
{
	struct token token;
	if (token_parse(json, strlen(json), false, &token, NULL) < 0)
		return;
	char part[TOKEN_KEY_MAX];
	dump_line(cd, "Customer:", token.customer);
	dump_line(cd, "Identity:", token.identity.source);
	dump_line(cd, "", token.identity.client_id);
	for (size_t i = 0; i < token.wrapped_count; i++) {
		const struct token_wrapping *wrapping = &token.wrapped[i];
		token_key_host(wrapping->key, part, sizeof(part));
		dump_line(cd, "Vault:", part);
		token_key_name(wrapping->key, part, sizeof(part));
		dump_line(cd, "Key:", part);
		dump_line(cd, "Version:", token_key_version(wrapping->key));
		dump_line(cd, "Algorithm:", wrapping->alg);
		dump_line(cd, "Tenant:", wrapping->tenant_id);
	}
	if (token.foreign_count > 0)
		dump_line(cd, "Vault:", "others, which need a newer luks-cmk");
}

const char *cryptsetup_token_version(void)
{
	return PROJECT_VERSION;
}
