/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an unlock as `luks-cmk check` shows them: what was tried, where, how long, and how it ended. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/config.h"

/*
 * In the order of the way: "clock", "dns", "connect", "tls", "tenant", "vault", "identity", "assertion",
 * "sign-in", "key", "algorithm", "wrap", "grant", "unwrap". Not each has a request of its own.
 */
struct step {
	const char *name;
	char host[CONFIG_HOST_MAX];
	int64_t ms;
	enum cmk_code code; /* CMK_OK: done */
};

#define STEPS_MAX 64

struct steps {
	struct step items[STEPS_MAX];
	size_t count;
};

/* Later ones than fit are left out: only an attempt that is repeated for long has so many. */
void steps_note(struct steps *steps, const char *name, const char *host, int64_t ms,
		enum cmk_code code);
/*
 * The step that a refused request failed at: it may have got as far as the vault and not have been let in,
 * or in and not to the key. request is the step that the request is sent for.
 */
const char *steps_failed(const char *request, const struct cmk_err *err);
