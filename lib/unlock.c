/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole pipeline: the wrappings of a token race, each in its lane, and the first key wins. */

#include "unlock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "survey.h"

struct unlock {
	struct lane_run run;
	struct assertion assertions[TOKEN_WRAPPED_MAX];
	size_t assertions_count;
	const struct lane *last; /* that decided the outcome */
	size_t lanes_count;
	struct lane lanes
		[]; /* room for each of the token's wrappings: a batch has 64 of these structs */
};

/* One assertion serves all wrappings that need the same audience from the same place. */
static int get_assertion(struct unlock *unlock, const struct config *config,
			 const struct token *token, const struct cloud *cloud,
			 struct assertion **ret, struct cmk_err *err)
{
	for (size_t i = 0; i < unlock->assertions_count; i++) {
		struct identity *identity = &unlock->assertions[i].identity;
		if (strcmp(identity->audience, cloud->audience) == 0 &&
		    strcmp(identity->metadata, cloud->metadata) == 0) {
			*ret = &unlock->assertions[i];
			return 0;
		}
	}
	struct assertion *assertion = &unlock->assertions[unlock->assertions_count];
	assertion->lock.fd = -1;
	int r = identity_init(&assertion->identity, config, &token->identity, cloud, err);
	if (r < 0)
		return r;
	unlock->assertions_count++;
	*ret = assertion;
	return 0;
}

static int add_lane(struct unlock *unlock, const struct config *config, const char *rundir,
		    const struct token *token, size_t index, bool template, struct cmk_err *err)
{
	struct lane *lane = &unlock->lanes[unlock->lanes_count];
	*lane = (struct lane){ .cache.fd = -1 };
	int r = vault_target_init(&lane->target, config, &token->wrapped[index], template, err);
	if (r == 0)
		r = get_assertion(unlock, config, token, lane->target.cloud, &lane->assertion, err);
	if (r < 0)
		return r;
	if (lane->assertion->lock.fd < 0)
		cache_open_metadata(&lane->assertion->lock, rundir);
	cache_open(&lane->cache, rundir, &lane->target, &lane->assertion->identity);
	unlock->lanes_count++;
	return 0;
}

int unlock_prepare(struct unlock **ret, const struct config *config, const char *rundir,
		   const struct token *token, bool template, struct cmk_err *err)
{
	struct unlock *unlock =
		calloc(1, sizeof(*unlock) + token->wrapped_count * sizeof(unlock->lanes[0]));
	if (!unlock)
		return -ENOMEM;
	struct cmk_err first = { 0 };
	int first_error = 0;
	for (size_t i = 0; i < token->wrapped_count; i++) {
		struct cmk_err this = { 0 };
		int r = add_lane(unlock, config, rundir, token, i, template, &this);
		if (r < 0 && first_error == 0) {
			first = this;
			first_error = r;
		}
	}
	if (unlock->lanes_count == 0) {
		unlock_free(unlock);
		if (err)
			*err = first;
		return first_error;
	}
	unlock->run.config = config;
	*ret = unlock;
	return 0;
}

int unlock_folder(const struct unlock *unlock)
{
	/* One machine has one source: all of them have the same folder, or none. */
	return unlock->assertions_count > 0 ? unlock->assertions[0].identity.folder : 0;
}

void unlock_begin(struct unlock *unlock, struct http *http, int64_t deadline_ms, bool survey)
{
	unlock->run.survey = survey;
	unlock->run.http = http;
	unlock->run.deadline_ms = deadline_ms;
}

void unlock_set_agent(struct unlock *unlock, const char *agent)
{
	unlock->run.agent = agent;
}

/* The next wrapping starts after a while, or as soon as the one before is in trouble. */
static void start_next(struct unlock *unlock)
{
	for (size_t i = 1; i < unlock->lanes_count; i++) {
		struct lane *lane = &unlock->lanes[i];
		if (lane_troubled(&unlock->lanes[i - 1]) && lane->state == LANE_IDLE &&
		    lane->attempts == 0)
			lane->wake_ms = 0;
	}
}

/* Steps all lanes once; the one that has arrived, or NULL. ret_left: some lane may still arrive. */
static struct lane *step_all(struct unlock *unlock, bool *ret_left, int64_t *ret_wake)
{
	*ret_left = false;
	*ret_wake = INT64_MAX;
	for (size_t i = 0; i < unlock->lanes_count; i++) {
		struct lane *lane = &unlock->lanes[i];
		start_next(unlock);
		lane_step(lane, &unlock->run);
		if (lane->state == LANE_DONE)
			return lane;
		if (lane->state == LANE_FAILED)
			continue;
		*ret_left = true;
		int64_t wake = lane_wake(lane);
		if (wake < *ret_wake)
			*ret_wake = wake;
	}
	return NULL;
}

/*
 * Whose reason is reported: the customer has said no only if every wrapping was refused. As long as one
 * was out of reach, another attempt may open the volume.
 */
static const struct lane *spokesman(const struct unlock *unlock)
{
	for (size_t i = 0; i < unlock->lanes_count; i++)
		if (cmk_code_class(unlock->lanes[i].err.code) == CMK_CLASS_UNREACHABLE)
			return &unlock->lanes[i];
	return &unlock->lanes[0];
}

