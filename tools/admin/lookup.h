/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the helper finds out before there is any token. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "format/token.h"

/* Entra takes no longer issuer, subject or audience than 600 characters. */
#define LOOKUP_CLAIM_MAX 601

/* What this machine's assertion says of it; each fit for a command (text_is_plain()). */
struct lookup_claims {
	char issuer[LOOKUP_CLAIM_MAX];
	char subject[LOOKUP_CLAIM_MAX];
	char audience[LOOKUP_CLAIM_MAX];
	char tenant_id[TOKEN_ID_MAX]; /* empty where the issuer is not Entra */
};

/* The id of the tenant that text, its id or a domain of it, means: only a domain is asked for. */
int lookup_tenant(const char *text, bool debug, char ret[static TOKEN_ID_MAX], struct cmk_err *err);
int lookup_claims(bool debug, struct lookup_claims *ret, struct cmk_err *err);

/* Read the helper's detail, for the two above. CMK_HELPER. */
int lookup_parse_tenant(const char *detail, char ret[static TOKEN_ID_MAX], struct cmk_err *err);
int lookup_parse_claims(const char *detail, struct lookup_claims *ret, struct cmk_err *err);
