/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks a JSON document and notes where its values are. Reading them is json-read.c's. */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-private.h"
#include "base/text.h"

#define NODES_FIRST 64

struct parser {
	struct json *json;
	size_t pos;
	unsigned depth;
	const char *why; /* what is wrong at pos */
};

static int parse_value(struct parser *p);

static int fail(struct parser *p, const char *why)
{
	p->why = why;
	return -EBADMSG;
}

/* The byte at pos, or -1 at the end. */
static int peek(const struct parser *p)
{
	return p->pos < p->json->len ? (uint8_t)p->json->text[p->pos] : -1;
}

static void skip_blanks(struct parser *p)
{
	int c;

	while (c = peek(p), c == ' ' || c == '\t' || c == '\n' || c == '\r')
		p->pos++;
}

/* Room for one more node; the nodes may move. */
static int add_node(struct parser *p, size_t *ret_index)
{
	struct json *json = p->json;

	if (json->count == JSON_NODES_MAX)
		return fail(p, "too many values");
	if (json->count == json->room) {
		size_t room = json->room ? json->room * 2 : NODES_FIRST;
		struct json_node *nodes = reallocarray(json->nodes, room, sizeof(*nodes));

		if (!nodes)
			return -ENOMEM;
		json->nodes = nodes;
		json->room = room;
	}
	*ret_index = json->count++;
	json->nodes[*ret_index] = (struct json_node){ 0 };
	return 0;
}

/* After a backslash and a u: four digits, and for the first half of a surrogate pair the second too. */
static int parse_unicode_escape(struct parser *p)
{
	const char *text = p->json->text + p->pos;
	size_t left = p->json->len - p->pos;
	int unit = left >= 4 ? json_hex4(text) : -1;
	int second;

	if (unit < 0)
		return fail(p, "an escape without four hexadecimal digits");
	if (unit == 0)
		return fail(p, "a NUL in a string");
	p->pos += 4;
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	second = left >= 10 && text[4] == '\\' && text[5] == 'u' ? json_hex4(text + 6) : -1;
	if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff)
		return fail(p, "a lone surrogate");
	p->pos += 6;
	return 0;
}

/* The inside of a string after its opening quote, and the closing quote. */
static int parse_string(struct parser *p, uint32_t *ret_start, uint32_t *ret_end)
{
	size_t start = p->pos;
	uint32_t code = 0;
	size_t n;
	int c, r;

	while (c = peek(p), c != '"') {
		if (c < 0)
			return fail(p, "a string without end");
		if (c < 0x20)
			return fail(p, "a control character in a string");
		if (c == '\\') {
			p->pos++;
			c = peek(p);
			if (c <= 0 || !strchr("\"\\/bfnrtu", c))
				return fail(p, "an unknown escape");
			p->pos++;
			r = c == 'u' ? parse_unicode_escape(p) : 0;
			if (r < 0)
				return r;
			continue;
		}
		n = text_utf8(p->json->text + p->pos, p->json->len - p->pos, &code);
		if (n == 0)
			return fail(p, "broken UTF-8");
		p->pos += n;
	}
	*ret_start = (uint32_t)start;
	*ret_end = (uint32_t)p->pos;
	p->pos++;
	return 0;
}

static size_t skip_digits(struct parser *p)
{
	size_t start = p->pos;

	while (peek(p) >= '0' && peek(p) <= '9')
		p->pos++;
	return p->pos - start;
}

/* RFC 8259, section 6. */
static int parse_number(struct parser *p)
{
	bool zero;

	if (peek(p) == '-')
		p->pos++;
	zero = peek(p) == '0';
	if (zero)
		p->pos++;
	else if (skip_digits(p) == 0)
		return fail(p, "a number without digits");
	if (zero && skip_digits(p) > 0)
		return fail(p, "a number with a leading zero");
	if (peek(p) == '.') {
		p->pos++;
		if (skip_digits(p) == 0)
			return fail(p, "a number without digits");
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		p->pos++;
		if (peek(p) == '+' || peek(p) == '-')
			p->pos++;
		if (skip_digits(p) == 0)
			return fail(p, "a number without digits");
	}
	return 0;
}

static int parse_literal(struct parser *p, const char *literal)
{
	size_t len = strlen(literal);

	if (p->json->len - p->pos < len || memcmp(p->json->text + p->pos, literal, len) != 0)
		return fail(p, "an unexpected character");
	p->pos += len;
	return 0;
}

