/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's JWT, asked for once, by whichever lane needs it first. */

#include "lane.h"

#include "base/io.h"
#include "survey.h"

/* 0: it is there, and as survey_assertion() finds it; negative: err. */
static int got(struct assertion *assertion, struct lane_run *run, struct cmk_err *err)
{
	return survey_assertion(&assertion->identity, &assertion->jwt, run, err);
}

/* 0: no request was needed; 1: it is under way; negative: err. */
static int ask(struct assertion *assertion, struct lane_run *run, struct cmk_err *err)
{
	_cleanup_http_request_ struct http_request request = { 0 };
	struct identity *identity = &assertion->identity;
	if (!cache_try_lock(&assertion->lock)) {
		if (io_now_ms() < run->deadline_ms)
			return 1;
		return cmk_err(
			err, CMK_TIMEOUT,
			"other processes have been asking %s for this machine's identity all "
			"the time; try again",
			identity->address);
	}
	int r = identity->ops->request(identity, &request, &assertion->jwt, err);
	if (r <= 0)
		cache_unlock(&assertion->lock);
	if (r < 0)
		return r;
	if (r == 0) {
		steps_note(&run->steps, "identity", identity->ops->name, 0, CMK_OK);
		return got(assertion, run, err);
	}
	r = http_start(run->http, &request, run->deadline_ms, &assertion->call, err);
	if (r < 0)
		cache_unlock(&assertion->lock);
	return r < 0 ? r : 1;
}

int assertion_get(struct assertion *assertion, struct lane_run *run, int64_t *ret_retry_after,
		  struct cmk_err *err)
{
	struct identity *identity = &assertion->identity;
	if (assertion->jwt.len > 0)
		return 0;
	if (!assertion->call)
		return ask(assertion, run, err);
	if (!http_call_finished(assertion->call))
		return 1;

	_cleanup_http_reply_ struct http_reply reply = { .retry_after_ms = -1 };
	int r = http_call_result(assertion->call, &reply, err);
	if (r == 0)
		r = identity->ops->reply(identity, &reply, &assertion->jwt, err);
	survey_note(run, "identity", identity->address, assertion->call, r < 0 ? err : NULL);
	*ret_retry_after = reply.retry_after_ms;
	http_call_free(assertion->call);
	assertion->call = NULL;
	if (r > 0)
		return ask(assertion, run, err);
	cache_unlock(&assertion->lock);
	return r == 0 ? got(assertion, run, err) : r;
}

bool assertion_waits(const struct assertion *assertion)
{
	return assertion->jwt.len == 0 && !assertion->call;
}

void assertion_done(struct assertion *assertion)
{
	cache_done(&assertion->lock);
	http_call_free(assertion->call);
	assertion->call = NULL;
	secret_done(&assertion->jwt);
	identity_done(&assertion->identity);
}
