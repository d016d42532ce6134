/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk enroll: one more way into an existing volume, through the customer's key. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "enrol.h"
#include "luks.h"
#include "prompt.h"
#include "remember.h"

/* As cryptsetup's --tries. */
#define TRIES 3

struct enroll_args {
	const char *customer;
	const char *key_file;
	const char *unlock_token;
	const char *header_backup;
	struct remember remember;
	int token;
};

static int unlock_by_token(struct luks *luks, int token, struct secret *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret pin = { 0 };
	int r = luks_key_by_token(luks, token, &pin, ret, err);

	if (r != -ENOANO)
		return r;
	r = prompt_secret("Enter token PIN: ", &pin, err);
	if (r < 0)
		return r;
	r = luks_key_by_token(luks, token, &pin, ret, err);
	if (r == -ENOANO)
		return cmk_err(err, CMK_PASSPHRASE, "token %d of %s refused this PIN", token,
			       luks->name);
	return r;
}

static int unlock_by_prompt(struct luks *luks, struct secret *ret, struct cmk_err *err)
{
	char question[sizeof(luks->name) + 32];
	int tries = prompt_interactive() ? TRIES : 1;

	(void)snprintf(question, sizeof(question), "Enter passphrase for %s: ", luks->name);
	for (;;) {
		_cleanup_secret_ struct secret passphrase = { 0 };
		int r = prompt_secret(question, &passphrase, err);

		if (r < 0)
			return r;
		r = luks_key_by_passphrase(luks, &passphrase, ret, err);
		if (r >= 0 || err->code != CMK_PASSPHRASE || --tries == 0)
			return r;
		fprintf(stderr, "No key available with this passphrase.\n");
	}
}

/* First of all: a wrong passphrase must cost no question to the vault. */
static int unlock(const struct enroll_args *args, struct luks *luks, struct secret *ret,
		  struct cmk_err *err)
{
	_cleanup_secret_ struct secret content = { 0 };
	int r;

	if (luks_active_slots(luks) == 0)
		return cmk_err(
			err, CMK_STATE,
			"%s has no keyslot: nothing can open it; luks-cmk format makes a new "
			"volume of it",
			luks->name);
	if (args->unlock_token != NULL)
		return unlock_by_token(luks, args->token, ret, err);
	if (args->key_file == NULL)
		return unlock_by_prompt(luks, ret, err);
	r = prompt_key_file(args->key_file, &content, err);
	if (r < 0)
		return r;
	return luks_key_by_passphrase(luks, &content, ret, err);
}

/* Sections 3 to 6 of the order of writes: from here on the header changes. */
static int write_and_prove(struct luks *luks, const struct secret *volume_key,
			   const struct secret *payload, const struct token *token,
			   struct cmk_err *err)
{
	struct luks_enrolment enrolment;
	bool undone = false;
	int r = luks_enrol(luks, volume_key, payload, token, &enrolment, &undone, err);

	if (r >= 0) {
		progress("Opening it as at boot ...");
		r = luks_prove(luks, enrolment.token, err);
		if (r < 0)
			undone = luks_undo(luks, &enrolment);
	}
	if (r < 0 && undone)
		fprintf(stderr,
			"The keyslot and the token that had been added to %s were removed.\n",
			luks->name);
	if (r < 0)
		return r;
	enrol_print(luks, &enrolment, token);
	printf("What opened it before still does; see: luks-cmk status %s\n", luks->name);
	return 0;
}

static int enroll(const struct enroll_args *args, const struct enrol *enrol, struct luks *luks,
		  struct cmk_err *err)
{
	_cleanup_secret_ struct secret volume_key = { 0 };
	_cleanup_secret_ struct secret payload = { 0 };
	struct token token;
	int r = unlock(args, luks, &volume_key, err);

	if (r < 0)
		return r;
	r = enrol_wrap(enrol, luks->header, luks->uuid, &payload, &token, err);
	if (r < 0)
		return r;
	r = luks_rehearse(luks, &volume_key, &payload, &token, err);
	if (r < 0)
		return r;
	if (args->header_backup != NULL) {
		r = luks_backup(luks, args->header_backup, err);
		if (r < 0)
			return r;
	}
	return write_and_prove(luks, &volume_key, &payload, &token, err);
}

static int run(struct call *call, const struct enroll_args *args, struct cmk_err *err)
{
	static struct enrol enrol; /* large, and there is one */
	_cleanup_luks_ struct luks *luks = NULL;
	struct luks_enrolment resumed;
	int token = LUKS_NONE;
	int r = luks_open(call->argv[0], call->debug, &luks, err);

	if (r < 0)
		return r;
	r = enrol_load(&enrol, args->customer, call->debug, err);
	if (r < 0)
		return r;
	r = enrol_existing(&enrol, luks, &token, err);
	if (r > 0) {
		printf("%s is already enrolled for %s (token %d); nothing was changed.\n",
		       luks->name, args->customer, token);
		enrol_note_spares(&enrol, luks, token);
		remember_enrolled(&args->remember, luks->path);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	if (args->header_backup != NULL && access(args->header_backup, F_OK) == 0)
		return cmk_err(err, CMK_STATE, "%s exists; name a new file for the header backup",
			       args->header_backup);
	r = luks_plugin_check(err);
	if (r >= 0)
		r = luks_check_writable(luks, err);
	if (r < 0)
		return r;
	r = enrol_resume(&enrol, luks, &resumed, err);
	if (r > 0)
		printf("Finished an interrupted enrolment of %s for %s: keyslot %d, token %d.\n",
		       luks->name, args->customer, resumed.keyslot, resumed.token);
	if (r == 0)
		r = enroll(args, &enrol, luks, err);
	if (r < 0)
		return r;
	remember_enrolled(&args->remember, luks->path);
	return 0;
}

int cmd_enroll(struct call *call, struct cmk_err *err)
{
	struct enroll_args args = { .token = LUKS_NONE };
	const struct command_option options[] = {
		{ .name = "customer", .value = &args.customer },
		{ .name = "key-file", .letter = 'd', .value = &args.key_file },
		{ .name = "unlock-token", .value = &args.unlock_token },
		{ .name = "header-backup", .value = &args.header_backup },
		{ .name = "name", .value = &args.remember.name },
		{ .name = "no-remember", .flag = &args.remember.no },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 1, 1);

	if (r != 0)
		return r;
	if (args.customer == NULL)
		return usage_error(call, "--customer is missing: whose key shall open %s",
				   call->argv[0]);
	if (args.key_file != NULL && args.unlock_token != NULL)
		return usage_error(call, "--key-file and --unlock-token exclude each other");
	if (args.unlock_token != NULL &&
	    !option_number(args.unlock_token, LUKS_SLOTS_MAX - 1, &args.token))
		return usage_error(call, "--unlock-token wants the number of a token");
	if (!remember_options_right(&args.remember))
		return usage_error(call, REMEMBER_USAGE);
	return run(call, &args, err);
}
