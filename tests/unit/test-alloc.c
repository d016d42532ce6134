/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each allocation of each parser and builder fails once, in turn: -ENOMEM comes out, the result stays
 * untouched, and nothing leaks (which the sanitizers and valgrind see). Linked with --wrap.
 */
#include "rows.h"

#include <errno.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "format/config.h"
#include "format/payload.h"
#include "format/token.h"
#include "format/wire.h"

#define GUID "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"
#define LINE "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none"

/* Allocations that still succeed before one fails; negative: none fails. */
static int left = -1;

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

static char token_text[] =
	"{\"type\":\"luks-cmk\",\"keyslots\":[\"1\"],\"version\":1,\"customer\":\"contoso\","
	"\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":\"" GUID "\","
	"\"client_id\":\"" GUID "\",\"key\":\"https://contoso.vault.azure.net/keys/disk/1\","
	"\"alg\":\"RSA-OAEP-256\",\"value\":\"AAAA\"}]}";

static int parse_json(void)
{
	static const struct json_field fields[] = { { "key", JSON_KIND_SECRET, true, 0, 64 } };
	static const char text[] =
		"{\"key\":\"k\",\"list\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,"
		"17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,"
		"38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,"
		"59,60,61,62,63,64,65]}";
	_cleanup_secret_ struct secret secret = { 0 };
	_cleanup_json_ struct json *json = NULL;
	int r = json_parse(text, sizeof(text) - 1, "x", CMK_TOKEN, &json, NULL);

	if (r == 0)
		r = json_read(json, json_root(json), fields, 1, &secret, "x", CMK_TOKEN, NULL);
	if (r < 0)
		CHECK("json", !secret.data);
	return r;
}

static int parse_token(void)
{
	struct token token = { .customer = "untouched" };
	int r = token_parse(token_text, sizeof(token_text) - 1, false, &token, NULL);

	CHECK_TEXT("token", token.customer, r < 0 ? "untouched" : "contoso");
	return r;
}

static int format_token(void)
{
	static struct token token = { .customer = "contoso", .wrapped_count = 8 };
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < token.wrapped_count; i++)
		memset(token.wrapped[i].value, 'A', TOKEN_VALUE_MAX - 1);
	text = token_format(&token);
	return text ? 0 : -ENOMEM;
}

static int ask(void)
{
	_cleanup_wire_request_ struct wire_request got = { 0 };
	_cleanup_secret_ struct secret message = { 0 };
	struct wire_request request = { .op = WIRE_WRAP, .header = LINE, .token = token_text };
	int r = secret_set(&request.key, "key", 3);

	if (r == 0)
		r = wire_encode_request(&request, &message, NULL);
	secret_done(&request.key);
	if (r == 0)
		r = wire_decode_request(&message, &got, NULL);
	if (r < 0)
		CHECK("request", !got.op && !got.token);
	return r;
}

static int answer(void)
{
	_cleanup_wire_reply_ struct wire_reply got = { 0 };
	_cleanup_secret_ struct secret message = { 0 };
	struct wire_reply reply = { .err = { CMK_STATE, "text", GUID, "KeyDisabled" },
				    .detail = token_text };
	int r = secret_set(&reply.key, "key", 3);

	if (r == 0)
		r = wire_encode_reply(&reply, &message, NULL);
	secret_done(&reply.key);
	if (r == 0)
		r = wire_decode_reply(&message, &got, NULL);
	if (r < 0)
		CHECK("reply", !got.err.code && !got.detail);
	return r;
}

static int parse_config(void)
{
	static struct config config;
	int r;

	config_init(&config);
	r = config_parse("[network]\ntimeout = 5\n", "x", &config, NULL);
	CHECK_INT("config", config.network.timeout, r < 0 ? CONFIG_TIMEOUT_DEFAULT : 5);
	return r;
}

static int format_customer(void)
{
	static const struct customer customer = { .key = "https://h/k", .tenant_id = GUID };
	_cleanup_free_ char *text = customer_format(&customer);

	return text ? 0 : -ENOMEM;
}

static int decode_b64(void)
{
	_cleanup_secret_ struct secret out = { 0 };
	int r = b64url_decode("AAAA", 4, &out);

	CHECK("b64", (r == 0) == (out.data != NULL));
	return r;
}

static int new_payload(void)
{
	_cleanup_secret_ struct secret out = { 0 };
	int r = payload_new(LINE, &out, NULL);

	CHECK("payload", (r == 0) == (out.data != NULL));
	return r;
}

static int read_file(void)
{
	_cleanup_secret_ struct secret out = { 0 };

	return io_read_file("/proc/self/stat", 4096, true, &out);
}

static void test_each_allocation(void **state)
{
	static const struct {
		const char *name;
		int (*run)(void);
		int least; /* allocations that it makes at least: guards against testing nothing */
	} rows[] = {
		{ "json", parse_json, 4 },
		{ "token_parse", parse_token, 2 },
		{ "token_format", format_token, 4 },
		{ "request", ask, 4 },
		{ "reply", answer, 4 },
		{ "config", parse_config, 1 },
		{ "customer", format_customer, 1 },
		{ "b64", decode_b64, 1 },
		{ "payload", new_payload, 1 },
		{ "file", read_file, 1 },
	};

	(void)state;
	/* OpenSSL allocates for itself at its first use. */
	assert_int_equal(new_payload(), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		int n, r = -ENOMEM;

		for (n = 0; n < 1000 && r == -ENOMEM; n++) {
			left = n;
			r = rows[i].run();
			left = -1;
		}
		CHECK_INT(rows[i].name, r, 0);
		CHECK(rows[i].name, n > rows[i].least);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
