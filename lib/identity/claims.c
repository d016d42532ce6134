/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims of an assertion. */
#include "identity/claims.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/b64.h"
#include "base/json.h"

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
	const char *begin = memchr(text, '.', jwt->len);
	const char *end = begin ? memchr(begin + 1, '.', (size_t)(text + jwt->len - begin - 1))
				: NULL;

	if (!end)
		return -EBADMSG;
	return b64url_decode(begin + 1, (size_t)(end - begin - 1), ret);
}

/* A string, or an array of them. */
static void read_audience(const struct json *json, const struct json_node *node,
			  struct claims *claims)
{
	if (json_node_type(node) == JSON_ARRAY)
		node = json_next(json, node, NULL);
	if (!json_copy_string(json, node, claims->audience, sizeof(claims->audience)))
		claims->audience[0] = '\0';
}

int claims_read(const struct secret *jwt, struct claims *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret body = { 0 };
	_cleanup_json_ struct json *json = NULL;
	struct claims claims = { 0 };

	int r = decode(jwt, &body);
	if (r == -EBADMSG)
		return cmk_err(err, CMK_IDENTITY,
			       WHO " is no JWT that can be read; check what makes "
				   "it");
	if (r == 0)
		r = json_parse((const char *)body.data, body.len, WHO, CMK_IDENTITY, &json, err);
	if (r == 0)
		r = json_read(json, json_root(json), fields, COUNT(fields), &claims, WHO,
			      CMK_IDENTITY, err);
	if (r < 0)
		return r;
	read_audience(json, json_member(json, json_root(json), "aud"), &claims);
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
