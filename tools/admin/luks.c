/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 volumes: loading and reading a header. */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"
#include "describe.h"
#include "disks.h"

/* libcryptsetup's words go where ours go: into one sentence, or to the debug output; never past us. */
static void collect(int level, const char *message, void *data)
{
	struct luks *luks = data;
	char line[sizeof(luks->said)];
	size_t len;

	text_escape(line, sizeof(line), message);
	len = strlen(line);
	if (text_ends(line, "\\x0a"))
		line[len -= 4] = '\0';
	if (luks->debug)
		fprintf(stderr, "# %s\n", line);
	if (len > 0 && line[len - 1] == '.')
		line[--len] = '\0';
	if (level == CRYPT_LOG_ERROR && len > 0)
		memcpy(luks->said, line, len + 1);
}

int luks_err(struct luks *luks, int r, enum cmk_code code, struct cmk_err *err, const char *format,
	     ...)
{
	char text[CMK_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (luks->said[0] != '\0')
		return cmk_err(err, code, "%s: %s", text, luks->said);
	return cmk_err_errno(err, code, r < 0 ? -r : EIO, "%s", text);
}

int luks_attach(char *path, bool debug, struct luks **ret, struct cmk_err *err)
{
	_cleanup_free_ char *owned = path;
	_cleanup_luks_ struct luks *luks = calloc(1, sizeof(*luks));
	int r;

	if (luks == NULL)
		return -ENOMEM;
	luks->path = TAKE_PTR(owned);
	luks->debug = debug;
	text_escape(luks->name, sizeof(luks->name), luks->path);
	crypt_set_debug_level(debug ? CRYPT_DEBUG_ALL : CRYPT_DEBUG_NONE);
	/* crypt_init() itself has no device to log to: the library's default takes it. */
	crypt_set_log_callback(NULL, collect, luks);
	r = crypt_init(&luks->cd, luks->path);
	if (r < 0) {
		r = luks_err(luks, r, CMK_DEVICE, err, "%s cannot be used", luks->name);
		crypt_set_log_callback(NULL, NULL, NULL);
		return r;
	}
	crypt_set_log_callback(NULL, NULL, NULL);
	crypt_set_log_callback(luks->cd, collect, luks);
	*ret = TAKE_PTR(luks);
	return 0;
}

void luks_free(struct luks *luks)
{
	if (luks == NULL)
		return;
	if (luks->cd != NULL)
		crypt_free(luks->cd); /* wipes its copy of the volume key */
	free(luks->path);
	free(luks);
}

/* What open(2) says is clearer than what libcryptsetup makes of it. */
static int check_node(const char *path, struct cmk_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be read; run as root",
				     path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be opened", path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return cmk_err(err, CMK_DEVICE, "%s is neither a block device nor an image file",
			       path);
	return 0;
}

static int load(struct luks *luks, struct cmk_err *err)
{
	struct disk_header header = { 0 };
	int r = crypt_load(luks->cd, CRYPT_LUKS, NULL);

	(void)disks_probe(luks->path, &header);
	if (r < 0 && header.version == 0)
		return cmk_err(err, CMK_DEVICE,
			       "%s is no LUKS volume; check that it is the right device, or make "
			       "a volume of it, which destroys its data, by luks-cmk format or "
			       "cryptsetup luksFormat",
			       luks->name);
	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "the LUKS header of %s cannot be read",
				luks->name);
	if (strcmp(crypt_get_type(luks->cd), CRYPT_LUKS2) != 0)
		return cmk_err(err, CMK_DEVICE,
			       "%s is LUKS1; convert it with: cryptsetup convert --type luks2 %s",
			       luks->name, luks->name);
	if (crypt_get_data_offset(luks->cd) == 0)
		return cmk_err(
			err, CMK_DEVICE,
			"%s is a detached header, without the data: only volumes whose header "
			"is on the data device are supported",
			luks->name);
	return 0;
}

