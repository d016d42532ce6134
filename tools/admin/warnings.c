/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Warnings of luks-cmk check. */
#include "warnings.h"

#include <stdarg.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY 86400

static void __attribute__((format(printf, 2, 3)))
add(struct warnings *warnings, const char *format, ...)
{
	va_list ap;

	if (warnings->count == WARNINGS_MAX)
		return;
	va_start(ap, format);
	(void)vsnprintf(warnings->items[warnings->count++], sizeof(warnings->items[0]), format, ap);
	va_end(ap);
}

static void format_day(int64_t seconds, char out[static 16])
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(out, 16, "a far day");
}

void warnings_of_key(struct warnings *warnings, const struct probe_key *key, int64_t now)
{
	char day[16];

	format_day(key->expires, day);
	if (key->expires != 0 && key->expires <= now)
		add(warnings,
		    "the key expired on %s: volumes still open, for the vault goes on unwrapping "
		    "and we follow it (unless [policy] expired_keys = refuse), but the customer "
		    "should renew it",
		    day);
	else if (key->expires != 0 && key->expires - now <= (int64_t)WARNING_EXPIRES_DAYS * DAY)
		add(warnings, "the key expires on %s: the customer should renew it", day);
	/* "Recoverable+Purgeable" and the like (deletionRecoveryLevel, Key Vault REST API 7.4). */
	if (strstr(key->recovery_level, "Purgeable") != NULL)
		add(warnings,
		    "the vault has no purge protection: the key can be destroyed for good, "
		    "and the data with it");
}

void warnings_of_volume(struct warnings *warnings, size_t wrappings, uint32_t bypass_slots)
{
	if (wrappings == 1)
		add(warnings, "there is only one wrapping: without this vault the volume does not "
			      "open; see spare_key in luks-cmk.conf(5)");
	for (int i = 0; i < 32; i++) {
		if ((bypass_slots & UINT32_C(1) << i) != 0)
			add(warnings, "keyslot %d opens the volume without the customer's key", i);
	}
}

/* The number is the helper's, who may have had it from anyone. */
static int64_t minutes_off(int64_t seconds)
{
	int64_t off = seconds < 0 ? -(seconds + 1) : seconds;

	return off / 60 + (off % 60 >= 30);
}

void warnings_of_machine(struct warnings *warnings, const struct probe_found *found)
{
	if (found->clock_ahead >= WARNING_CLOCK_S || found->clock_ahead <= -WARNING_CLOCK_S)
		add(warnings,
		    "this machine's clock is %" PRId64 " minutes %s that of the services: set it, "
		    "for certificates and assertions depend on it",
		    minutes_off(found->clock_ahead),
		    found->clock_ahead > 0 ? "behind" : "ahead of");
	if (found->token_seconds > 0 && found->token_seconds < WARNING_TOKEN_S)
		add(warnings,
		    "the access token lives for %" PRId64 " s only: volumes that open later sign "
		    "in again",
		    found->token_seconds);
	if (found->lists_keys)
		add(warnings, "the application may list every key of the vault: the customer can "
			      "narrow its role to the one key");
}
