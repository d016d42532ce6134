/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of one wrapping to the key, as a state machine: each state is one function. */

#include "lane.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/cause.h"
#include "base/io.h"
#include "format/payload.h"
#include "survey.h"

/* A connection opened ahead is waited for this long at most, once the request itself is ready. */
#define WARM_WAIT_MS 2000
/* What an attempt takes to find out why: the kernel waits 3 s for a neighbour that is not there. */
#define TELLING_MS 4000

static void drop_call(struct http_call **call)
{
	http_call_free(*call);
	*call = NULL;
}

static void drop_calls(struct lane *lane)
{
	drop_call(&lane->call);
	drop_call(&lane->warm_sign_in);
	drop_call(&lane->warm_vault);
	lane->ready_ms = 0;
}

static bool retry_may_help(const struct lane *lane, const struct lane_run *run)
{
	if (run->survey)
		return false;
	if (cmk_code_class(lane->err.code) == CMK_CLASS_UNREACHABLE)
		return true;
	/* Entra's nodes disagree for minutes about a new federated credential: at enrolment, ask again. */
	return run->payload && lane->err.code == CMK_FEDERATION;
}

/* Whether the last attempt was ended by our own deadline, before it could know what the one before knew. */
static bool is_cut_short(const struct lane *lane, const struct lane_run *run, int64_t now)
{
	return lane->attempts > 0 && now + BACKOFF_LEAST_MS >= run->deadline_ms &&
	       now < lane->wake_ms + TELLING_MS &&
	       cmk_code_class(lane->err.code) == CMK_CLASS_UNREACHABLE;
}

/*
 * After a failure, r: another attempt later, or the end. retry_after_ms is the service's wish, or -1. Only
 * -ENOMEM comes without a sentence.
 */
static void fail(struct lane *lane, struct lane_run *run, int r, int64_t retry_after_ms)
{
	if (r == -ENOMEM)
		cmk_err(&lane->err, CMK_SYSTEM,
			"there is not enough memory to ask for the key; free some, then try again");
	drop_calls(lane);
	int64_t now = io_now_ms();
	if (is_cut_short(lane, run, now))
		lane->err = lane->earlier;
	lane->earlier = lane->err;
	const struct backoff backoff = { .attempt = lane->attempts++,
					 .throttled = lane->err.code == CMK_THROTTLED,
					 .wish_ms = retry_after_ms };
	int64_t wait = backoff_within_ms(&backoff, run->deadline_ms - now);
	lane->wake_ms = now + wait;
	lane->state = wait >= 0 && retry_may_help(lane, run) ? LANE_IDLE : LANE_FAILED;
	/* While one waits as it was told to, no other process signs in: it was told the same. */
	if (lane->state == LANE_FAILED || lane->err.code != CMK_THROTTLED)
		cache_unlock(&lane->cache);
	/* A stale or premature assertion would only fail again. */
	if (lane->err.code == CMK_CLOCK || lane->err.code == CMK_FEDERATION)
		secret_done(&lane->assertion->jwt);
}

/* Opening a connection ahead never fails a lane: the request itself will tell. */
static void warm(struct lane *lane, struct lane_run *run, struct http_call **call,
		 int (*build)(const struct vault_target *, struct http_request *, struct cmk_err *))
{
	_cleanup_http_request_ struct http_request request = { 0 };
	if (!*call && build(&lane->target, &request, NULL) == 0)
		(void)http_start(run->http, &request, run->deadline_ms, call, NULL);
}

/* Whether the request may go now: its connection is open, or took too long. */
static bool warm_enough(struct lane *lane, struct http_call **call)
{
	if (!*call)
		return true;
	if (lane->ready_ms == 0)
		lane->ready_ms = io_now_ms();
	if (!http_call_finished(*call) && io_now_ms() < lane->ready_ms + WARM_WAIT_MS)
		return false;
	drop_call(call);
	lane->ready_ms = 0;
	return true;
}

static void step_lock(struct lane *lane, struct lane_run *run)
{
	if (lane->credential.value.len > 0 &&
	    lane->credential.expires > time(NULL) + CACHE_MARGIN) {
		lane->state = run->describe ? LANE_DESCRIBE : LANE_UNWRAP;
		return;
	}
	if (!cache_try_lock(&lane->cache)) {
		lane->state = LANE_LOCK;
		lane->wake_ms = io_now_ms() + LANE_LOCK_POLL_MS;
		if (lane->wake_ms < run->deadline_ms)
			return;
		int r = cmk_err(&lane->err, CMK_TIMEOUT,
				"another process has been signing in at %s all the time; try again",
				lane->target.cloud->authority);
		fail(lane, run, r, -1);
		return;
	}
	if (!run->survey && cache_get(&lane->cache, &lane->credential) &&
	    !secret_equal(&lane->credential.value, &lane->rejected)) {
		cache_unlock(&lane->cache);
		lane->state = run->describe ? LANE_DESCRIBE : LANE_UNWRAP;
		return;
	}
	vault_credential_done(&lane->credential);
	lane->state = LANE_ASSERTION;
}

