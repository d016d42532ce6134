/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of customers that this machine knows. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "format/config.h"
#include "paths.h"

#define CUSTOMERS_DIR CONF_DIR "/customers.d"

struct customers {
	char **names; /* sorted */
	size_t count;
};
#define _cleanup_customers_ __attribute__((cleanup(customers_done)))

/* This machine's configuration, and in it the cloud that the provider uses. CMK_CONFIG. */
int customers_config(struct config *ret, const struct cloud **ret_cloud, struct cmk_err *err);
/* The names of all customers; their files are not read. No folder is no customer. CMK_CONFIG. */
int customers_scan(struct customers *ret, struct cmk_err *err);
void customers_done(struct customers *customers);
