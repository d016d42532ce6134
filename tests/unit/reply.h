/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies made by hand, for what reads them without a network; and GUIDs to fill them. */
#pragma once

#include "rows.h"

#include "net/http.h"

#define TENANT	 "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"
#define CLIENT	 "9c7e5d31-2b4f-4c6a-8e10-72ab91c0d3e4"
#define IDENTITY "1f0a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b"
#define REQUEST	 "0b5f7a1e-3c2d-4e6f-9a8b-7c6d5e4f3a2b"
#define JWT	 "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"

static inline void make_reply(struct http_reply *reply, const char *host, long status,
			      const char *body)
{
	*reply = (struct http_reply){ .status = status, .retry_after_ms = -1 };
	(void)snprintf(reply->host, sizeof(reply->host), "%s", host);
	(void)snprintf(reply->request_id, sizeof(reply->request_id), "%s", REQUEST);
	assert_int_equal(secret_set(&reply->body, body, strlen(body)), 0);
}

/* All headers of a request, one a line. */
static inline void join_headers(const struct http_request *request, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < request->headers_count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s\n",
					(const char *)request->headers[i].data);
}
