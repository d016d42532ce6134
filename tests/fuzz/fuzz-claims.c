/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any content of an assertion; and any bytes in its place. */
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/text.h"
#include "fuzz.h"
#include "identity/claims.h"

static void read_one(const struct secret *jwt)
{
	struct claims claims = { 0 };
	struct cmk_err err = { 0 };

	if (claims_read(jwt, &claims, &err) < 0) {
		FUZZ_CHECK(err.code == CMK_IDENTITY && err.text[0] && !claims.issuer[0]);
		return;
	}
	/* They will stand in a command. */
	FUZZ_CHECK(text_is_plain(claims.issuer) && text_is_plain(claims.subject) &&
		   text_is_plain(claims.audience));
	FUZZ_CHECK(!claims.tenant_id[0] || text_is_guid(claims.tenant_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_secret_ struct secret raw = { 0 }, jwt = { 0 };
	size_t room = B64URL_LEN(size) + 1;
	char *text = malloc(room);

	FUZZ_CHECK(text && secret_set(&raw, data, size) == 0);
	read_one(&raw);
	FUZZ_CHECK(b64url_encode(data, size, text, room) == 0);
	FUZZ_CHECK(secret_init(&jwt, room + 4) == 0);
	FUZZ_CHECK(secret_append(&jwt, "e30.", 4) == 0);
	FUZZ_CHECK(secret_append(&jwt, text, strlen(text)) == 0);
	free(text);
	if (secret_append(&jwt, ".s", 1) == 0)
		read_one(&jwt);
	return 0;
}
