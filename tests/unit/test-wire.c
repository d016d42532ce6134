/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: both directions, and every way in which one can be wrong. */
#include "rows.h"

#include <errno.h>

#include "format/wire.h"

#define LINE "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none"
#define UUID "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"

static char json[] = "{\"type\":\"luks-cmk\"}";

static void test_requests(void **state)
{
	static const struct {
		const char *name;
		enum wire_op op;
		bool debug, header, token, key;
		int expected;
		uint32_t timeout;
		const char *domain;
	} rows[] = {
		{ "unwrap", WIRE_UNWRAP, false, true, true, false, 0, 0, NULL },
		{ "unwrap, debug", WIRE_UNWRAP, true, true, true, false, 0, 0, NULL },
		{ "unwrap, 60 s", WIRE_UNWRAP, false, true, true, false, 0, 60, NULL },
		{ "unwrap, for ever", WIRE_UNWRAP, false, true, true, false, 0, UINT32_MAX, NULL },
		{ "unwrap without header", WIRE_UNWRAP, false, false, true, false, -EIO, 0, NULL },
		{ "unwrap without token", WIRE_UNWRAP, false, true, false, false, -EIO, 0, NULL },
		{ "wrap", WIRE_WRAP, false, true, true, true, 0, 0, NULL },
		{ "wrap without key", WIRE_WRAP, false, true, true, false, -EIO, 0, NULL },
		{ "describe", WIRE_DESCRIBE, false, false, true, false, 0, 0, NULL },
		{ "probe", WIRE_PROBE, true, false, true, false, 0, 0, NULL },
		{ "probe with header", WIRE_PROBE, false, true, true, false, 0, 0, NULL },
		{ "probe, 1 s", WIRE_PROBE, false, false, true, false, 0, 1, NULL },
		{ "invalid", WIRE_INVALID, false, true, true, false, -EIO, 0, NULL },
		{ "reply", WIRE_REPLY, false, true, true, false, -EIO, 0, NULL },
		{ "unknown", (enum wire_op)77, false, true, true, false, -EIO, 0, NULL },
		{ "tenant", WIRE_TENANT, true, false, false, false, 0, 5, "contoso.com" },
		{ "tenant without domain", WIRE_TENANT, false, false, false, false, -EIO, 0, NULL },
		{ "claims", WIRE_CLAIMS, true, false, false, false, 0, 0, NULL },
		{ "kinds", WIRE_KINDS, false, true, true, false, -EIO, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_wire_request_ struct wire_request got = { 0 };
		_cleanup_secret_ struct secret message = { 0 };
		struct wire_request request = { .op = rows[i].op,
						.debug = rows[i].debug,
						.timeout = rows[i].timeout };

		if (rows[i].header)
			snprintf(request.header, sizeof(request.header), "%s", LINE);
		if (rows[i].token)
			snprintf(request.volume, sizeof(request.volume), "%s", UUID);
		if (rows[i].domain)
			snprintf(request.domain, sizeof(request.domain), "%s", rows[i].domain);
		if (rows[i].token)
			request.token = json;
		if (rows[i].key)
			assert_int_equal(secret_set(&request.key, "k\0y", 3), 0);
		CHECK_INT(rows[i].name, wire_encode_request(&request, &message, NULL),
			  rows[i].expected);
		if (rows[i].expected == 0) {
			CHECK_INT(rows[i].name, wire_decode_request(&message, &got, NULL), 0);
			CHECK_INT(rows[i].name, got.op, rows[i].op);
			CHECK_INT(rows[i].name, got.debug, rows[i].debug);
			CHECK_INT(rows[i].name, got.timeout, rows[i].timeout);
			CHECK_TEXT(rows[i].name, got.header, request.header);
			CHECK_TEXT(rows[i].name, got.volume, request.volume);
			CHECK_TEXT(rows[i].name, got.domain, request.domain);
			CHECK_TEXT(rows[i].name, got.token ? got.token : "",
				   rows[i].token ? json : "");
			CHECK(rows[i].name, secret_equal(&got.key, &request.key));
		}
		secret_done(&request.key);
	}
}

static void test_replies(void **state)
{
	static const struct {
		const char *name;
		struct cmk_err err;
		const char *key;
		char *detail;
		const char *text; /* as it arrives */
		bool again;
	} rows[] = {
		{ "key", { CMK_OK, "", UUID, "" }, "secret", NULL, "", false },
		{ "detail", { CMK_OK, "", "", "" }, NULL, json, "", false },
		{ "refusal",
		  { CMK_KEY_DISABLED, "the vault refused; ask", UUID, "KeyDisabled" },
		  NULL,
		  NULL,
		  "the vault refused; ask",
		  false },
		/* A helper that something hostile has taken over. */
		{ "escapes", { CMK_STATE, "a\033[2Jb", "", "" }, NULL, NULL, "a\\x1b[2Jb", false },
		{ "nothing", { CMK_OK, "", "", "" }, NULL, NULL, "", false },
		{ "for ever", { CMK_TIMEOUT, "late", "", "imds:404" }, NULL, NULL, "late", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_wire_reply_ struct wire_reply got = { 0 };
		_cleanup_secret_ struct secret message = { 0 };
		struct wire_reply reply = { .err = rows[i].err,
					    .detail = rows[i].detail,
					    .again = rows[i].again };

		if (rows[i].key)
			assert_int_equal(secret_set(&reply.key, rows[i].key, strlen(rows[i].key)),
					 0);
		CHECK_INT(rows[i].name, wire_encode_reply(&reply, &message, NULL), 0);
		CHECK_INT(rows[i].name, wire_decode_reply(&message, &got, NULL), 0);
		CHECK_INT(rows[i].name, got.err.code, rows[i].err.code);
		CHECK_TEXT(rows[i].name, got.err.text, rows[i].text);
		CHECK_TEXT(rows[i].name, got.err.request_id, rows[i].err.request_id);
		CHECK_TEXT(rows[i].name, got.err.cause, rows[i].err.cause);
		CHECK(rows[i].name, secret_equal(&got.key, &reply.key));
		CHECK(rows[i].name, got.again == rows[i].again);
		CHECK_TEXT(rows[i].name, got.detail ? got.detail : "",
			   rows[i].detail ? rows[i].detail : "");
		secret_done(&reply.key);
	}
}

/* Byte for byte, so that nobody changes the form without changing the version. */
static void test_golden(void **state)
{
	static const uint8_t expected[] = { 0, 0, 0, 24,  1,   2, 2, 0, 0, 0, 1,   'h', 4,   0,
					    0, 0, 2, '{', '}', 5, 0, 0, 0, 4, 'k', 0,	'e', 'y' };
	_cleanup_secret_ struct secret message = { 0 };
	char token[] = "{}";
	struct wire_request request = { .op = WIRE_WRAP, .header = "h", .token = token };

	(void)state;
	assert_int_equal(secret_set(&request.key, "k\0ey", 4), 0);
	assert_int_equal(wire_encode_request(&request, &message, NULL), 0);
	assert_int_equal(message.len, sizeof(expected));
	assert_memory_equal(message.data, expected, sizeof(expected));
	secret_done(&request.key);
}

/* A message without its length, which the test puts in front. */
#define ROW(text, bytes, why)                          \
	{                                              \
		text, bytes, sizeof(bytes) - 1, why, 0 \
	}
#define T "\4\0\0\0\2{}"
#define H "\2\0\0\0\1h"

static void test_bad_requests(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		const char *why; /* NULL: accepted */
		int length_off;	 /* added to the true length */
	} rows[] = {
		ROW("least", "\1\1" H T, NULL),
		ROW("another order", "\1\1" T H, NULL),
		{ "length too small", "\1\1" H T, 15, "wrong length", -1 },
		{ "length too large", "\1\1" H T, 15, "wrong length", 1 },
		{ "length far too large", "\1\1" H T, 15, "wrong length", 0x7fffff00 },
		ROW("empty", "", "wrong length"),
		ROW("version alone", "\1", "wrong length"),
		ROW("version 0", "\0\1" H T, "different releases"),
		ROW("version 2", "\2\1" H T, "version 2, this program speaks version 1"),
		ROW("version 255", "\377\1" H T, "different releases"),
		ROW("kind 0", "\1\0" H T, "unknown kind"),
		ROW("kind 8", "\1\10" H T, "unknown kind"),
		ROW("tenant", "\1\6\15\0\0\0\3a.b", NULL),
		ROW("tenant without domain", "\1\6", "lacks a field"),
		ROW("tenant with a token", "\1\6\15\0\0\0\3a.b" T, "unknown or repeated"),
		ROW("claims", "\1\7", NULL),
		ROW("claims of a volume", "\1\7" H, "unknown or repeated"),
		ROW("reply", "\1\5\6\0\0\0\1\0", "a reply in place"),
		ROW("no field", "\1\1", "lacks a field"),
		ROW("no token", "\1\1" H, "lacks a field"),
		ROW("no header", "\1\1" T, "lacks a field"),
		ROW("repeated", "\1\1" H T H, "unknown or repeated"),
		ROW("tag 0", "\1\1" H T "\0\0\0\0\1x", "unknown or repeated"),
		ROW("timeout", "\1\1" H T "\13\0\0\0\4\0\0\0\1", NULL),
		ROW("timeout of 0", "\1\1" H T "\13\0\0\0\4\0\0\0\0", "wrong value"),
		ROW("timeout of one byte", "\1\1" H T "\13\0\0\0\1\1", "wrong value"),
		ROW("timeout of five bytes", "\1\1" H T "\13\0\0\0\5\0\0\0\0\1", "wrong value"),
		ROW("cause where none belongs", "\1\1" H T "\14\0\0\0\1x", "unknown or repeated"),
		ROW("domain where none belongs", "\1\1" H T "\15\0\0\0\1x", "unknown or repeated"),
		ROW("tag 14", "\1\1" H T "\16\0\0\0\1x", "unknown or repeated"),
		ROW("tag 255", "\1\1" H T "\377\0\0\0\1x", "unknown or repeated"),
		ROW("key where none belongs", "\1\1" H T "\5\0\0\0\1k", "unknown or repeated"),
		ROW("a reply's tag", "\1\1" H T "\7\0\0\0\1x", "unknown or repeated"),
		ROW("trailing byte", "\1\1" H T "\1", "ends inside"),
		ROW("trailing bytes", "\1\1" H T "\1\0\0\0", "ends inside"),
		ROW("field beyond the end", "\1\1" H "\4\0\0\0\3{}", "ends inside"),
		ROW("field of 4 GiB", "\1\1" H "\4\377\377\377\377{}", "ends inside"),
		ROW("empty field", "\1\1" H T "\3\0\0\0\0", "wrong value"),
		ROW("NUL inside", "\1\1" H "\4\0\0\0\3{\0}", "wrong value"),
		ROW("debug of 2", "\1\1" H T "\1\0\0\0\1\2", "wrong value"),
		ROW("debug of two bytes", "\1\1" H T "\1\0\0\0\2\1\1", "wrong value"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_wire_request_ struct wire_request got = { 0 };
		_cleanup_secret_ struct secret message = { 0 };
		uint32_t length = (uint32_t)rows[i].len + (uint32_t)rows[i].length_off;
		uint8_t prefix[4] = { (uint8_t)(length >> 24), (uint8_t)(length >> 16),
				      (uint8_t)(length >> 8), (uint8_t)length };
		struct cmk_err err = { 0 };

		assert_int_equal(secret_init(&message, 4 + rows[i].len), 0);
		assert_int_equal(secret_append(&message, prefix, 4), 0);
		assert_int_equal(secret_append(&message, rows[i].bytes, rows[i].len), 0);
		CHECK_INT(rows[i].name, wire_decode_request(&message, &got, &err),
			  rows[i].why ? -EIO : 0);
		if (!rows[i].why)
			continue;
		CHECK_INT(rows[i].name, err.code, CMK_HELPER);
		CHECK_SENTENCE(rows[i].name, err.text, rows[i].why);
		CHECK(rows[i].name, !got.token && !got.op);
	}
}

static void test_bad_replies(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		const char *why;
		int unused;
	} rows[] = {
		ROW("least", "\1\5\6\0\0\0\1\0", NULL),
		ROW("last code", "\1\5\6\0\0\0\1\36", NULL),
		ROW("no such code", "\1\5\6\0\0\0\1\37", "wrong value"),
		ROW("code 255", "\1\5\6\0\0\0\1\377", "wrong value"),
		ROW("no code", "\1\5\7\0\0\0\1x", "lacks a field"),
		ROW("request", "\1\1" H T, "a request in place"),
		ROW("request id of another form", "\1\5\6\0\0\0\1\0\10\0\0\0\1x", "wrong value"),
		ROW("NUL in the sentence", "\1\5\6\0\0\0\1\1\7\0\0\0\2a\0", "wrong value"),
		ROW("token tag", "\1\5\6\0\0\0\1\0" T, "unknown or repeated"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_wire_reply_ struct wire_reply got = { 0 };
		_cleanup_secret_ struct secret message = { 0 };
		uint8_t prefix[4] = { 0, 0, 0, (uint8_t)rows[i].len };
		struct cmk_err err = { 0 };

		assert_int_equal(secret_init(&message, 4 + rows[i].len), 0);
		assert_int_equal(secret_append(&message, prefix, 4), 0);
		assert_int_equal(secret_append(&message, rows[i].bytes, rows[i].len), 0);
		CHECK_INT(rows[i].name, wire_decode_reply(&message, &got, &err),
			  rows[i].why ? -EIO : 0);
		if (rows[i].why)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].why);
	}
}

