/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine: calls side by side on one multi handle of libcurl. */
#include "net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "net/http-internal.h"

/* How long one sleep inside http_poll() may be at most; only a bound for the cast to int. */
#define POLL_SLICE_MS 60000

/* Look-ups that block would break every deadline; another TLS library would not know our roots. */
static int check_libcurl(struct cmk_err *err)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	if (!(info->features & CURL_VERSION_ASYNCHDNS) || !info->ssl_version ||
	    !text_starts(info->ssl_version, "OpenSSL"))
		return cmk_err(err, CMK_SYSTEM,
			       "libcurl %s is not built with OpenSSL and an asynchronous resolver; "
			       "install the one that is",
			       info->version);
	return 0;
}

static void http_freep(struct http **http)
{
	http_free(*http);
}

int http_new(const struct http_options *options, struct http **ret, struct cmk_err *err)
{
	int r = http_memory_init(err);
	if (r < 0)
		return r;
	/* From here on http_free() gives back libcurl's initialisation too. */
	__attribute__((cleanup(http_freep))) struct http *http = calloc(1, sizeof(*http));
	if (!http) {
		curl_global_cleanup();
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "connections cannot be prepared");
	}
	r = check_libcurl(err);
	if (r == 0)
		r = http_tls_preload(err);
	if (r == 0 && options->ca_pem && options->ca_pem->len > 0)
		r = http_tls_roots(options->ca_pem, &http->roots, err);
	if (r < 0)
		return r;
	http->ca_dir = http_tls_ca_dir();
	http->debug = options->debug;
	http->multi = curl_multi_init();
	if (options->proxy && options->proxy[0])
		http->proxy = strdup(options->proxy);
	if (!http->multi || (options->proxy && options->proxy[0] && !http->proxy))
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "connections cannot be prepared");
	(void)text_copy(http->user_agent, sizeof(http->user_agent), options->user_agent);
	*ret = TAKE_PTR(http);
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	while (http->calls)
		http_call_free(http->calls);
	(void)curl_multi_cleanup(http->multi);
	sk_X509_pop_free(http->roots, X509_free);
	free(http->proxy);
	free(http);
	curl_global_cleanup();
}

/* Splits scheme://host[:port]/path?query; false for anything else, or a scheme that plain does not allow. */
static bool read_url(struct http_call *call, const struct http_request *request)
{
	const char *scheme = request->plain ? "http://" : "https://";

	if (!text_starts(request->url, scheme))
		return false;
	const char *host = request->url + strlen(scheme);
	size_t host_len = strcspn(host, "/?#");
	const char *path = host + host_len;
	if (host_len == 0 || host_len >= sizeof(call->reply.host))
		return false;
	memcpy(call->reply.host, host, host_len);
	(void)snprintf(call->path, sizeof(call->path), "%.*s", (int)strcspn(path, "?#"), path);
	(void)snprintf(call->who, sizeof(call->who), "%s",
		       request->who ? request->who : call->reply.host);
	return true;
}

/* What may be asked without TLS: this machine, or what only its own link can reach. */
static bool is_local(const char *host)
{
	char name[256];
	struct in_addr v4;
	struct in6_addr v6;
	bool bracket = host[0] == '[';

	(void)snprintf(name, sizeof(name), "%.*s",
		       (int)strcspn(host + bracket, bracket ? "]" : ":"), host + bracket);
	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127 || ntohl(v4.s_addr) >> 16 == 0xa9fe;
	if (inet_pton(AF_INET6, name, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6);
	return false;
}

static int http_call_new(struct http *http, const struct http_request *request, int64_t deadline_ms,
			 struct http_call **ret, struct cmk_err *err)
{
	struct http_call *call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->http = http;
	call->next = http->calls;
	http->calls = call;
	call->method = request->method;
	call->plain = request->plain;
	call->causes = request->causes ? request->causes : "net:";
	call->keep_header = request->keep_header;
	call->started_ms = io_now_ms();
	(void)text_copy(call->reply.request_id, sizeof(call->reply.request_id),
			request->request_id);

	int r = 0;
	if (!read_url(call, request))
		r = cmk_err(err, CMK_SYSTEM, "'%s' is no address that can be asked", request->url);
	else if (call->plain && !is_local(call->reply.host))
		r = cmk_err(err, CMK_CONFIG,
			    "%s is asked without TLS, so it must be a loopback or link-local "
			    "address; correct the cloud's metadata setting",
			    call->reply.host);
	else
		r = http_easy_setup(call, request, deadline_ms, err);
	if (r < 0) {
		http_call_free(call);
		return r;
	}
	*ret = call;
	return 0;
}

int http_start(struct http *http, const struct http_request *request, int64_t deadline_ms,
	       struct http_call **ret, struct cmk_err *err)
{
	struct http_call *call = NULL;

	int r = http_call_new(http, request, deadline_ms, &call, err);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK) {
		r = cmk_err(err, CMK_SYSTEM, "libcurl refuses a request to %s", call->reply.host);
		http_call_free(call);
		return r;
	}
	call->added = true;
	*ret = call;
	return 0;
}

