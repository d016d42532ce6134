/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Azure Arc's agent: its challenge, and what of it leads to a file. */
#include "reply.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "identity/identity.h"

#define ADDRESS "127.0.0.1:40342"
#define FOLDER	"/var/opt/azcmagent/tokens/"

static char folder[] = "/tmp/luks-cmk-arc-XXXXXX";

static void make_arc(struct identity *identity, const char *client_id)
{
	*identity = (struct identity){ .ops = &identity_arc,
				       .address = ADDRESS,
				       .audience = "api://AzureADTokenExchange" };
	(void)snprintf(identity->client_id, sizeof(identity->client_id), "%s", client_id);
	identity->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(identity->folder > 0);
}

static void write_key(const char *name, const char *content, size_t len)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(io_write_file(path, content, len, 0600), 0);
}

static int make_files(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_key("good.key", "c2VjcmV0", 8);
	write_key("newline.key", "c2VjcmV0\n", 9);
	write_key("lines.key", "a\r\nX-Evil: 1", 12);
	write_key("nul.key", "a\0b", 3);
	write_key("empty.key", "", 0);
	write_key("other.txt", "c2VjcmV0", 8);
	(void)snprintf(path, sizeof(path), "%s/long.key", folder);
	write_key("long.key", "x", 1);
	assert_int_equal(truncate(path, 4097), 0);
	(void)snprintf(path, sizeof(path), "%s/link.key", folder);
	assert_int_equal(symlink("good.key", path), 0);
	(void)snprintf(path, sizeof(path), "%s/fifo.key", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/folder.key", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = { "good.key",  "newline.key", "lines.key", "nul.key",
					     "empty.key", "other.txt",	 "long.key",  "link.key",
					     "fifo.key",  "folder.key" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (remove(path) < 0)
			return -1;
	}
	return rmdir(folder);
}

static void check_request(struct identity *identity, const char *expected_headers)
{
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_secret_ struct secret jwt = { 0 };
	char headers[256];

	assert_int_equal(identity->ops->request(identity, &request, &jwt, NULL), 1);
	assert_string_equal(request.url,
			    "http://127.0.0.1:40342/metadata/identity/oauth2/token"
			    "?api-version=2020-06-01"
			    "&resource=api%3A%2F%2FAzureADTokenExchange&client_id=" IDENTITY);
	join_headers(&request, headers, sizeof(headers));
	assert_string_equal(headers, expected_headers);
	assert_string_equal(request.keep_header, "WWW-Authenticate");
	assert_true(request.plain);
	assert_int_equal(request.method, HTTP_GET);
}

#define NO_AGENT "is not Azure Arc's agent"
#define NO_KEY	 "no key of at most 4096 bytes"

static const struct {
	const char *name, *challenge;
	enum cmk_code code;
	const char *part; /* of the sentence, or the key that is sent */
} challenges[] = {
	{ "good", "Basic realm=" FOLDER "good.key", CMK_OK, "c2VjcmV0" },
	{ "case", "basic Realm=" FOLDER "good.key", CMK_OK, "c2VjcmV0" },
	{ "newline", "Basic realm=" FOLDER "newline.key", CMK_OK, "c2VjcmV0" },
	{ "none", "", CMK_IDENTITY, NO_AGENT },
	{ "bearer", "Bearer authorization=" FOLDER "good.key", CMK_IDENTITY, NO_AGENT },
	{ "no realm", "Basic " FOLDER "good.key", CMK_IDENTITY, NO_AGENT },
	{ "other folder", "Basic realm=/etc/good.key", CMK_IDENTITY, NO_AGENT },
	{ "shadow", "Basic realm=/etc/shadow", CMK_IDENTITY, NO_AGENT },
	{ "sibling", "Basic realm=/var/opt/azcmagent/tokens2/good.key", CMK_IDENTITY, NO_AGENT },
	{ "out of it", "Basic realm=" FOLDER "../good.key", CMK_IDENTITY, NO_AGENT },
	{ "below it", "Basic realm=" FOLDER "a/good.key", CMK_IDENTITY, NO_AGENT },
	{ "slashes", "Basic realm=" FOLDER "/good.key", CMK_IDENTITY, NO_AGENT },
	{ "folder", "Basic realm=" FOLDER, CMK_IDENTITY, NO_AGENT },
	{ "suffix alone", "Basic realm=" FOLDER ".key", CMK_IDENTITY, NO_AGENT },
	{ "no suffix", "Basic realm=" FOLDER "other.txt", CMK_IDENTITY, NO_AGENT },
	{ "suffix inside", "Basic realm=" FOLDER "good.key.txt", CMK_IDENTITY, NO_AGENT },
	{ "parameter", "Basic realm=" FOLDER "good.key, x=.key", CMK_IDENTITY, NO_AGENT },
	{ "quoted", "Basic realm=\"" FOLDER "good.key\"", CMK_IDENTITY, NO_AGENT },
	{ "escape", "Basic realm=\033[2J", CMK_IDENTITY, "\\x1b" },
	{ "absent", "Basic realm=" FOLDER "absent.key", CMK_IDENTITY, "No such file" },
	{ "link", "Basic realm=" FOLDER "link.key", CMK_IDENTITY, NO_KEY },
	{ "fifo", "Basic realm=" FOLDER "fifo.key", CMK_IDENTITY, NO_KEY },
	{ "a folder", "Basic realm=" FOLDER "folder.key", CMK_IDENTITY, NO_KEY },
	{ "too long", "Basic realm=" FOLDER "long.key", CMK_IDENTITY, NO_KEY },
	{ "empty", "Basic realm=" FOLDER "empty.key", CMK_IDENTITY, NO_KEY },
	{ "two lines", "Basic realm=" FOLDER "lines.key", CMK_IDENTITY, NO_KEY },
	{ "NUL", "Basic realm=" FOLDER "nul.key", CMK_IDENTITY, NO_KEY },
};

