/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hosts of a wrapping, looked at one by one. */
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"

/* Long enough for any host that an unlock would wait for; a check is to say soon what is wrong. */
#define SURVEY_MS 15000
/* The metadata service is a hop away: whether it is there at all is the identity step's to say. */
#define METADATA_MS 1500
#define RIGHTS_MS   5000
/* Certificates and assertions live for days: with a clock this wrong they begin to fail. Seconds. */
#define CLOCK_OFF_MAX (24 * 3600)

struct host {
	const char *name;
	const char *step; /* that its answer is for */
	struct http_call *call;
	struct http_reply reply;
	struct cmk_err err; /* of the transfer; CMK_OK: there is a reply */
	int64_t answered;   /* our clock's time then */
};

enum { METADATA, SIGN_IN, VAULT, HOSTS };

struct survey {
	struct lane *lane;
	struct lane_run *run;
	struct host hosts[HOSTS];
};

static void survey_done(struct survey *survey)
{
	for (size_t i = 0; i < HOSTS; i++) {
		http_call_free(survey->hosts[i].call);
		http_reply_done(&survey->hosts[i].reply);
	}
}

/*
 *	GET /metadata/versions HTTP/1.1
 *	Host: 169.254.169.254
 *	Metadata: true
 *
 * Only the date of the answer is of interest, whatever its status: it comes without TLS, and so also to a
 * machine whose clock no certificate is valid by.
 */
static int start_metadata(struct survey *survey, int64_t now, struct cmk_err *err)
{
	const struct identity *identity = &survey->lane->assertion->identity;
	_cleanup_http_request_ struct http_request request = { .method = HTTP_GET, .plain = true };

	if (identity->ops != &identity_imds)
		return 0;
	int r = http_request_header(&request, "Metadata", "true", NULL);
	if (r < 0)
		return r;
	request.who = "the metadata service";
	request.causes = "imds:";
	(void)snprintf(request.url, sizeof(request.url), "http://%s/metadata/versions",
		       identity->metadata);
	return http_start(survey->run->http, &request, now + METADATA_MS,
			  &survey->hosts[METADATA].call, err);
}

/* The requests that open connections ahead, as GET: their answers tell something. */
static int start_hosts(struct survey *survey, struct cmk_err *err)
{
	const struct vault_target *target = &survey->lane->target;
	_cleanup_http_request_ struct http_request sign_in = { 0 }, vault = { 0 };
	int64_t now = io_now_ms();
	int64_t deadline = now + SURVEY_MS < survey->run->deadline_ms ? now + SURVEY_MS
								      : survey->run->deadline_ms;

	int r = start_metadata(survey, now, err);
	if (r == 0)
		r = target->ops->warm_sign_in(target, &sign_in, err);
	if (r == 0)
		r = target->ops->warm_vault(target, &vault, err);
	sign_in.method = HTTP_GET;
	vault.method = HTTP_GET;
	if (r == 0)
		r = http_start(survey->run->http, &sign_in, deadline, &survey->hosts[SIGN_IN].call,
			       err);
	if (r == 0)
		r = http_start(survey->run->http, &vault, deadline, &survey->hosts[VAULT].call,
			       err);
	return r;
}

static bool collect(struct host *host)
{
	if (!host->call || host->answered)
		return true;
	if (!http_call_finished(host->call))
		return false;
	host->answered = (int64_t)time(NULL);
	if (http_call_result(host->call, &host->reply, &host->err) == -ENOMEM)
		(void)cmk_err(&host->err, CMK_SYSTEM, "there is not enough memory to look at %s",
			      host->name);
	return true;
}

static int wait_for_hosts(struct survey *survey, struct cmk_err *err)
{
	for (;;) {
		bool all = true;
		for (size_t i = 0; i < HOSTS; i++)
			all = collect(&survey->hosts[i]) && all;
		if (all)
			return 0;
		int r = http_poll(survey->run->http, survey->run->deadline_ms, err);
		if (r < 0)
			return r;
	}
}

static void format_time(int64_t when, char out[static 32])
{
	time_t time = (time_t)when;
	struct tm utc;

	if (!gmtime_r(&time, &utc) || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &utc) == 0)
		out[0] = '\0';
}

/* What came through TLS is believed before what did not. */
static int check_clock(struct survey *survey, struct cmk_err *err)
{
	static const int order[] = { SIGN_IN, VAULT, METADATA };
	const struct host *host = NULL;
	char ours[32], theirs[32];

	for (size_t i = 0; i < HOSTS && !host; i++)
		if (survey->hosts[order[i]].reply.date != 0)
			host = &survey->hosts[order[i]];
	if (!host)
		return 0;
	survey->run->clock_ahead = host->reply.date - host->answered;
	bool wrong = llabs(survey->run->clock_ahead) >= CLOCK_OFF_MAX;
	steps_note(&survey->run->steps, "clock", host->name, 0, wrong ? CMK_CLOCK : CMK_OK);
	if (!wrong)
		return 0;
	format_time(host->answered, ours);
	format_time(host->reply.date, theirs);
	return cmk_err(err, CMK_CLOCK,
		       "this machine's clock says %s, and that of %s says %s; set this machine's "
		       "clock",
		       ours, host->name, theirs);
}

enum phase { DNS, CONNECT, TLS, PHASES };

