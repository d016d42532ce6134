/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens of the first release open with every later one; hostile ones get a sentence. */
#include "rows.h"

#include <errno.h>

#include "base/buf.h"
#include "base/io.h"
#include "format/token.h"

#define TENANT	"6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"
#define CLIENT	"9c7e5d31-2b4f-4c6a-8e10-72ab91c0d3e4"
#define VERSION "0123456789abcdef0123456789abcdef"
#define KEY	"https://contoso.vault.azure.net/keys/disk/" VERSION
#define HEAD	"{\"type\":\"luks-cmk\",\"keyslots\":[\"1\"],\"version\":1,\"customer\":\"contoso\","
#define WRAP(key)                                                                      \
	"{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":\"" TENANT "\"," \
	"\"client_id\":\"" CLIENT "\",\"key\":\"" key                                  \
	"\",\"alg\":\"RSA-OAEP-256\",\"value\":\"AAAA\"}"
#define TOKEN(key) HEAD "\"wrapped\":[" WRAP(key) "]}"

static int parse(const char *text, bool template, struct token *ret, struct cmk_err *err)
{
	return token_parse(text, strlen(text), template, ret, err);
}

/* A file that must never change: what the first release wrote. */
static void test_golden(void **state)
{
	_cleanup_secret_ struct secret file = { 0 };
	_cleanup_free_ char *text = NULL;
	struct token token;
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/token.json", getenv("TEST_DATA"));
	assert_int_equal(io_read_file(path, TOKEN_JSON_MAX, false, &file), 0);
	assert_int_equal(token_parse((char *)file.data, file.len, false, &token, NULL), 0);
	assert_string_equal(token.customer, "contoso");
	assert_string_equal(token.identity.source, "imds");
	assert_string_equal(token.identity.client_id, "1f0a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b");
	assert_int_equal(token.keyslots_count, 1);
	assert_int_equal(token.keyslots[0], 1);
	assert_int_equal(token.wrapped_count, 2);
	assert_string_equal(token.wrapped[0].vault, "azure");
	assert_string_equal(token.wrapped[0].cloud, "AzurePublic");
	assert_string_equal(token.wrapped[0].tenant_id, TENANT);
	assert_string_equal(token.wrapped[0].client_id, CLIENT);
	assert_string_equal(token.wrapped[0].key, KEY);
	assert_string_equal(token.wrapped[0].alg, "RSA-OAEP-256");
	assert_int_equal(strlen(token.wrapped[0].value), 342);
	assert_string_equal(token.wrapped[1].created, "2026-11-23T17:28:00Z");
	text = token_format(&token);
	assert_string_equal(text, (char *)file.data);
}

