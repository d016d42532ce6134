/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any answer of a metadata service, of any status. */
#include "fuzz-reply.h"
#include "identity/claims.h"
#include "identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity identity = { .ops = &identity_imds,
				     .client_id = "1f0a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b" };
	_cleanup_secret_ struct secret jwt = { 0 };
	struct cmk_err err = { 0 };

	if (size == 0)
		return 0;
	struct http_reply *reply = fuzz_reply(data, size);
	int r = identity.ops->reply(&identity, reply, &jwt, &err);
	fuzz_check_outcome(r, &err, jwt.len > 0);
	FUZZ_CHECK(r < 0 || identity_is_jwt(&jwt));
	struct claims claims = { 0 };
	if (r == 0 && claims_read(&jwt, &claims, &err) == 0)
		(void)claims_check_time(&claims, 1795454820, &err);
	http_reply_done(reply);
	free(reply);
	return 0;
}