/* Whether the object at index object has a member of the same name before the node at index node. */
static bool is_duplicate(const struct json *json, size_t object, size_t node)
{
	const struct json_node *nodes = json->nodes;
	struct json_chars name = json_chars(json, nodes[node].name_start, nodes[node].name_end);

	for (size_t i = object + 1; i < node; i = nodes[i].next) {
		if (json_chars_equal(name,
				     json_chars(json, nodes[i].name_start, nodes[i].name_end)))
			return true;
	}
	return false;
}

/* "name": value */
static int parse_member(struct parser *p, size_t object)
{
	uint32_t name_start = 0, name_end = 0;
	size_t node = p->json->count;
	int r;

	skip_blanks(p);
	if (peek(p) != '"')
		return fail(p, "a member without a name");
	p->pos++;
	r = parse_string(p, &name_start, &name_end);
	if (r < 0)
		return r;
	skip_blanks(p);
	if (peek(p) != ':')
		return fail(p, "a member without a colon");
	p->pos++;
	r = parse_value(p);
	if (r < 0)
		return r;
	p->json->nodes[node].name_start = name_start;
	p->json->nodes[node].name_end = name_end;
	if (is_duplicate(p->json, object, node)) {
		p->pos = name_start;
		return fail(p, "a member given twice");
	}
	return 0;
}

/* An array or object after its opening bracket, and the closing one. */
static int parse_container(struct parser *p, size_t node, bool object)
{
	int closing = object ? '}' : ']';
	int r;

	if (++p->depth > JSON_DEPTH_MAX)
		return fail(p, "too many levels");
	skip_blanks(p);
	if (peek(p) == closing) {
		p->pos++;
		p->depth--;
		return 0;
	}
	for (;;) {
		r = object ? parse_member(p, node) : parse_value(p);
		if (r < 0)
			return r;
		skip_blanks(p);
		if (peek(p) == closing)
			break;
		if (peek(p) != ',')
			return fail(p, peek(p) < 0 ? "the text ends too early"
						   : "neither a comma nor the end of the list");
		p->pos++;
	}
	p->pos++;
	p->depth--;
	return 0;
}

static enum json_type type_of(int first)
{
	switch (first) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	case '-':
		return JSON_NUMBER;
	default:
		return first >= '0' && first <= '9' ? JSON_NUMBER : JSON_INVALID;
	}
}

static int parse_content(struct parser *p, size_t node, enum json_type type)
{
	uint32_t start = 0, end = 0;
	int first = peek(p);
	int r;

	switch (type) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		p->pos++;
		return parse_container(p, node, type == JSON_OBJECT);
	case JSON_STRING:
		p->pos++;
		r = parse_string(p, &start, &end);
		p->json->nodes[node].start = start;
		p->json->nodes[node].end = end;
		return r;
	case JSON_NUMBER:
		return parse_number(p);
	case JSON_BOOL:
		return parse_literal(p, first == 't' ? "true" : "false");
	case JSON_NULL:
		return parse_literal(p, "null");
	case JSON_INVALID:
		break;
	}
	return fail(p, first < 0 ? "the text ends too early" : "an unexpected character");
}

static int parse_value(struct parser *p)
{
	enum json_type type;
	size_t node = 0, start;
	int r;

	skip_blanks(p);
	r = add_node(p, &node);
	if (r < 0)
		return r;
	type = type_of(peek(p));
	start = p->pos;
	r = parse_content(p, node, type);
	if (r < 0)
		return r;
	p->json->nodes[node].type = (uint8_t)type;
	p->json->nodes[node].next = (uint16_t)p->json->count;
	if (type != JSON_STRING) {
		p->json->nodes[node].start = (uint32_t)start;
		p->json->nodes[node].end = (uint32_t)p->pos;
	}
	return 0;
}

int json_parse(const char *text, size_t len, const char *who, enum cmk_code code, struct json **ret,
	       struct cmk_err *err)
{
	_cleanup_json_ struct json *json = calloc(1, sizeof(*json));
	struct parser parser = { .json = json };
	int r;

	if (!json)
		return -ENOMEM;
	if (len > UINT32_MAX)
		return cmk_err(err, code, "%s is %zu bytes long; %s", who, len,
			       cmk_code_hint(code));
	json->text = text;
	json->len = len;
	r = parse_value(&parser);
	if (r == 0) {
		skip_blanks(&parser);
		if (parser.pos < len)
			r = fail(&parser, "text after the end");
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return cmk_err(err, code, "%s is no valid JSON (byte %zu: %s); %s", who, parser.pos,
			       parser.why, cmk_code_hint(code));
	*ret = json;
	json = NULL;
	return 0;
}

void json_free(struct json *json)
{
	if (!json)
		return;
	free(json->nodes);
	free(json);
}
