/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many volumes of one customer in one helper. Nothing is freed: the helper ends after it. */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"

/* Each has a connection to the vault: that costs a handshake, and the vault takes its time for each request. */
#define RUNNING_MAX 8

static int wrong(struct cmk_err *err, const char *what)
{
	return cmk_err(
		err, CMK_HELPER,
		"a message between luks-cmk and its helper %s; install luks-cmk again, all of "
		"one release",
		what);
}

/* How many there are: room for the usual one is a fraction of that for all. */
static int count(const struct secret *messages, size_t *ret, struct cmk_err *err)
{
	size_t offset = 0, found = 0;
	int r;

	for (;; found++) {
		_cleanup_secret_ struct secret message = { 0 };

		r = wire_next(messages, &offset, &message, err);
		if (r <= 0)
			break;
	}
	if (r == -EAGAIN || (r == 0 && found == 0))
		return wrong(err, "is cut short");
	if (found > WIRE_BATCH_MAX)
		return wrong(err, "is one of too many");
	*ret = found;
	return r;
}

static int decode(const struct secret *messages, struct batch *batch, struct cmk_err *err)
{
	size_t offset = 0;

	for (size_t i = 0; i < batch->count; i++) {
		_cleanup_secret_ struct secret message = { 0 };
		struct wire_request *request = &batch->answers[i].request;
		int r = wire_next(messages, &offset, &message, err);

		if (r > 0)
			r = wire_decode_request(&message, request, err);
		if (r < 0)
			return r;
		if (batch->count > 1 && request->op != WIRE_UNWRAP)
			return wrong(err, "asks for something else than the others");
	}
	return 0;
}

int batch_decode(const struct secret *messages, struct batch *ret, struct cmk_err *err)
{
	int r = count(messages, &ret->count, err);

	if (r < 0)
		return r;
	ret->answers = calloc(ret->count, sizeof(*ret->answers));
	ret->errors = calloc(ret->count, sizeof(*ret->errors));
	if (!ret->answers || !ret->errors)
		return -ENOMEM;
	return decode(messages, ret, err);
}

void batch_prepare(struct batch *batch)
{
	for (size_t i = 1; i < batch->count; i++) {
		struct cmk_err *err = &batch->errors[i];
		int r = answer_prepare_more(&batch->answers[i], &batch->answers[0], err);

		if (r < 0 && err->code == CMK_OK)
			cmk_err_errno(err, CMK_SYSTEM, -r, "the helper failed");
	}
}

static int send_reply(int fd, size_t place, struct secret *key, const struct cmk_err *error)
{
	_cleanup_wire_reply_ struct wire_reply reply = { .err = *error,
							 .place = (uint32_t)place + 1 };
	_cleanup_secret_ struct secret message = { 0 };
	struct cmk_err err;
	int r;

	if (error->code == CMK_OK)
		secret_move(&reply.key, key);
	r = wire_encode_reply(&reply, &message, &err);
	return r < 0 ? r : io_write_all(fd, message.data, message.len);
}

/* Goes on with one; true when its reply is sent. ret_wake becomes earlier if it must. */
static bool step(struct batch *batch, size_t place, int fd, int64_t *ret_wake)
{
	_cleanup_secret_ struct secret key = { 0 };
	struct cmk_err *err = &batch->errors[place];
	int64_t wake = INT64_MAX;
	int r = unlock_unwrap_step(batch->answers[place].unlock, &key, &wake, err);

	if (r > 0) {
		*ret_wake = wake < *ret_wake ? wake : *ret_wake;
		return false;
	}
	if (r < 0 && err->code == CMK_OK)
		cmk_err_errno(err, CMK_SYSTEM, -r, "the helper failed");
	(void)send_reply(fd, place, &key, err);
	return true;
}

static void begin(struct batch *batch, size_t place)
{
	struct answer *answer = &batch->answers[place];

	unlock_begin(answer->unlock, answer->http, batch->answers[0].deadline_ms, false);
	unlock_set_agent(answer->unlock, answer->agent);
	unlock_unwrap_begin(answer->unlock, answer->request.header, false);
}

/* The next one, if there is time for it; false if it has got its reply instead. */
static bool begin_in_time(struct batch *batch, size_t place, int fd)
{
	struct cmk_err *err = &batch->errors[place];
	char host[TOKEN_KEY_MAX];

	if (err->code == CMK_OK && io_now_ms() < batch->answers[0].deadline_ms) {
		begin(batch, place);
		return true;
	}
	token_key_host(batch->answers[place].token.wrapped[0].key, host, sizeof(host));
	if (err->code == CMK_OK)
		cmk_err(err, CMK_TIMEOUT,
			"%s has not answered for other volumes, and was not asked for this one; "
			"check the network, then try again",
			host);
	(void)send_reply(fd, place, NULL, err);
	return false;
}

int batch_serve(struct batch *batch, int fd, struct cmk_err *err)
{
	size_t running[RUNNING_MAX];
	size_t count = 0, next = 0;

	for (;;) {
		int64_t wake = INT64_MAX;
		int r;

		for (size_t i = 0; i < count; i++) {
			if (step(batch, running[i], fd, &wake))
				running[i--] = running[--count];
		}
		if (count < RUNNING_MAX && next < batch->count) {
			if (begin_in_time(batch, next, fd))
				running[count++] = next;
			next++;
			continue;
		}
		if (count == 0)
			return 0;
		r = http_poll(batch->answers[0].http, wake, err);
		if (r < 0)
			return r;
	}
}
