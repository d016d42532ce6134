/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk format: a new volume that only the customer's key opens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "command.h"
#include "disks.h"
#include "enrol.h"
#include "luks.h"
#include "prompt.h"
#include "remember.h"

/* The header has room for 48; libcryptsetup cuts there, and makes the last one a NUL. */
#define LABEL_LEN_MAX 47

struct format_args {
	const char *customer;
	const char *label;
	const char *sector_size;
	struct remember remember;
	bool force;
	bool batch;
	int sector;
};

static void print_end(const char *device)
{
	printf("There is no passphrase: without the customer's key nothing opens it.\n"
	       "To add one for emergencies: cryptsetup luksAddKey --token-type luks-cmk %s\n",
	       device);
}

/*
 * A LUKS header stands in the way, unless it is one that a killed format left: then 0, to make it anew, or
 * 1 if only the last step was missing.
 */
static int check_header(const struct enrol *enrol, const char *path, struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	int token = LUKS_NONE;
	bool marked = luks_unfinished(path);
	/* May mend what was being written: the mark is in the second copy of the header then. */
	bool loaded = luks_open(path, enrol->debug, &luks, NULL) >= 0;
	int r;

	if (!marked && !(loaded && luks_unfinished(path)))
		return cmk_err(
			err, CMK_STATE,
			"%s holds a LUKS header; to destroy it add --force, to keep its data "
			"use: luks-cmk enroll %s --customer %s",
			path, path, enrol->customer.name);
	if (!loaded)
		return 0;
	r = enrol_existing(enrol, luks, &token, err);
	if (r <= 0)
		return r;
	r = luks_prove(luks, token, err);
	if (r >= 0)
		r = luks_finish(luks, err);
	if (r < 0)
		return r;
	printf("Finished an interrupted format of %s for %s (token %d).\n", path,
	       enrol->customer.name, token);
	print_end(path);
	return 1;
}

static int choose_sector(const struct format_args *args, const char *path, uint64_t size,
			 struct luks_format *ret, struct cmk_err *err)
{
	uint64_t sector = size % 4096 == 0 ? 4096 : 512;

	if (args->sector_size != NULL)
		sector = (uint64_t)args->sector;
	if (size % sector != 0)
		return cmk_err(
			err, CMK_DEVICE,
			"the size of %s is no multiple of %u; choose a smaller --sector-size", path,
			(unsigned)sector);
	ret->sector_size = (uint32_t)sector;
	ret->label = args->label;
	return 0;
}

/* The vault has proven by now that it can open what is made here. */
static int write_volume(const struct enrol *enrol, const char *path,
			const struct luks_format *format, const char *header,
			const struct secret *payload, const struct token *token,
			struct cmk_err *err)
{
	_cleanup_luks_ struct luks *luks = NULL;
	struct luks_enrolment enrolment;
	bool undone = false;
	int r = luks_format(path, enrol->debug, format, &luks, err);

	if (r < 0)
		return r;
	if (strcmp(luks->header, header) != 0)
		return cmk_err(
			err, CMK_DEVICE,
			"libcryptsetup formatted %s as '%s' where '%s' was asked for; the new "
			"volume is empty and was not enrolled",
			path, luks->header, header);
	r = luks_enrol(luks, NULL, payload, token, &enrolment, &undone, err);
	if (r < 0)
		return r;
	progress("Opening it as at boot ...");
	r = luks_prove(luks, enrolment.token, err);
	if (r < 0) {
		(void)luks_undo(luks, &enrolment);
		fprintf(stderr, "The new header on %s has no keyslot: format can be repeated.\n",
			luks->name);
		return r;
	}
	r = luks_finish(luks, err);
	if (r < 0)
		return r;
	enrol_print(luks, &enrolment, token);
	print_end(luks->name);
	return 0;
}

static int format(const struct format_args *args, const struct enrol *enrol, const char *path,
		  uint64_t size, struct cmk_err *err)
{
	_cleanup_secret_ struct secret payload = { 0 };
	struct luks_format parameters;
	char header[HEADER_DESCRIPTION_MAX];
	char question[512];
	struct token token;
	int r = choose_sector(args, path, size, &parameters, err);

	if (r < 0)
		return r;
	r = luks_format_describe(&parameters, header, err);
	if (r < 0)
		return r;
	(void)snprintf(question, sizeof(question),
		       "WARNING! This will overwrite data on %s irrevocably.\n"
		       "Are you sure? (Type 'yes' in capital letters): ",
		       path);
	if (!args->batch && !prompt_yes(question))
		return cmk_err(err, CMK_STATE, "not confirmed: nothing on %s was changed", path);
	/* Nothing is destroyed before the vault has proven that it can unwrap. */
	r = enrol_wrap(enrol, header, "", &payload, &token, err);
	if (r < 0)
		return r;
	return write_volume(enrol, path, &parameters, header, &payload, &token, err);
}

static int run(struct call *call, const struct format_args *args, struct cmk_err *err)
{
	static struct enrol enrol; /* large, and there is one */
	_cleanup_free_ char *path = NULL;
	struct disk_header header = { 0 };
	uint64_t size = 0;
	int r = disks_resolve(call->argv[0], &path, err);

	if (r < 0)
		return r;
	r = luks_format_size(path, &size, err);
	if (r < 0)
		return r;
	r = enrol_load(&enrol, args->customer, call->debug, err);
	if (r < 0)
		return r;
	r = luks_plugin_check(err);
	if (r < 0)
		return r;
	r = disks_probe(path, &header);
	if (r < 0)
		return cmk_err_errno(err, CMK_DEVICE, -r, "%s cannot be read", path);
	if (header.version != 0 && !args->force) {
		r = check_header(&enrol, path, err);
		if (r > 0)
			remember_enrolled(&args->remember, path);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = format(args, &enrol, path, size, err);
	if (r >= 0)
		remember_enrolled(&args->remember, path);
	return r;
}

int cmd_format(struct call *call, struct cmk_err *err)
{
	struct format_args args = { 0 };
	const struct command_option options[] = {
		{ .name = "customer", .value = &args.customer },
		{ .name = "label", .value = &args.label },
		{ .name = "sector-size", .value = &args.sector_size },
		{ .name = "force", .flag = &args.force },
		{ .name = "name", .value = &args.remember.name },
		{ .name = "no-remember", .flag = &args.remember.no },
		{ .name = "batch-mode", .letter = 'q', .flag = &args.batch },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 1, 1);

	if (r != 0)
		return r;
	if (args.customer == NULL)
		return usage_error(call, "--customer is missing: whose key shall open %s",
				   call->argv[0]);
	if (args.sector_size != NULL &&
	    (!option_number(args.sector_size, 4096, &args.sector) || args.sector < 512 ||
	     (args.sector & (args.sector - 1)) != 0))
		return usage_error(call, "--sector-size wants 512, 1024, 2048 or 4096");
	if (args.label != NULL && strlen(args.label) > LABEL_LEN_MAX)
		return usage_error(call, "--label takes at most %d bytes", LABEL_LEN_MAX);
	if (!remember_options_right(&args.remember))
		return usage_error(call, REMEMBER_USAGE);
	return run(call, &args, err);
}
