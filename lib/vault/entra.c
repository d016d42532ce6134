/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Microsoft Entra ID: the client credentials grant with a federated assertion (RFC 7523, section 2.2). */
#include "vault/entra.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/json.h"
#include "vault/message.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
/* Tokens live for up to 28 hours; what claims more is not believed. Seconds. */
#define EXPIRES_MAX (7 * 24 * 3600)

struct entra_token {
	struct secret access_token;
	char token_type[32];
	int64_t expires_in;
};

static const struct json_field token_fields[] = {
	JSON_FIELD_SECRET(struct entra_token, access_token, "access_token", VAULT_CREDENTIAL_MAX,
			  true),
	JSON_FIELD(struct entra_token, token_type, "token_type", JSON_KIND_STRING, false),
	JSON_FIELD(struct entra_token, expires_in, "expires_in", JSON_KIND_INT, true),
};

int entra_warm(const struct vault_target *target, struct http_request *ret, struct cmk_err *err)
{
	int len = snprintf(ret->url, sizeof(ret->url),
			   "https://%s/%s/v2.0/.well-known/openid-configuration",
			   target->cloud->authority, target->wrapping.tenant_id);

	if (len < 0 || (size_t)len >= sizeof(ret->url))
		return cmk_err(err, CMK_CONFIG, "the authority of cloud %s is too long; correct it",
			       target->cloud->name);
	ret->method = HTTP_HEAD;
	return 0;
}

/* A tenant that is there has a document; of one that is not, the refusal is that of a sign-in. */
int entra_greet(const struct vault_target *target, const struct http_reply *reply,
		struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;

	if (reply->status != 200)
		return entra_refused(target, reply, err);
	return message_json(reply, &json, err);
}

static int add_text(struct secret *form, const char *name, const char *value)
{
	return http_form_add(form, name, value, strlen(value));
}

static int build_form(const struct vault_target *target, const struct secret *jwt,
		      struct secret *form)
{
	int r = secret_init(form, HTTP_BODY_MAX);
	if (r == 0)
		r = add_text(form, "grant_type", "client_credentials");
	if (r == 0)
		r = add_text(form, "client_assertion_type", ASSERTION_TYPE);
	if (r == 0)
		r = add_text(form, "client_id", target->wrapping.client_id);
	if (r == 0)
		r = add_text(form, "scope", target->scope);
	if (r == 0)
		r = http_form_add(form, "client_assertion", jwt->data, jwt->len);
	return r;
}

/*
 *	POST /TENANT/oauth2/v2.0/token HTTP/1.1
 *	Host: login.microsoftonline.com
 *	Accept: application/json
 *	Content-Type: application/x-www-form-urlencoded
 *	client-request-id: GUID
 *
 *	grant_type=client_credentials
 *	&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer
 *	&client_id=GUID&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_assertion=JWT
 */
int entra_request(const struct vault_target *target, const struct secret *jwt,
		  struct http_request *ret, struct cmk_err *err)
{
	int len = snprintf(ret->url, sizeof(ret->url), "https://%s/%s/oauth2/v2.0/token",
			   target->cloud->authority, target->wrapping.tenant_id);

	if (len < 0 || (size_t)len >= sizeof(ret->url))
		return cmk_err(err, CMK_CONFIG, "the authority of cloud %s is too long; correct it",
			       target->cloud->name);
	ret->method = HTTP_POST;
	http_request_new_id(ret);
	int r = http_request_header(ret, "Accept", "application/json", NULL);
	if (r == 0)
		r = http_request_header(ret, "Content-Type", "application/x-www-form-urlencoded",
					NULL);
	if (r == 0)
		r = http_request_header(ret, "client-request-id", ret->request_id, NULL);
	if (r == 0)
		r = build_form(target, jwt, &ret->body);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the request to %s cannot be made",
				     target->cloud->authority);
	return 0;
}

/* RFC 6750, section 2.1: what may stand in a header, and no line break in particular. */
static bool is_bearer(const struct secret *token)
{
	for (size_t i = 0; i < token->len; i++)
		if (token->data[i] <= ' ' || token->data[i] >= 0x7f)
			return false;
	return token->len > 0;
}

static int read_token(const struct http_reply *reply, struct entra_token *token,
		      struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;

	int r = message_json(reply, &json, err);
	if (r == 0)
		r = message_read(reply, json, json_root(json), token_fields,
				 sizeof(token_fields) / sizeof(token_fields[0]), token, err);
	if (r < 0)
		return r;
	if (!is_bearer(&token->access_token) || token->expires_in < 0 ||
	    (token->token_type[0] && strcasecmp(token->token_type, "Bearer") != 0))
		return cmk_err(err, CMK_PROTOCOL,
			       "%s's answer holds no usable access token; check for something on "
			       "the path that answers in its place",
			       reply->host);
	return 0;
}

int entra_reply(const struct vault_target *target, const struct http_reply *reply,
		struct vault_credential *ret, struct cmk_err *err)
{
	struct entra_token token = { 0 };

	message_note_id(reply, err);
	if (reply->status != 200)
		return entra_refused(target, reply, err);
	int r = read_token(reply, &token, err);
	if (r == 0) {
		secret_move(&ret->value, &token.access_token);
		ret->expires = time(NULL) +
			       (token.expires_in < EXPIRES_MAX ? token.expires_in : EXPIRES_MAX);
	}
	secret_done(&token.access_token);
	return r;
}
