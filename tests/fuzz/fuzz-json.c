/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text: checked, walked through, and each string and number in it read. */
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

struct known {
	char text[32];
	struct secret secret;
	int64_t number;
	bool flag;
};

static const struct json_field fields[] = {
	JSON_FIELD(struct known, text, "text", JSON_KIND_STRING, false),
	JSON_FIELD_SECRET(struct known, secret, "secret", 64, false),
	JSON_FIELD(struct known, number, "number", JSON_KIND_INT, false),
	JSON_FIELD(struct known, flag, "flag", JSON_KIND_BOOL, false),
};

/* Values below node, itself included. The depth is bounded by the reader. */
static size_t walk(const struct json *json, const struct json_node *node)
{
	const struct json_node *child = NULL;
	char text[64];
	int64_t number = 0;
	size_t count = 1;

	FUZZ_CHECK(json_node_type(node) != JSON_INVALID);
	if (json_copy_string(json, node, text, sizeof(text)))
		FUZZ_CHECK(memchr(text, '\0', sizeof(text)));
	json_get_int(json, node, &number);
	while ((child = json_next(json, node, child)))
		count += walk(json, child);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ struct json *json = NULL;
	struct known known = { 0 };
	struct cmk_err err = { 0 };
	int r;

	r = json_parse((const char *)data, size, "the text", CMK_PROTOCOL, &json, &err);
	FUZZ_CHECK((r == 0) == (json != NULL));
	if (r < 0) {
		FUZZ_CHECK(err.code == CMK_PROTOCOL && err.text[0]);
		return 0;
	}
	FUZZ_CHECK(walk(json, json_root(json)) <= JSON_NODES_MAX);
	json_read(json, json_root(json), fields, sizeof(fields) / sizeof(fields[0]), &known,
		  "the text", CMK_PROTOCOL, &err);
	secret_done(&known.secret);
	return 0;
}