int luks_identify(struct luks *luks, struct cmk_err *err)
{
	const char *uuid = crypt_get_uuid(luks->cd);
	struct disk_header header = { 0 };
	int r;

	text_escape(luks->uuid, sizeof(luks->uuid), uuid != NULL ? uuid : "");
	(void)disks_probe(luks->path, &header);
	text_escape(luks->label, sizeof(luks->label), header.label);
	r = describe_header(luks->cd, luks->header, err);
	/* The size of the volume key is known from a keyslot alone: without one there is no description. */
	if (r < 0 && luks_active_slots(luks) == 0) {
		luks->header[0] = '\0';
		return 0;
	}
	return r;
}

int luks_open(const char *device, bool debug, struct luks **ret, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	_cleanup_free_ char *path = NULL;
	int r = disks_resolve(device, &path, err);

	if (r < 0)
		return r;
	r = check_node(path, err);
	if (r < 0)
		return r;
	r = luks_attach(TAKE_PTR(path), debug, &luks, err);
	if (r < 0)
		return r;
	r = load(luks, err);
	if (r < 0)
		return r;
	r = luks_identify(luks, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(luks);
	return 0;
}

const char *luks_token_type(const struct luks *luks, int token)
{
	const char *type = NULL;

	switch (crypt_token_status(luks->cd, token, &type)) {
	case CRYPT_TOKEN_INTERNAL:
	case CRYPT_TOKEN_INTERNAL_UNKNOWN:
	case CRYPT_TOKEN_EXTERNAL:
	case CRYPT_TOKEN_EXTERNAL_UNKNOWN:
		return type;
	case CRYPT_TOKEN_INVALID:
	case CRYPT_TOKEN_INACTIVE:
	default:
		return NULL;
	}
}

int luks_next_token(const struct luks *luks, int token)
{
	while (++token < LUKS_SLOTS_MAX) {
		const char *type = luks_token_type(luks, token);

		if (type != NULL && strcmp(type, TOKEN_TYPE) == 0)
			return token;
	}
	return LUKS_NONE;
}

int luks_token_json(struct luks *luks, int token, const char **ret, struct cmk_err *err)
{
	const char *json = NULL;
	int r = crypt_token_json_get(luks->cd, token, &json);

	if (r < 0)
		return luks_err(luks, r, CMK_TOKEN, err, "token %d of %s cannot be read", token,
				luks->name);
	*ret = json;
	return 0;
}

int luks_token(struct luks *luks, int token, struct token *ret, struct cmk_err *err)
{
	const char *json = NULL;
	struct cmk_err why = { 0 };
	int r = luks_token_json(luks, token, &json, err);

	if (r < 0)
		return r;
	r = token_parse(json, strlen(json), false, ret, &why);
	if (r < 0 && why.code != CMK_OK)
		return cmk_err(err, why.code, "token %d of %s: %s", token, luks->name, why.text);
	return r;
}

uint32_t luks_active_slots(const struct luks *luks)
{
	uint32_t slots = 0;

	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		crypt_keyslot_info info = crypt_keyslot_status(luks->cd, i);

		if (info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST)
			slots |= UINT32_C(1) << i;
	}
	return slots;
}

uint32_t luks_token_slots(const struct luks *luks, int token)
{
	uint32_t slots = 0;

	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		if (crypt_token_is_assigned(luks->cd, token, i) == 0)
			slots |= UINT32_C(1) << i;
	}
	return slots;
}

uint32_t luks_other_slots(const struct luks *luks, int token)
{
	uint32_t shared = 0;

	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		if (i != token && luks_token_type(luks, i) != NULL)
			shared |= luks_token_slots(luks, i);
	}
	return luks_active_slots(luks) & (~luks_token_slots(luks, token) | shared);
}

uint32_t luks_bypass_slots(const struct luks *luks)
{
	uint32_t ours = 0;
	uint32_t others = 0;

	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		const char *type = luks_token_type(luks, i);

		if (type == NULL)
			continue;
		if (strcmp(type, TOKEN_TYPE) == 0)
			ours |= luks_token_slots(luks, i);
		else
			others |= luks_token_slots(luks, i);
	}
	return luks_active_slots(luks) & (~ours | others);
}
