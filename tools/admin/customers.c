/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of customers. */
#include "customers.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/token.h"

#define SUFFIX ".conf"

static void closedirp(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static int add(struct customers *customers, const char *file)
{
	size_t len = strlen(file) - strlen(SUFFIX);
	char **grown = reallocarray(customers->names, customers->count + 1, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	customers->names = grown;
	grown[customers->count] = strndup(file, len);
	if (grown[customers->count] == NULL)
		return -ENOMEM;
	customers->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int customers_config(struct config *ret, const struct cloud **ret_cloud, struct cmk_err *err)
{
	int r = config_load(CONF_DIR, ret, err);

	if (r < 0)
		return r;
	*ret_cloud = config_cloud(ret, ret->provider.cloud);
	if (*ret_cloud == NULL)
		return cmk_err(err, CMK_CONFIG,
			       CONF_DIR "/luks-cmk.conf: [provider] cloud '%s' is not known",
			       ret->provider.cloud);
	return 0;
}

int customers_scan(struct customers *ret, struct cmk_err *err)
{
	__attribute__((cleanup(closedirp))) DIR *dir = opendir(CUSTOMERS_DIR);
	_cleanup_customers_ struct customers found = { 0 };
	struct dirent *entry;

	if (dir == NULL && errno != ENOENT)
		return cmk_err_errno(err, CMK_CONFIG, errno, "%s cannot be read%s", CUSTOMERS_DIR,
				     errno == EACCES ? "; run as root" : "");
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		/* An editor's ".contoso.conf.swp" and its like are no customers. */
		if (entry->d_name[0] == '.' || !text_ends(entry->d_name, SUFFIX))
			continue;
		if (add(&found, entry->d_name) < 0)
			return -ENOMEM;
	}
	if (found.count > 1)
		qsort(found.names, found.count, sizeof(*found.names), by_name);
	*ret = found;
	found = (struct customers){ 0 };
	return 0;
}

void customers_done(struct customers *customers)
{
	for (size_t i = 0; i < customers->count; i++)
		free(customers->names[i]);
	free(customers->names);
	*customers = (struct customers){ 0 };
}
