/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions that come before any token: a tenant's id by its domain, and who this machine says it is. */
#pragma once

#include "answer.h"

/* Before the sandbox closes. */
int lookup_prepare(struct answer *answer, struct cmk_err *err);
/* In the sandbox: one attempt within the deadline; fills reply's detail. */
int lookup_serve(struct answer *answer, struct wire_reply *reply, struct cmk_err *err);
