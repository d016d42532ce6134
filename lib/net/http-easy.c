/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One transfer of libcurl: every option that it runs with, and what is taken from its reply. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/io.h"
#include "net/http-internal.h"

/* Also where the caller waits for ever: a dead connection has to end before it can be tried anew. */
#define CALL_MAX_MS	   120000
#define RETRY_AFTER_MAX_MS (24 * 3600 * INT64_C(1000))
/* A host name that moves in a failover has to be looked up anew by the next attempt. Seconds. */
#define DNS_CACHE_S 30L

struct long_option {
	CURLoption option;
	long value;
};

/* Defaults of libcurl that matter are repeated: a later libcurl may choose others. */
static const struct long_option fixed_options[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
	{ CURLOPT_PATH_AS_IS, 1 },
	{ CURLOPT_HTTP_CONTENT_DECODING, 0 },
	{ CURLOPT_HTTP09_ALLOWED, 0 },
	{ CURLOPT_FAILONERROR, 0 },
	{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
	{ CURLOPT_HEADEROPT, CURLHEADER_SEPARATE }, /* a proxy does not see the access token */
	{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_TCP_NODELAY, 1 },
	{ CURLOPT_PIPEWAIT, 0 },
	{ CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S },
	{ CURLOPT_UPLOAD_BUFFERSIZE, 16384 }, /* its least: all of it is wiped after each request */
};

/*
 * A name that is still being looked up when the time is over is left to its thread: waiting for it would
 * take as long as the resolver's own patience. Before 7.87 only the helper's watchdog bounds that.
 */
#if LIBCURL_VERSION_NUM >= 0x075700
static CURLcode set_quick_exit(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}
#else
static CURLcode set_quick_exit(CURL *easy)
{
	(void)easy;
	return CURLE_OK;
}
#endif

#if LIBCURL_VERSION_NUM >= 0x075500
static CURLcode set_protocol(CURL *easy, bool plain)
{
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
}
#else
static CURLcode set_protocol(CURL *easy, bool plain)
{
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
				(long)(plain ? CURLPROTO_HTTP : CURLPROTO_HTTPS));
}
#endif

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct http_call *call = user;
	size_t len = size * count;

	if (secret_append(&call->reply.body, data, len) == 0)
		return len;
	call->too_long = true;
	return 0;
}

/* The value of header name in a line, without spaces around it; left as it was for other lines. */
static void read_header(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return;
	line += name_len + 1;
	len -= name_len + 1;
	for (; len > 0 && (*line == ' ' || *line == '\t'); len--)
		line++;
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (len >= size)
		return;
	memcpy(out, line, len);
	out[len] = '\0';
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
	struct http_call *call = user;
	size_t len = size * count;

	call->header_bytes += len;
	if (call->header_bytes > HTTP_REPLY_HEADERS_MAX) {
		call->too_long = true;
		return 0;
	}
	read_header(data, len, "Retry-After", call->retry_after, sizeof(call->retry_after));
	read_header(data, len, "Date", call->date, sizeof(call->date));
	if (call->keep_header)
		read_header(data, len, call->keep_header, call->reply.kept,
			    sizeof(call->reply.kept));
	return len;
}

/* The first failure of a row of options stays; the rest is skipped. */
#define SET(code, easy, option, value)                                  \
	do {                                                            \
		if ((code) == CURLE_OK)                                 \
			(code) = curl_easy_setopt(easy, option, value); \
	} while (0)

