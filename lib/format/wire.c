/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames between the plugin or tool and the helper: what goes in, what comes out, nothing tolerated. */
#include "format/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define LENGTH_LEN	4
#define PREFIX_LEN	(LENGTH_LEN + 2) /* length, version, kind */
#define FIELD_OVERHEAD	5		 /* tag, length */
#define WIRE_KEY_MAX	256		 /* a payload has 72 bytes; room for another vault's */
#define WIRE_DETAIL_MAX 65536
#define TIMEOUT_LEN	4
#define REINSTALL	"; install luks-cmk again, all of one release"

enum tag {
	TAG_DEBUG = 1,
	TAG_HEADER,
	TAG_VOLUME,
	TAG_TOKEN,
	TAG_KEY,
	TAG_CODE,
	TAG_TEXT,
	TAG_REQUEST_ID,
	TAG_DETAIL,
	TAG_AGAIN,
	TAG_TIMEOUT,
	TAG_CAUSE,
	TAG_DOMAIN,
	TAG_PLACE,
	TAG_COUNT
};

/* Which tags a kind of message may have, and which of these it must have, as bits. */
#define BIT(tag) (1U << (tag))
#define ANY_REQUEST \
	(BIT(TAG_DEBUG) | BIT(TAG_HEADER) | BIT(TAG_VOLUME) | BIT(TAG_TOKEN) | BIT(TAG_TIMEOUT))
static const struct {
	unsigned allowed, required;
} kinds[] = {
	[WIRE_UNWRAP] = { ANY_REQUEST, BIT(TAG_HEADER) | BIT(TAG_TOKEN) },
	[WIRE_WRAP] = { ANY_REQUEST | BIT(TAG_KEY),
			BIT(TAG_HEADER) | BIT(TAG_TOKEN) | BIT(TAG_KEY) },
	[WIRE_DESCRIBE] = { ANY_REQUEST, BIT(TAG_TOKEN) },
	[WIRE_PROBE] = { ANY_REQUEST, BIT(TAG_TOKEN) },
	[WIRE_TENANT] = { BIT(TAG_DEBUG) | BIT(TAG_TIMEOUT) | BIT(TAG_DOMAIN), BIT(TAG_DOMAIN) },
	[WIRE_CLAIMS] = { BIT(TAG_DEBUG) | BIT(TAG_TIMEOUT), 0 },
	[WIRE_REPLY] = { BIT(TAG_CODE) | BIT(TAG_TEXT) | BIT(TAG_REQUEST_ID) | BIT(TAG_KEY) |
				 BIT(TAG_DETAIL) | BIT(TAG_AGAIN) | BIT(TAG_CAUSE) | BIT(TAG_PLACE),
			 BIT(TAG_CODE) },
};

static const size_t tag_max[TAG_COUNT] = {
	[TAG_DEBUG] = 1,
	[TAG_HEADER] = HEADER_DESCRIPTION_MAX - 1,
	[TAG_VOLUME] = sizeof(((struct wire_request *)0)->volume) - 1,
	[TAG_TOKEN] = TOKEN_JSON_MAX,
	[TAG_KEY] = WIRE_KEY_MAX,
	[TAG_CODE] = 1,
	[TAG_TEXT] = CMK_ERR_TEXT_MAX - 1,
	[TAG_REQUEST_ID] = CMK_REQUEST_ID_MAX - 1,
	[TAG_DETAIL] = WIRE_DETAIL_MAX,
	[TAG_AGAIN] = 1,
	[TAG_TIMEOUT] = TIMEOUT_LEN,
	[TAG_CAUSE] = CMK_CAUSE_MAX - 1,
	[TAG_DOMAIN] = WIRE_DOMAIN_MAX - 1,
	[TAG_PLACE] = TIMEOUT_LEN,
};

/* A field's bytes, in the message itself; data is NULL where the field is absent. */
struct field {
	const uint8_t *data;
	size_t len;
};

