/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keyslot key: its form is on disks, and must never change. */
#include "rows.h"

#include <errno.h>

#include "format/payload.h"

#define LINE  "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none"
#define OTHER "cipher=aes-cbc-essiv:sha256 key=512 sector=4096 offset=16777216 integrity=none"
#define NULLS "cipher=cipher_null-ecb key=512 sector=4096 offset=16777216 integrity=none"

/* SHA-256 of LINE, computed by sha256sum. */
static const uint8_t digest[32] = {
	0x40, 0xb0, 0xde, 0x4b, 0xc0, 0xb1, 0x7d, 0x94, 0xf1, 0x75, 0xdc,
	0xe5, 0xda, 0xd5, 0x8e, 0x97, 0x7f, 0x50, 0x55, 0x77, 0x9b, 0x93,
	0x71, 0x7c, 0x3f, 0xdb, 0x24, 0x21, 0x46, 0x19, 0x6e, 0x9a,
};

static void test_new(void **state)
{
	_cleanup_secret_ struct secret a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(payload_new(LINE, &a, NULL), 0);
	assert_int_equal(payload_new(LINE, &b, NULL), 0);
	assert_int_equal(a.len, 72);
	assert_memory_equal(a.data, "LUKSCMK1", 8);
	assert_memory_equal(a.data + 40, digest, 32);
	assert_memory_not_equal(a.data + 8, b.data + 8, 32);
	assert_int_equal(a.data[72], 0);
	assert_int_equal(payload_check(&a, LINE, NULL), 0);

	assert_int_equal(payload_new(NULLS, &a, NULL), cmk_code_errno(CMK_NULL_CIPHER));
	assert_int_equal(payload_new("", &a, NULL), -EPROTO);
	assert_memory_not_equal(a.data, b.data, 72);
}

static void test_check(void **state)
{
	static const struct {
		const char *name, *line;
		size_t len;
		int flip; /* the byte to change, or -1 */
		enum cmk_code code;
	} rows[] = {
		{ "good", LINE, 72, -1, CMK_OK },
		{ "other random bytes", LINE, 72, 8, CMK_OK },
		{ "empty", LINE, 0, -1, CMK_PROTOCOL },
		{ "one byte short", LINE, 71, -1, CMK_PROTOCOL },
		{ "one byte long", LINE, 73, -1, CMK_PROTOCOL },
		{ "wrong magic", LINE, 72, 0, CMK_PROTOCOL },
		{ "next version's magic", LINE, 72, 7, CMK_PROTOCOL },
		{ "first byte of the digest", LINE, 72, 40, CMK_HEADER_CHANGED },
		{ "last byte of the digest", LINE, 72, 71, CMK_HEADER_CHANGED },
		{ "other cipher", OTHER, 72, -1, CMK_HEADER_CHANGED },
		{ "null cipher", NULLS, 72, -1, CMK_NULL_CIPHER },
		{ "null cipher and no payload", NULLS, 3, -1, CMK_NULL_CIPHER },
		{ "malformed line", "cipher", 72, -1, CMK_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret payload = { 0 };
		struct cmk_err err = { 0 };
		uint8_t bytes[80] = "LUKSCMK1";

		memset(bytes + 8, 0x5a, 32);
		memcpy(bytes + 40, digest, 32);
		if (rows[i].flip >= 0)
			bytes[rows[i].flip] ^= 1;
		assert_int_equal(secret_set(&payload, bytes, rows[i].len), 0);
		CHECK_INT(rows[i].name, payload_check(&payload, rows[i].line, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		if (err.code)
			CHECK_SENTENCE(rows[i].name, err.text, "; ");
		CHECK(rows[i].name, !strstr(err.text, "ZZZ"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