static void step_assertion(struct lane *lane, struct lane_run *run)
{
	int64_t retry_after = -1;
	int r = assertion_get(lane->assertion, run, &retry_after, &lane->err);
	if (r < 0) {
		fail(lane, run, r, retry_after);
		return;
	}
	/* Another lane may have dropped the assertion that this one was about to send. */
	if (r > 0)
		lane->ready_ms = 0;
	warm(lane, run, &lane->warm_vault, lane->target.ops->warm_vault);
	if (r > 0)
		warm(lane, run, &lane->warm_sign_in, lane->target.ops->warm_sign_in);
	else if (warm_enough(lane, &lane->warm_sign_in))
		lane->state = LANE_SIGN_IN;
}

/*
 * Sends what build makes, and takes the reply when it is there. 0: reply filled; 1: not yet; negative:
 * lane->err.
 */
typedef int build_fn(struct lane *lane, struct lane_run *run, struct http_request *request);
static int exchange(struct lane *lane, struct lane_run *run, build_fn *build,
		    struct http_reply *reply)
{
	if (!lane->call) {
		_cleanup_http_request_ struct http_request request = { 0 };
		int r = build(lane, run, &request);
		if (r == 0 && run->agent)
			r = http_request_header(&request, "User-Agent", run->agent, NULL);
		if (r == 0)
			r = http_start(run->http, &request, run->deadline_ms, &lane->call,
				       &lane->err);
		return r < 0 ? r : 1;
	}
	if (!http_call_finished(lane->call))
		return 1;
	return http_call_result(lane->call, reply, &lane->err);
}

static int build_sign_in(struct lane *lane, struct lane_run *run, struct http_request *request)
{
	(void)run;
	return lane->target.ops->sign_in_request(&lane->target, &lane->assertion->jwt, request,
						 &lane->err);
}

static void step_sign_in(struct lane *lane, struct lane_run *run)
{
	_cleanup_http_reply_ struct http_reply reply = { .retry_after_ms = -1 };
	int r = exchange(lane, run, build_sign_in, &reply);
	if (r > 0)
		return;
	if (r == 0)
		r = lane->target.ops->sign_in_reply(&lane->target, &reply, &lane->credential,
						    &lane->err);
	if (lane->call)
		survey_note(run, "sign-in", lane->target.cloud->authority, lane->call,
			    r < 0 ? &lane->err : NULL);
	drop_call(&lane->call);
	if (r < 0) {
		fail(lane, run, r, reply.retry_after_ms);
		return;
	}
	cache_put(&lane->cache, &lane->credential);
	cache_unlock(&lane->cache);
	lane->state = run->describe ? LANE_DESCRIBE : LANE_UNWRAP;
}

/* The vault did not take the credential: once, a new one may be what is missing. */
static bool sign_in_again(struct lane *lane, const struct http_reply *reply)
{
	if (reply->status != 401 || lane->rejected.len > 0)
		return false;
	drop_calls(lane);
	secret_move(&lane->rejected, &lane->credential.value);
	lane->state = LANE_LOCK;
	lane->wake_ms = 0;
	return true;
}

static int build_describe(struct lane *lane, struct lane_run *run, struct http_request *request)
{
	(void)run;
	return lane->target.ops->describe_request(&lane->target, &lane->credential, request,
						  &lane->err);
}

static int build_wrap(struct lane *lane, struct lane_run *run, struct http_request *request)
{
	return lane->target.ops->wrap_request(&lane->target, &lane->credential, run->payload,
					      request, &lane->err);
}

static int build_unwrap(struct lane *lane, struct lane_run *run, struct http_request *request)
{
	(void)run;
	return lane->target.ops->unwrap_request(&lane->target, &lane->credential, request,
						&lane->err);
}

static int check_expiry(struct lane *lane, const struct lane_run *run)
{
	if (run->config->policy.expired_keys != CONFIG_EXPIRED_REFUSE || lane->key.expires == 0 ||
	    lane->key.expires > time(NULL))
		return 0;
	int r = cmk_err(
		&lane->err, CMK_POLICY,
		"%s has expired, and this machine's configuration says expired_keys = refuse; the "
		"customer extends the key's expiry, or rotates it",
		lane->key.kid);
	cause_set(&lane->err, "key:expired");
	return r;
}