/* Every prefix of a good message, and none of them longer than its memory. */
static void test_cut(void **state)
{
	_cleanup_secret_ struct secret message = { 0 };
	struct wire_request request = { .op = WIRE_UNWRAP, .header = LINE, .token = json };

	(void)state;
	assert_int_equal(wire_encode_request(&request, &message, NULL), 0);
	for (size_t len = 0; len < message.len; len++) {
		_cleanup_wire_request_ struct wire_request got = { 0 };
		_cleanup_secret_ struct secret cut = { 0 };

		assert_int_equal(secret_set(&cut, message.data, len), 0);
		if (len > 4) {
			cut.data[2] = (uint8_t)((len - 4) >> 8);
			cut.data[3] = (uint8_t)(len - 4);
		}
		/* Behind the header and before the token it is well-formed, but lacks the token. */
		assert_int_equal(wire_decode_request(&cut, &got, NULL), -EIO);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *name;
		size_t token, key;
		int expected;
	} rows[] = {
		{ "largest", TOKEN_JSON_MAX, 256, 0 },
		{ "token too large", TOKEN_JSON_MAX + 1, 1, -EIO },
		{ "key too large", 1, 257, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_wire_request_ struct wire_request request = { .op = WIRE_WRAP,
								       .header = LINE },
							   got = { 0 };
		_cleanup_secret_ struct secret message = { 0 };

		request.token = malloc(rows[i].token + 1);
		assert_non_null(request.token);
		memset(request.token, 'x', rows[i].token);
		request.token[rows[i].token] = '\0';
		assert_int_equal(secret_init(&request.key, rows[i].key), 0);
		memset(request.key.data, 'k', rows[i].key);
		request.key.len = rows[i].key;
		CHECK_INT(rows[i].name, wire_encode_request(&request, &message, NULL),
			  rows[i].expected);
		if (rows[i].expected == 0) {
			CHECK(rows[i].name, message.len <= WIRE_MESSAGE_MAX);
			CHECK_INT(rows[i].name, wire_decode_request(&message, &got, NULL), 0);
		}
	}
}

static void append(struct secret *messages, const struct secret *message, size_t len)
{
	assert_int_equal(secret_append(messages, message->data, len), 0);
}

/* Several messages, whole or cut: each comes out as it went in, and no byte of a half one. */
static void test_next(void **state)
{
	_cleanup_secret_ struct secret messages = { 0 }, first = { 0 }, second = { 0 };
	struct wire_reply reply = { .place = 7 };
	size_t offset = 0, whole;
	struct cmk_err err = { 0 };

	(void)state;
	assert_int_equal(wire_encode_reply(&reply, &first, NULL), 0);
	reply.place = 64;
	cmk_err(&reply.err, CMK_GRANT, "no");
	assert_int_equal(wire_encode_reply(&reply, &second, NULL), 0);
	assert_int_equal(secret_init(&messages, 4096), 0);
	append(&messages, &first, first.len);
	append(&messages, &second, second.len);
	whole = messages.len;
	append(&messages, &first, first.len - 1);
	for (uint32_t place = 7; place <= 64; place += 57) {
		_cleanup_secret_ struct secret message = { 0 };
		_cleanup_wire_reply_ struct wire_reply got = { 0 };

		assert_int_equal(wire_next(&messages, &offset, &message, &err), 1);
		assert_int_equal(wire_decode_reply(&message, &got, &err), 0);
		assert_int_equal(got.place, place);
	}
	assert_int_equal(offset, whole);
	for (size_t cut = 1; cut < first.len; cut++) {
		_cleanup_secret_ struct secret message = { 0 };

		messages.len = whole + cut;
		assert_int_equal(wire_next(&messages, &offset, &message, &err), -EAGAIN);
		assert_int_equal(message.len, 0);
	}
	messages.len = whole;
	assert_int_equal(wire_next(&messages, &offset, &first, &err), 0);
	assert_int_equal(offset, whole);
	/* A length that no message has. */
	memset(messages.data, 0xff, 4);
	offset = 0;
	assert_int_equal(wire_next(&messages, &offset, &first, &err), cmk_code_errno(CMK_HELPER));
	assert_int_equal(err.code, CMK_HELPER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),    cmocka_unit_test(test_replies),
		cmocka_unit_test(test_golden),	    cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_bad_replies), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
