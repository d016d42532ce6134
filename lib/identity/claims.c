/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims of an assertion. */
#include "identity/claims.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/b64.h"
#include "base/json.h"
#include "base/text.h"

#define WHO	 "this machine's assertion"
#define LEEWAY	 300
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct json_field fields[] = {
	JSON_FIELD(struct claims, issuer, "iss", JSON_KIND_STRING, true),
	JSON_FIELD(struct claims, subject, "sub", JSON_KIND_STRING, true),
	JSON_FIELD(struct claims, not_before, "nbf", JSON_KIND_INT, false),
	JSON_FIELD(struct claims, expires, "exp", JSON_KIND_INT, true),
};

static int decode(const struct secret *jwt, struct secret *ret)
{
	const char *text = (const char *)jwt->data;
	const char *begin = jwt->len > 0 ? memchr(text, '.', jwt->len) : NULL;
	const char *end = begin ? memchr(begin + 1, '.', (size_t)(text + jwt->len - begin - 1))
				: NULL;

	if (!end)
		return -EBADMSG;
	return b64url_decode(begin + 1, (size_t)(end - begin - 1), ret);
}

/* RFC 7519, section 4.1.3: one text, or a list; Entra takes a list of one. */
static bool read_audience(const struct json *json, char out[static CLAIM_MAX])
{
	const struct json_node *node = json_member(json, json_root(json), "aud");

	if (json_node_type(node) == JSON_ARRAY) {
		const struct json_node *list = node;

		node = json_next(json, list, NULL);
		if (!node || json_next(json, list, node))
			return false;
	}
	return json_copy_string(json, node, out, CLAIM_MAX);
}

static int read_body(const struct secret *body, struct claims *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = json_parse((const char *)body->data, body->len, WHO, CMK_IDENTITY, &json, err);

	if (r == 0)
		r = json_read(json, json_root(json), fields, COUNT(fields), ret, WHO, CMK_IDENTITY,
			      err);
	if (r < 0)
		return r;
	if (!read_audience(json, ret->audience))
		return cmk_err(err, CMK_IDENTITY,
			       WHO " does not name exactly one audience, and Entra wants one; "
				   "check what makes it");
	if (!json_copy_string(json, json_member(json, json_root(json), "tid"), ret->tenant_id,
			      sizeof(ret->tenant_id)) ||
	    !text_is_guid(ret->tenant_id))
		ret->tenant_id[0] = '\0';
	return 0;
}

int claims_read(const struct secret *jwt, struct claims *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret body = { 0 };
	struct claims claims = { 0 };

	int r = decode(jwt, &body);
	if (r == -EBADMSG)
		return cmk_err(err, CMK_IDENTITY,
			       WHO " is no JWT that can be read; check what makes it");
	if (r == 0)
		r = read_body(&body, &claims, err);
	if (r < 0)
		return r;
	if (!text_is_plain(claims.issuer) || !text_is_plain(claims.subject) ||
	    !text_is_plain(claims.audience))
		return cmk_err(err, CMK_IDENTITY,
			       WHO " holds characters that no issuer, subject or audience has; "
				   "check what makes it");
	*ret = claims;
	return 0;
}

int claims_check_time(const struct claims *claims, int64_t now, struct cmk_err *err)
{
	/* Either number may be anything: no sums with them. */
	if (claims->expires < now - LEEWAY)
		return cmk_err(err, CMK_CLOCK,
			       WHO " has expired %" PRId64 " minutes ago; check that what makes it "
				   "renews it, and this machine's clock",
			       claims->expires > 0 ? (now - claims->expires) / 60 : now / 60);
	if (claims->not_before > now + LEEWAY)
		return cmk_err(err, CMK_CLOCK,
			       WHO " is not valid yet; set this machine's clock, and that of what "
				   "makes it");
	return 0;
}