static CURLcode set_method(struct http_call *call)
{
	CURLcode code = CURLE_OK;

	switch (call->method) {
	case HTTP_HEAD:
		SET(code, call->easy, CURLOPT_NOBODY, 1L);
		break;
	case HTTP_POST:
		SET(code, call->easy, CURLOPT_POST, 1L);
		SET(code, call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
		SET(code, call->easy, CURLOPT_POSTFIELDS,
		    call->body.data ? (const char *)call->body.data : "");
		break;
	case HTTP_GET:
		SET(code, call->easy, CURLOPT_HTTPGET, 1L);
		break;
	}
	/* What a HEAD would be answered with is nobody's burden. */
	if (call->method != HTTP_HEAD)
		SET(code, call->easy, CURLOPT_MAXFILESIZE, (long)HTTP_REPLY_MAX);
	return code;
}

/* An empty string is not the same as none: with none, libcurl asks the environment. */
static CURLcode set_route(struct http_call *call)
{
	const char *proxy = call->plain ? NULL : call->http->proxy;
	CURLcode code = CURLE_OK;

	SET(code, call->easy, CURLOPT_PROXY, proxy ? proxy : "");
	SET(code, call->easy, CURLOPT_NOPROXY, proxy ? "" : "*");
	/* One request at a time on a connection is all we do: HTTP/2 would only be more to trust. */
	SET(code, call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (code == CURLE_OK)
		code = set_protocol(call->easy, call->plain);
	return code;
}

static CURLcode set_callbacks(struct http_call *call)
{
	CURLcode code = CURLE_OK;

	SET(code, call->easy, CURLOPT_WRITEFUNCTION, on_body);
	SET(code, call->easy, CURLOPT_WRITEDATA, call);
	SET(code, call->easy, CURLOPT_HEADERFUNCTION, on_header);
	SET(code, call->easy, CURLOPT_HEADERDATA, call);
	SET(code, call->easy, CURLOPT_ERRORBUFFER, call->error);
	SET(code, call->easy, CURLOPT_PRIVATE, call);
	SET(code, call->easy, CURLOPT_HTTPHEADER, call->headers);
	SET(code, call->easy, CURLOPT_USERAGENT, call->http->user_agent);
	return code;
}

static CURLcode set_deadline(struct http_call *call, int64_t deadline_ms)
{
	int64_t left = deadline_ms - io_now_ms();
	CURLcode code = CURLE_OK;

	/* Zero would mean "without limit". */
	if (left < 1)
		left = 1;
	if (left > CALL_MAX_MS)
		left = CALL_MAX_MS;
	if (code == CURLE_OK)
		code = set_quick_exit(call->easy);
	SET(code, call->easy, CURLOPT_TIMEOUT_MS, (long)left);
	SET(code, call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)left);
	return code;
}

static int copy_headers(struct http_call *call, const struct http_request *request)
{
	/* No "Expect: 100-continue": it would cost a round trip. */
	call->headers = curl_slist_append(NULL, "Expect:");
	if (!call->headers)
		return -ENOMEM;
	for (size_t i = 0; i < request->headers_count; i++)
		if (!curl_slist_append(call->headers, (const char *)request->headers[i].data))
			return -ENOMEM;
	return 0;
}

int http_easy_setup(struct http_call *call, const struct http_request *request, int64_t deadline_ms,
		    struct cmk_err *err)
{
	CURLcode code = CURLE_OK;

	call->easy = curl_easy_init();
	if (!call->easy || copy_headers(call, request) < 0 ||
	    secret_init(&call->reply.body, HTTP_REPLY_MAX) < 0)
		return -ENOMEM;
	if (request->body.len > 0 &&
	    secret_set(&call->body, request->body.data, request->body.len) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(fixed_options) / sizeof(fixed_options[0]); i++)
		SET(code, call->easy, fixed_options[i].option, fixed_options[i].value);
	SET(code, call->easy, CURLOPT_URL, request->url);
	if (code == CURLE_OK)
		code = set_method(call);
	if (code == CURLE_OK)
		code = set_route(call);
	if (code == CURLE_OK)
		code = set_callbacks(call);
	if (code == CURLE_OK)
		code = http_tls_setup(call);
	if (code == CURLE_OK)
		code = set_deadline(call, deadline_ms);
	if (code == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (code != CURLE_OK)
		return cmk_err(err, CMK_SYSTEM,
			       "libcurl refuses an option (%s); it must be 7.81 or later, built "
			       "with OpenSSL",
			       curl_easy_strerror(code));
	return 0;
}

/*
 * RFC 9110, section 10.2.3: seconds, or a date. A date counts from the service's own clock where it tells
 * that: ours may be years behind at boot.
 */
static int64_t retry_after_ms(const char *value, int64_t now_s)
{
	size_t digits = strspn(value, "0123456789");
	int64_t seconds = 0;

	if (digits == 0) {
		time_t date = curl_getdate(value, NULL);
		if (date == (time_t)-1)
			return -1;
		seconds = date > now_s ? date - now_s : 0;
	} else if (value[digits]) {
		return -1;
	}
	for (size_t i = 0; i < digits && seconds < RETRY_AFTER_MAX_MS; i++)
		seconds = seconds * 10 + (value[i] - '0');
	return seconds < RETRY_AFTER_MAX_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MAX_MS;
}

void http_easy_finish(struct http_call *call)
{
	struct http_reply *reply = &call->reply;
	time_t date = call->date[0] ? curl_getdate(call->date, NULL) : (time_t)-1;

	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->date = date > 0 ? date : 0;
	reply->retry_after_ms = -1;
	if (call->retry_after[0])
		reply->retry_after_ms = retry_after_ms(call->retry_after,
						       reply->date ? reply->date : time(NULL));
}
