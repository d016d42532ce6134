/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections and replies: shared, bounded, never redirected, and failures told apart. */
#include "server.h"

#include <errno.h>

#include "base/io.h"
#include "net/http.h"

#define FAST_MS 5000

static struct server plain, silent;

static struct http *new_http(const char *proxy)
{
	struct http_options options = { .proxy = proxy, .user_agent = "luks-cmk/1 (test)" };
	struct http *http = NULL;
	struct cmk_err err = { 0 };

	if (http_new(&options, &http, &err) < 0)
		fail_msg("%s", err.text);
	return http;
}

/* Sends a request and waits for its end. */
static int ask(struct http *http, const struct http_request *request, int64_t ms,
	       struct http_reply *reply, struct cmk_err *err)
{
	struct http_call *call = NULL;
	int64_t deadline = io_now_ms() + ms;

	int r = http_start(http, request, deadline, &call, err);
	while (r == 0 && !http_call_finished(call))
		r = http_poll(http, deadline + FAST_MS, err);
	if (r == 0)
		r = http_call_result(call, reply, err);
	http_call_free(call);
	return r;
}

static void make_request(struct http_request *request, enum http_method method, const char *path)
{
	*request = (struct http_request){ .method = method, .plain = true, .who = "the test" };
	(void)snprintf(request->url, sizeof(request->url), "http://127.0.0.1:%d%s", plain.port,
		       path);
	http_request_new_id(request);
}

