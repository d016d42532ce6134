/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity from Google Cloud's metadata server: a token of this machine's service account. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cause.h"
#include "base/text.h"
#include "identity/identity.h"

#define WHO "Google's metadata server"
/* metadata.google.internal. By its address: whoever answers for names here could not redirect us. */
#define ADDRESS "169.254.169.254"
#define PATH	"/computeMetadata/v1/instance/service-accounts/default/identity"
#define FLAVOR	"Metadata-Flavor"
/* The audience with every byte escaped at worst. */
#define QUERY_MAX 500

static int gcp_prepare(struct identity *identity, struct cmk_err *err)
{
	if (!identity->audience[0])
		return cmk_err(err, CMK_CONFIG,
			       "the cloud has no audience; set it in its [cloud] section of "
			       "luks-cmk.conf");
	(void)text_copy(identity->address, sizeof(identity->address), ADDRESS);
	return 0;
}

/*
 *	GET /computeMetadata/v1/instance/service-accounts/default/identity
 *		?audience=api%3A%2F%2FAzureADTokenExchange HTTP/1.1
 *	Host: 169.254.169.254
 *	Metadata-Flavor: Google
 */
static int gcp_request(struct identity *identity, struct http_request *ret, struct secret *jwt,
		       struct cmk_err *err)
{
	_cleanup_secret_ struct secret query = { 0 };

	(void)jwt;
	int r = secret_init(&query, QUERY_MAX);
	if (r == 0)
		r = http_form_add(&query, "audience", identity->audience,
				  strlen(identity->audience));
	if (r == 0)
		r = http_request_header(ret, FLAVOR, "Google", NULL);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the request to " WHO " cannot be made");
	ret->method = HTTP_GET;
	ret->plain = true;
	ret->who = WHO;
	ret->causes = "gcp:";
	ret->keep_header = FLAVOR;
	(void)snprintf(ret->url, sizeof(ret->url), "http://%s" PATH "?%s", identity->address,
		       (const char *)query.data);
	return 1;
}

/* https://cloud.google.com/compute/docs/metadata/troubleshooting-metadata-server */
static const char *name_of(const struct http_reply *reply)
{
	/* Google's server says so in every answer; Azure's, at the same address, does not. */
	if (reply->status < 500 && strcmp(reply->kept, "Google") != 0)
		return "gcp:not-google";
	switch (reply->status) {
	case 400:
		return "gcp:400";
	case 403:
		return "gcp:403";
	case 404:
		return "gcp:404";
	case 408:
		return "gcp:5xx";
	case 429:
		return "gcp:429";
	default:
		return reply->status >= 500 ? "gcp:5xx" : "gcp:other";
	}
}

/* "WHO at ADDRESS MEANING; NEXT (HTTP 404)" */
static int refused(const struct identity *identity, const struct http_reply *reply,
		   const struct cause *cause, struct cmk_err *err)
{
	const struct cause_names names = { .audience = identity->audience };
	char meaning[CMK_ERR_TEXT_MAX / 2];
	bool other = strcmp(cause->name, "gcp:not-google") == 0;

	(void)cause_expand(meaning, sizeof(meaning), cause->meaning, &names, false);
	int r = cmk_err(err, cause->code, "%s at %s %s; %s (HTTP %ld)",
			other ? "what answers" : WHO, reply->host, meaning, cause->next,
			reply->status);
	cause_set(err, cause->name);
	return r;
}

static int gcp_reply(struct identity *identity, const struct http_reply *reply, struct secret *jwt,
		     struct cmk_err *err)
{
	const struct cause *cause = cause_find(name_of(reply));

	if (cause && (reply->status != 200 || strcmp(cause->name, "gcp:not-google") == 0))
		return refused(identity, reply, cause, err);
	if (reply->body.len > IDENTITY_JWT_MAX || !identity_is_jwt(&reply->body))
		return cmk_err(err, CMK_PROTOCOL,
			       WHO " at %s gave a token that is no JWT; check for something on the "
				   "path that answers in its place",
			       reply->host);
	if (secret_set(jwt, reply->body.data, reply->body.len) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "the identity cannot be kept");
	return 0;
}

const struct identity_ops identity_gcp = {
	.name = "gcp",
	.prepare = gcp_prepare,
	.request = gcp_request,
	.reply = gcp_reply,
};
