/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A token that is read is written again, and read again as the same. */
#include <string.h>

#include "base/io.h"
#include "format/token.h"
#include "fuzz.h"

static void round_trip(const uint8_t *data, size_t size, bool template)
{
	struct token token, again;
	_cleanup_free_ char *text = NULL;
	struct cmk_err err = { 0 };
	char part[64];

	if (token_parse((const char *)data, size, template, &token, &err) < 0) {
		FUZZ_CHECK(err.code == CMK_TOKEN && err.text[0]);
		return;
	}
	FUZZ_CHECK(token.wrapped_count >= 1 && token.wrapped_count <= TOKEN_WRAPPED_MAX);
	text = token_format(&token);
	FUZZ_CHECK(text);
	FUZZ_CHECK(token_parse(text, strlen(text), template, &again, NULL) == 0);
	/* What a later release added is not written again. */
	FUZZ_CHECK(again.foreign_count == 0);
	again.foreign_count = token.foreign_count;
	FUZZ_CHECK(memcmp(&token, &again, sizeof(token)) == 0);
	for (size_t i = 0; i < token.wrapped_count; i++) {
		FUZZ_CHECK(!token_key_problem(token.wrapped[i].key));
		FUZZ_CHECK(token_key_version(token.wrapped[i].key));
		token_key_host(token.wrapped[i].key, part, sizeof(part));
		token_key_name(token.wrapped[i].key, part, sizeof(part));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	round_trip(data, size, false);
	round_trip(data, size, true);
	return 0;
}
