/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity from Azure's instance metadata service (IMDS): a managed identity of this virtual machine. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cause.h"
#include "base/json.h"
#include "base/text.h"
#include "identity/identity.h"

#define API_VERSION "2018-02-01"
#define WHO	    "the metadata service"
/* Audience and client id, with every byte escaped at worst. */
#define QUERY_MAX 600
/* Longer descriptions are not worth showing, nor failing for. */
#define MESSAGE_MAX 1024

struct imds_token {
	struct secret access_token;
	char client_id[64];
};

static const struct json_field token_fields[] = {
	JSON_FIELD_SECRET(struct imds_token, access_token, "access_token", IDENTITY_JWT_MAX, true),
	JSON_FIELD(struct imds_token, client_id, "client_id", JSON_KIND_STRING, false),
};

static int imds_prepare(struct identity *identity, struct cmk_err *err)
{
	if (!identity->client_id[0])
		return cmk_err(err, CMK_CONFIG,
			       "neither luks-cmk.conf nor the token names a managed identity; set "
			       "client_id in [identity]");
	if (!identity->metadata[0] || !identity->audience[0])
		return cmk_err(err, CMK_CONFIG,
			       "the cloud has no metadata address or no audience; set both in its "
			       "[cloud] section of luks-cmk.conf");
	return 0;
}

/*
 *	GET /metadata/identity/oauth2/token?api-version=2018-02-01
 *		&resource=api%3A%2F%2FAzureADTokenExchange&client_id=GUID HTTP/1.1
 *	Host: 169.254.169.254
 *	Metadata: true
 */
static int imds_request(struct identity *identity, struct http_request *ret, struct secret *jwt,
			struct cmk_err *err)
{
	_cleanup_secret_ struct secret query = { 0 };

	(void)jwt;
	int r = secret_init(&query, QUERY_MAX);
	if (r == 0)
		r = http_form_add(&query, "api-version", API_VERSION, strlen(API_VERSION));
	if (r == 0)
		r = http_form_add(&query, "resource", identity->audience,
				  strlen(identity->audience));
	if (r == 0)
		r = http_form_add(&query, "client_id", identity->client_id,
				  strlen(identity->client_id));
	if (r == 0)
		r = http_request_header(ret, "Metadata", "true", NULL);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the request to " WHO " cannot be made");
	ret->method = HTTP_GET;
	ret->plain = true;
	ret->who = WHO;
	(void)snprintf(ret->url, sizeof(ret->url), "http://%s/metadata/identity/oauth2/token?%s",
		       identity->metadata, (const char *)query.data);
	return 1;
}

/* What the service says of the reason; empty where it says nothing that can be read. */
struct imds_problem {
	char error[64];
	char description[MESSAGE_MAX];
};

static void read_problem(const struct http_reply *reply, struct imds_problem *ret)
{
	_cleanup_json_ struct json *json = NULL;

	*ret = (struct imds_problem){ 0 };
	if (json_parse(http_reply_text(reply), reply->body.len, WHO, CMK_PROTOCOL, &json, NULL) < 0)
		return;
	const struct json_node *root = json_root(json);
	(void)json_copy_string(json, json_member(json, root, "error"), ret->error,
			       sizeof(ret->error));
	(void)json_copy_string(json, json_member(json, root, "error_description"), ret->description,
			       sizeof(ret->description));
	ret->description[strcspn(ret->description, "\r\n")] = '\0';
}

/* https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
static const char *name_of(long status, const struct imds_problem *problem)
{
	switch (status) {
	case 400:
		if (!problem->error[0])
			return "imds:no-reason";
		if (strcmp(problem->error, "invalid_resource") == 0)
			return "imds:invalid_resource";
		return strstr(problem->description, "metadata header") ? "imds:no-header"
								       : "imds:identity-not-found";
	case 401:
	case 403:
		return "imds:not-azure";
	case 404:
	case 408:
		return "imds:404";
	case 410:
		return "imds:410";
	case 429:
		return "imds:429";
	case 502:
	case 504:
		return "imds:502";
	default:
		return status >= 500 ? "imds:5xx" : "imds:other";
	}
}

/* "the metadata service at ADDRESS MEANING; NEXT (HTTP 400: what it said)" */
static int say(const struct identity *identity, const struct http_reply *reply, const char *name,
	       const char *said, struct cmk_err *err)
{
	const struct cause_names names = { .identity = identity->client_id,
					   .audience = identity->audience };
	const struct cause *cause = cause_find(name);
	char meaning[CMK_ERR_TEXT_MAX / 2];

	if (!cause)
		return cmk_err(err, CMK_PROTOCOL, WHO " at %s answered with HTTP %ld", reply->host,
			       reply->status);
	(void)cause_expand(meaning, sizeof(meaning), cause->meaning, &names, false);
	int r = cmk_err(err, cause->code, WHO " at %s %s; %s (HTTP %ld%s%.200s)", reply->host,
			meaning, cause->next, reply->status, said[0] ? ": " : "", said);
	cause_set(err, name);
	return r;
}

static int refused(const struct identity *identity, const struct http_reply *reply,
		   struct cmk_err *err)
{
	struct imds_problem problem;

	read_problem(reply, &problem);
	return say(identity, reply, name_of(reply->status, &problem),
		   problem.description[0] ? problem.description : problem.error, err);
}

static int read_token(const struct identity *identity, const struct http_reply *reply,
		      struct imds_token *token, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;

	int r = json_parse(http_reply_text(reply), reply->body.len, WHO "'s answer", CMK_PROTOCOL,
			   &json, err);
	if (r == 0)
		r = json_read(json, json_root(json), token_fields,
			      sizeof(token_fields) / sizeof(token_fields[0]), token,
			      WHO "'s answer", CMK_PROTOCOL, err);
	if (r < 0)
		return r;
	/* An agent that does not know client_id answers for whatever identity it has. */
	if (token->client_id[0] && strcasecmp(token->client_id, identity->client_id) != 0)
		return say(identity, reply, "imds:other-identity", token->client_id, err);
	if (!identity_is_jwt(&token->access_token))
		return cmk_err(err, CMK_PROTOCOL,
			       WHO " at %s gave a token that is no JWT; check for something on the "
				   "path that answers in its place",
			       reply->host);
	return 0;
}

static int imds_reply(struct identity *identity, const struct http_reply *reply, struct secret *jwt,
		      struct cmk_err *err)
{
	struct imds_token token = { 0 };

	if (reply->status != 200)
		return refused(identity, reply, err);
	int r = read_token(identity, reply, &token, err);
	if (r == 0)
		secret_move(jwt, &token.access_token);
	secret_done(&token.access_token);
	return r;
}

const struct identity_ops identity_imds = {
	.name = "imds",
	.prepare = imds_prepare,
	.request = imds_request,
	.reply = imds_reply,
};
