/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict reader of untrusted JSON (RFC 8259): the one that the plugin and the helper share, so that both
 * see the same token in the same bytes. The plugin may load nothing but libc into its host, and Debian
 * has no static build of a JSON library: hence a reader of our own, small and fuzzed.
 *
 * Refused, because others read them differently: duplicate members, bytes after the document, broken
 * UTF-8, lone surrogates, NUL in a string, numbers that are no 64-bit integer where one is asked for,
 * more than JSON_DEPTH_MAX levels or JSON_NODES_MAX values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * A page of 25 key versions, the largest reply that we ask for, has about 300 values; a LUKS2 header with all of its
 * 32 keyslots and 32 tokens, each of them ours with eight wrappings, 3300.
 */
#define JSON_NODES_MAX 4096
#define JSON_DEPTH_MAX 16

enum json_type {
	JSON_INVALID = 0,
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* One value, as offsets into the text. Values follow in document order; next skips a value's content. */
struct json_node {
	uint32_t start;	     /* first byte; for a string the one after its quote */
	uint32_t end;	     /* one after the last; for a string its closing quote */
	uint32_t name_start; /* the member's name, if the parent is an object */
	uint32_t name_end;
	uint16_t next; /* index of the next value that is not inside this one */
	uint8_t type;  /* enum json_type */
};

/* The document refers to the text, which must outlive it. Freed with json_free(). */
struct json;

#define _cleanup_json_ __attribute__((cleanup(json_freep)))

/*
 * Checks all of text. who begins the sentence of an error ("the token", "login.microsoftonline.com's
 * reply"), code is the error's. 0, -ENOMEM or cmk_err().
 */
int json_parse(const char *text, size_t len, const char *who, enum cmk_code code, struct json **ret,
	       struct cmk_err *err);
void json_free(struct json *json);
static inline void json_freep(struct json **json)
{
	json_free(*json);
}

const struct json_node *json_root(const struct json *json);
enum json_type json_node_type(const struct json_node *node);
/* The member of that exact name, or NULL; also NULL if node is NULL or no object. */
const struct json_node *json_member(const struct json *json, const struct json_node *node,
				    const char *name);
/* Iterates over the elements of an array or the members of an object: pass NULL first; NULL at the end. */
const struct json_node *json_next(const struct json *json, const struct json_node *parent,
				  const struct json_node *previous);
/* The unescaped string with a NUL; false if node is no string or does not fit in size bytes. */
bool json_copy_string(const struct json *json, const struct json_node *node, char *out,
		      size_t size);
/* An integer, also one written as a string of digits (the metadata service does); false if it is none. */
bool json_get_int(const struct json *json, const struct json_node *node, int64_t *ret);

/* How json_read() stores a member. */
enum json_kind {
	JSON_KIND_STRING, /* char[size], NUL-terminated */
	JSON_KIND_SECRET, /* struct secret, at most size bytes */
	JSON_KIND_INT,	  /* int64_t, number or string of digits */
	JSON_KIND_BOOL,	  /* bool */
};

struct json_field {
	const char *name;
	enum json_kind kind;
	bool required; /* absent or null is an error */
	size_t offset; /* in the struct that json_read() fills */
	size_t size;   /* of a string with its NUL, or of a secret without */
};

/* JSON_FIELD(struct x, member, "name", KIND, required) for a char array, int64_t or bool member. */
#define JSON_FIELD(type, member, json_name, json_kind_, is_required)        \
	{                                                                   \
		json_name, json_kind_, is_required, offsetof(type, member), \
			sizeof(((type *)0)->member)                         \
	}
#define JSON_FIELD_SECRET(type, member, json_name, maximum, is_required)                  \
	{                                                                                 \
		json_name, JSON_KIND_SECRET, is_required, offsetof(type, member), maximum \
	}

/*
 * Fills out from the members of object node. Members that the table does not name are ignored; optional
 * ones that are absent or null leave out as it was. who and code as for json_parse(). 0, -ENOMEM or
 * cmk_err(); on error the secrets already stored stay the caller's to wipe.
 */
int json_read(const struct json *json, const struct json_node *node,
	      const struct json_field *fields, size_t count, void *out, const char *who,
	      enum cmk_code code, struct cmk_err *err);
