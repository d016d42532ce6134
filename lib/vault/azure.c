/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Azure Key Vault and Managed HSM: which keys may be asked for, the requests, and the unwrapped key. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/text.h"
#include "vault/azure-internal.h"
#include "vault/entra.h"
#include "vault/message.h"

#define LABEL_MAX 63 /* RFC 1035, section 2.3.4 */
/* No algorithm here unwraps more than an RSA-4096 block. */
#define PLAIN_MAX    512
#define UNWRAP_JSON  (TOKEN_VALUE_MAX + 128)
#define LABEL_CHARS  "abcdefghijklmnopqrstuvwxyz0123456789-"
#define JSON_CONTENT "application/json"

/* Whether host is exactly one label and a dot before suffix, its port included. */
static bool is_under(const char *host, const char *suffix)
{
	size_t host_len = strlen(host), suffix_len = strlen(suffix);

	if (suffix_len == 0 || host_len < suffix_len + 2)
		return false;
	size_t label_len = host_len - suffix_len - 1;
	return host[label_len] == '.' && strcasecmp(host + label_len + 1, suffix) == 0 &&
	       label_len <= LABEL_MAX && strspn(host, LABEL_CHARS) == label_len;
}

static int check_algorithm(const struct token_wrapping *wrapping, struct cmk_err *err)
{
	static const char *const known[] = { "RSA-OAEP-256", "RSA-OAEP", "A256KW" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(wrapping->alg, known[i]) == 0)
			return 0;
	if (strcmp(wrapping->alg, "RSA1_5") == 0)
		return cmk_err(
			err, CMK_TOKEN,
			"the token's algorithm RSA1_5 is refused: its padding is weak; enrol "
			"the volume again");
	return cmk_err(err, CMK_TOKEN,
		       "the token's algorithm '%s' is not known to this luks-cmk; update it, or "
		       "enrol the volume again",
		       wrapping->alg);
}

static int check_wrapped(const struct token_wrapping *wrapping, const struct azure_url *url,
			 struct cmk_err *err)
{
	if (!url->version[0])
		return cmk_err(err, CMK_TOKEN,
			       "the token's key %s has no version, so what unwraps it is unknown; "
			       "enrol the volume again",
			       wrapping->key);
	if (!wrapping->value[0])
		return cmk_err(
			err, CMK_TOKEN,
			"the token holds no wrapped value for key %s; enrol the volume again",
			wrapping->key);
	return check_algorithm(wrapping, err);
}

static int resolve(struct vault_target *ret, bool template, struct cmk_err *err)
{
	const struct cloud *cloud = ret->cloud;
	struct token_wrapping *wrapping = &ret->wrapping;
	struct azure_url url;

	if (!azure_url_parse(wrapping->key, &url))
		return cmk_err(err, CMK_TOKEN,
			       "'%s' is no key of Azure; it must look like "
			       "https://VAULT.%s/keys/NAME%s",
			       wrapping->key, cloud->vault_suffix, template ? "" : "/VERSION");
	ret->hsm = is_under(url.host, cloud->hsm_suffix);
	if (!ret->hsm && !is_under(url.host, cloud->vault_suffix))
		return cmk_err(
			err, CMK_POLICY,
			"%s is no vault of cloud %s (VAULT.%s%s%s), so this machine does not "
			"ask it; if it should, add a [cloud] section to luks-cmk.conf",
			url.host, cloud->name, cloud->vault_suffix,
			cloud->hsm_suffix[0] ? " or HSM." : "", cloud->hsm_suffix);
	int r = template ? 0 : check_wrapped(wrapping, &url, err);
	if (r < 0)
		return r;

	const char *suffix = ret->hsm ? cloud->hsm_suffix : cloud->vault_suffix;
	(void)snprintf(wrapping->key, sizeof(wrapping->key), "https://%s/keys/%s%s%s", url.host,
		       url.name, url.version[0] ? "/" : "", url.version);
	(void)text_copy(ret->host, sizeof(ret->host), url.host);
	(void)snprintf(ret->origin, sizeof(ret->origin), "https://%s", url.host);
	(void)snprintf(ret->scope, sizeof(ret->scope), "https://%.*s/.default",
		       (int)strcspn(suffix, ":"), suffix);
	return 0;
}

/*
 *	HEAD /healthstatus HTTP/1.1
 *	Host: contoso.vault.azure.net
 */
static int warm_vault(const struct vault_target *target, struct http_request *ret,
		      struct cmk_err *err)
{
	(void)err;
	ret->method = HTTP_HEAD;
	(void)snprintf(ret->url, sizeof(ret->url), "%s/healthstatus", target->origin);
	return 0;
}

/* A firewalled vault's answer here is not documented, nor a Managed HSM's: only a failure is one. */
static int greet_vault(const struct vault_target *target, const struct http_reply *reply,
		       struct cmk_err *err)
{
	(void)target;
	if (reply->status == 429 || reply->status == 408 || reply->status >= 500 ||
	    reply->status / 100 == 3)
		return message_status(reply, err);
	return 0;
}

/* The headers of every authorised request, whose address is len bytes. 0, -ENOMEM or -ENOBUFS. */
static int add_headers(const struct vault_credential *credential, int len, struct http_request *ret)
{
	if (len < 0 || (size_t)len >= sizeof(ret->url))
		return -ENOBUFS;
	http_request_new_id(ret);
	int r = http_request_header(ret, "Accept", JSON_CONTENT, NULL);
	if (r == 0)
		r = http_request_header(ret, "Authorization", "Bearer ", &credential->value);
	if (r == 0)
		r = http_request_header(ret, "x-ms-client-request-id", ret->request_id, NULL);
	return r;
}

