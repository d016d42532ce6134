/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Google Cloud's metadata server: what is asked, and what is believed. */
#include "reply.h"

#include "identity/identity.h"

#define ADDRESS "169.254.169.254"

static void make_gcp(struct identity *identity)
{
	struct config config;
	const struct token_identity from_token = { .source = "gcp" };

	config_init(&config);
	/* Wherever the cloud's own metadata service is, Google's is where it always is. */
	(void)snprintf(config.clouds[0].metadata, sizeof(config.clouds[0].metadata), "127.0.0.1:1");
	assert_int_equal(identity_init(identity, &config, &from_token, &config.clouds[0], NULL), 0);
}

static void test_request(void **state)
{
	struct identity identity;
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_secret_ struct secret jwt = { 0 };
	char headers[256];

	(void)state;
	make_gcp(&identity);
	assert_int_equal(identity.ops->request(&identity, &request, &jwt, NULL), 1);
	assert_string_equal(request.url, "http://169.254.169.254/computeMetadata/v1/instance/"
					 "service-accounts/default/identity"
					 "?audience=api%3A%2F%2FAzureADTokenExchange");
	join_headers(&request, headers, sizeof(headers));
	assert_string_equal(headers, "Metadata-Flavor: Google\n");
	assert_string_equal(request.keep_header, "Metadata-Flavor");
	assert_true(request.plain);
	assert_int_equal(request.method, HTTP_GET);
	assert_int_equal(request.body.len, 0);
	identity_done(&identity);
}

static const struct {
	const char *name;
	long status;
	const char *flavor, *body;
	enum cmk_code code;
	const char *part;
} replies[] = {
	{ "good", 200, "Google", JWT, CMK_OK, "" },
	{ "of Azure", 200, "", JWT, CMK_IDENTITY, "is not Google's metadata server" },
	{ "other flavor", 200, "google", JWT, CMK_IDENTITY, "is not Google's" },
	{ "Azure's 404", 404, "", "", CMK_IDENTITY, "is not Google's" },
	{ "newline", 200, "Google", JWT "\n", CMK_PROTOCOL, "no JWT" },
	{ "empty", 200, "Google", "", CMK_PROTOCOL, "no JWT" },
	{ "page", 200, "Google", "<html>", CMK_PROTOCOL, "no JWT" },
	{ "JSON", 200, "Google", "{\"access_token\":\"" JWT "\"}", CMK_PROTOCOL, "no JWT" },
	{ "two parts", 200, "Google", "a.b", CMK_PROTOCOL, "no JWT" },
	{ "no account", 404, "Google", "", CMK_IDENTITY, "service account" },
	{ "forbidden", 403, "Google", "", CMK_IDENTITY, "service account" },
	{ "audience", 400, "Google", "", CMK_CONFIG, "'api://AzureADTokenExchange'" },
	{ "too many", 429, "Google", "", CMK_THROTTLED, "fewer" },
	{ "busy", 503, "Google", "", CMK_SERVICE_DOWN, "503" },
	{ "proxy", 502, "", "<html>", CMK_SERVICE_DOWN, "502" },
	{ "redirect", 302, "Google", "", CMK_PROTOCOL, "302" },
};

static void test_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct identity identity;
		_cleanup_http_reply_ struct http_reply reply;
		_cleanup_secret_ struct secret jwt = { 0 };
		struct cmk_err err = { 0 };
		make_gcp(&identity);
		make_reply(&reply, ADDRESS, replies[i].status, replies[i].body);
		(void)snprintf(reply.kept, sizeof(reply.kept), "%s", replies[i].flavor);
		int r = identity.ops->reply(&identity, &reply, &jwt, &err);
		CHECK_INT(replies[i].name, r, cmk_code_errno(replies[i].code));
		CHECK_INT(replies[i].name, err.code, replies[i].code);
		if (r < 0)
			CHECK_SENTENCE(replies[i].name, err.text, replies[i].part);
		CHECK_TEXT(replies[i].name, jwt.len ? (const char *)jwt.data : "",
			   r < 0 ? "" : JWT);
		identity_done(&identity);
	}
}

static void test_too_long(void **state)
{
	static char text[IDENTITY_JWT_MAX + 2];
	struct identity identity;
	_cleanup_http_reply_ struct http_reply reply;
	_cleanup_secret_ struct secret jwt = { 0 };

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[1] = text[3] = '.';
	make_gcp(&identity);
	make_reply(&reply, ADDRESS, 200, text);
	(void)snprintf(reply.kept, sizeof(reply.kept), "Google");
	assert_int_equal(identity.ops->reply(&identity, &reply, &jwt, NULL),
			 cmk_code_errno(CMK_PROTOCOL));
	identity_done(&identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
