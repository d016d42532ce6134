/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of net/ share with each other and with nobody else. */
#pragma once

#include <curl/curl.h>
#include <openssl/x509.h>

#include "net/http.h"

/* Redirects, cookies and compression are off, so that a service's headers stay far below this. */
#define HTTP_REPLY_HEADERS_MAX 65536

/* An error sentence's subject. */
#define HTTP_WHO_MAX 288

struct http {
	CURLM *multi;
	struct stack_st_X509 *roots; /* private ones, added to the system's */
	const char *ca_dir;	     /* hash directory, or NULL: libcurl's bundle */
	char *proxy;		     /* or NULL */
	struct http_call *calls;     /* all that were started and not freed */
	char user_agent[256];
	bool debug;
};

struct http_call {
	struct http *http;
	struct http_call *next;
	CURL *easy;
	struct curl_slist *headers;
	struct secret body;
	struct http_reply reply;
	enum http_method method;
	bool plain;
	const char *causes; /* the request's, or "net:" */
	bool added;	    /* to the multi handle */
	bool finished;
	bool tls_begun;
	bool too_long; /* we, not the network, ended it */
	CURLcode result;
	int64_t started_ms;
	int64_t ended_ms;
	size_t header_bytes;
	char retry_after[64];
	char date[64];
	const char *keep_header;
	char who[HTTP_WHO_MAX];
	char path[160]; /* without query, for the debug line */
	char error[CURL_ERROR_SIZE];
};

/* http-memory.c: allocators that wipe what they free, for OpenSSL and libcurl. 0 or CMK_SYSTEM. */
int http_memory_init(struct cmk_err *err);

/* http-tls.c. The certificates in pem, owned by the caller; CMK_CONFIG if there is none or a broken one. */
int http_tls_roots(const struct secret *pem, struct stack_st_X509 **ret, struct cmk_err *err);
/* Reads now what OpenSSL would otherwise read in the middle of a handshake. 0 or CMK_SYSTEM. */
int http_tls_preload(struct cmk_err *err);
/* A directory of certificates by hash of their subject, or NULL if this system keeps none. */
const char *http_tls_ca_dir(void);
CURLcode http_tls_setup(struct http_call *call);

/* http-easy.c: creates and sets up call->easy for request. */
int http_easy_setup(struct http_call *call, const struct http_request *request, int64_t deadline_ms,
		    struct cmk_err *err);
/* Takes status, headers and timing of the finished transfer over into call->reply. */
void http_easy_finish(struct http_call *call);

/* http-error.c: the sentence and code for a transfer that failed. Always negative. */
int http_error(const struct http_call *call, struct cmk_err *err);
