/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The canonical line, and the headers that are refused. */
#include "rows.h"

#include <errno.h>

#include "format/header.h"

static void test_describe(void **state)
{
	static const struct {
		const char *name;
		struct header header;
		int expected;
		const char *line;
	} rows[] = {
		{ "usual",
		  { "aes-xts-plain64", 512, 4096, 16777216, NULL },
		  0,
		  "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none" },
		{ "integrity",
		  { "capi:gcm(aes)-random", 256, 512, UINT64_MAX, "hmac(sha256)" },
		  0,
		  "cipher=capi:gcm(aes)-random key=256 sector=512 offset=18446744073709551615 "
		  "integrity=hmac(sha256)" },
		{ "empty integrity",
		  { "a", 0, 0, 0, "" },
		  0,
		  "cipher=a key=0 sector=0 offset=0 integrity=none" },
		{ "no cipher", { NULL, 512, 512, 0, NULL }, -EINVAL, NULL },
		{ "empty cipher", { "", 512, 512, 0, NULL }, -EINVAL, NULL },
		{ "a blank that could end the word",
		  { "aes-xts-plain64 key=512", 512, 512, 0, NULL },
		  -EINVAL,
		  NULL },
		{ "terminal escape", { "aes\033[0m", 512, 512, 0, NULL }, -EINVAL, NULL },
		{ "equals sign in integrity", { "aes", 512, 512, 0, "a=b" }, -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[HEADER_DESCRIPTION_MAX] = "untouched";

		CHECK_INT(rows[i].name, header_describe(&rows[i].header, line), rows[i].expected);
		CHECK_TEXT(rows[i].name, line, rows[i].line ? rows[i].line : "untouched");
		if (rows[i].line)
			CHECK_INT(rows[i].name, header_check(line, NULL), 0);
	}
}

static void test_too_long(void **state)
{
	char cipher[HEADER_DESCRIPTION_MAX], line[HEADER_DESCRIPTION_MAX];
	struct header header = { .cipher = cipher };

	(void)state;
	memset(cipher, 'a', sizeof(cipher));
	cipher[sizeof(cipher) - 1] = '\0';
	assert_int_equal(header_describe(&header, line), -ENOBUFS);
}

#define REST " key=512 sector=4096 offset=16777216 integrity=none"

static void test_check(void **state)
{
	static const struct {
		const char *line;
		enum cmk_code code;
	} rows[] = {
		{ "cipher=aes-xts-plain64" REST, CMK_OK },
		{ "cipher=aes-xts-plain64 key=0 sector=0 offset=0 integrity=hmac(sha256)", CMK_OK },
		{ "cipher=cipher_null-ecb" REST, CMK_NULL_CIPHER },
		{ "cipher=CIPHER_NULL" REST, CMK_NULL_CIPHER },
		{ "cipher=null" REST, CMK_NULL_CIPHER },
		{ "cipher=capi:ecb(cipher_null)-plain" REST, CMK_NULL_CIPHER },
		/* Even where the rest is broken. */
		{ "cipher=cipher_null-ecb", CMK_NULL_CIPHER },
		{ "", CMK_PROTOCOL },
		{ "cipher=", CMK_PROTOCOL },
		{ "cipher= key=512 sector=4096 offset=1 integrity=none", CMK_PROTOCOL },
		{ " cipher=aes" REST, CMK_PROTOCOL },
		{ "cipher=aes" REST " ", CMK_PROTOCOL },
		{ "cipher=aes" REST " x=1", CMK_PROTOCOL },
		{ "cipher=aes" REST "\n", CMK_PROTOCOL },
		{ "cipher=a\033[31m" REST, CMK_PROTOCOL },
		{ "cipher=aes  key=512 sector=4096 offset=1 integrity=none", CMK_PROTOCOL },
		{ "cipher=aes key=0512 sector=4096 offset=1 integrity=none", CMK_PROTOCOL },
		{ "cipher=aes key=-1 sector=4096 offset=1 integrity=none", CMK_PROTOCOL },
		{ "cipher=aes key= sector=4096 offset=1 integrity=none", CMK_PROTOCOL },
		{ "cipher=aes key=1 sector=1 offset=18446744073709551616 integrity=none",
		  CMK_PROTOCOL },
		{ "cipher=aes sector=4096 key=512 offset=1 integrity=none", CMK_PROTOCOL },
		{ "cipher=aes key=512 sector=4096 offset=1 integrity=", CMK_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { 0 };

		CHECK_INT(rows[i].line, header_check(rows[i].line, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].line, err.code, rows[i].code);
		if (err.code)
			CHECK_SENTENCE(rows[i].line, err.text, "; ");
	}
}

static void test_check_long(void **state)
{
	char line[4096];

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(header_check(line, NULL), -EPROTO);
	memcpy(line, "cipher=", 7);
	assert_int_equal(header_check(line, NULL), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
