/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refusals of Key Vault and Managed HSM: matched by their codes, never by their changing texts. */
#include <stdio.h>
#include <string.h>

#include "base/cause.h"
#include "base/text.h"
#include "vault/azure-internal.h"
#include "vault/message.h"

/*
 * {"error":{"code":"Forbidden","message":"…","innererror":{"code":"ForbiddenByRbac"}}}
 * Here, code is the innermost that there is.
 */
struct azure_problem {
	char code[64];
	char message[MESSAGE_MAX];
};

static void read_code(const struct json *json, const struct json_node *parent, char *out,
		      size_t size)
{
	char code[64];

	if (json_copy_string(json, json_member(json, parent, "code"), code, sizeof(code)) &&
	    code[0])
		(void)text_copy(out, size, code);
}

/* false if the reply is none of the vault's. */
static bool read_problem(const struct http_reply *reply, struct azure_problem *ret)
{
	_cleanup_json_ struct json *json = NULL;

	*ret = (struct azure_problem){ 0 };
	if (message_json(reply, &json, NULL) < 0)
		return false;
	const struct json_node *error = json_member(json, json_root(json), "error");
	if (!error)
		return false;
	read_code(json, error, ret->code, sizeof(ret->code));
	/* Both spellings are seen, and levels below: the innermost says most. */
	for (const struct json_node *node = error; node;) {
		const struct json_node *inner = json_member(json, node, "innererror");
		node = inner ? inner : json_member(json, node, "innerError");
		read_code(json, node, ret->code, sizeof(ret->code));
	}
	if (!ret->code[0])
		(void)snprintf(ret->code, sizeof(ret->code), "HTTP %ld", reply->status);
	(void)json_copy_string(json, json_member(json, error, "message"), ret->message,
			       sizeof(ret->message));
	message_shorten(ret->message);
	return true;
}

/* "HOST MEANING; NEXT (key NAME/VERSION; CODE: what the vault said)" */
static int say(const struct vault_target *target, const struct azure_problem *problem,
	       const char *name, struct cmk_err *err)
{
	const struct cause_names names = {
		.host = target->host,
		.application = target->wrapping.client_id,
		.tenant = target->wrapping.tenant_id,
		.role = target->hsm ? "Managed HSM Crypto Service Encryption User"
				    : "Key Vault Crypto Service Encryption User",
		.scope = target->scope,
		.cloud = target->cloud->name,
	};
	const struct cause *cause = cause_find(name);
	char meaning[CMK_ERR_TEXT_MAX / 2], next[CMK_ERR_TEXT_MAX / 2];

	if (!cause)
		return cmk_err(err, CMK_PROTOCOL, "%s refused (%s); %s", target->host,
			       problem->code, cmk_code_hint(CMK_PROTOCOL));
	(void)cause_expand(meaning, sizeof(meaning), cause->meaning, &names, false);
	(void)cause_expand(next, sizeof(next), cause->next, &names, false);
	int r = cmk_err(err, cause->code, "%s %s; %s (key %s; %s%s%s)", target->host, meaning, next,
			target->wrapping.key + strlen(target->origin) + strlen("/keys/"),
			problem->code, problem->message[0] ? ": " : "", problem->message);
	cause_set(err, name);
	return r;
}

/* Managed HSM's 401 has no body. */
static const char *unauthorized(struct azure_problem *problem)
{
	static const char *const known[] = { "AKV10032", "AKV10022" };

	if (!problem->code[0])
		(void)text_copy(problem->code, sizeof(problem->code), "HTTP 401 without a reason");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(problem->message, known[i]))
			return known[i];
	return "vault:401";
}

/* Refusals whose code is not in the table, by what the status promises. */
static const char *by_status(long status)
{
	if (status == 403)
		return "vault:403";
	return status == 404 ? "vault:404" : "vault:other";
}

static const char *name_of(const struct vault_target *target, const struct http_reply *reply,
			   struct azure_problem *problem, enum azure_operation operation)
{
	if (reply->status == 401)
		return unauthorized(problem);
	/* A Managed HSM has no access policies, and says AccessDenied where a role is missing. */
	if (target->hsm && strcmp(problem->code, "AccessDenied") == 0)
		return "hsm:AccessDenied";
	/* Of a value, at an unwrap; of a request of ours that is wrong, else. */
	if (strcmp(problem->code, "BadParameter") == 0 &&
	    (reply->status != 400 || operation != AZURE_UNWRAP))
		return by_status(reply->status);
	/* Names with a colon are ours, and no vault's. */
	if (!strchr(problem->code, ':') && cause_find(problem->code))
		return problem->code;
	return by_status(reply->status);
}

int azure_refused(const struct vault_target *target, const struct http_reply *reply,
		  enum azure_operation operation, struct cmk_err *err)
{
	struct azure_problem problem;
	bool readable = read_problem(reply, &problem);

	if (reply->status != 401 && (!readable || reply->status >= 500 || reply->status == 429 ||
				     reply->status == 408 || reply->status < 400))
		return message_status(reply, err);
	return say(target, &problem, name_of(target, reply, &problem, operation), err);
}
