/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions that come before any token. A person waits for the answer, and asks again. */
#include "lookup.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "identity/claims.h"
#include "paths.h"
#include "vault/entra.h"

/* Requests that one source of an identity may need: a challenge, and its answer. */
#define REQUESTS_MAX 4
#define DETAIL_MAX   8192

static int find_cloud(const struct answer *answer, const struct cloud **ret, struct cmk_err *err)
{
	const char *name = answer->config.provider.cloud;

	*ret = config_cloud(&answer->config, name);
	if (*ret == NULL)
		return cmk_err(err, CMK_CONFIG,
			       "%s/luks-cmk.conf: [provider] cloud '%s' is not known", CONF_DIR,
			       name);
	return 0;
}

int lookup_prepare(struct answer *answer, struct cmk_err *err)
{
	static const struct token_identity none;
	const struct cloud *cloud;
	int r = find_cloud(answer, &cloud, err);

	if (r < 0 || answer->request.op == WIRE_TENANT)
		return r;
	return identity_init(&answer->identity, &answer->config, &none, cloud, err);
}

static int exchange(const struct answer *answer, const struct http_request *request,
		    struct http_reply *ret, struct cmk_err *err)
{
	struct http_call *call = NULL;
	int r = http_start(answer->http, request, answer->deadline_ms, &call, err);

	while (r == 0 && !http_call_finished(call))
		r = http_poll(answer->http, INT64_MAX, err);
	if (r == 0)
		r = http_call_result(call, ret, err);
	http_call_free(call);
	return r;
}

static int finish(struct buf *detail, struct wire_reply *reply)
{
	buf_puts(detail, "}");
	reply->detail = buf_take(detail);
	return reply->detail != NULL ? 0 : -ENOMEM;
}

static int find_tenant(const struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_http_reply_ struct http_reply answered = { .retry_after_ms = -1 };
	_cleanup_buf_ struct buf detail = BUF(DETAIL_MAX);
	const char *domain = answer->request.domain;
	char id[TOKEN_ID_MAX];
	const struct cloud *cloud;
	int r = find_cloud(answer, &cloud, err);

	if (r == 0)
		r = entra_tenant_request(cloud, domain, &request, err);
	if (r == 0)
		r = exchange(answer, &request, &answered, err);
	if (r == 0)
		r = entra_tenant_reply(cloud, domain, &answered, id, err);
	if (r < 0)
		return r;
	buf_puts(&detail, "{");
	buf_json_member(&detail, "tenant_id", id);
	return finish(&detail, reply);
}

/* 0 and jwt, or a failure; see struct identity_ops for the steps in between. */
static int get_assertion(struct answer *answer, struct secret *jwt, struct cmk_err *err)
{
	const struct identity_ops *ops = answer->identity.ops;

	for (int i = 0; i < REQUESTS_MAX; i++) {
		_cleanup_http_request_ struct http_request request = { 0 };
		_cleanup_http_reply_ struct http_reply reply = { .retry_after_ms = -1 };
		int r = ops->request(&answer->identity, &request, jwt, err);

		if (r <= 0)
			return r;
		r = exchange(answer, &request, &reply, err);
		if (r == 0)
			r = ops->reply(&answer->identity, &reply, jwt, err);
		if (r <= 0)
			return r;
	}
	return cmk_err(err, CMK_PROTOCOL,
		       "the identity's source asks for one request after another; check what "
		       "answers in its place");
}

static int find_claims(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	_cleanup_secret_ struct secret jwt = { 0 };
	_cleanup_buf_ struct buf detail = BUF(DETAIL_MAX);
	struct claims claims;
	int r = get_assertion(answer, &jwt, err);

	if (r == 0)
		r = claims_read(&jwt, &claims, err);
	if (r < 0)
		return r;
	buf_puts(&detail, "{");
	buf_json_member(&detail, "issuer", claims.issuer);
	buf_json_member(&detail, "subject", claims.subject);
	buf_json_member(&detail, "audience", claims.audience);
	buf_json_member(&detail, "tenant_id", claims.tenant_id);
	return finish(&detail, reply);
}

int lookup_serve(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	return answer->request.op == WIRE_TENANT ? find_tenant(answer, reply, err)
						 : find_claims(answer, reply, err);
}