static const char *method_name(enum http_method method)
{
	static const char *const names[] = { "GET", "HEAD", "POST" };

	return names[method];
}

static void finish_call(struct http_call *call, CURLcode result)
{
	call->result = result;
	call->finished = true;
	call->ended_ms = io_now_ms();
	http_easy_finish(call);
	if (call->http->debug)
		(void)fprintf(stderr, "luks-cmk: %s %s%s: %ld%s%s after %lld ms\n",
			      method_name(call->method), call->reply.host, call->path,
			      call->reply.status, result == CURLE_OK ? "" : ", ",
			      result == CURLE_OK ? "" : curl_easy_strerror(result),
			      (long long)http_call_ms(call));
}

/* Notes the calls that have ended; whether there was one. */
static bool collect(struct http *http)
{
	bool any = false;
	int left;

	for (;;) {
		const CURLMsg *message = curl_multi_info_read(http->multi, &left);
		struct http_call *call = NULL;
		if (!message)
			return any;
		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) != CURLE_OK)
			continue;
		finish_call(call, message->data.result);
		any = true;
	}
}

int http_poll(struct http *http, int64_t until_ms, struct cmk_err *err)
{
	for (;;) {
		int running;
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			return cmk_err(err, CMK_SYSTEM, "libcurl gave up its connections");
		int64_t left = until_ms - io_now_ms();
		if (collect(http) || left <= 0)
			return 0;
		if (curl_multi_poll(http->multi, NULL, 0,
				    (int)(left < POLL_SLICE_MS ? left : POLL_SLICE_MS),
				    NULL) != CURLM_OK)
			return cmk_err(err, CMK_SYSTEM, "libcurl cannot wait for its connections");
	}
}

bool http_call_finished(const struct http_call *call)
{
	return call->finished;
}

int64_t http_call_ms(const struct http_call *call)
{
	return (call->finished ? call->ended_ms : io_now_ms()) - call->started_ms;
}

void http_call_phases(const struct http_call *call, int64_t ret_ms[static 3])
{
	static const CURLINFO timers[] = { CURLINFO_NAMELOOKUP_TIME_T, CURLINFO_CONNECT_TIME_T,
					   CURLINFO_APPCONNECT_TIME_T };

	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		curl_off_t us = 0;
		bool reached = curl_easy_getinfo(call->easy, timers[i], &us) == CURLE_OK && us > 0;
		ret_ms[i] = reached ? us / 1000 : -1;
	}
	/* libcurl's timer of the connection may run until TLS stands. */
	if (ret_ms[1] < 0 && call->tls_begun)
		ret_ms[1] = ret_ms[0];
}

/* If it was not, nobody was asked: its id would lead into an audit log that does not have it. */
static bool was_sent(const struct http_call *call)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK &&
	       us > 0;
}

int http_call_result(struct http_call *call, struct http_reply *ret, struct cmk_err *err)
{
	if (err)
		memcpy(err->request_id, call->reply.request_id, sizeof(err->request_id));
	if (call->result != CURLE_OK) {
		int r = http_error(call, err);
		if (err && !was_sent(call))
			err->request_id[0] = '\0';
		return r;
	}
	*ret = call->reply;
	memset(&call->reply.body, 0, sizeof(call->reply.body));
	return 0;
}

void http_call_free(struct http_call *call)
{
	if (!call)
		return;
	for (struct http_call **link = &call->http->calls; *link; link = &(*link)->next) {
		if (*link != call)
			continue;
		*link = call->next;
		break;
	}
	if (call->added)
		(void)curl_multi_remove_handle(call->http->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	secret_done(&call->body);
	http_reply_done(&call->reply);
	free(call);
}
