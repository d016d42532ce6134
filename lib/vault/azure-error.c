/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refusals of Key Vault and Managed HSM: matched by their codes, never by their changing texts. */
#include <stdio.h>
#include <string.h>

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

/* What a code means, whatever the status: to follow the vault's name. */
struct refusal {
	const char *inner;
	enum cmk_code code;
	const char *sentence;
};

static const struct refusal refusals[] = {
	{ "AccessDenied", CMK_GRANT,
	  "has an access policy that does not let the application do this; the customer adds get "
	  "and unwrapKey for keys to it" },
	{ "ForbiddenByPolicy", CMK_GRANT,
	  "has an access policy that does not let the application do this; the customer adds get "
	  "and unwrapKey for keys to it" },
	{ "ForbiddenByFirewall", CMK_FIREWALL,
	  "does not let this machine's address through its firewall; the customer allows it, or "
	  "both set up a private link" },
	{ "ForbiddenByConnection", CMK_FIREWALL,
	  "is not open to the public network; the customer allows this machine's address, or both "
	  "set up a private link and its name resolution" },
	{ "KeyDisabled", CMK_KEY_DISABLED,
	  "says that the key is disabled; the customer enables it again, if that was not meant" },
	{ "KeyOperationForbidden", CMK_KEY_OPERATION,
	  "says that the key does not permit this; the customer adds unwrapKey to the key's "
	  "permitted operations" },
	{ "KeyNotFound", CMK_KEY_GONE,
	  "has no such key: it was deleted, purged, or never existed; the customer recovers it, or "
	  "compares its name" },
	{ "ObjectIsBeingDeleted", CMK_KEY_GONE,
	  "says that the key is being deleted; the customer recovers it" },
	{ "ObjectIsDeletedButRecoverable", CMK_KEY_GONE,
	  "says that the key is deleted; the customer recovers it" },
	{ "VaultNotFound", CMK_KEY_GONE,
	  "says that the vault is gone; the customer recovers it, and its role assignments" },
};

static int say(const struct vault_target *target, const struct azure_problem *problem,
	       enum cmk_code code, const char *sentence, struct cmk_err *err)
{
	return cmk_err(err, code, "%s %s (key %s; %s%s%s)", target->host, sentence,
		       target->wrapping.key + strlen(target->origin) + strlen("/keys/"),
		       problem->code, problem->message[0] ? ": " : "", problem->message);
}

static int no_role(const struct vault_target *target, const struct azure_problem *problem,
		   struct cmk_err *err)
{
	return cmk_err(err, CMK_GRANT,
		       "%s gives application %s no right to key %s (%s); the customer assigns the "
		       "role %sCrypto Service Encryption User on it, which takes minutes to work",
		       target->host, target->wrapping.client_id,
		       target->wrapping.key + strlen(target->origin) + strlen("/keys/"),
		       problem->code, target->hsm ? "Managed HSM " : "Key Vault ");
}

static int unauthorized(const struct vault_target *target, const struct azure_problem *problem,
			struct cmk_err *err)
{
	if (strstr(problem->message, "AKV10032"))
		return cmk_err(err, CMK_TENANT,
			       "%s belongs to another tenant than %s, which signed the application "
			       "in; correct the customer's tenant_id",
			       target->host, target->wrapping.tenant_id);
	if (strstr(problem->message, "AKV10022"))
		return cmk_err(err, CMK_CONFIG,
			       "%s does not take access tokens for %s; correct the vault suffixes "
			       "of cloud %s in luks-cmk.conf",
			       target->host, target->scope, target->cloud->name);
	return cmk_err(err, CMK_GRANT,
		       "%s does not accept the access token of application %s (%s); the customer "
		       "checks that the application may use this vault",
		       target->host, target->wrapping.client_id,
		       problem->message[0] ? problem->message : "HTTP 401 without a reason");
}

/* Refusals whose code is not in the table, by what the status promises. */
static int other(const struct vault_target *target, const struct http_reply *reply,
		 const struct azure_problem *problem, enum azure_operation operation,
		 struct cmk_err *err)
{
	if (reply->status == 403)
		return say(target, problem, CMK_GRANT,
			   "does not let the application do this; the customer checks its rights",
			   err);
	if (reply->status == 404)
		return say(target, problem, CMK_KEY_GONE,
			   "has no such key or vault; the customer recovers it", err);
	if (reply->status == 400 && operation == AZURE_UNWRAP &&
	    strcmp(problem->code, "BadParameter") == 0)
		return say(target, problem, CMK_KEY_OPERATION,
			   "cannot unwrap this with this version of the key; the value was wrapped "
			   "by another key, or is damaged: enrol the volume again",
			   err);
	return say(target, problem, CMK_PROTOCOL,
		   "refused for a reason that is not known here; check for an update of luks-cmk",
		   err);
}

int azure_refused(const struct vault_target *target, const struct http_reply *reply,
		  enum azure_operation operation, struct cmk_err *err)
{
	struct azure_problem problem;
	bool readable = read_problem(reply, &problem);

	/* Managed HSM's 401 has no body. */
	if (reply->status == 401)
		return unauthorized(target, &problem, err);
	if (!readable || reply->status >= 500 || reply->status == 429 || reply->status == 408 ||
	    reply->status < 400)
		return message_status(reply, err);
	/* A Managed HSM has no access policies, and says AccessDenied where a role is missing. */
	if (strcmp(problem.code, "ForbiddenByRbac") == 0 ||
	    (target->hsm && strcmp(problem.code, "AccessDenied") == 0))
		return no_role(target, &problem, err);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(refusals[i].inner, problem.code) == 0)
			return say(target, &problem, refusals[i].code, refusals[i].sentence, err);
	return other(target, reply, &problem, operation, err);
}