static int take_reply(struct identity *identity, long status, const char *challenge,
		      const char *body, struct secret *jwt, struct cmk_err *err)
{
	_cleanup_http_reply_ struct http_reply reply;

	make_reply(&reply, ADDRESS, status, body);
	(void)snprintf(reply.kept, sizeof(reply.kept), "%s", challenge);
	return identity->ops->reply(identity, &reply, jwt, err);
}

static void test_challenge(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(challenges); i++) {
		const char *name = challenges[i].name;
		struct identity identity;
		_cleanup_secret_ struct secret jwt = { 0 };
		struct cmk_err err = { 0 };
		char headers[128];
		make_arc(&identity, IDENTITY);
		check_request(&identity, "Metadata: true\n");
		int r = take_reply(&identity, 401, challenges[i].challenge, "", &jwt, &err);
		CHECK_INT(name, err.code, challenges[i].code);
		CHECK_INT(name, jwt.len, 0);
		if (challenges[i].code != CMK_OK) {
			CHECK_INT(name, r, cmk_code_errno(challenges[i].code));
			CHECK_SENTENCE(name, err.text, challenges[i].part);
			CHECK_INT(name, identity.held.len, 0);
		} else {
			CHECK_INT(name, r, 1);
			(void)snprintf(headers, sizeof(headers),
				       "Authorization: Basic %s\nMetadata: true\n",
				       challenges[i].part);
			check_request(&identity, headers);
			/* It is sent once: the next attempt begins with a question. */
			check_request(&identity, "Metadata: true\n");
		}
		identity_done(&identity);
	}
}

#define TOKEN(id) "{\"access_token\":\"" JWT "\",\"client_id\":\"" id "\",\"expires_in\":\"86000\"}"

static void test_answer(void **state)
{
	static const struct {
		const char *name, *client_id;
		long status;
		const char *body;
		enum cmk_code code;
		const char *part;
	} rows[] = {
		{ "good", IDENTITY, 200, TOKEN(IDENTITY), CMK_OK, "" },
		{ "the machine's own", "", 200, TOKEN(CLIENT), CMK_OK, "" },
		{ "no echo", IDENTITY, 200, "{\"access_token\":\"" JWT "\"}", CMK_IDENTITY,
		  "may be for another" },
		{ "another", IDENTITY, 200, TOKEN(CLIENT), CMK_IDENTITY, "for another identity" },
		{ "challenged again", IDENTITY, 401, "", CMK_IDENTITY, "not Azure Arc's agent" },
		{ "forbidden", IDENTITY, 403, "", CMK_IDENTITY, "connected to Azure Arc" },
		{ "unknown", IDENTITY, 400,
		  "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
		  CMK_IDENTITY, "assign it to the machine in Azure Arc" },
		{ "none", "", 400,
		  "{\"error\":\"invalid_request\",\"error_description\":\"No identity\"}",
		  CMK_IDENTITY, "no identity of its own" },
		{ "starting", IDENTITY, 404, "", CMK_SERVICE_DOWN, "connected to Azure Arc" },
		{ "broken", IDENTITY, 500, "", CMK_SERVICE_DOWN, "500" },
		{ "page", IDENTITY, 200, "<html>", CMK_PROTOCOL, "JSON" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct identity identity;
		_cleanup_secret_ struct secret jwt = { 0 };
		struct cmk_err err = { 0 };
		make_arc(&identity, rows[i].client_id);
		identity.answered = true;
		int r = take_reply(&identity, rows[i].status, "Basic realm=" FOLDER "good.key",
				   rows[i].body, &jwt, &err);
		CHECK_INT(rows[i].name, r, cmk_code_errno(rows[i].code));
		CHECK_INT(rows[i].name, err.code, rows[i].code);
		if (r < 0)
			CHECK_SENTENCE(rows[i].name, err.text, rows[i].part);
		CHECK_TEXT(rows[i].name, jwt.len ? (const char *)jwt.data : "", r < 0 ? "" : JWT);
		identity_done(&identity);
	}
}

/* A machine without the agent. */
static void test_absent(void **state)
{
	struct config config;
	const struct token_identity from_token = { .source = "arc" };
	struct identity identity = { 0 };
	struct cmk_err err = { 0 };

	(void)state;
	if (access(FOLDER, F_OK) == 0)
		skip();
	config_init(&config);
	assert_int_equal(identity_init(&identity, &config, &from_token, &config.clouds[0], &err),
			 cmk_code_errno(CMK_IDENTITY));
	CHECK_SENTENCE("absent", err.text, "install the agent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenge),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
