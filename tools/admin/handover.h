/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk customer handover: what the customer's administrator must do, filled in. */
#pragma once

#include "command.h"
#include "guide.h"

int customer_handover(struct call *call, struct cmk_err *err);

/* What az calls a cloud, and a region of it to begin with. */
const char *handover_az_cloud(const struct cloud *cloud);
const char *handover_region(const struct cloud *cloud);
