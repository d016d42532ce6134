/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcryptsetup's rules for a plugin that need no volume: results, validation, dump. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/plugin.c"

static char said[16384];
static int lines;

static void collect(int level, const char *text, void *usrptr)
{
	(void)level;
	(void)usrptr;
	size_t used = strlen(said);
	(void)text_copy(said + used, sizeof(said) - used, text);
	lines++;
}

static void listen_anew(void)
{
	crypt_set_log_callback(NULL, collect, NULL);
	said[0] = '\0';
	lines = 0;
}

/* Any other negative value would end the search for all tokens on the volume. */
static void test_results(void **state)
{
	(void)state;
	for (int code = 0; code < CMK_CODE_COUNT; code++) {
		bool later = code >= CMK_NO_NETWORK && code <= CMK_SERVICE_DOWN;
		assert_int_equal(result_for_host((enum cmk_code)code, -EIO),
				 later ? -EAGAIN : -ENOENT);
		assert_int_equal(result_for_host((enum cmk_code)code, -ENOMEM), -ENOMEM);
	}
}

#define GUID "11111111-2222-3333-4444-555555555555"
#define WRAPPED(key, value)                                                    \
	"{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":\"" GUID \
	"\",\"client_id\":\"" GUID "\",\"key\":\"" key                         \
	"\",\"alg\":\"RSA-OAEP-256\",\"value\":\"" value "\"}"
#define TOKEN_OF(version, customer, wrapped, more)                                               \
	"{\"type\":\"luks-cmk\",\"keyslots\":[\"1\"],\"version\":" version                       \
	",\"customer\":\"" customer "\",\"identity\":{\"source\":\"imds\",\"client_id\":\"" GUID \
	"\"},\"wrapped\":[" wrapped "]" more "}"
#define KEY "https://contoso.vault.azure.net/keys/disk/0123456789abcdef0123456789abcdef"

static void test_validate(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *json;
		bool good;
	} cases[] = {
		{ "plain", TOKEN_OF("1", "contoso", WRAPPED(KEY, "AAAA"), ""), true },
		{ "unknown members",
		  TOKEN_OF("1", "contoso", WRAPPED(KEY, "AAAA"), ",\"later\":{\"a\":1}"), true },
		{ "later version", TOKEN_OF("2", "contoso", WRAPPED(KEY, "AAAA"), ""), false },
		{ "no wrapping", TOKEN_OF("1", "contoso", "", ""), false },
		{ "http",
		  TOKEN_OF("1", "contoso", WRAPPED("http://contoso.vault.azure.net/keys/d", "AAAA"),
			   ""),
		  false },
		{ "escape sequences", TOKEN_OF("1", "con\\u001b[2Jtoso", WRAPPED(KEY, "AAAA"), ""),
		  false },
		{ "cut", "{\"type\":\"luks-cmk\",\"keyslots\":[", false },
		{ "empty", "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		listen_anew();
		int r = cryptsetup_token_validate(NULL, cases[i].json);
		if ((r == 0) != cases[i].good || lines != (cases[i].good ? 0 : 1))
			fail_msg("%s: %d, %d lines: %s", cases[i].name, r, lines, said);
		assert_null(strchr(said, '\033'));
		if (!cases[i].good)
			assert_non_null(strstr(said, "[token]"));
	}
}

static void test_dump(void **state)
{
	(void)state;
	static const char *const wanted[] = { "contoso\n",
					      "contoso.vault.azure.net\n",
					      "disk\n",
					      "0123456789abcdef0123456789abcdef\n",
					      "RSA-OAEP-256\n",
					      "imds",
					      GUID };
	listen_anew();
	cryptsetup_token_dump(NULL, TOKEN_OF("1", "contoso", WRAPPED(KEY, "AAAAsecretAAAA"), ""));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(said, wanted[i]))
			fail_msg("%s is not in:\n%s", wanted[i], said);
	assert_null(strstr(said, "AAAA"));
}

static void test_buffer_free(void **state)
{
	(void)state;
	cryptsetup_token_buffer_free(NULL, 0);
	cryptsetup_token_buffer_free(malloc(72), 72);
	assert_string_equal(cryptsetup_token_version(), PROJECT_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_buffer_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
