/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Azure's own metadata protocol: the request for a token, and what the answers mean. */
#include "identity/metadata.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cause.h"
#include "base/json.h"
#include "base/text.h"

/* Audience and client id, with every byte escaped at worst. */
#define QUERY_MAX 600
/* Longer descriptions are not worth showing, nor failing for. */
#define MESSAGE_MAX 1024

struct metadata_token {
	struct secret access_token;
	char client_id[64];
};

static const struct json_field token_fields[] = {
	JSON_FIELD_SECRET(struct metadata_token, access_token, "access_token", IDENTITY_JWT_MAX,
			  true),
	JSON_FIELD(struct metadata_token, client_id, "client_id", JSON_KIND_STRING, false),
};

int metadata_check(const struct identity *identity, struct cmk_err *err)
{
	if (!identity->address[0] || !identity->audience[0])
		return cmk_err(err, CMK_CONFIG,
			       "the cloud has no metadata address or no audience; set both in its "
			       "[cloud] section of luks-cmk.conf");
	return 0;
}

static int build_query(const struct identity *identity, const struct metadata_service *service,
		       struct secret *query)
{
	int r = secret_init(query, QUERY_MAX);
	if (r == 0)
		r = http_form_add(query, "api-version", service->api_version,
				  strlen(service->api_version));
	if (r == 0)
		r = http_form_add(query, "resource", identity->audience,
				  strlen(identity->audience));
	if (r == 0 && identity->client_id[0])
		r = http_form_add(query, "client_id", identity->client_id,
				  strlen(identity->client_id));
	return r;
}

int metadata_request(const struct identity *identity, const struct metadata_service *service,
		     struct http_request *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret query = { 0 };

	int r = build_query(identity, service, &query);
	if (r == 0)
		r = http_request_header(ret, "Metadata", "true", NULL);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the request to %s cannot be made",
				     service->who);
	ret->method = HTTP_GET;
	ret->plain = true;
	ret->who = service->who;
	ret->causes = service->causes;
	(void)snprintf(ret->url, sizeof(ret->url), "http://%s/metadata/identity/oauth2/token?%s",
		       identity->address, (const char *)query.data);
	return 1;
}

/* What the service says of the reason; empty where it says nothing that can be read. */
struct problem {
	char error[64];
	char description[MESSAGE_MAX];
};

static void read_problem(const struct http_reply *reply, struct problem *ret)
{
	_cleanup_json_ struct json *json = NULL;

	*ret = (struct problem){ 0 };
	if (json_parse(http_reply_text(reply), reply->body.len, "the answer", CMK_PROTOCOL, &json,
		       NULL) < 0)
		return;
	const struct json_node *root = json_root(json);
	(void)json_copy_string(json, json_member(json, root, "error"), ret->error,
			       sizeof(ret->error));
	(void)json_copy_string(json, json_member(json, root, "error_description"), ret->description,
			       sizeof(ret->description));
	ret->description[strcspn(ret->description, "\r\n")] = '\0';
}

/* https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
static const char *name_of(long status, const struct problem *problem)
{
	switch (status) {
	case 400:
		if (!problem->error[0])
			return "no-reason";
		if (strcmp(problem->error, "invalid_resource") == 0)
			return "invalid_resource";
		return strstr(problem->description, "metadata header") ? "no-header"
								       : "identity-not-found";
	case 401:
	case 403:
		return "not-azure";
	case 404:
	case 408:
		return "404";
	case 410:
		return "410";
	case 429:
		return "429";
	case 502:
	case 504:
		return "502";
	default:
		return status >= 500 ? "5xx" : "other";
	}
}

/* The name of a cause, without what begins it, and the service's own words. */
struct saying {
	const char *name, *said;
};

/* The service's own row; what has none means the same as of a virtual machine's. */
static const struct cause *find(const struct metadata_service *service, const char *name)
{
	char full[CMK_CAUSE_MAX];

	(void)snprintf(full, sizeof(full), "%s%s", service->causes, name);
	const struct cause *cause = cause_find(full);
	if (cause)
		return cause;
	(void)snprintf(full, sizeof(full), "imds:%s", name);
	return cause_find(full);
}

/* "the metadata service at ADDRESS MEANING; NEXT (HTTP 400: what it said)" */
static int say(const struct identity *identity, const struct metadata_service *service,
	       const struct http_reply *reply, const struct saying *saying, struct cmk_err *err)
{
	const char *said = saying->said;
	const struct cause_names names = {
		.identity = identity->client_id[0] ? identity->client_id : "of its own",
		.audience = identity->audience,
		.service = service->what,
		.machine = service->machine,
		.place = service->assign_to,
	};
	const struct cause *cause = find(service, saying->name);
	char meaning[CMK_ERR_TEXT_MAX / 2], next[CMK_ERR_TEXT_MAX / 2];

	if (!cause)
		return cmk_err(err, CMK_PROTOCOL, "%s at %s answered with HTTP %ld", service->who,
			       reply->host, reply->status);
	(void)cause_expand(meaning, sizeof(meaning), cause->meaning, &names, false);
	(void)cause_expand(next, sizeof(next), cause->next, &names, false);
	int r = cmk_err(err, cause->code, "%s at %s %s; %s (HTTP %ld%s%.200s)", service->who,
			reply->host, meaning, next, reply->status, said[0] ? ": " : "", said);
	cause_set(err, cause->name);
	return r;
}

static int refused(const struct identity *identity, const struct metadata_service *service,
		   const struct http_reply *reply, struct cmk_err *err)
{
	struct problem problem;

	read_problem(reply, &problem);
	const struct saying saying = { name_of(reply->status, &problem),
				       problem.description[0] ? problem.description
							      : problem.error };
	return say(identity, service, reply, &saying, err);
}

/* An agent that does not know client_id answers for whatever identity it has. */
static int check_echo(const struct identity *identity, const struct metadata_service *service,
		      const struct http_reply *reply, const char *client_id, struct cmk_err *err)
{
	if (!identity->client_id[0] || strcasecmp(client_id, identity->client_id) == 0 ||
	    (!client_id[0] && !service->must_echo))
		return 0;
	const struct saying saying = { client_id[0] ? "other-identity" : "no-echo", client_id };
	return say(identity, service, reply, &saying, err);
}

static int read_token(const struct identity *identity, const struct metadata_service *service,
		      const struct http_reply *reply, struct metadata_token *token,
		      struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	char answer[64];

	(void)snprintf(answer, sizeof(answer), "%s's answer", service->who);
	int r = json_parse(http_reply_text(reply), reply->body.len, answer, CMK_PROTOCOL, &json,
			   err);
	if (r == 0)
		r = json_read(json, json_root(json), token_fields,
			      sizeof(token_fields) / sizeof(token_fields[0]), token, answer,
			      CMK_PROTOCOL, err);
	if (r == 0)
		r = check_echo(identity, service, reply, token->client_id, err);
	if (r < 0)
		return r;
	if (!identity_is_jwt(&token->access_token))
		return cmk_err(err, CMK_PROTOCOL,
			       "%s at %s gave a token that is no JWT; check for something on the "
			       "path that answers in its place",
			       service->who, reply->host);
	return 0;
}

int metadata_reply(const struct identity *identity, const struct metadata_service *service,
		   const struct http_reply *reply, struct secret *jwt, struct cmk_err *err)
{
	struct metadata_token token = { 0 };

	if (reply->status != 200)
		return refused(identity, service, reply, err);
	int r = read_token(identity, service, reply, &token, err);
	if (r == 0)
		secret_move(jwt, &token.access_token);
	secret_done(&token.access_token);
	return r;
}