int azure_begin_request(const struct vault_target *target,
			const struct vault_credential *credential, const char *operation,
			struct http_request *ret)
{
	int len = snprintf(ret->url, sizeof(ret->url), "%s%s?api-version=" AZURE_API_VERSION,
			   target->wrapping.key, operation);

	return add_headers(credential, len, ret);
}

int azure_cannot_build(const struct vault_target *target, int errnum, struct cmk_err *err)
{
	return cmk_err_errno(err, CMK_SYSTEM, errnum, "the request to %s cannot be made",
			     target->host);
}

/*
 *	GET /keys/NAME[/VERSION]?api-version=7.4 HTTP/1.1
 *	Host: contoso.vault.azure.net
 *	Accept: application/json
 *	Authorization: Bearer TOKEN
 *	x-ms-client-request-id: GUID
 */
static int describe_request(const struct vault_target *target,
			    const struct vault_credential *credential, struct http_request *ret,
			    struct cmk_err *err)
{
	ret->method = HTTP_GET;
	int r = azure_begin_request(target, credential, "", ret);
	return r < 0 ? azure_cannot_build(target, -r, err) : 0;
}

/*
 *	GET /keys?api-version=7.4&maxresults=1 HTTP/1.1
 *	and the headers of describe_request()
 */
static int list_request(const struct vault_target *target,
			const struct vault_credential *credential, struct http_request *ret,
			struct cmk_err *err)
{
	ret->method = HTTP_GET;
	int len = snprintf(ret->url, sizeof(ret->url),
			   "%s/keys?api-version=" AZURE_API_VERSION "&maxresults=1",
			   target->origin);
	int r = add_headers(credential, len, ret);
	return r < 0 ? azure_cannot_build(target, -r, err) : 0;
}

static int unwrap_body(const struct token_wrapping *wrapping, struct secret *ret)
{
	_cleanup_buf_ struct buf json = BUF(UNWRAP_JSON);

	buf_puts(&json, "{");
	buf_json_member(&json, "alg", wrapping->alg);
	buf_json_member(&json, "value", wrapping->value);
	buf_puts(&json, "}");
	int r = buf_error(&json);
	return r < 0 ? r : secret_set(ret, json.data, json.len);
}

/*
 *	POST /keys/NAME/VERSION/unwrapkey?api-version=7.4 HTTP/1.1
 *	Host: contoso.vault.azure.net
 *	Accept: application/json
 *	Authorization: Bearer TOKEN
 *	Content-Type: application/json
 *	x-ms-client-request-id: GUID
 *
 *	{"alg":"RSA-OAEP-256","value":"BASE64URL"}
 */
static int unwrap_request(const struct vault_target *target,
			  const struct vault_credential *credential, struct http_request *ret,
			  struct cmk_err *err)
{
	ret->method = HTTP_POST;
	int r = azure_begin_request(target, credential, "/unwrapkey", ret);
	if (r == 0)
		r = http_request_header(ret, "Content-Type", JSON_CONTENT, NULL);
	if (r == 0)
		r = unwrap_body(&target->wrapping, &ret->body);
	return r < 0 ? azure_cannot_build(target, -r, err) : 0;
}

struct unwrapped {
	char kid[TOKEN_KEY_MAX];
	struct secret value;
};

static const struct json_field unwrapped_fields[] = {
	JSON_FIELD(struct unwrapped, kid, "kid", JSON_KIND_STRING, true),
	JSON_FIELD_SECRET(struct unwrapped, value, "value", B64URL_LEN(PLAIN_MAX), true),
};

static int read_unwrapped(const struct vault_target *target, const struct http_reply *reply,
			  struct unwrapped *unwrapped, struct secret *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	struct azure_url url;

	int r = message_json(reply, &json, err);
	if (r == 0)
		r = message_read(reply, json, json_root(json), unwrapped_fields,
				 sizeof(unwrapped_fields) / sizeof(unwrapped_fields[0]), unwrapped,
				 err);
	if (r == 0)
		r = azure_check_kid(target, unwrapped->kid, &url, err);
	if (r < 0)
		return r;
	r = b64url_decode((const char *)unwrapped->value.data, unwrapped->value.len, ret);
	if (r == -EBADMSG || (r == 0 && ret->len == 0))
		return cmk_err(err, CMK_PROTOCOL,
			       "%s unwrapped the key to something that is no base64url; check for "
			       "something on the path that answers in its place",
			       target->host);
	return r;
}

static int unwrap_reply(const struct vault_target *target, const struct http_reply *reply,
			struct secret *ret, struct cmk_err *err)
{
	struct unwrapped unwrapped = { 0 };

	message_note_id(reply, err);
	if (reply->status != 200)
		return azure_refused(target, reply, AZURE_UNWRAP, err);
	_cleanup_secret_ struct secret plain = { 0 };
	int r = read_unwrapped(target, reply, &unwrapped, &plain, err);
	secret_done(&unwrapped.value);
	if (r == 0)
		secret_move(ret, &plain);
	return r;
}

const struct vault_ops vault_azure = {
	.name = "azure",
	.resolve = resolve,
	.warm_sign_in = entra_warm,
	.warm_vault = warm_vault,
	.greet_sign_in = entra_greet,
	.greet_vault = greet_vault,
	.sign_in_request = entra_request,
	.sign_in_reply = entra_reply,
	.describe_request = describe_request,
	.describe_reply = azure_describe_reply,
	.list_request = list_request,
	.wrap = azure_wrap,
	.wrap_request = azure_wrap_request,
	.wrap_reply = azure_wrap_reply,
	.unwrap_request = unwrap_request,
	.unwrap_reply = unwrap_reply,
};
