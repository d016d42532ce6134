/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One dry run. */
#include "probe.h"

#include <errno.h>
#include <string.h>

#include "ask.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"

#define WHO "the helper's report"

static const struct json_field step_fields[] = {
	JSON_FIELD(struct probe_step, name, "name", JSON_KIND_STRING, true),
	JSON_FIELD(struct probe_step, host, "host", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_step, ms, "ms", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_step, code, "code", JSON_KIND_STRING, true),
};

static const struct json_field key_fields[] = {
	JSON_FIELD(struct probe_key, kid, "kid", JSON_KIND_STRING, true),
	JSON_FIELD(struct probe_key, enabled, "enabled", JSON_KIND_BOOL, false),
	JSON_FIELD(struct probe_key, created, "created", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_key, not_before, "not_before", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_key, expires, "expires", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_key, recovery_level, "recovery_level", JSON_KIND_STRING, false),
};

static const struct json_field found_fields[] = {
	JSON_FIELD(struct probe_found, clock_ahead, "clock_ahead", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_found, token_seconds, "token_seconds", JSON_KIND_INT, false),
	JSON_FIELD(struct probe_found, lists_keys, "lists_keys", JSON_KIND_BOOL, false),
	JSON_FIELD(struct probe_found, issuer, "issuer", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_found, subject, "subject", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_found, audience, "audience", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_found, identity, "identity", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_found, exchange, "exchange", JSON_KIND_STRING, false),
	JSON_FIELD(struct probe_found, authority, "authority", JSON_KIND_STRING, false),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int probe_parse(const char *detail, struct probe_result *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	const struct json_node *steps;
	const struct json_node *key;
	const struct json_node *node = NULL;
	int r = json_parse(detail, strlen(detail), WHO, CMK_HELPER, &json, err);

	if (r < 0)
		return r;
	steps = json_member(json, json_root(json), "steps");
	while (steps != NULL && ret->steps_count < PROBE_STEPS_MAX &&
	       (node = json_next(json, steps, node)) != NULL) {
		r = json_read(json, node, step_fields, COUNT(step_fields),
			      &ret->steps[ret->steps_count], WHO, CMK_HELPER, err);
		if (r < 0)
			return r;
		ret->steps_count++;
	}
	node = json_member(json, json_root(json), "found");
	if (json_node_type(node) == JSON_OBJECT) {
		r = json_read(json, node, found_fields, COUNT(found_fields), &ret->found, WHO,
			      CMK_HELPER, err);
		if (r < 0)
			return r;
	}
	key = json_member(json, json_root(json), "key");
	if (json_node_type(key) != JSON_OBJECT)
		return 0;
	r = json_read(json, key, key_fields, COUNT(key_fields), &ret->key, WHO, CMK_HELPER, err);
	ret->has_key = r >= 0;
	return r;
}

void probe_add_step(struct probe_result *result, const char *name, const char *host, int64_t ms,
		    enum cmk_code code)
{
	struct probe_step *step = &result->steps[result->steps_count];

	if (result->steps_count == PROBE_STEPS_MAX)
		return;
	*step = (struct probe_step){ .ms = ms };
	(void)text_copy(step->name, sizeof(step->name), name);
	(void)text_copy(step->host, sizeof(step->host), host);
	(void)text_copy(step->code, sizeof(step->code), cmk_code_name(code));
	result->steps_count++;
}

const struct probe_step *probe_failed_step(const struct probe_result *result)
{
	for (size_t i = 0; i < result->steps_count; i++)
		if (strcmp(result->steps[i].code, "ok") != 0)
			return &result->steps[i];
	return NULL;
}

/* Without a report the helper did not get as far as the network: which step that was, its code says. */
static const char *early_step(enum cmk_code code)
{
	switch ((int)code) {
	case CMK_HELPER:
	case CMK_SANDBOX:
	case CMK_SYSTEM:
	case CMK_TIMEOUT:
		return "helper";
	case CMK_IDENTITY:
		return "identity";
	case CMK_HEADER_CHANGED:
	case CMK_NULL_CIPHER:
		return "keyslot";
	default:
		return "configuration";
	}
}

/* The first step is not the helper's to report: that it answers is its proof. */
static void add_first_steps(struct probe_result *ret, bool reported, int64_t ms)
{
	const char *early = early_step(ret->err.code);

	if (reported || strcmp(early, "configuration") != 0)
		probe_add_step(ret, "configuration", "", reported ? 0 : ms, CMK_OK);
	if (!reported && ret->err.code != CMK_OK)
		probe_add_step(ret, early, "", ms, ret->err.code);
}

void probe_run(const struct token *token, const char *header, const char *uuid, bool debug,
	       struct probe_result *ret)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	_cleanup_free_ char *json = token_format(token);
	struct wire_request request = { .op = WIRE_PROBE, .debug = debug, .token = json };
	int64_t began = io_now_ms();
	int r;

	*ret = (struct probe_result){ 0 };
	(void)text_copy(request.header, sizeof(request.header), header);
	(void)text_copy(request.volume, sizeof(request.volume), uuid);
	r = json == NULL ? -ENOMEM : ask_helper(&request, &reply, &ret->err);
	secret_move(&ret->payload, &reply.key);
	add_first_steps(ret, reply.detail != NULL, io_now_ms() - began);
	/* What went well before a failure is reported all the same. */
	if (reply.detail != NULL) {
		struct cmk_err unread = { 0 };
		int parsed = probe_parse(reply.detail, ret, &unread);

		if (parsed < 0 && r >= 0) {
			ret->err = unread;
			r = parsed;
		}
	}
	if (r < 0 && ret->err.code == CMK_OK)
		(void)cmk_err_errno(&ret->err, CMK_SYSTEM, -r, "the check cannot be run");
}
