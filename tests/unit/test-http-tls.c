/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is believed: private roots beside the system's, and each way of not being trustworthy. */
#include "server.h"

#include <errno.h>

#include "base/io.h"
#include "net/http-internal.h"

#define DEADLINE_MS 5000

static struct http *new_http(const char *pem)
{
	const struct secret ca_pem = { .data = (uint8_t *)(uintptr_t)pem, .len = strlen(pem) };
	struct http_options options = { .ca_pem = &ca_pem, .user_agent = "test" };
	struct http *http = NULL;
	struct cmk_err err = { 0 };

	if (http_new(&options, &http, &err) < 0)
		fail_msg("%s", err.text);
	return http;
}

static int get(struct http *http, const char *host, int port, enum http_method method,
	       struct http_reply *reply, struct cmk_err *err)
{
	struct http_request request = { .method = method };
	struct http_call *call = NULL;
	int64_t deadline = io_now_ms() + DEADLINE_MS;

	(void)snprintf(request.url, sizeof(request.url), "https://%s:%d/connection", host, port);
	int r = http_start(http, &request, deadline, &call, err);
	while (r == 0 && !http_call_finished(call))
		r = http_poll(http, INT64_MAX, err);
	if (r == 0)
		r = http_call_result(call, reply, err);
	http_call_free(call);
	return r;
}

struct row {
	const char *name, *host;
	struct server_options options;
	bool trusted;
	enum cmk_code code;
	const char *part;
};

#define GOOD .tls = true, .names = "IP:127.0.0.1", .from_day = -1, .to_day = 1

static const struct row rows[] = {
	{ "good", "127.0.0.1", { GOOD }, true, CMK_OK, "" },
	{ "TLS 1.2", "127.0.0.1", { GOOD, .max_version = TLS1_2_VERSION }, true, CMK_OK, "" },
	{ "TLS 1.1",
	  "127.0.0.1",
	  { GOOD, .max_version = TLS1_1_VERSION },
	  true,
	  CMK_TLS,
	  "TLS with 127.0.0.1" },
	{ "unknown root", "127.0.0.1", { GOOD }, false, CMK_TLS, "not trusted: unable to get" },
	{ "other name",
	  "127.0.0.1",
	  { .tls = true, .names = "DNS:localhost", .from_day = -1, .to_day = 1 },
	  true,
	  CMK_TLS,
	  "for another name" },
	{ "expired",
	  "127.0.0.1",
	  { .tls = true, .names = "IP:127.0.0.1", .from_day = -2, .to_day = -1 },
	  true,
	  CMK_TLS,
	  "has expired by this machine's clock, which says 2" },
	{ "from tomorrow",
	  "127.0.0.1",
	  { .tls = true, .names = "IP:127.0.0.1", .from_day = 1, .to_day = 2 },
	  true,
	  CMK_CLOCK,
	  "not yet valid by this machine's clock, which says 2" },
};

static void test_trust(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct server server;
		_cleanup_http_reply_ struct http_reply reply = { 0 };
		struct cmk_err err = { 0 };
		server_start(&server, &rows[i].options);
		struct http *http = new_http(rows[i].trusted ? server.ca_pem : "");
		int r = get(http, rows[i].host, server.port, HTTP_GET, &reply, &err);
		if (r < 0)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		http_free(http);
		server_stop(&server);
	}
}

/* A TLS connection opened by a HEAD is the one that the next request uses. */
static void test_reuse(void **state)
{
	struct server server;
	_cleanup_http_reply_ struct http_reply head = { 0 }, body = { 0 };
	struct cmk_err err = { 0 };

	(void)state;
	server_start(&server, &(struct server_options){ GOOD });
	struct http *http = new_http(server.ca_pem);
	assert_int_equal(get(http, "127.0.0.1", server.port, HTTP_HEAD, &head, &err), 0);
	assert_int_equal(get(http, "127.0.0.1", server.port, HTTP_GET, &body, &err), 0);
	assert_string_equal(http_reply_text(&body), "connection 1");
	http_free(http);
	server_stop(&server);
}

/* Puts a root into a directory under the name by which OpenSSL looks for it. */
static void keep_by_hash(const char *dir, const char *pem, char path[static 256])
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	(void)snprintf(path, 256, "%s/%08lx.0", dir, X509_subject_name_hash(root));
	X509_free(root);
	BIO_free(bio);
	assert_int_equal(io_write_file(path, pem, strlen(pem), 0600), 0);
}

/* The system's roots go on being trusted beside private ones, and are looked up by hash. */
static void test_roots_together(void **state)
{
	struct server system_server, private_server;
	_cleanup_http_reply_ struct http_reply first = { 0 }, second = { 0 };
	struct cmk_err err = { 0 };
	char dir[] = "/tmp/luks-cmk-roots.XXXXXX";
	char path[256];

	(void)state;
	server_start(&system_server, &(struct server_options){ GOOD });
	server_start(&private_server, &(struct server_options){ GOOD });
	assert_non_null(mkdtemp(dir));
	struct http *http = new_http(private_server.ca_pem);
	keep_by_hash(dir, system_server.ca_pem, path);
	http->ca_dir = dir;
	assert_int_equal(get(http, "127.0.0.1", system_server.port, HTTP_GET, &first, &err), 0);
	assert_int_equal(get(http, "127.0.0.1", private_server.port, HTTP_GET, &second, &err), 0);
	http_free(http);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	server_stop(&system_server);
	server_stop(&private_server);
}

/* And beside the bundle, on a system without such a directory. */
static void test_bundle_and_private(void **state)
{
	struct server server;
	_cleanup_http_reply_ struct http_reply reply = { 0 };
	struct cmk_err err = { 0 };

	(void)state;
	server_start(&server, &(struct server_options){ GOOD });
	struct http *http = new_http(server.ca_pem);
	http->ca_dir = NULL;
	assert_int_equal(get(http, "127.0.0.1", server.port, HTTP_GET, &reply, &err), 0);
	http_free(http);
	server_stop(&server);
}

static void test_bad_roots(void **state)
{
	static const char *const texts[] = {
		"no certificate",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct secret ca_pem = { .data = (uint8_t *)(uintptr_t)texts[i],
					       .len = strlen(texts[i]) };
		struct http_options options = { .ca_pem = &ca_pem };
		struct http *http = NULL;
		struct cmk_err err = { 0 };
		CHECK_INT(texts[i], http_new(&options, &http, &err), cmk_code_errno(CMK_CONFIG));
		CHECK_SENTENCE("roots", err.text, "ca_file");
		assert_null(http);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trust),	       cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_roots_together), cmocka_unit_test(test_bundle_and_private),
		cmocka_unit_test(test_bad_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
