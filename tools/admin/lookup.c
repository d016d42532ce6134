/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the helper finds out before there is any token: it has spoken to a network, so all is checked again. */
#include "lookup.h"

#include <string.h>

#include "ask.h"
#include "base/json.h"
#include "base/text.h"

#define WHO	     "the helper's report"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int not_usable(struct cmk_err *err)
{
	return cmk_err(err, CMK_HELPER, WHO " cannot be used; reinstall luks-cmk");
}

static int read_detail(const char *detail, const struct json_field *fields, size_t count, void *out,
		       struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r;

	if (detail == NULL)
		return not_usable(err);
	r = json_parse(detail, strlen(detail), WHO, CMK_HELPER, &json, err);
	if (r == 0)
		r = json_read(json, json_root(json), fields, count, out, WHO, CMK_HELPER, err);
	return r;
}

int lookup_parse_tenant(const char *detail, char ret[static TOKEN_ID_MAX], struct cmk_err *err)
{
	struct {
		char id[TOKEN_ID_MAX];
	} found = { "" };
	const struct json_field fields[] = {
		{ "tenant_id", JSON_KIND_STRING, true, 0, sizeof(found.id) },
	};
	int r = read_detail(detail, fields, COUNT(fields), &found, err);

	if (r < 0)
		return r;
	if (!text_is_guid(found.id))
		return not_usable(err);
	(void)text_copy(ret, TOKEN_ID_MAX, found.id);
	return 0;
}

int lookup_parse_claims(const char *detail, struct lookup_claims *ret, struct cmk_err *err)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct lookup_claims, issuer, "issuer", JSON_KIND_STRING, true),
		JSON_FIELD(struct lookup_claims, subject, "subject", JSON_KIND_STRING, true),
		JSON_FIELD(struct lookup_claims, audience, "audience", JSON_KIND_STRING, true),
		JSON_FIELD(struct lookup_claims, tenant_id, "tenant_id", JSON_KIND_STRING, false),
	};
	struct lookup_claims claims = { 0 };
	int r = read_detail(detail, fields, COUNT(fields), &claims, err);

	if (r < 0)
		return r;
	if (!text_is_plain(claims.issuer) || !text_is_plain(claims.subject) ||
	    !text_is_plain(claims.audience) ||
	    (claims.tenant_id[0] != '\0' && !text_is_guid(claims.tenant_id)))
		return not_usable(err);
	*ret = claims;
	return 0;
}

static int ask(const struct wire_request *request, struct wire_reply *ret, struct cmk_err *err)
{
	int r = ask_helper(request, ret, err);

	if (r >= 0 && err != NULL)
		err->request_id[0] =
			'\0'; /* of a success: no later error is to be looked up by it */
	return r;
}

int lookup_tenant(const char *text, bool debug, char ret[static TOKEN_ID_MAX], struct cmk_err *err)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	struct wire_request request = { .op = WIRE_TENANT, .debug = debug };
	int r;

	if (text_is_guid(text)) {
		(void)text_copy(ret, TOKEN_ID_MAX, text);
		return 0;
	}
	if (!text_is_domain(text))
		return cmk_err(err, CMK_CONFIG,
			       "'%s' is no tenant; its id looks like "
			       "01234567-89ab-cdef-0123-456789abcdef, a domain of it like "
			       "contoso.onmicrosoft.com",
			       text);
	(void)text_copy(request.domain, sizeof(request.domain), text);
	r = ask(&request, &reply, err);
	return r < 0 ? r : lookup_parse_tenant(reply.detail, ret, err);
}

int lookup_claims(bool debug, struct lookup_claims *ret, struct cmk_err *err)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	const struct wire_request request = { .op = WIRE_CLAIMS, .debug = debug };
	int r = ask(&request, &reply, err);

	return r < 0 ? r : lookup_parse_claims(reply.detail, ret, err);
}
