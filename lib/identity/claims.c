/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims of an assertion. */
#include "identity/claims.h"

#include <errno.h>
#include <string.h>

#include "base/b64.h"
#include "base/json.h"
#include "base/text.h"

#define WHO "this machine's assertion"

static const struct json_field fields[] = {
	JSON_FIELD(struct claims, issuer, "iss", JSON_KIND_STRING, true),
	JSON_FIELD(struct claims, subject, "sub", JSON_KIND_STRING, true),
};

static int no_claims(struct cmk_err *err)
{
	return cmk_err(err, CMK_PROTOCOL, WHO " cannot be read; check what gives it out");
}

/* RFC 7519, section 4.1.3: one text, or a list; Entra takes a list of one. */
static bool read_audience(const struct json *json, char out[static CLAIM_MAX])
{
	const struct json_node *node = json_member(json, json_root(json), "aud");

	if (json_node_type(node) == JSON_ARRAY) {
		const struct json_node *list = node;

		node = json_next(json, list, NULL);
		if (node == NULL || json_next(json, list, node) != NULL)
			return false;
	}
	return json_copy_string(json, node, out, CLAIM_MAX);
}

static int read_payload(const struct secret *payload, struct claims *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = json_parse((const char *)payload->data, payload->len, WHO, CMK_PROTOCOL, &json,
			   err);

	if (r == 0)
		r = json_read(json, json_root(json), fields, sizeof(fields) / sizeof(fields[0]),
			      ret, WHO, CMK_PROTOCOL, err);
	if (r < 0)
		return r;
	if (!read_audience(json, ret->audience))
		return cmk_err(err, CMK_PROTOCOL,
			       WHO " does not name exactly one audience, and Entra wants one; "
				   "check what gives it out");
	if (!json_copy_string(json, json_member(json, json_root(json), "tid"), ret->tenant_id,
			      sizeof(ret->tenant_id)) ||
	    !text_is_guid(ret->tenant_id))
		ret->tenant_id[0] = '\0';
	return 0;
}

int claims_read(const struct secret *jwt, struct claims *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret payload = { 0 };
	struct claims claims = { 0 };
	const char *start = jwt->len > 0 ? memchr(jwt->data, '.', jwt->len) : NULL;

	if (start == NULL)
		return no_claims(err);
	start++;
	size_t left = jwt->len - (size_t)(start - (const char *)jwt->data);
	const char *end = left > 0 ? memchr(start, '.', left) : NULL;
	if (end == NULL)
		return no_claims(err);
	int r = b64url_decode(start, (size_t)(end - start), &payload);
	if (r < 0)
		return r == -ENOMEM ? r : no_claims(err);
	r = read_payload(&payload, &claims, err);
	if (r < 0)
		return r;
	if (!text_is_plain(claims.issuer) || !text_is_plain(claims.subject) ||
	    !text_is_plain(claims.audience))
		return cmk_err(err, CMK_PROTOCOL,
			       WHO " holds characters that no issuer, subject or audience has; "
				   "check what gives it out");
	*ret = claims;
	return 0;
}
