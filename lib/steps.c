/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which step of the way a failure belongs to. */
#include "steps.h"

#include <string.h>

#include "base/text.h"

void steps_note(struct steps *steps, const char *name, const char *host, int64_t ms,
		enum cmk_code code)
{
	if (steps->count == STEPS_MAX)
		return;
	struct step *step = &steps->items[steps->count++];
	*step = (struct step){ .name = name, .ms = ms, .code = code };
	(void)text_copy(step->host, sizeof(step->host), host);
}

static const char *of_vault(const char *request, const struct cmk_err *err)
{
	switch ((int)err->code) {
	case CMK_TENANT:
		return "tenant";
	case CMK_FIREWALL:
	case CMK_CONFIG:
		return "vault";
	case CMK_GRANT:
		return "grant";
	case CMK_KEY_DISABLED:
	case CMK_KEY_GONE:
	case CMK_POLICY:
		return "key";
	case CMK_KEY_OPERATION:
		/* The vault tried, and this value is not of this key. */
		return strcmp(err->cause, "BadParameter") == 0 ? "unwrap" : "algorithm";
	default:
		break;
	}
	return cmk_code_class(err->code) == CMK_CLASS_UNREACHABLE ? "vault" : request;
}

const char *steps_failed(const char *request, const struct cmk_err *err)
{
	if (strcmp(request, "key") == 0 || strcmp(request, "wrap") == 0 ||
	    strcmp(request, "unwrap") == 0)
		return of_vault(request, err);
	if (strcmp(request, "sign-in") == 0 && err->code == CMK_TENANT)
		return "tenant";
	return request;
}
