/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of systemd's units: systemd.unit(5), "String escaping for inclusion in unit names". */
#include "unit-name.h"

#include <stdio.h>
#include <string.h>

#define PLAIN ":_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* One byte of a name, with room for it. */
static size_t escape(char *out, char c, bool first)
{
	if (c == '/' || (strchr(PLAIN, c) != NULL && !(first && c == '.'))) {
		*out = c == '/' ? '-' : c;
		return 1;
	}
	(void)snprintf(out, sizeof("\\xff"), "\\x%02x", (unsigned char)c);
	return strlen("\\xff");
}

bool unit_name(const char *prefix, const char *name, char out[static UNIT_NAME_MAX])
{
	static const char suffix[] = ".service";
	int len = snprintf(out, UNIT_NAME_MAX, "%s@", prefix);
	size_t used = len > 0 ? (size_t)len : UNIT_NAME_MAX;

	for (const char *p = name; *p != '\0' && used + sizeof("\\xff") <= UNIT_NAME_MAX; p++)
		used += escape(out + used, *p, p == name);
	if (used + sizeof(suffix) > UNIT_NAME_MAX) {
		out[0] = '\0';
		return false;
	}
	memcpy(out + used, suffix, sizeof(suffix));
	return true;
}
