/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `luks-cmk check` looks at and an unlock does not: each host by itself, down to the phase of the connection
 * that fails, and the clock. All of it is asked once, at the same time, without credentials.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "lane.h"

/*
 * Notes the steps clock, dns, connect and tls of the sign-in service and the vault, tenant and vault, up to the
 * first that fails: its code. A clock that is off by a day or more is one: CMK_CLOCK.
 */
int survey_hosts(struct lane *lane, struct lane_run *run, struct cmk_err *err);
/* How a request of a step ended; err NULL: well. */
void survey_note(struct lane_run *run, const char *name, const char *host,
		 const struct http_call *call, const struct cmk_err *err);
/* The same of the vault's requests, which prove several steps. */
void survey_note_vault(const struct lane *lane, struct lane_run *run, const char *name,
		       const struct cmk_err *err);
/* In a survey: reads what the assertion says into run, and whether it is in its time. */
int survey_assertion(const struct identity *identity, const struct secret *jwt,
		     struct lane_run *run, struct cmk_err *err);
/* Whether the credential of a lane that is done may list the vault's keys, which an unlock never needs. */
bool survey_lists_keys(const struct lane *lane, struct lane_run *run);
