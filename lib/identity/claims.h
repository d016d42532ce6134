/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an assertion says of itself, for people to compare with the federated credential. Nothing is decided
 * by it, for nothing of it is verified here: Entra does that. Never to be logged.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/* "Issuer, subject and audience at most 600 characters": more, no federated credential can hold. */
#define CLAIM_MAX 601

struct claims {
	char issuer[CLAIM_MAX];
	char subject[CLAIM_MAX];
	char audience[CLAIM_MAX];
	char tenant_id[37]; /* empty where the issuer is not Entra */
	int64_t not_before; /* seconds since 1970; 0 where unset */
	int64_t expires;
};

/*
 * Reads the second part of a JWS (RFC 7515, section 3.1; RFC 7519, section 4.1). The texts will be shown and
 * stand in commands, so each must be text_is_plain(). CMK_IDENTITY, -ENOMEM.
 */
int claims_read(const struct secret *jwt, struct claims *ret, struct cmk_err *err);
/*
 * Whether it is within its time at now, as Entra takes it: with five minutes on either side. CMK_CLOCK.
 */
int claims_check_time(const struct claims *claims, int64_t now, struct cmk_err *err);
