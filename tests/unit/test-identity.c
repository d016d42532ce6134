/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources of an identity: which is chosen, what is asked, and what is believed. */
#include "reply.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "identity/identity.h"

#define METADATA "169.254.169.254"

static void test_choice(void **state)
{
	static const struct {
		const char *name, *source, *client_id, *token_source, *token_client_id;
		enum cmk_code code;
		const char *part, *chosen, *chosen_id;
	} rows[] = {
		{ "token's", "", "", "imds", IDENTITY, CMK_OK, "", "imds", IDENTITY },
		{ "machine's", "imds", CLIENT, "imds", IDENTITY, CMK_OK, "", "imds", CLIENT },
		{ "mixed", "imds", "", "file", IDENTITY, CMK_OK, "", "imds", IDENTITY },
		{ "nobody's id", "", "", "imds", "", CMK_CONFIG, "client_id in [identity]", "",
		  "" },
		{ "unknown", "", "", "arc2", IDENTITY, CMK_IDENTITY, "'arc2'", "", "" },
		{ "none", "", "", "", IDENTITY, CMK_IDENTITY, "''", "", "" },
		{ "escape", "", "", "\033[2J", IDENTITY, CMK_IDENTITY, "\\x1b", "", "" },
		{ "file by header", "", "", "file", "", CMK_CONFIG, "only this machine", "", "" },
		{ "exec by header", "", "", "exec", "", CMK_CONFIG, "only this machine", "", "" },
		{ "file unnamed", "file", "", "imds", "", CMK_CONFIG, "names none", "", "" },
		{ "exec unnamed", "exec", "", "imds", "", CMK_CONFIG, "names none", "", "" },
		{ "gcp", "", "", "gcp", "", CMK_OK, "", "gcp", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config;
		struct token_identity from_token = { 0 };
		struct identity identity = { 0 };
		struct cmk_err err = { 0 };
		config_init(&config);
		(void)snprintf(config.identity.source, sizeof(config.identity.source), "%s",
			       rows[i].source);
		(void)snprintf(config.identity.client_id, sizeof(config.identity.client_id), "%s",
			       rows[i].client_id);
		(void)snprintf(from_token.source, sizeof(from_token.source), "%s",
			       rows[i].token_source);
		(void)snprintf(from_token.client_id, sizeof(from_token.client_id), "%s",
			       rows[i].token_client_id);
		int r = identity_init(&identity, &config, &from_token, &config.clouds[0], &err);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		if (r < 0) {
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
			continue;
		}
		CHECK_TEXT(rows[i].name, identity.ops->name, rows[i].chosen);
		CHECK_TEXT(rows[i].name, identity.client_id, rows[i].chosen_id);
		identity_done(&identity);
	}
}

static void make_imds(struct identity *identity)
{
	*identity = (struct identity){ .ops = &identity_imds,
				       .client_id = IDENTITY,
				       .metadata = METADATA,
				       .address = METADATA,
				       .audience = "api://AzureADTokenExchange" };
}

static void test_imds_request(void **state)
{
	struct identity identity;
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_secret_ struct secret jwt = { 0 };
	char headers[256];

	(void)state;
	make_imds(&identity);
	assert_int_equal(identity.ops->request(&identity, &request, &jwt, NULL), 1);
	assert_string_equal(request.url,
			    "http://169.254.169.254/metadata/identity/oauth2/token"
			    "?api-version=2018-02-01"
			    "&resource=api%3A%2F%2FAzureADTokenExchange&client_id=" IDENTITY);
	join_headers(&request, headers, sizeof(headers));
	assert_string_equal(headers, "Metadata: true\n");
	assert_true(request.plain);
	assert_int_equal(request.method, HTTP_GET);
	assert_int_equal(request.body.len, 0);
}

#define TOKEN(jwt, id)                                                                            \
	"{\"access_token\":\"" jwt "\",\"client_id\":\"" id                                       \
	"\",\"expires_in\":\"86000\",\"expires_on\":\"1795000000\",\"ext_expires_in\":\"86399\"," \
	"\"not_before\":\"1794910000\",\"resource\":\"api://AzureADTokenExchange\","              \
	"\"token_type\":\"Bearer\"}"
#define PROBLEM(error, text) "{\"error\":\"" error "\",\"error_description\":\"" text "\"}"

struct reply_row {
	const char *name;
	long status;
	const char *body;
	enum cmk_code code;
	const char *part;
};

static const struct reply_row replies[] = {
	{ "good", 200, TOKEN(JWT, IDENTITY), CMK_OK, "" },
	{ "numbers", 200, "{\"access_token\":\"" JWT "\",\"expires_in\":86000}", CMK_OK, "" },
	{ "case", 200, TOKEN(JWT, "1F0A2B3C-4D5E-4F60-8A7B-9C0D1E2F3A4B"), CMK_OK, "" },
	{ "another", 200, TOKEN(JWT, CLIENT), CMK_IDENTITY, "HTTP 200: " CLIENT },
	{ "no token", 200, "{\"client_id\":\"" IDENTITY "\"}", CMK_PROTOCOL, "access_token" },
	{ "no JWT", 200, TOKEN("opaque", IDENTITY), CMK_PROTOCOL, "no JWT" },
	{ "two parts", 200, TOKEN("a.b", IDENTITY), CMK_PROTOCOL, "no JWT" },
	{ "empty part", 200, TOKEN("a..b", IDENTITY), CMK_PROTOCOL, "no JWT" },
	{ "line break", 200, TOKEN("a.b.c\\r\\nX", IDENTITY), CMK_PROTOCOL, "no JWT" },
	{ "page", 200, "<html>Sign in</html>", CMK_PROTOCOL, "JSON" },
	{ "empty", 200, "", CMK_PROTOCOL, "JSON" },
	{ "array", 200, "[]", CMK_PROTOCOL, "object" },
	{ "not attached", 400, PROBLEM("invalid_request", "Identity not found"), CMK_IDENTITY,
	  "assign it to the virtual machine" },
	{ "audience", 400, PROBLEM("invalid_resource", "AADSTS500011: none"), CMK_CONFIG,
	  "audience" },
	{ "header lost", 400, PROBLEM("invalid_request", "Required metadata header not specified"),
	  CMK_PROTOCOL, "Metadata header" },
	{ "bad page", 400, "<html>", CMK_PROTOCOL, "without a reason" },
	{ "escape", 400, PROBLEM("invalid_request", "\\u001b[31mred\\r\\nmore"), CMK_IDENTITY,
	  "\\x1b[31mred)" },
	{ "other service", 403, "host unreachable", CMK_IDENTITY, "not Azure's metadata service" },
	{ "not found", 404, "", CMK_SERVICE_DOWN, "404" },
	{ "slow", 408, "", CMK_SERVICE_DOWN, "408" },
	{ "updating", 410, "", CMK_SERVICE_DOWN, "70 seconds" },
	{ "too many", 429, "", CMK_THROTTLED, "fewer" },
	{ "broken", 500, "<html>", CMK_SERVICE_DOWN, "500" },
	{ "proxy", 502, "", CMK_SERVICE_DOWN, "proxy" },
	{ "proxy's time", 504, "", CMK_SERVICE_DOWN, "proxy" },
	{ "redirect", 302, "", CMK_PROTOCOL, "302" },
	{ "teapot", 418, "{}", CMK_PROTOCOL, "418" },
};

static void test_imds_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		const struct reply_row *row = &replies[i];
		struct identity identity;
		_cleanup_http_reply_ struct http_reply reply;
		_cleanup_secret_ struct secret jwt = { 0 };
		struct cmk_err err = { 0 };
		make_imds(&identity);
		make_reply(&reply, METADATA, row->status, row->body);
		int r = identity.ops->reply(&identity, &reply, &jwt, &err);
		CHECK_INT(row->name, r, cmk_code_errno(row->code));
		CHECK_INT(row->name, err.code, row->code);
		if (r < 0)
			CHECK_SENTENCE(row->name, err.text, row->part);
		CHECK_TEXT(row->name, jwt.len ? (const char *)jwt.data : "", r < 0 ? "" : JWT);
	}
}

