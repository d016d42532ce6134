/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of systemd's units: systemd.unit(5), "String escaping for inclusion in unit names". */
#include "unit-name.h"

#include <stdio.h>
#include <string.h>

#define PLAIN ":_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool unit_name(const char *prefix, const char *name, char out[static UNIT_NAME_MAX])
{
	int len = snprintf(out, UNIT_NAME_MAX, "%s@", prefix);
	size_t used = (size_t)len;

	if (len < 0 || used >= UNIT_NAME_MAX)
		return false;
	for (const char *p = name; *p != '\0'; p++) {
		bool plain = strchr(PLAIN, *p) != NULL && !(p == name && *p == '.');

		if (UNIT_NAME_MAX - used <= sizeof("\\xff"))
			return false;
		if (plain || *p == '/') {
			out[used++] = plain ? *p : '-';
			continue;
		}
		(void)snprintf(out + used, UNIT_NAME_MAX - used, "\\x%02x", (unsigned char)*p);
		used += strlen("\\xff");
	}
	if (UNIT_NAME_MAX - used < sizeof(".service"))
		return false;
	memcpy(out + used, ".service", sizeof(".service"));
	return true;
}
