/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper's work between reading a request and writing the reply, before and after the sandbox. */

#include "answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "format/payload.h"
#include "lookup.h"
#include "paths.h"

/* A provider's own bundle of roots; the whole public one is 220 KiB. */
#define CA_FILE_MAX (1024 * 1024)
#define DETAIL_MAX  60000
/* What a probe without a volume pretends to enrol. */
#define PROBE_HEADER "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none"

static int read_ca_file(struct answer *answer, struct cmk_err *err)
{
	const char *path = answer->config.network.ca_file;
	if (path[0] == '\0')
		return 0;
	int r = io_read_file(path, CA_FILE_MAX, false, &answer->ca_pem);
	if (r < 0)
		return cmk_err_errno(
			err, CMK_CONFIG, -r,
			"cannot read the roots in %s; correct ca_file in %s/luks-cmk.conf", path,
			CONF_DIR);
	return 0;
}

static int parse_token(struct answer *answer, struct cmk_err *err)
{
	const char *json = answer->request.token;
	bool template = answer->request.op != WIRE_UNWRAP;
	if (!json)
		return cmk_err(err, CMK_HELPER, "the request holds no token; reinstall luks-cmk");
	int r = token_parse(json, strlen(json), template, &answer->token, err);
	if (r < 0)
		return r;
	answer->template = answer->token.wrapped[0].value[0] == '\0';
	/* Describing asks for the newest version, so the key need not name one. */
	if (answer->request.op == WIRE_DESCRIBE)
		answer->template = true;
	return 0;
}

/* The customer's audit log shows this: all machines of a provider look alike there otherwise. */
static void user_agent(const struct answer *answer, char *out, size_t size)
{
	char host[65] = "";
	if (gethostname(host, sizeof(host) - 1) < 0 || !text_is_name(host, sizeof(host)))
		(void)text_copy(host, sizeof(host), "unknown-host");
	const char *volume = answer->request.volume;
	bool named = text_is_guid(volume);
	(void)snprintf(out, size, "luks-cmk/%s (%s%s%s)", PROJECT_VERSION, host,
		       named ? "; volume " : "", named ? volume : "");
}

static int load_libraries(struct answer *answer, struct cmk_err *err)
{
	struct http_options options = {
		.ca_pem = &answer->ca_pem,
		.proxy = answer->config.network.proxy,
		.debug = answer->request.debug,
	};
	user_agent(answer, answer->agent, sizeof(answer->agent));
	memcpy(options.user_agent, answer->agent, sizeof(options.user_agent));
	return http_new(&options, &answer->http, err);
}

static int check_request(struct answer *answer, struct cmk_err *err)
{
	const struct wire_request *request = &answer->request;
	if (request->op == WIRE_UNWRAP || request->op == WIRE_WRAP || request->header[0] != '\0') {
		int r = header_check(request->header, err);
		if (r < 0)
			return r;
	}
	if (request->op == WIRE_WRAP)
		return payload_check(&request->key, request->header, err);
	if (request->op == WIRE_PROBE && answer->template)
		return payload_new(PROBE_HEADER, &answer->payload, err);
	return 0;
}

/* Whether it asks about what there is before any token. */
static bool is_lookup(const struct wire_request *request)
{
	return request->op == WIRE_TENANT || request->op == WIRE_CLAIMS;
}

int answer_configure(struct answer *answer, int64_t started_ms, struct cmk_err *err)
{
	int r = config_load(CONF_DIR, &answer->config, err);
	if (r < 0)
		return r;
	uint32_t timeout = answer->request.timeout > 0 ? answer->request.timeout
						       : answer->config.network.timeout;
	answer->forever = timeout == CONFIG_TIMEOUT_FOREVER;
	if (answer->forever)
		timeout = CONFIG_TIMEOUT_DEFAULT;
	answer->deadline_ms = started_ms + (int64_t)timeout * 1000;
	/* From here on it is what holds for this unlock. */
	answer->config.network.timeout = timeout;
	return 0;
}

int answer_prepare(struct answer *answer, struct cmk_err *err)
{
	int r = read_ca_file(answer, err);
	if (r == 0 && !is_lookup(&answer->request))
		r = parse_token(answer, err);
	/* First of all that uses OpenSSL: from its first allocation on, it keeps its allocator. */
	if (r == 0)
		r = load_libraries(answer, err);
	if (r == 0)
		r = check_request(answer, err);
	if (r < 0)
		return r;
	if (is_lookup(&answer->request))
		return lookup_prepare(answer, err);
	return unlock_prepare(&answer->unlock, &answer->config, RUN_DIR, &answer->token,
			      answer->template, err);
}

int answer_prepare_more(struct answer *answer, const struct answer *first, struct cmk_err *err)
{
	int r;

	answer->http = first->http;
	answer->deadline_ms = first->deadline_ms;
	user_agent(answer, answer->agent, sizeof(answer->agent));
	r = parse_token(answer, err);
	if (r == 0)
		r = check_request(answer, err);
	if (r < 0)
		return r;
	return unlock_prepare(&answer->unlock, &first->config, RUN_DIR, &answer->token,
			      answer->template, err);
}

int answer_folder(const struct answer *answer)
{
	return is_lookup(&answer->request) ? answer->identity.folder
					   : unlock_folder(answer->unlock);
}