/* The phase that a connection failed in; PHASES: it stood. */
static enum phase failed_phase(const struct host *host, const int64_t ended[static PHASES])
{
	if (host->err.code == CMK_OK)
		return PHASES;
	/* libcurl's clock of a proxy's tunnel belongs to TLS, and its refusal does not. */
	if (text_starts(host->err.cause, "proxy:"))
		return CONNECT;
	for (int phase = DNS; phase < PHASES; phase++)
		if (ended[phase] < 0)
			return (enum phase)phase;
	return PHASES;
}

/* One phase of both hosts: names first, then addresses, then certificates. */
static int check_phase(struct survey *survey, enum phase phase, struct cmk_err *err)
{
	static const char *const names[] = { "dns", "connect", "tls" };

	for (size_t i = SIGN_IN; i < HOSTS; i++) {
		const struct host *host = &survey->hosts[i];
		int64_t ended[PHASES];
		http_call_phases(host->call, ended);
		int64_t began = phase == DNS ? 0 : ended[phase - 1];
		bool failed = failed_phase(host, ended) == phase;
		int64_t end = failed || ended[phase] < 0 ? http_call_ms(host->call) : ended[phase];
		steps_note(&survey->run->steps, names[phase], host->name, end - began,
			   failed ? host->err.code : CMK_OK);
		if (failed) {
			*err = host->err;
			return cmk_code_errno(err->code);
		}
	}
	return 0;
}

static int check_answer(struct survey *survey, const struct host *host, struct cmk_err *err)
{
	const struct vault_target *target = &survey->lane->target;
	int r = cmk_code_errno(host->err.code);

	if (host->err.code != CMK_OK)
		*err = host->err;
	else if (host == &survey->hosts[SIGN_IN])
		r = target->ops->greet_sign_in(target, &host->reply, err);
	else
		r = target->ops->greet_vault(target, &host->reply, err);
	steps_note(&survey->run->steps, host->step, host->name, http_call_ms(host->call),
		   r < 0 ? err->code : CMK_OK);
	return r;
}

int survey_hosts(struct lane *lane, struct lane_run *run, struct cmk_err *err)
{
	__attribute__((cleanup(survey_done))) struct survey survey = {
		.lane = lane,
		.run = run,
		.hosts = { { .name = lane->assertion->identity.metadata },
			   { .name = lane->target.cloud->authority, .step = "tenant" },
			   { .name = lane->target.host, .step = "vault" } },
	};

	int r = start_hosts(&survey, err);
	if (r == 0)
		r = wait_for_hosts(&survey, err);
	if (r == 0)
		r = check_clock(&survey, err);
	for (int phase = DNS; r == 0 && phase < PHASES; phase++)
		r = check_phase(&survey, (enum phase)phase, err);
	for (int i = SIGN_IN; r == 0 && i < HOSTS; i++)
		r = check_answer(&survey, &survey.hosts[i], err);
	return r;
}

void survey_note(struct lane_run *run, const char *name, const char *host,
		 const struct http_call *call, const struct cmk_err *err)
{
	if (err)
		name = steps_failed(name, err);
	steps_note(&run->steps, name, host, http_call_ms(call), err ? err->code : CMK_OK);
}

void survey_note_vault(const struct lane *lane, struct lane_run *run, const char *name,
		       const struct cmk_err *err)
{
	const char *host = lane->target.host;
	bool describing = strcmp(name, "key") == 0;

	/* Of a key that is disabled, the unwrap's refusal is to tell. */
	if (describing && !err && !lane->key.enabled)
		return;
	if (!err && strcmp(name, "unwrap") == 0)
		steps_note(&run->steps, "grant", host, 0, CMK_OK);
	survey_note(run, name, host, lane->call, err);
	if (describing && !err && lane->key.can_unwrap)
		steps_note(&run->steps, "algorithm", host, 0, CMK_OK);
}

int survey_assertion(const struct identity *identity, const struct secret *jwt,
		     struct lane_run *run, struct cmk_err *err)
{
	if (!run->survey)
		return 0;
	int r = claims_read(jwt, &run->claims, err);
	if (r == 0)
		r = claims_check_time(&run->claims, time(NULL) + run->clock_ahead, err);
	steps_note(&run->steps, "assertion", identity->ops->name, 0,
		   r < 0 && err ? err->code : CMK_OK);
	return r;
}

bool survey_lists_keys(const struct lane *lane, struct lane_run *run)
{
	_cleanup_http_request_ struct http_request request = { 0 };
	_cleanup_http_reply_ struct http_reply reply = { 0 };
	struct http_call *call = NULL;
	int64_t now = io_now_ms();
	int64_t deadline = now + RIGHTS_MS < run->deadline_ms ? now + RIGHTS_MS : run->deadline_ms;

	if (lane->target.ops->list_request(&lane->target, &lane->credential, &request, NULL) < 0 ||
	    http_start(run->http, &request, deadline, &call, NULL) < 0)
		return false;
	while (!http_call_finished(call) && http_poll(run->http, deadline, NULL) == 0 &&
	       io_now_ms() < deadline)
		;
	bool allowed = http_call_finished(call) && http_call_result(call, &reply, NULL) == 0 &&
		       reply.status == 200;
	http_call_free(call);
	return allowed;
}
