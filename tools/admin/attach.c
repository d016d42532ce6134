/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening one volume by its tokens of ours, in this process. */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/backoff.h"
#include "base/io.h"
#include "base/text.h"
#include "describe.h"
#include "format/config.h"
#include "luks.h"
#include "mappings.h"
#include "paths.h"
#include "record.h"
#include "unwrap.h"

/* For ever is made of attempts, so that the reason can be told meanwhile and a new resolver is noticed. */
#define ATTEMPT_S   30
#define PAUSE_S	    1
#define PAUSE_MAX_S 120

struct attempt {
	const struct attach_volume *volume;
	const struct attach_settings *settings;
	attach_say_fn say;
	void *data;
	struct luks *luks;
	struct attach_event event;
	int64_t deadline_ms; /* of all tokens together */
};

static void say(struct attempt *attempt, enum attach_phase phase)
{
	attempt->event.phase = phase;
	attempt->say(attempt->data, &attempt->event);
}

/* Tokens that an interrupted enrolment left without a keyslot open nothing. */
static int next_token(const struct luks *luks, int token)
{
	do {
		token = luks_next_token(luks, token);
	} while (token != LUKS_NONE && luks_token_slots(luks, token) == 0);
	return token;
}

static bool has_failed_before(const struct luks *luks)
{
	struct record record;
	int token = LUKS_NONE;

	while ((token = next_token(luks, token)) != LUKS_NONE) {
		if (record_read(RUN_DIR, luks->uuid, token, &record) == 0)
			return true;
	}
	return false;
}

/* This token's share of the time that is left. */
static uint32_t share(const struct attempt *attempt, int token)
{
	int64_t left = (attempt->deadline_ms - io_now_ms() + 999) / 1000;
	int64_t tokens = 1;

	if (attempt->settings->timeout == CONFIG_TIMEOUT_FOREVER)
		return ATTEMPT_S;
	while ((token = next_token(attempt->luks, token)) != LUKS_NONE)
		tokens++;
	return left > tokens ? (uint32_t)(left / tokens) : 1;
}

/*
 * 1: there was a key, for just this header, which the helper has compared it with; 0: the vault is to be asked; negative:
 * err.
 */
static int take_key(struct attempt *attempt, int token, struct secret *ret, struct cmk_err *err)
{
	const struct attach_key *key = attempt->volume->key;
	int r;

	if (key == NULL || key->key->len == 0 || key->token != token ||
	    strcmp(key->header, attempt->luks->header) != 0)
		return 0;
	r = describe_check_keyslots(attempt->luks->cd, token, err);
	if (r < 0)
		return r;
	secret_move(ret, key->key);
	record_remove(RUN_DIR, attempt->luks->uuid, token);
	return 1;
}

static int ask(const struct attempt *attempt, int token, struct secret *ret, struct cmk_err *err)
{
	const struct cmk_err *refused = attempt->settings->refused;

	if (refused == NULL)
		return unwrap_token(attempt->luks->cd, token, share(attempt, token), ret, err);
	*err = *refused;
	record_write(RUN_DIR, attempt->luks->uuid, token, err);
	return -EIO;
}

static int open_by(struct attempt *attempt, int token, struct cmk_err *err)
{
	const struct attach_volume *volume = attempt->volume;
	const char *name = attempt->settings->dry_run ? NULL : volume->name;
	_cleanup_secret_ struct secret key = { 0 };
	int r = take_key(attempt, token, &key, err);

	if (r == 0)
		r = ask(attempt, token, &key, err);
	if (r < 0)
		return r;
	say(attempt, ATTACH_ACTIVATING);
	r = luks_activate(attempt->luks, token, &key, name, volume->options, err);
	if (r < 0)
		record_write(RUN_DIR, attempt->luks->uuid, token, err);
	return r;
}

static void choose_token(struct attempt *attempt, int token)
{
	struct token parsed;

	attempt->event.token = token;
	attempt->event.customer[0] = '\0';
	attempt->event.host[0] = '\0';
	/* One that cannot be parsed is refused by the helper, in a better sentence than there is here. */
	if (luks_token(attempt->luks, token, &parsed, NULL) < 0)
		return;
	(void)text_copy(attempt->event.customer, sizeof(attempt->event.customer), parsed.customer);
	token_key_host(parsed.wrapped[0].key, attempt->event.host, sizeof(attempt->event.host));
}

