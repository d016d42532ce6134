/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file in systemd's folder for questions, and the keys of a console. */
#include <string.h>

#include "fuzz.h"
#include "tools/admin/query.h"
#include "tools/admin/typed.h"

#define FOLDER "/run/systemd/ask-password"

static void check_query(const char *text)
{
	struct query query;

	if (query_parse(text, FOLDER, &query) < 0)
		return;
	/* Whatever it says, the answer goes to a socket in that folder, and is for a device. */
	FUZZ_CHECK(strncmp(query.socket, FOLDER "/", sizeof(FOLDER)) == 0);
	FUZZ_CHECK(strchr(query.socket + sizeof(FOLDER), '/') == NULL);
	FUZZ_CHECK(strlen(query.socket) < sizeof(query.socket));
	FUZZ_CHECK(strlen(query.device) < sizeof(query.device));
	FUZZ_CHECK(query.pid >= 0);
}

static void check_keys(const uint8_t *keys, size_t count)
{
	_cleanup_typed_ struct typed typed = TYPED_INIT;

	FUZZ_CHECK(secret_init(&typed.line, TYPED_MAX) == 0);
	for (size_t i = 0; i < count && !typed_entered(&typed); i++)
		typed_key(&typed, (char)keys[i]);
	FUZZ_CHECK(typed.line.len <= TYPED_MAX);
	FUZZ_CHECK(strlen((const char *)typed.line.data) == typed.line.len);
	FUZZ_CHECK(!typed.entered || !typed.too_long || typed.line.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_secret_ struct secret text = { 0 };

	FUZZ_CHECK(secret_set(&text, data, size) == 0);
	check_query((const char *)text.data);
	check_keys(data, size);
	return 0;
}
