/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads values out of a JSON document that json.c has checked. */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/json-private.h"

int json_hex4(const char *text)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char c = text[i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

struct json_chars json_chars(const struct json *json, uint32_t start, uint32_t end)
{
	return (struct json_chars){ .p = json->text + start, .end = json->text + end };
}

/* The code point of \uNNNN, or of a pair of them; p is behind the u. */
static uint32_t take_code_point(struct json_chars *chars)
{
	uint32_t c = (uint32_t)json_hex4(chars->p);

	chars->p += 4;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)json_hex4(chars->p + 2) - 0xdc00);
	chars->p += 6;
	return c;
}

/* Notes the UTF-8 of c as pending, last byte first, and yields its first byte. */
static int put_code_point(struct json_chars *chars, uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	chars->pending_count = n - 1;
	if (n == 1)
		return (int)c;
	for (size_t i = 0; i < n - 1; i++) {
		chars->pending[i] = (uint8_t)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	return (int)(((0xf00U >> n) & 0xf0) | c);
}

int json_chars_next(struct json_chars *chars)
{
	static const char escapes[][2] = {
		{ 'b', '\b' }, { 'f', '\f' }, { 'n', '\n' }, { 'r', '\r' }, { 't', '\t' }
	};
	char c;

	if (chars->pending_count > 0)
		return chars->pending[--chars->pending_count];
	if (chars->p == chars->end)
		return -1;
	c = *chars->p++;
	if (c != '\\')
		return (uint8_t)c;
	c = *chars->p++;
	if (c == 'u')
		return put_code_point(chars, take_code_point(chars));
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (c == escapes[i][0])
			return escapes[i][1];
	}
	return (uint8_t)c;
}

bool json_chars_equal(struct json_chars a, struct json_chars b)
{
	for (;;) {
		int c = json_chars_next(&a);

		if (c != json_chars_next(&b))
			return false;
		if (c < 0)
			return true;
	}
}

const struct json_node *json_root(const struct json *json)
{
	return json->nodes;
}

enum json_type json_node_type(const struct json_node *node)
{
	return node ? (enum json_type)node->type : JSON_INVALID;
}

const struct json_node *json_next(const struct json *json, const struct json_node *parent,
				  const struct json_node *previous)
{
	enum json_type type = json_node_type(parent);
	size_t index;

	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return NULL;
	index = previous ? previous->next : (size_t)(parent - json->nodes) + 1;
	return index < parent->next ? &json->nodes[index] : NULL;
}

static bool name_is(const struct json *json, const struct json_node *member, const char *name)
{
	struct json_chars chars = json_chars(json, member->name_start, member->name_end);
	int c;

	while ((c = json_chars_next(&chars)) >= 0) {
		if (c != (uint8_t)*name++)
			return false;
	}
	return *name == '\0';
}

const struct json_node *json_member(const struct json *json, const struct json_node *node,
				    const char *name)
{
	const struct json_node *member = NULL;

	if (json_node_type(node) != JSON_OBJECT)
		return NULL;
	while ((member = json_next(json, node, member))) {
		if (name_is(json, member, name))
			return member;
	}
	return NULL;
}

bool json_copy_string(const struct json *json, const struct json_node *node, char *out, size_t size)
{
	struct json_chars chars;
	size_t len = 0;
	int c;

	if (json_node_type(node) != JSON_STRING)
		return false;
	chars = json_chars(json, node->start, node->end);
	while ((c = json_chars_next(&chars)) >= 0) {
		if (len + 1 >= size)
			return false;
		out[len++] = (char)c;
	}
	if (size == 0)
		return false;
	out[len] = '\0';
	return true;
}

bool json_get_int(const struct json *json, const struct json_node *node, int64_t *ret)
{
	enum json_type type = json_node_type(node);
	const char *p, *end;
	int64_t value = 0;
	bool negative;

	if (type != JSON_NUMBER && type != JSON_STRING)
		return false;
	p = json->text + node->start;
	end = json->text + node->end;
	negative = type == JSON_NUMBER && p < end && *p == '-';
	p += negative;
	if (p == end)
		return false;
	for (; p < end; p++) {
		int digit = *p - '0';

		/* Counted downwards, because INT64_MIN has no positive counterpart. */
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return false;
	}
	if (!negative && __builtin_sub_overflow(0, value, &value))
		return false;
	*ret = value;
	return true;
}

/* The string itself is never quoted in an error: it may be a secret. */
static int read_secret(const struct json *json, const struct json_node *node, size_t max,
		       struct secret *out)
{
	_cleanup_secret_ struct secret value = { 0 };
	struct json_chars chars;
	int c, r;

	if (json_node_type(node) != JSON_STRING)
		return -EINVAL;
	r = secret_init(&value, node->end - node->start);
	if (r < 0)
		return r;
	chars = json_chars(json, node->start, node->end);
	while ((c = json_chars_next(&chars)) >= 0) {
		uint8_t byte = (uint8_t)c;

		r = secret_append(&value, &byte, 1);
		if (r < 0)
			return r;
	}
	if (value.len > max)
		return -EINVAL;
	secret_move(out, &value);
	return 0;
}

static int read_field(const struct json *json, const struct json_node *node,
		      const struct json_field *field, void *out)
{
	switch (field->kind) {
	case JSON_KIND_STRING:
		return json_copy_string(json, node, out, field->size) ? 0 : -EINVAL;
	case JSON_KIND_SECRET:
		return read_secret(json, node, field->size, out);
	case JSON_KIND_INT:
		return json_get_int(json, node, out) ? 0 : -EINVAL;
	case JSON_KIND_BOOL:
		if (json_node_type(node) != JSON_BOOL)
			return -EINVAL;
		*(bool *)out = json->text[node->start] == 't';
		return 0;
	}
	return -EINVAL;
}

static int wrong_field(const struct json_field *field, const char *who, enum cmk_code code,
		       struct cmk_err *err)
{
	const char *next = cmk_code_hint(code);

	switch (field->kind) {
	case JSON_KIND_STRING:
		return cmk_err(err, code, "%s: \"%s\" is no string of at most %zu bytes; %s", who,
			       field->name, field->size - 1, next);
	case JSON_KIND_SECRET:
		return cmk_err(err, code, "%s: \"%s\" is no string of at most %zu bytes; %s", who,
			       field->name, field->size, next);
	case JSON_KIND_INT:
		return cmk_err(err, code, "%s: \"%s\" is no whole number of 64 bits; %s", who,
			       field->name, next);
	case JSON_KIND_BOOL:
		break;
	}
	return cmk_err(err, code, "%s: \"%s\" is neither true nor false; %s", who, field->name,
		       next);
}

int json_read(const struct json *json, const struct json_node *node,
	      const struct json_field *fields, size_t count, void *out, const char *who,
	      enum cmk_code code, struct cmk_err *err)
{
	if (json_node_type(node) != JSON_OBJECT)
		return cmk_err(err, code, "%s is no JSON object; %s", who, cmk_code_hint(code));
	for (size_t i = 0; i < count; i++) {
		const struct json_field *field = &fields[i];
		const struct json_node *member = json_member(json, node, field->name);
		int r;

		if (!member || json_node_type(member) == JSON_NULL) {
			if (!field->required)
				continue;
			return cmk_err(err, code, "%s lacks the member \"%s\"; %s", who,
				       field->name, cmk_code_hint(code));
		}
		r = read_field(json, member, field, (char *)out + field->offset);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return wrong_field(field, who, code, err);
	}
	return 0;
}