static int malformed(struct cmk_err *err, const char *what)
{
	return cmk_err(err, CMK_HELPER, "a message between luks-cmk and its helper %s" REINSTALL,
		       what);
}

static void put_u32(uint8_t out[static 4], size_t value)
{
	for (int i = 3; i >= 0; i--) {
		out[i] = (uint8_t)(value & 0xff);
		value >>= 8;
	}
}

static size_t get_u32(const uint8_t in[static 4])
{
	return (size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 | in[3];
}

static struct field field_of(const void *data, size_t len)
{
	return (struct field){ .data = len > 0 ? data : NULL, .len = len };
}

static struct field field_of_text(const char *text)
{
	return field_of(text, text ? strlen(text) : 0);
}

static int encode(enum wire_op kind, const struct field fields[static TAG_COUNT],
		  struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret message = { 0 };
	uint8_t prefix[PREFIX_LEN] = { 0 };
	size_t size = sizeof(prefix);
	int r;

	for (unsigned tag = 1; tag < TAG_COUNT; tag++) {
		if (fields[tag].data && fields[tag].len > tag_max[tag])
			return malformed(err, "would be too long");
		if (!fields[tag].data && (kinds[kind].required & BIT(tag)))
			return malformed(err, "would lack a field");
		if (fields[tag].data)
			size += FIELD_OVERHEAD + fields[tag].len;
	}
	r = secret_init(&message, size);
	if (r < 0)
		return r;
	put_u32(prefix, size - LENGTH_LEN);
	prefix[LENGTH_LEN] = WIRE_VERSION;
	prefix[LENGTH_LEN + 1] = (uint8_t)kind;
	r = secret_append(&message, prefix, sizeof(prefix));
	for (unsigned tag = 1; tag < TAG_COUNT && r == 0; tag++) {
		uint8_t head[FIELD_OVERHEAD] = { (uint8_t)tag };

		if (!fields[tag].data)
			continue;
		put_u32(head + 1, fields[tag].len);
		r = secret_append(&message, head, sizeof(head));
		if (r == 0)
			r = secret_append(&message, fields[tag].data, fields[tag].len);
	}
	if (r < 0)
		return r;
	secret_move(ret, &message);
	return 0;
}

/* A flag is there as this byte, or not at all. */
static const uint8_t yes = 1;

int wire_encode_request(const struct wire_request *request, struct secret *ret, struct cmk_err *err)
{
	uint8_t timeout[TIMEOUT_LEN];
	struct field fields[TAG_COUNT] = {
		[TAG_DEBUG] = field_of(&yes, request->debug),
		[TAG_HEADER] = field_of_text(request->header),
		[TAG_VOLUME] = field_of_text(request->volume),
		[TAG_TOKEN] = field_of_text(request->token),
		[TAG_KEY] = field_of(request->key.data, request->key.len),
		[TAG_TIMEOUT] = field_of(timeout, request->timeout > 0 ? sizeof(timeout) : 0),
		[TAG_DOMAIN] = field_of_text(request->domain),
	};

	put_u32(timeout, request->timeout);
	if (request->op <= WIRE_INVALID || request->op == WIRE_REPLY || request->op >= WIRE_KINDS)
		return malformed(err, "would ask for nothing");
	return encode(request->op, fields, ret, err);
}

int wire_encode_reply(const struct wire_reply *reply, struct secret *ret, struct cmk_err *err)
{
	const uint8_t code = (uint8_t)reply->err.code;
	uint8_t place[TIMEOUT_LEN];
	const struct field fields[TAG_COUNT] = {
		[TAG_CODE] = field_of(&code, 1),
		[TAG_TEXT] = field_of_text(reply->err.text),
		[TAG_REQUEST_ID] = field_of_text(reply->err.request_id),
		[TAG_KEY] = field_of(reply->key.data, reply->key.len),
		[TAG_DETAIL] = field_of_text(reply->detail),
		[TAG_AGAIN] = field_of(&yes, reply->again),
		[TAG_CAUSE] = field_of_text(reply->err.cause),
		[TAG_PLACE] = field_of(place, reply->place > 0 ? sizeof(place) : 0),
	};

	put_u32(place, reply->place);
	return encode(WIRE_REPLY, fields, ret, err);
}

/* Whether a field has the right size, and none of the bytes that its kind forbids. */
static bool field_is_valid(unsigned tag, const struct field *field)
{
	if (field->len == 0 || field->len > tag_max[tag])
		return false;
	if (tag == TAG_DEBUG || tag == TAG_AGAIN)
		return field->data[0] == yes;
	if (tag == TAG_CODE)
		return field->data[0] < CMK_CODE_COUNT;
	if (tag == TAG_TIMEOUT || tag == TAG_PLACE)
		return field->len == TIMEOUT_LEN && get_u32(field->data) > 0;
	return tag == TAG_KEY || !memchr(field->data, '\0', field->len);
}

static int decode_fields(const struct secret *message, unsigned allowed,
			 struct field fields[static TAG_COUNT], struct cmk_err *err)
{
	const uint8_t *p = message->data + PREFIX_LEN;
	size_t left = message->len - PREFIX_LEN;

	while (left > 0) {
		struct field field;
		unsigned tag = *p;

		if (left < FIELD_OVERHEAD)
			return malformed(err, "ends inside a field");
		if (tag == 0 || tag >= TAG_COUNT || !(allowed & BIT(tag)) || fields[tag].data)
			return malformed(err, "has an unknown or repeated field");
		field = (struct field){ p + FIELD_OVERHEAD, get_u32(p + 1) };
		if (field.len > left - FIELD_OVERHEAD)
			return malformed(err, "ends inside a field");
		if (!field_is_valid(tag, &field))
			return malformed(err, "has a field with a wrong value");
		fields[tag] = field;
		p += FIELD_OVERHEAD + field.len;
		left -= FIELD_OVERHEAD + field.len;
	}
	return 0;
}

static int decode(const struct secret *message, enum wire_op *ret_kind,
		  struct field fields[static TAG_COUNT], struct cmk_err *err)
{
	unsigned version, kind;
	int r;

	if (message->len < PREFIX_LEN || message->len > WIRE_MESSAGE_MAX ||
	    get_u32(message->data) != message->len - LENGTH_LEN)
		return malformed(err, "has a wrong length");
	version = message->data[LENGTH_LEN];
	if (version != WIRE_VERSION)
		return cmk_err(
			err, CMK_HELPER,
			"luks-cmk and its helper are of different releases: a message has version "
			"%u, this program speaks version %d" REINSTALL,
			version, WIRE_VERSION);
	kind = message->data[LENGTH_LEN + 1];
	if (kind <= WIRE_INVALID || kind >= WIRE_KINDS)
		return malformed(err, "is of an unknown kind");
	r = decode_fields(message, kinds[kind].allowed, fields, err);
	if (r < 0)
		return r;
	for (unsigned tag = 1; tag < TAG_COUNT; tag++) {
		if ((kinds[kind].required & BIT(tag)) && !fields[tag].data)
			return malformed(err, "lacks a field");
	}
	*ret_kind = (enum wire_op)kind;
	return 0;
}

/* Into an array that tag_max has measured, and that is zeroed. */
static void take_array(char *out, const struct field *field)
{
	if (field->data)
		memcpy(out, field->data, field->len);
}

static int take_text(char **out, const struct field *field)
{
	if (!field->data)
		return 0;
	*out = malloc(field->len + 1);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, field->data, field->len);
	(*out)[field->len] = '\0';
	return 0;
}