/* All tokens, once. The first one's error counts; ret_retry: whether time may help any of them. */
static int open_once(struct attempt *attempt, bool aloud, bool *ret_retry)
{
	struct cmk_err *first = &attempt->event.err;
	int token = LUKS_NONE;

	*first = (struct cmk_err){ 0 };
	*ret_retry = false;
	while ((token = next_token(attempt->luks, token)) != LUKS_NONE) {
		struct cmk_err err = { 0 };
		int r;

		choose_token(attempt, token);
		if (aloud && attempt->settings->refused == NULL)
			say(attempt, ATTACH_ASKING);
		r = open_by(attempt, token, &err);
		if (r >= 0) {
			*first = err; /* under which request it was */
			return 0;
		}
		if (err.code == CMK_OK)
			cmk_err(&err, CMK_SYSTEM, "out of memory");
		if (cmk_code_class(err.code) == CMK_CLASS_UNREACHABLE)
			*ret_retry = true;
		if (first->code == CMK_OK)
			*first = err;
	}
	return -EIO;
}

/* Half of it to all of it: machines that lost the same vault do not come back in step. */
static void rest(int64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random))
		ms -= (int64_t)random % (ms / 2 + 1);
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 },
			NULL);
}

static enum attach_phase open_tokens(struct attempt *attempt)
{
	_cleanup_close_ int claim = -1;
	enum cmk_code known = CMK_OK;
	int64_t pause_ms = PAUSE_S * 1000;
	bool retry, throttled;

	if (attempt->settings->claim)
		claim = record_claim(RUN_DIR, attempt->luks->uuid);
	for (bool aloud = true;; aloud = false) {
		if (open_once(attempt, aloud, &retry) == 0)
			return ATTACH_OPEN;
		if (!retry || attempt->settings->timeout != CONFIG_TIMEOUT_FOREVER)
			return ATTACH_FAILED;
		if (attempt->event.err.code != known)
			say(attempt, ATTACH_TROUBLE);
		known = attempt->event.err.code;
		throttled = attempt->event.err.code == CMK_THROTTLED;
		/* At boot somebody waits for it. */
		if (attempt->settings->claim || throttled) {
			backoff_pause(throttled);
			continue;
		}
		rest(pause_ms);
		if (pause_ms < PAUSE_MAX_S * 1000)
			pause_ms *= 2;
	}
}

/* Under another name it cannot be opened once more: nobody needs to be asked for its key. */
static int check_other_name(struct attempt *attempt)
{
	struct mapping mapping;

	if (!mappings_on_path(attempt->luks->path, &mapping))
		return 0;
	return cmk_err(&attempt->event.err, CMK_STATE,
		       "the volume is open already, as %s; close that first, or use it",
		       mapping.name);
}

static enum attach_phase open_volume(struct attempt *attempt)
{
	struct luks *luks = attempt->luks;
	int r;

	(void)text_copy(attempt->event.uuid, sizeof(attempt->event.uuid), luks->uuid);
	if (next_token(luks, LUKS_NONE) == LUKS_NONE)
		return ATTACH_OTHERS;
	choose_token(attempt, next_token(luks, LUKS_NONE));
	if (!attempt->settings->dry_run) {
		r = luks_mapping(luks, attempt->volume->name, &attempt->event.err);
		if (r == 0)
			r = check_other_name(attempt);
		if (r != 0)
			return r > 0 ? ATTACH_WAS_OPEN : ATTACH_FAILED;
	}
	if (attempt->settings->untried && has_failed_before(luks))
		return ATTACH_TRIED;
	return open_tokens(attempt);
}

void attach_one(const struct attach_volume *volume, const struct attach_settings *settings,
		attach_say_fn say_fn, void *data)
{
	_cleanup_luks_ struct luks *luks = NULL;
	struct attempt attempt = {
		.volume = volume, .settings = settings, .say = say_fn, .data = data
	};
	enum attach_phase phase;
	int r;

	attempt.event.volume = volume->index;
	attempt.deadline_ms = io_now_ms() + (int64_t)settings->timeout * 1000;
	r = luks_open(volume->device, settings->debug, &luks, &attempt.event.err);
	if (r < 0) {
		if (attempt.event.err.code == CMK_OK)
			cmk_err(&attempt.event.err, CMK_SYSTEM, "out of memory");
		say(&attempt, ATTACH_FAILED);
		return;
	}
	attempt.luks = luks;
	phase = open_volume(&attempt);
	/* Whoever hears the last word may end this process. */
	luks_free(TAKE_PTR(luks));
	say(&attempt, phase);
}