static void test_file(void **state)
{
	static const struct {
		const char *name, *content;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "plain", JWT, CMK_OK, "" },
		{ "with newline", JWT "\r\n", CMK_OK, "" },
		{ "two", JWT "\n" JWT "\n", CMK_IDENTITY, "holds no JWT" },
		{ "empty", "", CMK_IDENTITY, "holds no JWT" },
		{ "blank", " \n", CMK_IDENTITY, "holds no JWT" },
		{ "key", "-----BEGIN PRIVATE KEY-----", CMK_IDENTITY, "holds no JWT" },
		{ "absent", NULL, CMK_IDENTITY, "cannot be read" },
	};
	char path[] = "/tmp/luks-cmk-jwt.XXXXXX";

	(void)state;
	assert_int_equal(close(mkstemp(path)), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config;
		const struct token_identity from_token = { .source = "imds" };
		struct identity identity = { 0 };
		_cleanup_secret_ struct secret jwt = { 0 };
		_cleanup_http_request_ struct http_request request = { 0 };
		struct cmk_err err = { 0 };
		config_init(&config);
		(void)snprintf(config.identity.source, sizeof(config.identity.source), "file");
		(void)snprintf(config.identity.file, sizeof(config.identity.file), "%s", path);
		assert_int_equal(rows[i].content ? io_write_file(path, rows[i].content,
								 strlen(rows[i].content), 0600)
						 : unlink(path),
				 0);
		int r = identity_init(&identity, &config, &from_token, &config.clouds[0], &err);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		if (r < 0) {
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
			CHECK_SENTENCE(rows[i].name, err.text, path);
			continue;
		}
		CHECK_INT(rows[i].name, identity.ops->request(&identity, &request, &jwt, &err), 0);
		CHECK_TEXT(rows[i].name, (const char *)jwt.data, JWT);
		identity_done(&identity);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_imds_request),
		cmocka_unit_test(test_imds_reply),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