static int take_secret(struct secret *out, const struct field *field)
{
	return field->data ? secret_set(out, field->data, field->len) : 0;
}

int wire_decode_request(const struct secret *message, struct wire_request *ret, struct cmk_err *err)
{
	_cleanup_wire_request_ struct wire_request request = { 0 };
	struct field fields[TAG_COUNT] = { 0 };
	int r;

	r = decode(message, &request.op, fields, err);
	if (r < 0)
		return r;
	if (request.op == WIRE_REPLY)
		return malformed(err, "is a reply in place of a request");
	request.debug = fields[TAG_DEBUG].data != NULL;
	if (fields[TAG_TIMEOUT].data)
		request.timeout = (uint32_t)get_u32(fields[TAG_TIMEOUT].data);
	take_array(request.header, &fields[TAG_HEADER]);
	take_array(request.volume, &fields[TAG_VOLUME]);
	take_array(request.domain, &fields[TAG_DOMAIN]);
	r = take_text(&request.token, &fields[TAG_TOKEN]);
	if (r < 0)
		return r;
	r = take_secret(&request.key, &fields[TAG_KEY]);
	if (r < 0)
		return r;
	*ret = request;
	request = (struct wire_request){ 0 };
	return 0;
}

/* The helper has spoken to the network: what it says goes to a terminal only after a second look. */
static int take_error(struct cmk_err *out, const struct field fields[static TAG_COUNT],
		      struct cmk_err *err)
{
	char text[CMK_ERR_TEXT_MAX] = "", cause[CMK_CAUSE_MAX] = "";