static void test_request_values(void **state)
{
	static const struct {
		const char *name, *value, *expected;
		size_t room;
		int r;
	} rows[] = {
		{ "plain", "aZ09-._~", "n=aZ09-._~", 64, 0 },
		{ "reserved", "api://x/?&=+ %", "n=api%3A%2F%2Fx%2F%3F%26%3D%2B%20%25", 64, 0 },
		{ "not ASCII", "\xc3\xa4\n", "n=%C3%A4%0A", 64, 0 },
		{ "no room", "a:b", "n=a", 5, -ENOBUFS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_secret_ struct secret form = { 0 };
		assert_int_equal(secret_init(&form, rows[i].room), 0);
		CHECK_INT(rows[i].name,
			  http_form_add(&form, "n", rows[i].value, strlen(rows[i].value)),
			  rows[i].r);
		CHECK_TEXT(rows[i].name, (const char *)form.data, rows[i].expected);
	}

	_cleanup_http_request_ struct http_request request = { 0 };
	const struct secret secret = { .data = (uint8_t[]){ 'k', 'e', 'y' }, .len = 3 };
	assert_int_equal(http_request_header(&request, "Authorization", "Bearer ", &secret), 0);
	assert_string_equal((const char *)request.headers[0].data, "Authorization: Bearer key");
	for (size_t i = 1; i < HTTP_HEADERS_MAX; i++)
		assert_int_equal(http_request_header(&request, "A", "b", NULL), 0);
	assert_int_equal(http_request_header(&request, "A", "b", NULL), -ENOBUFS);
	http_request_new_id(&request);
	assert_int_equal(strlen(request.request_id), 36);
	assert_int_equal(request.request_id[14], '4');
	assert_non_null(strchr("89ab", request.request_id[19]));
}

/* What goes over the wire, byte for byte. */
static void test_golden(void **state)
{
	struct http *http = new_http(NULL);
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_http_reply_ struct http_reply reply = { 0 };
	struct cmk_err err = { 0 };
	char expected[512];

	(void)state;
	make_request(&request, HTTP_POST, "/echo");
	assert_int_equal(http_request_header(&request, "Accept", "application/json", NULL), 0);
	assert_int_equal(http_request_header(&request, "Content-Type", "text/plain", NULL), 0);
	assert_int_equal(secret_set(&request.body, "a=b", 3), 0);
	assert_int_equal(ask(http, &request, FAST_MS, &reply, &err), 0);
	(void)snprintf(expected, sizeof(expected),
		       "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		       "User-Agent: luks-cmk/1 (test)\r\nAccept: application/json\r\n"
		       "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b",
		       plain.port);
	assert_string_equal(http_reply_text(&reply), expected);
	assert_string_equal(err.request_id, request.request_id);
	assert_string_equal(reply.request_id, request.request_id);
	(void)snprintf(expected, sizeof(expected), "127.0.0.1:%d", plain.port);
	assert_string_equal(reply.host, expected);
	http_free(http);
}

/* One connection serves a HEAD ahead and all that follows; the environment's proxies play no part. */
static void test_reuse(void **state)
{
	struct http *http = new_http("");
	static const struct {
		enum http_method method;
		const char *path;
	} rows[] = { { HTTP_HEAD, "/" },
		     { HTTP_GET, "/connection" },
		     { HTTP_POST, "/connection" },
		     { HTTP_GET, "/connection" } };
	char first[64] = "";

	(void)state;
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_http_request_ struct http_request request = { 0 };
		_cleanup_http_reply_ struct http_reply reply = { 0 };
		struct cmk_err err = { 0 };
		make_request(&request, rows[i].method, rows[i].path);
		if (ask(http, &request, FAST_MS, &reply, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(reply.status, 200);
		if (i == 1)
			(void)snprintf(first, sizeof(first), "%s", http_reply_text(&reply));
		if (i >= 1)
			CHECK_TEXT(rows[i].path, http_reply_text(&reply), first);
	}

	/* Without a look-up and a handshake of its own, a request can only wait for its answer. */
	_cleanup_http_request_ struct http_request slow = { 0 };
	_cleanup_http_reply_ struct http_reply none = { 0 };
	struct cmk_err err = { 0 };
	make_request(&slow, HTTP_GET, "/slow");
	assert_int_equal(ask(http, &slow, 200, &none, &err), -ETIMEDOUT);
	CHECK_SENTENCE("slow", err.text, "waiting for the answer");
	assert_string_equal(err.request_id, slow.request_id);
	http_free(http);
}

static void test_replies(void **state)
{
	struct http *http = new_http(NULL);
	static const struct {
		const char *path;
		long status;
		int64_t retry_after_ms, date;
		const char *body, *keep, *kept;
	} rows[] = {
		{ "/status/200", 200, -1, 0, "reason", "Location", "" },
		{ "/status/404", 404, -1, 0, "reason", NULL, "" },
		{ "/status/500", 500, -1, 0, "reason", NULL, "" },
		{ "/away", 302, -1, 0, "", "location", "/connection" },
		{ "/retry/0", 429, 30000, 0, "", NULL, "" },
		{ "/retry/1", 429, 0, 0, "", "Retry-After", "0" },
		{ "/retry/2", 429, 7000, 100, "", NULL, "" },
		{ "/retry/3", 429, 0, 100, "", NULL, "" },
		{ "/retry/4", 429, -1, 0, "", NULL, "" },
		{ "/retry/5", 429, 24 * 3600 * 1000, 0, "", NULL, "" },
		{ "/retry/6", 429, -1, 0, "", "X-Other", "1" },
		{ "/retry/7", 429, -1, 0, "", "X-Long", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_http_request_ struct http_request request = { 0 };
		_cleanup_http_reply_ struct http_reply reply = { 0 };
		struct cmk_err err = { 0 };
		make_request(&request, HTTP_GET, rows[i].path);
		request.keep_header = rows[i].keep;
		CHECK_INT(rows[i].path, ask(http, &request, FAST_MS, &reply, &err), 0);
		CHECK_TEXT(rows[i].path, reply.kept, rows[i].kept);
		CHECK_INT(rows[i].path, reply.status, rows[i].status);
		CHECK_INT(rows[i].path, reply.retry_after_ms, rows[i].retry_after_ms);
		CHECK_INT(rows[i].path, reply.date, rows[i].date);
		CHECK_TEXT(rows[i].path, http_reply_text(&reply), rows[i].body);
	}
	http_free(http);
}

struct failure {
	const char *name, *proxy, *url; /* %d: the server's port */
	bool plain;
	struct server *server;
	enum cmk_code code;
	const char *part;
	bool unsent; /* so that no log holds its id */
};

#define LONG_LABEL \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct failure failures[] = {
	{ "announced", "", "http://127.0.0.1:%d/announced", true, &plain, CMK_PROTOCOL, "65536",
	  false },
	{ "endless body", "", "http://127.0.0.1:%d/endless", true, &plain, CMK_PROTOCOL, "65536",
	  false },
	{ "headers", "", "http://127.0.0.1:%d/headers", true, &plain, CMK_PROTOCOL, "65536",
	  false },
	{ "no HTTP", "", "http://127.0.0.1:%d/garbage", true, &plain, CMK_PROTOCOL, "no proper",
	  false },
	{ "reset", "", "http://127.0.0.1:%d/reset", true, &plain, CMK_SERVICE_DOWN, "broke off",
	  false },
	{ "nothing", "", "http://127.0.0.1:%d/none", true, &plain, CMK_SERVICE_DOWN, "broke off",
	  false },
	{ "cut", "", "http://127.0.0.1:%d/cut", true, &plain, CMK_SERVICE_DOWN, "broke off",
	  false },
	{ "slow", "", "http://127.0.0.1:%d/slow", true, &plain, CMK_TIMEOUT, "waiting for", false },
	{ "closed", "", "http://127.0.0.1:1/", true, &plain, CMK_SERVICE_DOWN, "refused", true },
	{ "silent TLS", "", "https://127.0.0.1:%d/", false, &silent, CMK_TIMEOUT, "while TLS",
	  true },
	{ "no TLS", "", "https://127.0.0.1:%d/", false, &plain, CMK_TLS, "TLS", true },
	{ "no network", "", "https://224.0.0.1/", false, &plain, CMK_NO_NETWORK, "unreachable",
	  true },
	{ "no name", "", "https://" LONG_LABEL "/", false, &plain, CMK_DNS, "resolver", true },
	{ "not local", "", "http://192.0.2.1/", true, &plain, CMK_CONFIG, "link-local", true },
	{ "a name", "", "http://localhost:%d/", true, &plain, CMK_CONFIG, "link-local", true },
	{ "no TLS allowed", "", "http://127.0.0.1:%d/", false, &plain, CMK_SYSTEM, "no address",
	  true },
	{ "proxy 403", "http://127.0.0.1:%d", "https://host403/", false, &plain, CMK_CONFIG,
	  "refuses to connect to host403", true },
	{ "proxy 407", "http://127.0.0.1:%d", "https://host407/", false, &plain, CMK_CONFIG,
	  "password", true },
	{ "proxy 502", "http://127.0.0.1:%d", "https://host502/", false, &plain, CMK_SERVICE_DOWN,
	  "cannot connect to host502", true },
	{ "proxy closed", "http://127.0.0.1:1", "https://host/", false, &plain, CMK_SERVICE_DOWN,
	  "the proxy http://127.0.0.1:1 does not", true },
	{ "proxy unknown", "http://" LONG_LABEL, "https://host/", false, &plain, CMK_DNS,
	  "the proxy http://aaa", true },
};

static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(failures); i++) {
		const struct failure *row = &failures[i];
		_cleanup_http_request_ struct http_request request = { .plain = row->plain };
		_cleanup_http_reply_ struct http_reply reply = { 0 };
		struct cmk_err err = { 0 };
		char proxy[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(proxy, sizeof(proxy), row->proxy, row->server->port);
		(void)snprintf(request.url, sizeof(request.url), row->url, row->server->port);
#pragma GCC diagnostic pop
		http_request_new_id(&request);
		struct http *http = new_http(proxy);
		int64_t start = io_now_ms();
		int r = ask(http, &request, 400, &reply, &err);
		CHECK_INT(row->name, r, cmk_code_errno(row->code));
		CHECK_INT(row->name, err.code, row->code);
		CHECK_SENTENCE(row->name, err.text, row->part);
		CHECK(row->name, row->unsent == !err.request_id[0]);
		CHECK(row->name, io_now_ms() - start < 1500);
		http_free(http);
	}
}

/* Calls side by side, one of which is dropped; and waiting without any. */
static void test_poll(void **state)
{
	struct http *http = new_http(NULL);
	_cleanup_http_request_ struct http_request slow = { 0 }, fast = { 0 };
	struct http_call *first = NULL, *second = NULL;

	(void)state;
	make_request(&slow, HTTP_GET, "/slow");
	make_request(&fast, HTTP_GET, "/connection");
	int64_t start = io_now_ms();
	assert_int_equal(http_start(http, &slow, INT64_MAX, &first, NULL), 0);
	assert_int_equal(http_start(http, &fast, INT64_MAX, &second, NULL), 0);
	assert_int_equal(http_poll(http, start + FAST_MS, NULL), 0);
	assert_true(http_call_finished(second));
	assert_false(http_call_finished(first));
	assert_true(http_call_ms(second) < FAST_MS);
	http_call_free(first);
	assert_int_equal(http_poll(http, io_now_ms() + 50, NULL), 0);
	assert_true(io_now_ms() - start >= 50);
	http_free(http); /* the second call too */
}

static int start_servers(void **state)
{
	(void)state;
	server_start(&plain, &(struct server_options){ 0 });
	server_start(&silent, &(struct server_options){ .silent = true });
	return 0;
}

static int stop_servers(void **state)
{
	(void)state;
	server_stop(&plain);
	server_stop(&silent);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	 cmocka_unit_test(test_request_values),
		cmocka_unit_test(test_reuse),	 cmocka_unit_test(test_replies),
		cmocka_unit_test(test_failures), cmocka_unit_test(test_poll),
	};

	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
