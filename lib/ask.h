/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the helper one question: the plugin's and the tool's only way to the network. */
#pragma once

#include "format/wire.h"

/*
 * Starts the installed helper, sends request, waits for the reply; with "timeout = forever" a new helper
 * for as long as no service can be reached. A reply that reports a failure is
 * returned as that failure, with err filled from it; a helper that is missing, dies or answers nonsense
 * is CMK_HELPER. ret is to be released with wire_reply_done() on success.
 */
int ask_helper(const struct wire_request *request, struct wire_reply *ret, struct cmk_err *err);