/* One wrapping's reason, and that another did not help either. */
static int all_failed(struct unlock *unlock, struct cmk_err *err)
{
	const struct lane *first = spokesman(unlock);
	unlock->last = first;
	struct cmk_err error = first->err;
	if (unlock->lanes_count > 1) {
		const struct cmk_err *other = &unlock->lanes[first == unlock->lanes].err;
		cmk_err(&error, first->err.code, "%s; another wrapping failed too: %s [%s]",
			first->err.text, other->text, cmk_code_name(other->code));
		(void)text_copy(error.cause, sizeof(error.cause), first->err.cause);
	}
	if (err)
		*err = error;
	return cmk_code_errno(error.code);
}

/* Of earlier failures nothing is left to say; under which request it worked in the end, is. */
static void arrived(struct unlock *unlock, const struct lane *winner, struct cmk_err *err)
{
	unlock->last = winner;
	if (!err)
		return;
	*err = (struct cmk_err){ 0 };
	(void)text_copy(err->request_id, sizeof(err->request_id), winner->err.request_id);
}

static void begin(struct unlock *unlock)
{
	int64_t start = io_now_ms();
	for (size_t i = 0; i < unlock->lanes_count; i++)
		unlock->lanes[i].wake_ms = start + (int64_t)i * UNLOCK_NEXT_AFTER_MS;
}

/* 1: not yet, until *ret_wake at the latest; 0: ret is the winner; negative: err. */
static int step(struct unlock *unlock, struct lane **ret, int64_t *ret_wake, struct cmk_err *err)
{
	bool left;
	struct lane *winner = step_all(unlock, &left, ret_wake);
	if (winner) {
		arrived(unlock, winner, err);
		*ret = winner;
		return 0;
	}
	return left ? 1 : all_failed(unlock, err);
}

static int run(struct unlock *unlock, struct lane **ret, struct cmk_err *err)
{
	int64_t wake;
	int r;
	begin(unlock);
	while ((r = step(unlock, ret, &wake, err)) > 0) {
		r = http_poll(unlock->run.http, wake, err);
		if (r < 0)
			return r;
	}
	return r;
}

static void set_unwrap(struct unlock *unlock, const char *header, bool describe)
{
	unlock->run.header = header;
	unlock->run.describe = describe ||
			       unlock->run.config->policy.expired_keys == CONFIG_EXPIRED_REFUSE;
}

int unlock_unwrap(struct unlock *unlock, const char *header, bool describe, struct secret *ret_key,
		  struct cmk_err *err)
{
	struct lane *winner;
	set_unwrap(unlock, header, describe);
	int r = run(unlock, &winner, err);
	if (r == 0)
		secret_move(ret_key, &winner->result);
	return r;
}

void unlock_unwrap_begin(struct unlock *unlock, const char *header, bool describe)
{
	set_unwrap(unlock, header, describe);
	begin(unlock);
}

int unlock_unwrap_step(struct unlock *unlock, struct secret *ret_key, int64_t *ret_wake,
		       struct cmk_err *err)
{
	struct lane *winner;
	int r = step(unlock, &winner, ret_wake, err);
	if (r == 0)
		secret_move(ret_key, &winner->result);
	return r;
}

int unlock_wrap(struct unlock *unlock, const struct secret *payload, struct token_wrapping *ret,
		struct cmk_err *err)
{
	struct lane *winner;
	unlock->run.payload = payload;
	unlock->run.describe = true;
	int r = run(unlock, &winner, err);
	if (r == 0)
		*ret = winner->target.wrapping;
	return r;
}

int unlock_describe(struct unlock *unlock, struct cmk_err *err)
{
	struct lane *winner;
	unlock->run.describe = true;
	unlock->run.describe_only = true;
	return run(unlock, &winner, err);
}

const struct vault_key *unlock_key(const struct unlock *unlock)
{
	return unlock->last && unlock->last->described ? &unlock->last->key : NULL;
}

const struct steps *unlock_steps(const struct unlock *unlock)
{
	return &unlock->run.steps;
}

int unlock_survey(struct unlock *unlock, struct cmk_err *err)
{
	return survey_hosts(&unlock->lanes[0], &unlock->run, err);
}

void unlock_findings(struct unlock *unlock, struct unlock_findings *ret)
{
	const struct lane *lane = unlock->last ? unlock->last : &unlock->lanes[0];
	int64_t left = lane->credential.expires - (int64_t)time(NULL);

	*ret = (struct unlock_findings){
		.claims = unlock->run.claims,
		.clock_ahead = unlock->run.clock_ahead,
		.identity = lane->assertion->identity.client_id,
		.exchange = lane->assertion->identity.audience,
		.authority = lane->target.cloud->authority,
	};
	if (lane->credential.value.len > 0 && left > 0)
		ret->token_seconds = left;
	ret->lists_keys = lane->state == LANE_DONE && survey_lists_keys(lane, &unlock->run);
}

void unlock_free(struct unlock *unlock)
{
	if (!unlock)
		return;
	for (size_t i = 0; i < unlock->lanes_count; i++)
		lane_done(&unlock->lanes[i]);
	for (size_t i = 0; i < unlock->assertions_count; i++)
		assertion_done(&unlock->assertions[i]);
	free(unlock);
}
