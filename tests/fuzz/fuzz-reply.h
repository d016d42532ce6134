/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reply out of arbitrary bytes: the first picks its status ('0' to '7'), the rest is the body. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/http.h"

static inline struct http_reply *fuzz_reply(const uint8_t *data, size_t size)
{
	static const long statuses[8] = { 200, 400, 401, 403, 404, 429, 500, 302 };
	struct http_reply *reply = calloc(1, sizeof(*reply));

	FUZZ_CHECK(reply && size > 0);
	reply->status = statuses[data[0] % 8];
	reply->retry_after_ms = -1;
	memcpy(reply->host, "host", sizeof("host"));
	memcpy(reply->request_id, "id", sizeof("id"));
	FUZZ_CHECK(secret_set(&reply->body, data + 1, size - 1) == 0);
	return reply;
}

/* What holds for every reader: filled and 0, or a sentence, printable and without full stop. */
static inline void fuzz_check_outcome(int r, const struct cmk_err *err, bool filled)
{
	size_t len = strlen(err->text);

	FUZZ_CHECK((r == 0) == filled);
	if (r == 0)
		return;
	FUZZ_CHECK(r == cmk_code_errno(err->code) && len > 0);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((uint8_t)err->text[i] >= ' ' && err->text[i] != 0x7f);
}
