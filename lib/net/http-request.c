/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and replies as plain values: building, escaping and wiping them. */
#include "net/http.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

int http_request_header(struct http_request *request, const char *name, const char *value,
			const struct secret *value_secret)
{
	size_t secret_len = value_secret ? value_secret->len : 0;
	size_t len = strlen(name) + 2 + strlen(value) + secret_len;

	if (request->headers_count >= HTTP_HEADERS_MAX || len > HTTP_HEADER_LEN_MAX)
		return -ENOBUFS;
	struct secret *header = &request->headers[request->headers_count];
	int r = secret_init(header, len);
	if (r < 0)
		return r;
	r = secret_append(header, name, strlen(name));
	if (r == 0)
		r = secret_append(header, ": ", 2);
	if (r == 0)
		r = secret_append(header, value, strlen(value));
	if (r == 0 && secret_len > 0)
		r = secret_append(header, value_secret->data, secret_len);
	if (r < 0) {
		secret_done(header);
		return r;
	}
	request->headers_count++;
	return 0;
}

/* Unreserved characters of RFC 3986, section 2.3: safe in a query and in a form alike. */
static bool is_unreserved(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static int form_escape(struct secret *form, const uint8_t *value, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		const char escaped[3] = { '%', digits[value[i] >> 4], digits[value[i] & 15] };
		bool plain = is_unreserved(value[i]);
		int r = secret_append(form, plain ? (const void *)&value[i] : escaped,
				      plain ? 1 : sizeof(escaped));
		if (r < 0)
			return r;
	}
	return 0;
}

int http_form_add(struct secret *form, const char *name, const void *value, size_t len)
{
	int r = 0;

	if (form->len > 0)
		r = secret_append(form, "&", 1);
	if (r == 0)
		r = secret_append(form, name, strlen(name));
	if (r == 0)
		r = secret_append(form, "=", 1);
	return r < 0 ? r : form_escape(form, value, len);
}

void http_request_new_id(struct http_request *request)
{
	uint8_t b[16];

	/* The id is for the customer's audit log: an unlock shall not fail for want of one. */
	if (RAND_bytes(b, sizeof(b)) != 1)
		memset(b, 0, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(request->request_id, sizeof(request->request_id),
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
}

void http_request_done(struct http_request *request)
{
	for (size_t i = 0; i < HTTP_HEADERS_MAX; i++)
		secret_done(&request->headers[i]);
	secret_done(&request->body);
	memset(request, 0, sizeof(*request));
}

const char *http_reply_text(const struct http_reply *reply)
{
	return reply->body.data ? (const char *)reply->body.data : "";
}

void http_reply_done(struct http_reply *reply)
{
	secret_done(&reply->body);
	memset(reply, 0, sizeof(*reply));
}
