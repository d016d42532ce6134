/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a volume opens by itself when its disk appears: what the commands do about it. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "luks.h"

/* The options --name and --no-remember of enroll and format. */
struct remember {
	const char *name; /* of the mapping; NULL: luks-UUID */
	bool no;
};

#define REMEMBER_USAGE                                                                           \
	"--name is a mapping's name of letters, digits, dots, dashes and underscores, and goes " \
	"without --no-remember"

/* Whether the options are right; else usage_error() is due. */
bool remember_options_right(const struct remember *remember);
/*
 * After an enrolment, which it never spoils: remembers a block device that crypttab does not have, and says so. An
 * image file is opened by hand.
 */
void remember_enrolled(const struct remember *remember, const char *path);
/* For attach --remember: CMK_STATE for what cannot be, CMK_SYSTEM. */
int remember_attached(const char *path, const char *uuid, const char *name, struct cmk_err *err);
/* After the last of a volume's tokens was removed. */
void remember_no_more(const struct luks *luks);
