/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that enroll and format share: asking the vault, proving, and finishing what was killed. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/config.h"
#include "format/token.h"
#include "luks.h"

/* Who is enrolled, by which configuration. */
struct enrol {
	struct config config;
	struct customer customer;
	bool customer_wrong; /* what enrol_load() found wrong is in the customer's file, or that there is none */
	bool debug;
};

/* Reads the configuration, and checks that all that a token needs is there. CMK_CONFIG. */
int enrol_load(struct enrol *ret, const char *customer, bool debug, struct cmk_err *err);

/* A token without keyslots for one key of the customer, to be sent to the helper. CMK_CONFIG. */
int enrol_template(const struct enrol *enrol, const char *key, struct token *ret,
		   struct cmk_err *err);

/*
 * Makes a payload for a header and has it wrapped under the customer's key and each spare one; every
 * wrapping was proven by an unwrap at its vault.
 */
int enrol_wrap(const struct enrol *enrol, const char *header, const char *uuid,
	       struct secret *ret_payload, struct token *ret, struct cmk_err *err);

/*
 * Whether the volume is enrolled already: 1 and the token for this customer and key, 0 if for nobody.
 * CMK_STATE where it is for another customer or key.
 */
int enrol_existing(const struct enrol *enrol, struct luks *luks, int *ret_token,
		   struct cmk_err *err);

/* Says which of the customer's spare keys an enrolled token lacks, and how it gets them. */
void enrol_note_spares(const struct enrol *enrol, struct luks *luks, int token);

/*
 * Looks for what a killed enroll or format left. 1: finished, proven. 0: nothing left to do; a token that
 * opened nothing was removed.
 */
int enrol_resume(const struct enrol *enrol, struct luks *luks, struct luks_enrolment *ret,
		 struct cmk_err *err);
/* Tells where and how, at the end. */
void enrol_print(const struct luks *luks, const struct luks_enrolment *enrolment,
		 const struct token *token);
