/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which tenant a domain belongs to: OpenID Connect Discovery 1.0, section 4. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "vault/entra.h"
#include "vault/message.h"

/* An issuer is an authority, a tenant's id, and some words. */
#define ISSUER_MAX (CONFIG_HOST_MAX + 128)

/*
 *	GET /contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration HTTP/1.1
 *	Host: login.microsoftonline.com
 *	Accept: application/json
 *	client-request-id: GUID
 */
int entra_tenant_request(const struct cloud *cloud, const char *domain, struct http_request *ret,
			 struct cmk_err *err)
{
	if (!text_is_domain(domain))
		return cmk_err(err, CMK_TENANT,
			       "'%s' is neither a tenant's id nor a domain; a tenant has a domain "
			       "like contoso.onmicrosoft.com",
			       domain);
	int len = snprintf(ret->url, sizeof(ret->url),
			   "https://%s/%s/v2.0/.well-known/openid-configuration", cloud->authority,
			   domain);
	if (len < 0 || (size_t)len >= sizeof(ret->url))
		return cmk_err(err, CMK_CONFIG, "the authority of cloud %s is too long; correct it",
			       cloud->name);
	ret->method = HTTP_GET;
	http_request_new_id(ret);
	int r = http_request_header(ret, "Accept", "application/json", NULL);
	if (r == 0)
		r = http_request_header(ret, "client-request-id", ret->request_id, NULL);
	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the request to %s cannot be made",
				     cloud->authority);
	return 0;
}

/* The id in "https://AUTHORITY/ID/v2.0"; false if that is not what issuer is. */
static bool read_issuer(const struct cloud *cloud, const char *issuer,
			char ret[static TOKEN_ID_MAX])
{
	const size_t scheme = strlen("https://"), len = strlen(cloud->authority);

	if (!text_starts(issuer, "https://") ||
	    strncasecmp(issuer + scheme, cloud->authority, len) != 0 || issuer[scheme + len] != '/')
		return false;
	issuer += scheme + len + 1;
	if (strcspn(issuer, "/") != TOKEN_ID_MAX - 1 ||
	    strcmp(issuer + TOKEN_ID_MAX - 1, "/v2.0") != 0)
		return false;
	char id[TOKEN_ID_MAX] = "";
	memcpy(id, issuer, TOKEN_ID_MAX - 1);
	if (!text_is_guid(id))
		return false;
	memcpy(ret, id, sizeof(id));
	return true;
}

int entra_tenant_reply(const struct cloud *cloud, const char *domain,
		       const struct http_reply *reply, char ret[static TOKEN_ID_MAX],
		       struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	struct {
		char issuer[ISSUER_MAX];
	} found = { "" };
	const struct json_field fields[] = {
		{ "issuer", JSON_KIND_STRING, true, 0, sizeof(found.issuer) },
	};

	message_note_id(reply, err);
	if (reply->status != 200)
		return entra_tenant_refused(domain, reply, err);
	int r = message_json(reply, &json, err);
	if (r == 0)
		r = message_read(reply, json, json_root(json), fields, 1, &found, err);
	if (r < 0)
		return r;
	if (!read_issuer(cloud, found.issuer, ret))
		return cmk_err(err, CMK_TENANT,
			       "%s says that tenant %s has the issuer '%.200s', which is not of "
			       "cloud %s; correct the cloud, or give the tenant's id",
			       reply->host, domain, found.issuer, cloud->name);
	return 0;
}