	out->code = (enum cmk_code)fields[TAG_CODE].data[0];
	take_array(text, &fields[TAG_TEXT]);
	text_escape(out->text, sizeof(out->text), text);
	take_array(cause, &fields[TAG_CAUSE]);
	text_escape(out->cause, sizeof(out->cause), cause);
	take_array(out->request_id, &fields[TAG_REQUEST_ID]);
	if (out->request_id[0] && !text_is_guid(out->request_id))
		return malformed(err, "has a field with a wrong value");
	return 0;
}

int wire_decode_reply(const struct secret *message, struct wire_reply *ret, struct cmk_err *err)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	struct field fields[TAG_COUNT] = { 0 };
	enum wire_op kind = WIRE_INVALID;
	int r;

	r = decode(message, &kind, fields, err);
	if (r < 0)
		return r;
	if (kind != WIRE_REPLY)
		return malformed(err, "is a request in place of a reply");
	r = take_error(&reply.err, fields, err);
	if (r < 0)
		return r;
	reply.again = fields[TAG_AGAIN].data != NULL;
	if (fields[TAG_PLACE].data)
		reply.place = (uint32_t)get_u32(fields[TAG_PLACE].data);
	r = take_secret(&reply.key, &fields[TAG_KEY]);
	if (r < 0)
		return r;
	r = take_text(&reply.detail, &fields[TAG_DETAIL]);
	if (r < 0)
		return r;
	*ret = reply;
	reply = (struct wire_reply){ 0 };
	return 0;
}

int wire_next(const struct secret *messages, size_t *offset, struct secret *ret,
	      struct cmk_err *err)
{
	size_t left = messages->len - *offset, len;
	int r;

	if (left == 0)
		return 0;
	if (left < LENGTH_LEN)
		return -EAGAIN;
	len = get_u32(messages->data + *offset);
	if (len > WIRE_MESSAGE_MAX - LENGTH_LEN)
		return malformed(err, "has a wrong length");
	if (len > left - LENGTH_LEN)
		return -EAGAIN;
	r = secret_set(ret, messages->data + *offset, len + LENGTH_LEN);
	if (r < 0)
		return r;
	*offset += len + LENGTH_LEN;
	return 1;
}

void wire_request_done(struct wire_request *request)
{
	free(request->token);
	secret_done(&request->key);
	*request = (struct wire_request){ 0 };
}

void wire_reply_done(struct wire_reply *reply)
{
	secret_done(&reply->key);
	free(reply->detail);
	*reply = (struct wire_reply){ 0 };
}
