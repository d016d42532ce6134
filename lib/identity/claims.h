/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an assertion says of this machine, for people to compare with a federated credential. Read without
 * its signature, which only Entra can judge: nothing may rely on it.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

/* "Issuer, subject and audience at most 600 characters": more, no federated credential can hold. */
#define CLAIM_MAX 601

struct claims {
	char issuer[CLAIM_MAX];
	char subject[CLAIM_MAX];
	char audience[CLAIM_MAX];
	char tenant_id[37]; /* empty where the issuer is not Entra */
};

/*
 * The claims of a JWS (RFC 7515, RFC 7519). They will be shown and stand in commands, so each must be
 * text_is_plain(). CMK_PROTOCOL.
 */
int claims_read(const struct secret *jwt, struct claims *ret, struct cmk_err *err);
