/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any answer of a sign-in service, of any status: to a sign-in, and to the question for a tenant's id. */
#include "base/text.h"
#include "fuzz-reply.h"
#include "vault/entra.h"

static void read_tenant(const struct http_reply *reply)
{
	static const struct cloud cloud = { .name = "cloud", .authority = "host" };
	char id[TOKEN_ID_MAX] = "";
	struct cmk_err err = { 0 };
	int r = entra_tenant_reply(&cloud, "contoso.com", reply, id, &err);

	fuzz_check_outcome(r, &err, id[0] != '\0');
	FUZZ_CHECK(r < 0 || text_is_guid(id));
}

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
	read_tenant(reply);
	http_reply_done(reply);
	free(reply);
	return 0;
}
