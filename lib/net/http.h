/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP requests side by side, over one cache of connections: the only user of libcurl. https with TLS 1.2
 * or later, no redirects, replies of at most 64 KiB, every wait bounded by the caller's deadline. Plain
 * http only where a request says so (the metadata service), and never through a proxy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

#define HTTP_REPLY_MAX	    65536
#define HTTP_URL_MAX	    1024
#define HTTP_BODY_MAX	    32768 /* an assertion is 2 KiB, a form with it 4 */
#define HTTP_HEADERS_MAX    8
#define HTTP_KEPT_MAX	    512
#define HTTP_HEADER_LEN_MAX 16384 /* the longest is "Authorization: Bearer …" */

struct http;
struct http_call;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

/* Owned; a zeroed one is empty, http_request_done() wipes and frees. */
struct http_request {
	enum http_method method;
	bool plain;		 /* http to a link-local or loopback address, without proxy */
	const char *keep_header; /* name of a header of the reply that is wanted; NULL: none */
	const char *who; /* begins error sentences: "the metadata service"; NULL: the URL's host */
	const char *causes; /* begins the causes "refused" and "timeout"; NULL: "net:" */
	char url[HTTP_URL_MAX];
	struct secret headers[HTTP_HEADERS_MAX]; /* "Name: value", some of them secret */
	size_t headers_count;
	struct secret body;
	char request_id[CMK_REQUEST_ID_MAX]; /* set by http_request_new_id() */
};

/* Owned; http_reply_done() wipes and frees. */
struct http_reply {
	long status;
	struct secret body;
	int64_t retry_after_ms; /* from Retry-After, in seconds or as a date; -1 where absent */
	int64_t date;		/* the service's clock, seconds since 1970; 0 where it tells none */
	char kept[HTTP_KEPT_MAX]; /* the header that the request wanted; "" if absent or longer */
	char host[256]; /* who answered, with the port if the URL had one; for sentences */
	char request_id[CMK_REQUEST_ID_MAX];
};

struct http_options {
	const struct secret *ca_pem; /* private roots, added to the system's; NULL or empty: none */
	const char *proxy;	     /* "" or NULL: none; the environment is never asked */
	char user_agent[256];	     /* "luks-cmk/VERSION (host; volume UUID)" */
	bool debug; /* one line a request on standard error: method, host, status, ms */
};

#define _cleanup_http_request_ __attribute__((cleanup(http_request_done)))
#define _cleanup_http_reply_   __attribute__((cleanup(http_reply_done)))

/*
 * Loads libcurl and OpenSSL completely (their files too), so that it must be called before the sandbox
 * closes; with allocators that wipe, so that it must be called before anything else uses OpenSSL. One per
 * process. CMK_SYSTEM, CMK_CONFIG for a ca_pem without certificates.
 */
int http_new(const struct http_options *options, struct http **ret, struct cmk_err *err);
/* May wait for a name look-up that is still under way: a program about to end does not call it. */
void http_free(struct http *http);

/* Adds "name: value" where value is followed by value_secret if that is not NULL. -ENOMEM, -ENOBUFS. */
int http_request_header(struct http_request *request, const char *name, const char *value,
			const struct secret *value_secret);
/*
 * Adds "name=value" to a form or query (a "&" before all but the first), the value percent-encoded so that
 * both take it. form was given its room by secret_init(). 0 or -ENOBUFS.
 */
int http_form_add(struct secret *form, const char *name, const void *value, size_t len);
/* A random GUID (RFC 9562, version 4) for x-ms-client-request-id and client-request-id. */
void http_request_new_id(struct http_request *request);
void http_request_done(struct http_request *request);
/* The body as text with a NUL, never NULL. */
const char *http_reply_text(const struct http_reply *reply);
void http_reply_done(struct http_reply *reply);

/* Begins a request; copies what it needs of it. deadline_ms as of io_now_ms(). -ENOMEM, CMK_SYSTEM. */
int http_start(struct http *http, const struct http_request *request, int64_t deadline_ms,
	       struct http_call **ret, struct cmk_err *err);
/* Works on all calls until one finishes or until_ms; without calls it only waits. 0 or CMK_SYSTEM. */
int http_poll(struct http *http, int64_t until_ms, struct cmk_err *err);
bool http_call_finished(const struct http_call *call);
/* Milliseconds that the call took, or has taken so far. */
int64_t http_call_ms(const struct http_call *call);
/*
 * When, in milliseconds after its start, a finished call had its host's address, a connection, and TLS; -1
 * for each that it did not get.
 */
void http_call_phases(const struct http_call *call, int64_t ret_ms[static 3]);
/*
 * The outcome of a finished call, to be taken once: the reply, whatever its status; or the class
 * "unreachable" (CMK_NO_NETWORK, CMK_DNS, CMK_TLS, CMK_CLOCK, CMK_TIMEOUT, CMK_SERVICE_DOWN); or
 * CMK_PROTOCOL for a reply that is too long or no HTTP; or CMK_CONFIG for a proxy that refuses. err's
 * request_id is the request's, and empty where it was certainly never sent.
 */
int http_call_result(struct http_call *call, struct http_reply *ret, struct cmk_err *err);
/* Ends a call, also an unfinished one. */
void http_call_free(struct http_call *call);