/* These take a reply: 0 and the next state, or negative and lane->err. */
typedef int take_fn(struct lane *lane, struct lane_run *run, const struct http_reply *reply);

static int take_description(struct lane *lane, struct lane_run *run, const struct http_reply *reply)
{
	int r = lane->target.ops->describe_reply(&lane->target, reply, &lane->key, &lane->err);
	if (r < 0)
		return r;
	lane->described = true;
	r = check_expiry(lane, run);
	if (r == 0 && run->payload)
		r = lane->target.ops->wrap(&lane->target, &lane->key, run->payload, &lane->err);
	if (r < 0)
		return r;
	lane->state = run->describe_only ? LANE_DONE : r > 0 ? LANE_WRAP : LANE_UNWRAP;
	return 0;
}

static int take_wrapped(struct lane *lane, struct lane_run *run, const struct http_reply *reply)
{
	(void)run;
	int r = lane->target.ops->wrap_reply(&lane->target, reply, &lane->err);
	if (r == 0)
		lane->state = LANE_UNWRAP;
	return r;
}

static int take_key(struct lane *lane, struct lane_run *run, const struct http_reply *reply)
{
	int r = lane->target.ops->unwrap_reply(&lane->target, reply, &lane->result, &lane->err);
	if (r == 0 && run->payload && !secret_equal(&lane->result, run->payload))
		return cmk_err(
			&lane->err, CMK_PROTOCOL,
			"%s unwrapped the key to other bytes than were wrapped; look for something "
			"between this machine and the vault",
			lane->target.host);
	if (r == 0 && run->header)
		r = payload_check(&lane->result, run->header, &lane->err);
	if (r == 0)
		lane->state = LANE_DONE;
	return r;
}

static const struct vault_step {
	const char *name;
	build_fn *build;
	take_fn *take;
} vault_steps[] = {
	[LANE_DESCRIBE] = { "key", build_describe, take_description },
	[LANE_WRAP] = { "wrap", build_wrap, take_wrapped },
	[LANE_UNWRAP] = { "unwrap", build_unwrap, take_key },
};

static void step_vault(struct lane *lane, struct lane_run *run)
{
	const struct vault_step *step = &vault_steps[lane->state];
	if (!lane->call && !warm_enough(lane, &lane->warm_vault))
		return;
	_cleanup_http_reply_ struct http_reply reply = { .retry_after_ms = -1 };
	int r = exchange(lane, run, step->build, &reply);
	if (r > 0 || (r == 0 && sign_in_again(lane, &reply)))
		return;
	if (r == 0)
		r = step->take(lane, run, &reply);
	if (lane->call)
		survey_note_vault(lane, run, step->name, r < 0 ? &lane->err : NULL);
	drop_call(&lane->call);
	if (r < 0)
		fail(lane, run, r, reply.retry_after_ms);
}

void lane_step(struct lane *lane, struct lane_run *run)
{
	enum lane_state before;
	do {
		before = lane->state;
		switch (lane->state) {
		case LANE_IDLE:
		case LANE_LOCK:
			if (io_now_ms() >= lane->wake_ms)
				step_lock(lane, run);
			break;
		case LANE_ASSERTION:
			step_assertion(lane, run);
			break;
		case LANE_SIGN_IN:
			step_sign_in(lane, run);
			break;
		case LANE_DESCRIBE:
		case LANE_WRAP:
		case LANE_UNWRAP:
			step_vault(lane, run);
			break;
		case LANE_DONE:
		case LANE_FAILED:
			break;
		}
	} while (lane->state != before);
}

int64_t lane_wake(const struct lane *lane)
{
	if (lane->state == LANE_IDLE || lane->state == LANE_LOCK)
		return lane->wake_ms;
	if (lane->state == LANE_ASSERTION && assertion_waits(lane->assertion))
		return io_now_ms() + LANE_LOCK_POLL_MS;
	return lane->ready_ms > 0 ? lane->ready_ms + WARM_WAIT_MS : INT64_MAX;
}

bool lane_troubled(const struct lane *lane)
{
	return lane->attempts > 0 || lane->state >= LANE_DONE;
}

void lane_done(struct lane *lane)
{
	drop_calls(lane);
	cache_done(&lane->cache);
	vault_credential_done(&lane->credential);
	secret_done(&lane->rejected);
	secret_done(&lane->result);
}
