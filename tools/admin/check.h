/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What luks-cmk check has found out about one wrapping, and how it is shown. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "format/token.h"
#include "luks.h"
#include "probe.h"
#include "warnings.h"

/* What is being checked: of a volume, or only of a customer (luks NULL). */
struct check_target {
	struct luks *luks;
	int token_number;
	const struct token *token; /* with this wrapping alone */
	size_t wrappings;	   /* that the volume has in all */
};

struct check_outcome {
	const struct check_target *target;
	const struct probe_result *result;
	const struct warnings *warnings;
	const char *
		command; /* template of what to run after a failure; NULL: what belongs to the error */
};

/* Steps, what the federated credential must say, warnings; and after a failure who must act and how. */
void check_print(const struct check_outcome *outcome);
/* The same as an element of "checks". */
void check_json(struct buf *b, const struct check_outcome *outcome);
