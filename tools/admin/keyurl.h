/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URLs of keys as people write them. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "format/config.h"

/* https://VAULT.suffix/keys/NAME[/VERSION] with a suffix of the cloud, and nothing else. CMK_CONFIG. */
int keyurl_check(const struct cloud *cloud, const char *url, struct cmk_err *err);
/* What a key's URL consists of; every part is letters, digits and dashes. */
struct keyurl {
	char store[64]; /* the vault's or the HSM's name */
	bool hsm;
	char key[128];
	bool versioned; /* the URL names a version, and so a key that exists */
};

/* Takes apart what keyurl_check() accepts. CMK_CONFIG. */
int keyurl_split(const struct cloud *cloud, const char *url, struct keyurl *ret,
		 struct cmk_err *err);
/* Whether both are the same key; versions do not matter. Hosts and names know no upper and lower case. */
bool keyurl_same_key(const char *a, const char *b);
/* Whether key, with its version, is what url asks for: the same version too, if url names one. */
bool keyurl_matches(const char *url, const char *key);
