/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header descriptions as a helper gets them, and payloads as a vault returns them. */
#include <string.h>

#include "format/header.h"
#include "format/payload.h"
#include "fuzz.h"

/* The input up to its first newline is the description, the rest what the vault unwrapped. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_secret_ struct secret text = { 0 }, payload = { 0 };
	struct cmk_err err = { 0 };
	const char *description;
	char *newline;
	int r;

	FUZZ_CHECK(secret_set(&text, data, size) == 0);
	description = (const char *)text.data;
	newline = memchr(text.data, '\n', text.len);
	if (newline) {
		*newline = '\0';
		FUZZ_CHECK(secret_set(&payload, newline + 1,
				      text.len - (size_t)(newline + 1 - description)) == 0);
	}
	r = header_check(description, &err);
	if (r < 0) {
		FUZZ_CHECK(err.code == CMK_NULL_CIPHER || err.code == CMK_PROTOCOL);
		FUZZ_CHECK(payload_check(&payload, description, NULL) == r);
		FUZZ_CHECK(payload_new(description, &payload, NULL) == r);
		return 0;
	}
	/* libcryptsetup's own spelling; an integrity algorithm may have any name. */
	FUZZ_CHECK(strncmp(description, "cipher=cipher_null", 18) != 0);
	FUZZ_CHECK(strlen(description) < HEADER_DESCRIPTION_MAX);
	if (payload_check(&payload, description, &err) == 0)
		FUZZ_CHECK(payload.len == PAYLOAD_LEN);
	FUZZ_CHECK(payload_new(description, &payload, NULL) == 0);
	FUZZ_CHECK(payload_check(&payload, description, NULL) == 0);
	return 0;
}
