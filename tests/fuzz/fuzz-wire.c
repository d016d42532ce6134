/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame that is decoded is encoded again, and decoded again as the same. */
#include <string.h>

#include "format/wire.h"
#include "fuzz.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void round_trip_request(const struct secret *message)
{
	_cleanup_wire_request_ struct wire_request request = { 0 }, again = { 0 };
	_cleanup_secret_ struct secret encoded = { 0 };
	struct cmk_err err = { 0 };

	if (wire_decode_request(message, &request, &err) < 0) {
		FUZZ_CHECK(err.code == CMK_HELPER && err.text[0]);
		return;
	}
	FUZZ_CHECK(wire_encode_request(&request, &encoded, NULL) == 0);
	FUZZ_CHECK(encoded.len == message->len);
	FUZZ_CHECK(wire_decode_request(&encoded, &again, NULL) == 0);
	FUZZ_CHECK(request.op == again.op && request.debug == again.debug &&
		   request.timeout == again.timeout);
	FUZZ_CHECK(same_text(request.header, again.header));
	FUZZ_CHECK(same_text(request.volume, again.volume));
	FUZZ_CHECK(same_text(request.domain, again.domain));
	FUZZ_CHECK(same_text(request.token, again.token));
	FUZZ_CHECK(secret_equal(&request.key, &again.key));
}

static void round_trip_reply(const struct secret *message)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 }, again = { 0 };
	_cleanup_secret_ struct secret encoded = { 0 };
	struct cmk_err err = { 0 };

	if (wire_decode_reply(message, &reply, &err) < 0) {
		FUZZ_CHECK(err.code == CMK_HELPER && err.text[0]);
		return;
	}
	FUZZ_CHECK(wire_encode_reply(&reply, &encoded, NULL) == 0);
	FUZZ_CHECK(wire_decode_reply(&encoded, &again, NULL) == 0);
	FUZZ_CHECK(reply.err.code == again.err.code && reply.again == again.again &&
		   reply.place == again.place);
	FUZZ_CHECK(same_text(reply.err.text, again.err.text));
	FUZZ_CHECK(same_text(reply.err.request_id, again.err.request_id));
	FUZZ_CHECK(same_text(reply.detail, again.detail));
	FUZZ_CHECK(secret_equal(&reply.key, &again.key));
}

static void read_several(const struct secret *messages)
{
	size_t offset = 0, before;
	int r;

	do {
		_cleanup_secret_ struct secret message = { 0 };

		before = offset;
		r = wire_next(messages, &offset, &message, NULL);
		FUZZ_CHECK(offset <= messages->len && message.len == offset - before);
	} while (r > 0);
	FUZZ_CHECK(r != 0 || offset == messages->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_secret_ struct secret message = { 0 };

	FUZZ_CHECK(secret_set(&message, data, size) == 0);
	round_trip_request(&message);
	round_trip_reply(&message);
	read_several(&message);
	return 0;
}
