/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many volumes of one customer in one helper: their requests go side by side over the same connections, after one
 * sign-in. Who asks sees to it that all are of one vault.
 */
#pragma once

#include "answer.h"

struct batch {
	struct answer *answers;
	struct cmk_err *errors; /* of those that could not be prepared */
	size_t count;
};

/* One request of any kind, or several to unwrap. -ENOMEM or CMK_HELPER. */
int batch_decode(const struct secret *messages, struct batch *ret, struct cmk_err *err);
/* After answer_prepare() of the first: the others, some of which may fail. */
void batch_prepare(struct batch *batch);
/* In the sandbox: sends each reply to fd. 0, or negative: err is for those that have none yet. */
int batch_serve(struct batch *batch, int fd, struct cmk_err *err);
