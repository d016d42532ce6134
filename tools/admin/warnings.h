/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What works today but should not stay as it is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probe.h"

#define WARNINGS_MAX	     12
#define WARNING_EXPIRES_DAYS 30
/* An assertion is taken five minutes early or late; half of that is no accident. Seconds. */
#define WARNING_CLOCK_S 150
/* Entra gives an hour or more, so that volumes that open together sign in once. Seconds. */
#define WARNING_TOKEN_S 600

struct warnings {
	char items[WARNINGS_MAX][256];
	size_t count;
};

/* A key that expires soon or has, or that can be destroyed at once. now in seconds since 1970. */
void warnings_of_key(struct warnings *warnings, const struct probe_key *key, int64_t now);
/* A volume that hangs on one vault, or that others open too. */
void warnings_of_volume(struct warnings *warnings, size_t wrappings, uint32_t bypass_slots);
/* A clock that is off, rights that no unlock needs, an access token that is gone soon. */
void warnings_of_machine(struct warnings *warnings, const struct probe_found *found);
