/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any answer of a sign-in service, of any status. */
#include "fuzz-reply.h"
#include "vault/entra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cloud cloud = { .name = "cloud" };
	const struct vault_target target = { .ops = &vault_azure, .cloud = &cloud };
	struct vault_credential credential = { 0 };
	struct cmk_err err = { 0 };

	if (size == 0)
		return 0;
	struct http_reply *reply = fuzz_reply(data, size);
	int r = entra_reply(&target, reply, &credential, &err);
	fuzz_check_outcome(r, &err, credential.value.len > 0);
	/* It will stand in a header. */
	for (size_t i = 0; i < credential.value.len; i++)
		FUZZ_CHECK(credential.value.data[i] > ' ' && credential.value.data[i] < 0x7f);
	vault_credential_done(&credential);
	http_reply_done(reply);
	free(reply);
	return 0;
}
