/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any answer of a vault, and any key's URL. The first byte picks which: u(nwrap), w(rap), d(escribe), else URL. */
#include <stdio.h>

#include "fuzz-reply.h"
#include "vault/vault.h"

#define HOST	"contoso.vault.azure.net"
#define VERSION "0123456789abcdef0123456789abcdef"

static struct config config;

static int make_target(struct vault_target *ret, const char *key, size_t len)
{
	static struct token_wrapping wrapping = {
		.vault = "azure",
		.cloud = "AzurePublic",
		.tenant_id = "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162",
		.client_id = "9c7e5d31-2b4f-4c6a-8e10-72ab91c0d3e4",
	};

	if (config.clouds_count == 0)
		config_init(&config);
	(void)snprintf(wrapping.key, sizeof(wrapping.key), "%.*s", (int)len, key);
	return vault_target_init(ret, &config, &wrapping, true, NULL);
}

static void read_unwrap(const struct vault_target *target, const struct http_reply *reply)
{
	_cleanup_secret_ struct secret key = { 0 };
	struct cmk_err err = { 0 };

	int r = target->ops->unwrap_reply(target, reply, &key, &err);
	fuzz_check_outcome(r, &err, key.len > 0);
}

static void read_wrap(struct vault_target *target, const struct http_reply *reply)
{
	struct cmk_err err = { 0 };

	target->wrapping.value[0] = '\0';
	int r = target->ops->wrap_reply(target, reply, &err);
	fuzz_check_outcome(r, &err, target->wrapping.value[0] != '\0');
}

static void read_describe(struct vault_target *target, const struct http_reply *reply)
{
	uint8_t bytes[72] = { 0 };
	const struct secret payload = { .data = bytes, .len = sizeof(bytes) };
	struct vault_key key = { 0 };
	struct cmk_err err = { 0 };

	int r = target->ops->describe_reply(target, reply, &key, &err);
	fuzz_check_outcome(r, &err, key.kid[0] != '\0');
	/* Whatever numbers a vault calls its public key. */
	if (r == 0)
		(void)target->ops->wrap(target, &key, &payload, &err);
}

/* What is accepted as a key stays inside the cloud, whatever the bytes. */
static void read_url(const char *url, size_t len)
{
	struct vault_target target = { 0 };
	size_t host_len;

	if (make_target(&target, url, len) < 0)
		return;
	host_len = strcspn(target.origin + strlen("https://"), "/?#@:\\%");
	FUZZ_CHECK(host_len == strlen(target.host));
	FUZZ_CHECK(strncmp(target.wrapping.key, target.origin, strlen(target.origin)) == 0);
	FUZZ_CHECK(target.wrapping.key[strlen(target.origin)] == '/');
	FUZZ_CHECK(strstr(target.host, target.hsm ? ".managedhsm.azure.net" : ".vault.azure.net"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char key[] = "https://" HOST "/keys/disk/" VERSION;
	struct vault_target target = { 0 };

	if (size < 2)
		return 0;
	if (data[0] != 'u' && data[0] != 'w' && data[0] != 'd') {
		read_url((const char *)data + 1, size - 1);
		return 0;
	}
	/* Describing asks for the newest version. */
	size_t version_len = data[0] == 'd' ? sizeof("/" VERSION) - 1 : 0;
	FUZZ_CHECK(make_target(&target, key, sizeof(key) - 1 - version_len) == 0);
	struct http_reply *reply = fuzz_reply(data + 1, size - 1);
	if (data[0] == 'u')
		read_unwrap(&target, reply);
	else if (data[0] == 'w')
		read_wrap(&target, reply);
	else
		read_describe(&target, reply);
	http_reply_done(reply);
	free(reply);
	return 0;
}