static void describe_key(struct buf *out, const struct vault_key *key)
{
	buf_json_name(out, "key");
	buf_puts(out, "{");
	buf_json_member(out, "kid", key->kid);
	buf_json_member(out, "kty", key->kty);
	buf_json_bool(out, "enabled", key->enabled);
	buf_json_int(out, "created", key->created);
	buf_json_int(out, "not_before", key->not_before);
	buf_json_int(out, "expires", key->expires);
	buf_json_member(out, "recovery_level", key->recovery_level);
	buf_puts(out, "}");
}

static void describe_steps(struct buf *out, const struct unlock *unlock)
{
	const struct steps *steps = unlock_steps(unlock);
	buf_json_name(out, "steps");
	buf_puts(out, "[");
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->items[i];
		buf_json_next(out);
		buf_puts(out, "{");
		buf_json_member(out, "name", step->name);
		buf_json_member(out, "host", step->host);
		buf_json_int(out, "ms", step->ms);
		buf_json_member(out, "code", step->code ? cmk_code_name(step->code) : "ok");
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
}

/* What a check shows besides. */
static void describe_findings(struct buf *out, struct answer *answer)
{
	struct unlock_findings found;
	unlock_findings(answer->unlock, &found);
	buf_json_name(out, "found");
	buf_puts(out, "{");
	buf_json_int(out, "clock_ahead", found.clock_ahead);
	buf_json_int(out, "token_seconds", found.token_seconds);
	buf_json_bool(out, "lists_keys", found.lists_keys);
	buf_json_member(out, "issuer", found.claims.issuer);
	buf_json_member(out, "subject", found.claims.subject);
	buf_json_member(out, "audience", found.claims.audience);
	buf_json_member(out, "identity", found.identity);
	buf_json_member(out, "exchange", found.exchange);
	buf_json_member(out, "authority", found.authority);
	buf_puts(out, "}");
}

static void add_detail(struct answer *answer, struct wire_reply *reply)
{
	const struct vault_key *key = unlock_key(answer->unlock);
	_cleanup_buf_ struct buf detail = BUF(DETAIL_MAX);
	buf_puts(&detail, "{");
	describe_steps(&detail, answer->unlock);
	if (key)
		describe_key(&detail, key);
	if (answer->request.op == WIRE_PROBE)
		describe_findings(&detail, answer);
	buf_puts(&detail, "}");
	reply->detail = buf_take(&detail);
}

static int serve_wrap(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	struct token_wrapping wrapping;
	int r = unlock_wrap(answer->unlock, &answer->request.key, &wrapping, err);
	if (r < 0)
		return r;
	answer->token.wrapped[0] = wrapping;
	answer->token.wrapped_count = 1;
	reply->detail = token_format(&answer->token);
	return reply->detail ? 0 : -ENOMEM;
}

static int serve_probe(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	_cleanup_secret_ struct secret key = { 0 };
	struct token_wrapping wrapping;
	const char *header = answer->request.header[0] ? answer->request.header : NULL;
	int r = unlock_survey(answer->unlock, err);
	if (r == 0)
		r = answer->template ? unlock_wrap(answer->unlock, &answer->payload, &wrapping, err)
				     : unlock_unwrap(answer->unlock, header, true, &key, err);
	add_detail(answer, reply);
	/* For a volume, so that whoever asked can try whether it still opens a keyslot. */
	if (r == 0 && header)
		secret_move(&reply->key, &key);
	return r;
}

static int serve(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	switch (answer->request.op) {
	case WIRE_UNWRAP:
		return unlock_unwrap(answer->unlock, answer->request.header, false, &reply->key,
				     err);
	case WIRE_WRAP:
		return serve_wrap(answer, reply, err);
	case WIRE_DESCRIBE: {
		int r = unlock_describe(answer->unlock, err);
		add_detail(answer, reply);
		return r;
	}
	case WIRE_PROBE:
		return serve_probe(answer, reply, err);
	case WIRE_INVALID:
	case WIRE_REPLY:
	case WIRE_TENANT:
	case WIRE_CLAIMS:
	case WIRE_KINDS:
		break;
	}
	return cmk_err(err, CMK_HELPER, "the request is of an unknown kind; reinstall luks-cmk");
}

/*
 * One helper does not last for ever: its sandbox knows the resolver's files, and it holds the assertion's
 * file, as they were when it began. A service that wants to be left alone is, until this helper's end.
 */
static bool ask_again(const struct answer *answer, const struct cmk_err *err)
{
	if (!answer->forever || cmk_code_class(err->code) != CMK_CLASS_UNREACHABLE)
		return false;
	while (io_now_ms() < answer->deadline_ms &&
	       http_poll(answer->http, answer->deadline_ms, NULL) == 0)
		;
	return true;
}

int answer_serve(struct answer *answer, struct wire_reply *reply, struct cmk_err *err)
{
	if (is_lookup(&answer->request))
		return lookup_serve(answer, reply, err);
	unlock_begin(answer->unlock, answer->http, answer->deadline_ms,
		     answer->request.op == WIRE_PROBE);
	int r = serve(answer, reply, err);
	reply->again = r < 0 && ask_again(answer, err);
	return r;
}
