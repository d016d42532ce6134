/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any answer of a metadata service, of any status: Azure's, Arc's and Google's; and any challenge of Arc's. */
#include <fcntl.h>
#include <stdio.h>

#include "fuzz-reply.h"
#include "identity/claims.h"
#include "identity/identity.h"

static struct identity make_identity(const struct identity_ops *ops)
{
	return (struct identity){ .ops = ops,
				  .client_id = "1f0a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b",
				  .answered = true };
}

static void read_answer(const struct identity_ops *ops, const struct http_reply *reply)
{
	struct identity identity = make_identity(ops);
	_cleanup_secret_ struct secret jwt = { 0 };
	struct cmk_err err = { 0 };

	int r = ops->reply(&identity, reply, &jwt, &err);
	fuzz_check_outcome(r, &err, jwt.len > 0);
	FUZZ_CHECK(r < 0 || identity_is_jwt(&jwt));
	struct claims claims = { 0 };
	if (r == 0 && claims_read(&jwt, &claims, &err) == 0)
		(void)claims_check_time(&claims, 1795454820, &err);
}

/* The folder has no keys: whatever the challenge says, there is nothing that may be read. */
static void read_challenge(struct http_reply *reply)
{
	struct identity identity = make_identity(&identity_arc);
	_cleanup_secret_ struct secret jwt = { 0 };
	struct cmk_err err = { 0 };

	identity.answered = false;
	identity.folder = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	reply->status = 401;
	(void)snprintf(reply->kept, sizeof(reply->kept), "%s", http_reply_text(reply));
	int r = identity.ops->reply(&identity, reply, &jwt, &err);
	fuzz_check_outcome(r, &err, false);
	FUZZ_CHECK(r < 0 && identity.held.len == 0);
	identity_done(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct http_reply *reply = fuzz_reply(data, size);
	(void)snprintf(reply->kept, sizeof(reply->kept), "Google");
	read_answer(&identity_imds, reply);
	read_answer(&identity_arc, reply);
	read_answer(&identity_gcp, reply);
	read_challenge(reply);
	http_reply_done(reply);
	free(reply);
	return 0;
}
