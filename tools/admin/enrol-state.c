/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on a volume already: an enrolment, another customer's, or one that was killed half-way. */
#include "enrol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "keyurl.h"

static bool has_key(const struct token *token, const char *key)
{
	for (size_t i = 0; i < token->wrapped_count; i++) {
		if (keyurl_same_key(token->wrapped[i].key, key))
			return true;
	}
	return false;
}

int enrol_existing(const struct enrol *enrol, struct luks *luks, int *ret_token,
		   struct cmk_err *err)
{
	const char *name = enrol->customer.name;
	int t = LUKS_NONE;

	while ((t = luks_next_token(luks, t)) != LUKS_NONE) {
		struct token token;
		int r = luks_token(luks, t, &token, err);

		if (r < 0)
			return r;
		if (strcmp(token.customer, name) != 0)
			return cmk_err(
				err, CMK_STATE,
				"%s is enrolled for another customer, %s; if that shall end: "
				"luks-cmk remove %s",
				luks->name, token.customer, luks->name);
		if (token.keyslots_count == 0)
			continue;
		if (!has_key(&token, enrol->customer.key))
			return cmk_err(err, CMK_STATE,
				       "%s is enrolled for %s with another key, %s; to change it: "
				       "luks-cmk remove %s, then enroll again",
				       luks->name, name, token.wrapped[0].key, luks->name);
		*ret_token = t;
		return 1;
	}
	return 0;
}

void enrol_note_spares(const struct enrol *enrol, struct luks *luks, int number)
{
	const struct customer *customer = &enrol->customer;
	struct token token;

	if (luks_token(luks, number, &token, NULL) < 0)
		return;
	for (size_t i = 0; i < customer->spare_keys_count; i++) {
		if (!has_key(&token, customer->spare_keys[i]))
			printf("It lacks the spare key %s; to add it: luks-cmk remove %s, then "
			       "enroll "
			       "again.\n",
			       customer->spare_keys[i], luks->name);
	}
}

/* Asks for the payload of a token that no keyslot is assigned to. */
static int unwrap(const struct enrol *enrol, struct luks *luks, int token, struct secret *ret,
		  struct cmk_err *err)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	_cleanup_free_ char *copy = NULL;
	struct wire_request request = { .op = WIRE_UNWRAP, .debug = enrol->debug };
	const char *json = NULL;
	int r = luks_token_json(luks, token, &json, err);

	if (r < 0)
		return r;
	copy = strdup(json);
	if (copy == NULL)
		return -ENOMEM;
	request.token = copy;
	(void)text_copy(request.header, sizeof(request.header), luks->header);
	(void)text_copy(request.volume, sizeof(request.volume), luks->uuid);
	r = ask_helper(&request, &reply, err);
	if (r < 0)
		return r;
	if (err != NULL)
		err->request_id[0] = '\0';
	secret_move(ret, &reply.key);
	return 0;
}

static uint32_t unassigned_slots(const struct luks *luks)
{
	uint32_t slots = luks_active_slots(luks) & luks_cheap_slots(luks);

	for (int t = 0; t < LUKS_SLOTS_MAX; t++) {
		if (luks_token_type(luks, t) != NULL)
			slots &= ~luks_token_slots(luks, t);
	}
	return slots;
}

static int finish(struct luks *luks, const struct luks_enrolment *enrolment, struct cmk_err *err)
{
	int r = luks_assign(luks, enrolment, err);

	if (r < 0)
		return r;
	r = luks_prove(luks, enrolment->token, err);
	if (r < 0)
		luks_unassign(luks, enrolment); /* as it was found */
	return r < 0 ? r : 1;
}

int enrol_resume(const struct enrol *enrol, struct luks *luks, struct luks_enrolment *ret,
		 struct cmk_err *err)
{
	struct luks_enrolment found = { LUKS_NONE, LUKS_NONE };

	while ((found.token = luks_next_token(luks, found.token)) != LUKS_NONE) {
		_cleanup_secret_ struct secret payload = { 0 };
		int r;

		if (luks_token_slots(luks, found.token) != 0)
			continue;
		progress("Finishing an interrupted enrolment (token %d) ...", found.token);
		/* With no keyslot left for it to open, the token is worth no question. */
		if (unassigned_slots(luks) != 0) {
			r = unwrap(enrol, luks, found.token, &payload, err);
			if (r < 0)
				return r;
			found.keyslot = luks_slot_of(luks, unassigned_slots(luks), &payload);
		}
		if (found.keyslot != LUKS_NONE) {
			r = finish(luks, &found, err);
			if (r > 0)
				*ret = found;
			return r;
		}
		r = luks_token_write(luks, found.token, NULL, err);
		if (r < 0)
			return r;
		printf("Removed token %d of %s, left by an interrupted enrolment.\n", found.token,
		       luks->name);
	}
	return 0;
}
