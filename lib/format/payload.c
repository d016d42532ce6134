/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keyslot key: magic, random bytes, digest of the header description. */
#include "format/payload.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>

#define MAGIC_LEN  (sizeof(PAYLOAD_MAGIC) - 1)
#define DIGEST_LEN 32
#define DIGEST_AT  (MAGIC_LEN + PAYLOAD_RANDOM_LEN)

_Static_assert(DIGEST_AT + DIGEST_LEN == PAYLOAD_LEN, "the parts make up the payload");

static int digest_header(const char *description, uint8_t out[static DIGEST_LEN],
			 struct cmk_err *err)
{
	if (EVP_Digest(description, strlen(description), out, NULL, EVP_sha256(), NULL) != 1)
		return cmk_err(
			err, CMK_SYSTEM,
			"OpenSSL cannot compute SHA-256; check its installation and openssl.cnf");
	return 0;
}

int payload_new(const char *description, struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret payload = { 0 };
	int r;

	r = header_check(description, err);
	if (r < 0)
		return r;
	r = secret_init(&payload, PAYLOAD_LEN);
	if (r < 0)
		return r;
	r = secret_append(&payload, PAYLOAD_MAGIC, MAGIC_LEN);
	if (r < 0)
		return r;
	if (RAND_priv_bytes(payload.data + MAGIC_LEN, PAYLOAD_RANDOM_LEN) != 1)
		return cmk_err(
			err, CMK_SYSTEM,
			"OpenSSL has no random bytes; check its installation and openssl.cnf");
	r = digest_header(description, payload.data + DIGEST_AT, err);
	if (r < 0)
		return r;
	payload.len = PAYLOAD_LEN;
	payload.data[PAYLOAD_LEN] = '\0';
	secret_move(ret, &payload);
	return 0;
}

int payload_check(const struct secret *payload, const char *description, struct cmk_err *err)
{
	uint8_t digest[DIGEST_LEN] = { 0 };
	int r;

	r = header_check(description, err);
	if (r < 0)
		return r;
	if (payload->len != PAYLOAD_LEN || memcmp(payload->data, PAYLOAD_MAGIC, MAGIC_LEN) != 0)
		return cmk_err(err, CMK_PROTOCOL,
			       "the vault unwrapped something that luks-cmk has not wrapped; "
			       "enrol the volume again");
	r = digest_header(description, digest, err);
	if (r < 0)
		return r;
	if (CRYPTO_memcmp(payload->data + DIGEST_AT, digest, DIGEST_LEN) != 0)
		return cmk_err(
			err, CMK_HEADER_CHANGED,
			"the LUKS2 header is not the one that the volume was enrolled with, now it "
			"says \"%s\"; %s",
			description, cmk_code_hint(CMK_HEADER_CHANGED));
	return 0;
}