static void test_accepted(void **state)
{
	static const struct {
		const char *name, *text;
		bool template;
	} rows[] = {
		{ "least", TOKEN(KEY), false },
		{ "unknown members",
		  "{\"later\":{\"a\":[]},\"type\":\"luks-cmk\",\"keyslots\":[],\"version\":1,"
		  "\"customer\":\"c\",\"wrapped\":[" WRAP(KEY) "],\"x\":null}",
		  false },
		{ "no identity", HEAD "\"identity\":null,\"wrapped\":[" WRAP(KEY) "]}", false },
		{ "identity without client",
		  HEAD "\"identity\":{\"source\":\"file\"},\"wrapped\":[" WRAP(KEY) "]}", false },
		{ "another vault's kind is not ours to judge",
		  TOKEN("https://vault.example:8200/v1/transit/keys/disk"), false },
		{ "a kind of vault of a later release, beside one of ours",
		  HEAD "\"wrapped\":[{\"vault\":\"aws\",\"arn\":[1]}," WRAP(KEY) "]}", false },
		{ "port", TOKEN("https://contoso.vault.azure.net:443/keys/disk/1"), false },
		{ "template",
		  HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":"
		       "\"" TENANT "\",\"client_id\":\"" CLIENT "\","
		       "\"key\":\"https://contoso.vault.azure.net/keys/disk\"}]}",
		  true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cmk_err err = { 0 };
		struct token token;

		if (parse(rows[i].text, rows[i].template, &token, &err) != 0)
			fail_msg("row \"%s\": %s", rows[i].name, err.text);
		CHECK_INT(rows[i].name, token.wrapped_count, 1);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *text, *why;
	} rows[] = {
		{ "cut", "{\"type\":\"luks-cmk\",\"keyslots\":[\"1\"],\"ver", "no valid JSON" },
		{ "no object", "[]", "is no JSON object" },
		{ "text behind", TOKEN(KEY) "x", "text after the end" },
		{ "duplicate member", "{\"type\":\"luks-cmk\",\"type\":\"luks-cmk\"}",
		  "given twice" },
		{ "duplicate member in a wrapping",
		  HEAD "\"wrapped\":[{\"key\":\"https://a/\",\"\\u006bey\":\"" KEY "\"}]}",
		  "given twice" },
		{ "type", "{\"type\":\"luks2-keyring\",\"keyslots\":[],\"version\":1}",
		  "its type" },
		{ "no type", "{\"version\":1}", "lacks the member \"type\"" },
		{ "no version", "{\"type\":\"luks-cmk\"}", "lacks the member \"version\"" },
		{ "only kinds of vault of a later release",
		  HEAD "\"wrapped\":[{\"vault\":\"aws\",\"arn\":[1]}]}", "newer luks-cmk" },
		{ "newer", "{\"type\":\"luks-cmk\",\"version\":2}", "newer luks-cmk" },
		{ "far newer", "{\"type\":\"luks-cmk\",\"version\":9223372036854775807}",
		  "update luks-cmk" },
		{ "version 0", "{\"type\":\"luks-cmk\",\"version\":0}", "no version of luks-cmk" },
		{ "version -1", "{\"type\":\"luks-cmk\",\"version\":-1}",
		  "no version of luks-cmk" },
		{ "version as text", "{\"type\":\"luks-cmk\",\"version\":\"1\"}", "is no number" },
		{ "version 1.0", "{\"type\":\"luks-cmk\",\"version\":1.0}", "no whole number" },
		{ "no customer", "{\"type\":\"luks-cmk\",\"version\":1,\"keyslots\":[]}",
		  "lacks the member \"customer\"" },
		{ "customer that escapes",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"\\u001b[2Jx\"}",
		  "\"customer\" is no name" },
		{ "customer that climbs",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"../../etc\"}",
		  "\"customer\" is no name" },
		{ "no keyslots", "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\"}",
		  "the list \"keyslots\"" },
		{ "keyslot as number",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\",\"keyslots\":[1]}",
		  "\"keyslots\" holds" },
		{ "keyslot 32",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\",\"keyslots\":[\"32\"]}",
		  "\"keyslots\" holds" },
		{ "keyslot 01",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\",\"keyslots\":[\"01\"]}",
		  "\"keyslots\" holds" },
		{ "keyslot -1",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\",\"keyslots\":[\"-1\"]}",
		  "\"keyslots\" holds" },
		{ "keyslot twice",
		  "{\"type\":\"luks-cmk\",\"version\":1,\"customer\":\"c\",\"keyslots\":[\"1\","
		  "\"1\"]}",
		  "\"keyslots\" holds" },
		{ "no wrapping", HEAD "\"wrapped\":[]}", "holds no wrapping" },
		{ "wrapped is an object", HEAD "\"wrapped\":" WRAP(KEY) "}",
		  "the list \"wrapped\"" },
		{ "wrapping is text", HEAD "\"wrapped\":[\"" KEY "\"]}",
		  "wrapping 1 is no JSON object" },
		{ "nine wrappings",
		  HEAD "\"wrapped\":[" WRAP(KEY) "," WRAP(KEY) "," WRAP(KEY) "," WRAP(KEY) "," WRAP(
			  KEY) "," WRAP(KEY) "," WRAP(KEY) "," WRAP(KEY) "," WRAP(KEY) "]}",
		  "more than 8" },
		{ "second wrapping broken", HEAD "\"wrapped\":[" WRAP(KEY) ",{}]}",
		  "wrapping 2 lacks" },
		{ "no value and no template",
		  HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":"
		       "\"" TENANT "\",\"client_id\":\"" CLIENT "\",\"key\":\"" KEY "\"}]}",
		  "lacks \"alg\" or \"value\"" },
		{ "tenant",
		  HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":"
		       "\"../common\",\"client_id\":\"" CLIENT "\",\"key\":\"" KEY "\","
		       "\"alg\":\"RSA-OAEP-256\",\"value\":\"AAAA\"}]}",
		  "\"tenant_id\" is no GUID" },
		{ "tenant as number",
		  HEAD
		  "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":1}]}",
		  "\"tenant_id\" is no string" },
		{ "value with padding",
		  HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":"
		       "\"" TENANT "\",\"client_id\":\"" CLIENT "\",\"key\":\"" KEY "\","
		       "\"alg\":\"RSA-OAEP-256\",\"value\":\"AAA=\"}]}",
		  "\"value\" is no base64url" },
		{ "algorithm that escapes",
		  HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":"
		       "\"" TENANT "\",\"client_id\":\"" CLIENT "\",\"key\":\"" KEY "\","
		       "\"alg\":\"\\u001b[0m\",\"value\":\"AAAA\"}]}",
		  "\"alg\" is no name" },
		{ "identity is text", HEAD "\"identity\":\"imds\",\"wrapped\":[" WRAP(KEY) "]}",
		  "identity is no JSON object" },
		{ "identity's client",
		  HEAD "\"identity\":{\"source\":\"imds\",\"client_id\":\"me\"},\"wrapped\":[" WRAP(
			  KEY) "]}",
		  "\"client_id\" is no GUID" },
		{ "identity's source",
		  HEAD "\"identity\":{\"source\":\"/etc/x\"},\"wrapped\":[" WRAP(KEY) "]}",
		  "\"source\" is no name" },
		{ "bracket bomb", HEAD "\"wrapped\":[[[[[[[[[[[[[[[[[[[[[[", "too many levels" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token token = { .customer = "untouched" };
		struct cmk_err err = { 0 };

		CHECK_INT(rows[i].name, parse(rows[i].text, false, &token, &err), -EBADMSG);
		CHECK_INT(rows[i].name, err.code, CMK_TOKEN);
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].why);
		CHECK_SENTENCE(rows[i].name, err.text, "; ");
		CHECK_TEXT(rows[i].name, token.customer, "untouched");
	}
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *problem;
	} rows[] = {
		{ KEY, NULL },
		{ "https://contoso.vault.azure.net/keys/disk", NULL },
		{ "https://CONTOSO.vault.azure.net/keys/Disk-1", NULL },
		{ "https://h:65535/k", NULL },
		{ "http://contoso.vault.azure.net/keys/disk", "https://" },
		{ "HTTPS://contoso.vault.azure.net/keys/disk", "https://" },
		{ "ftp://contoso.vault.azure.net/keys/disk", "https://" },
		{ " https://contoso.vault.azure.net/keys/disk", "https://" },
		{ "contoso.vault.azure.net/keys/disk", "https://" },
		{ "", "https://" },
		{ "https://", "no host name" },
		{ "https:///keys/disk", "no host name" },
		{ "https://contoso.vault.azure.net", "no path" },
		{ "https://contoso.vault.azure.net/", "no path" },
		{ "https://me@contoso.vault.azure.net/keys/disk", "user name" },
		{ "https://contoso.vault.azure.net@evil.example/keys/disk", "user name" },
		{ "https://contoso.vault.azure.net:443@evil.example/keys/disk", "user name" },
		{ "https://169.254.169.254/keys/disk", "IP address" },
		{ "https://127.1/keys/disk", "IP address" },
		{ "https://2130706433/keys/disk", "IP address" },
		{ "https://0x7f000001/keys/disk", "IP address" },
		{ "https://0x7f.1/keys/disk", "IP address" },
		{ "https://a.0X7f/keys/disk", "IP address" },
		{ "https://[::1]/keys/disk", "IP address" },
		{ "https://evil.example\\.vault.azure.net/keys/disk", "no host name has" },
		{ "https://evil.example#.vault.azure.net/keys/disk", "no host name has" },
		{ "https://evil.example?.vault.azure.net/keys/disk", "no host name has" },
		{ "https://con%74oso.vault.azure.net/keys/disk", "no host name has" },
		{ "https://contoso.vault.azure.net\t/keys/disk", "no host name has" },
		{ "https://cont\xc3\xb6so.vault.azure.net/keys/disk", "no host name has" },
		{ "https://.vault.azure.net/keys/disk", "malformed host name" },
		{ "https://a..vault.azure.net/keys/disk", "malformed host name" },
		{ "https://contoso.vault.azure.net./keys/disk", "malformed host name" },
		{ "https://-a.vault.azure.net/keys/disk", "malformed host name" },
		{ "https://a-.vault.azure.net/keys/disk", "malformed host name" },
		{ "https://contoso.vault.azure.net:/keys/disk", "malformed port" },
		{ "https://contoso.vault.azure.net:443x/keys/disk", "malformed port" },
		{ "https://contoso.vault.azure.net:443:443/keys/disk", "malformed port" },
		{ "https://contoso.vault.azure.net:655350/keys/disk", "malformed port" },
		{ "https://contoso.vault.azure.net/keys/di sk", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys/disk?x=1", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys/disk#x", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys/%2e%2e", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys/\033[2J", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys\\disk", "no key's path has" },
		{ "https://contoso.vault.azure.net/keys/../secrets/x", "dotted parts" },
		{ "https://contoso.vault.azure.net/keys//disk", "empty or" },
		{ "https://contoso.vault.azure.net//evil.example/x", "empty or" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *problem = token_key_problem(rows[i].url);

		if (!rows[i].problem)
			CHECK(rows[i].url, !problem);
		else
			CHECK_SENTENCE(rows[i].url, problem ? problem : "no problem",
				       rows[i].problem);
	}
}

/* A hostile URL reaches the sentence escaped. */
static void test_hostile_url(void **state)
{
	static const char text[] = TOKEN("http://\\u001b]0;x\\u0007.vault.azure.net/keys/disk");
	struct cmk_err err = { 0 };
	struct token token;

	(void)state;
	assert_int_equal(parse(text, false, &token, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "\"http://\\x1b]0;x\\x07.vault"));
}

static void test_sizes(void **state)
{
	static const struct {
		size_t len;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{ TOKEN_VALUE_MAX - 1, NULL },
		{ TOKEN_VALUE_MAX - 3, "no base64url" }, /* one character too many for it */
		{ TOKEN_VALUE_MAX, "no string of at most 1023" },
		{ 1 << 20, "bytes long, at most 65536 are allowed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_buf_ struct buf b = BUF(2 << 20);
		struct cmk_err err = { 0 };
		struct token token;
		int r;

		buf_puts(&b, HEAD "\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\","
				  "\"tenant_id\":\"" TENANT "\",\"client_id\":\"" CLIENT "\","
				  "\"key\":\"" KEY "\",\"alg\":\"RSA-OAEP-256\",\"value\":\"");
		for (size_t n = 0; n < rows[i].len; n++)
			buf_append(&b, "A", 1);
		buf_puts(&b, "\"}]}");
		r = token_parse(b.data, b.len, false, &token, &err);
		assert_int_equal(r, rows[i].why ? -EBADMSG : 0);
		if (rows[i].why)
			assert_non_null(strstr(err.text, rows[i].why));
	}
}

static void test_key_parts(void **state)
{
	static const struct {
		const char *url, *host, *name, *version;
	} rows[] = {
		{ KEY, "contoso.vault.azure.net", "disk", VERSION },
		{ "https://h:8443/keys/disk", "h:8443", "disk", "" },
		{ "https://h/keys/disk/", "h", "disk", "" },
		{ "https://h/keys/disk/1/2", "h", "disk", "" },
		{ "https://h/secrets/disk/1", "h", "", "" },
		{ "https://h", "h", "", "" },
		{ "http://h/keys/a/b", "", "", "" },
		{ "", "", "", "" },
		{ "https://a-host-name-that-is-much-longer/keys/"
		  "a-name-that-is-much-longer-than-the-room/1",
		  "", "", "1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char host[24] = "#", name[24] = "#";

		token_key_host(rows[i].url, host, sizeof(host));
		token_key_name(rows[i].url, name, sizeof(name));
		CHECK_TEXT(rows[i].url, host, rows[i].host);
		CHECK_TEXT(rows[i].url, name, rows[i].name);
		CHECK_TEXT(rows[i].url, token_key_version(rows[i].url), rows[i].version);
	}
}

static void test_full(void **state)
{
	struct token token = { .customer = "c" }, again;
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < TOKEN_KEYSLOTS_MAX; i++)
		token.keyslots[token.keyslots_count++] = i;
	for (int i = 0; i < TOKEN_WRAPPED_MAX; i++) {
		struct token_wrapping *w = &token.wrapped[token.wrapped_count++];

		*w = (struct token_wrapping){ "azure", "AzurePublic",  TENANT, CLIENT,
					      KEY,     "RSA-OAEP-256", "",     "now" };
		memset(w->value, 'A', TOKEN_VALUE_MAX - 4);
	}
	text = token_format(&token);
	assert_non_null(text);
	assert_int_equal(parse(text, false, &again, NULL), 0);
	assert_memory_equal(&token, &again, sizeof(token));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	    cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_urls),
		cmocka_unit_test(test_hostile_url), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_key_parts),   cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
