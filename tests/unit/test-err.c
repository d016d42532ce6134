/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, classes and numbers of the error codes are an interface: they are listed here a second time. */
#include "rows.h"

#include <errno.h>

#include "base/err.h"

static void test_codes(void **state)
{
	static const struct {
		enum cmk_code code;
		const char *name, *class;
		int exit_status, errnum;
		const char *party;
	} rows[] = {
		{ CMK_OK, "ok", "none", 0, 0, "nobody" },
		{ CMK_NO_NETWORK, "no-network", "unreachable", 4, EHOSTUNREACH, "machine" },
		{ CMK_DNS, "dns", "unreachable", 4, EHOSTUNREACH, "machine" },
		{ CMK_TLS, "tls", "unreachable", 4, EHOSTUNREACH, "machine" },
		{ CMK_CLOCK, "clock", "unreachable", 4, EHOSTUNREACH, "machine" },
		{ CMK_TIMEOUT, "timeout", "unreachable", 4, ETIMEDOUT, "machine" },
		{ CMK_THROTTLED, "throttled", "unreachable", 4, EHOSTUNREACH, "nobody" },
		{ CMK_SERVICE_DOWN, "service-down", "unreachable", 4, EHOSTUNREACH, "nobody" },
		{ CMK_CONSENT, "consent", "refused", 3, EACCES, "customer" },
		{ CMK_PRINCIPAL_DISABLED, "principal-disabled", "refused", 3, EACCES, "customer" },
		{ CMK_FEDERATION, "federation", "refused", 3, EACCES, "provider" },
		{ CMK_GRANT, "grant", "refused", 3, EACCES, "customer" },
		{ CMK_FIREWALL, "firewall", "refused", 3, EACCES, "customer" },
		{ CMK_KEY_DISABLED, "key-disabled", "refused", 3, EKEYREVOKED, "customer" },
		{ CMK_KEY_GONE, "key-gone", "refused", 3, ENOKEY, "customer" },
		{ CMK_KEY_OPERATION, "key-operation", "refused", 3, EKEYREJECTED, "customer" },
		{ CMK_IDENTITY, "identity", "setup", 1, EINVAL, "provider" },
		{ CMK_TENANT, "tenant", "setup", 1, EINVAL, "machine" },
		{ CMK_CONFIG, "config", "setup", 1, EINVAL, "machine" },
		{ CMK_POLICY, "policy", "setup", 1, EPERM, "machine" },
		{ CMK_TOKEN, "token", "setup", 1, EBADMSG, "machine" },
		{ CMK_PROTOCOL, "protocol", "setup", 1, EPROTO, "machine" },
		{ CMK_SANDBOX, "sandbox", "setup", 1, EOPNOTSUPP, "machine" },
		{ CMK_HELPER, "helper", "setup", 1, EIO, "machine" },
		{ CMK_SYSTEM, "system", "setup", 1, EIO, "machine" },
		{ CMK_HEADER_CHANGED, "header-changed", "header", 1, EKEYREJECTED, "machine" },
		{ CMK_NULL_CIPHER, "null-cipher", "header", 1, EKEYREJECTED, "machine" },
		{ CMK_KEYSLOT, "keyslot", "header", 1, EKEYREJECTED, "machine" },
		{ CMK_DEVICE, "device", "header", 1, ENODEV, "machine" },
		{ CMK_PASSPHRASE, "passphrase", "header", 1, EKEYREJECTED, "machine" },
		{ CMK_STATE, "state", "state", 5, EBUSY, "machine" },
	};

	(void)state;
	assert_int_equal(COUNT(rows), CMK_CODE_COUNT);
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum cmk_code code = CMK_CODE_COUNT;

		CHECK_INT(rows[i].name, rows[i].code, i);
		CHECK_TEXT(rows[i].name, cmk_code_name(rows[i].code), rows[i].name);
		CHECK(rows[i].name, cmk_code_parse(rows[i].name, &code));
		CHECK_INT(rows[i].name, code, rows[i].code);
		CHECK_TEXT(rows[i].name, cmk_class_name(cmk_code_class(rows[i].code)),
			   rows[i].class);
		CHECK_INT(rows[i].name, cmk_code_exit(rows[i].code), rows[i].exit_status);
		CHECK_INT(rows[i].name, cmk_code_errno(rows[i].code), -rows[i].errnum);
		CHECK_TEXT(rows[i].name, cmk_party_name(cmk_code_party(rows[i].code)),
			   rows[i].party);
		CHECK_SENTENCE(rows[i].name, cmk_code_hint(rows[i].code), "");
	}
}

/* A number from a foreign release is neither trusted nor an index. */
static void test_unknown(void **state)
{
	static const int numbers[] = { CMK_CODE_COUNT, 255, -1 };
	enum cmk_code code = CMK_OK;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		assert_string_equal(cmk_code_name((enum cmk_code)numbers[i]), "unknown");
		assert_int_equal(cmk_code_exit((enum cmk_code)numbers[i]), 1);
		assert_true(cmk_code_errno((enum cmk_code)numbers[i]) < 0);
	}
	assert_false(cmk_code_parse("unknown", &code));
	assert_false(cmk_code_parse("", &code));
	assert_false(cmk_code_parse("dns ", &code));
}

static void test_sentence(void **state)
{
	struct cmk_err err = { .request_id = "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10" };

	(void)state;
	assert_int_equal(cmk_err(&err, CMK_GRANT, "%s said \"%s\"", "vault", "no\033[1m\n"),
			 -EACCES);
	assert_int_equal(err.code, CMK_GRANT);
	assert_string_equal(err.text, "vault said \"no\\x1b[1m\\x0a\"");
	assert_string_equal(err.request_id, "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10");

	/* A sentence may quote the one that it replaces. */
	assert_int_equal(cmk_err(&err, CMK_DNS, "again: %s", err.text), -EHOSTUNREACH);
	assert_string_equal(err.text, "again: vault said \"no\\x1b[1m\\x0a\"");

	assert_int_equal(cmk_err_errno(&err, CMK_SYSTEM, ENOENT, "cannot open %s", "a\tb"), -EIO);
	assert_string_equal(err.text, "cannot open a\\x09b: No such file or directory");

	assert_int_equal(cmk_err(NULL, CMK_TIMEOUT, "nobody listens"), -ETIMEDOUT);
	assert_int_equal(cmk_err_errno(NULL, CMK_TOKEN, EIO, "nobody listens"), -EBADMSG);
}

static void test_cut(void **state)
{
	char text[4 * CMK_ERR_TEXT_MAX];
	struct cmk_err err = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cmk_err(&err, CMK_TOKEN, "%s", text);
	assert_int_equal(strlen(err.text), CMK_ERR_TEXT_MAX - 1);
	cmk_err_errno(&err, CMK_TOKEN, ENOENT, "%s", text);
	assert_int_equal(strlen(err.text), CMK_ERR_TEXT_MAX - 1);
	/* Two bytes each: no half character at the end. */
	for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
		text[i] = '\xc3';
		text[i + 1] = '\xbc';
	}
	cmk_err(&err, CMK_TOKEN, "%s", text);
	assert_int_equal(strlen(err.text), CMK_ERR_TEXT_MAX - 2);
	assert_null(strchr(err.text, '\\'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_sentence),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
