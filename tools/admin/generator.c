/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * luks-cmk-generator: orders the volumes of crypttab that have _netdev after the network. systemd itself orders them
 * after remote-fs-pre.target alone, which nothing makes wait for a network: a drop-in for each unit does. Run by
 * systemd, see systemd.generator(7); all but the first argument are left alone.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "crypttab.h"
#include "unit-name.h"

#define DROP_IN                                                                           \
	"# Written by luks-cmk-generator: _netdev in crypttab(5) means the network, see " \
	"luks-cmk(8)\n"                                                                   \
	"[Unit]\n"                                                                        \
	"Wants=network-online.target\n"                                                   \
	"After=network-online.target\n"

static int write_drop_in(const char *folder, const char *name)
{
	char unit[UNIT_NAME_MAX];
	char path[PATH_MAX];
	int len;

	if (!unit_name("systemd-cryptsetup", name, unit))
		return -ENAMETOOLONG;
	len = snprintf(path, sizeof(path), "%s/%s.d", folder, unit);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	len = io_mkdir(path, 0755);
	if (len < 0)
		return len;
	len = snprintf(path, sizeof(path), "%s/%s.d/50-luks-cmk.conf", folder, unit);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return io_write_file(path, DROP_IN, strlen(DROP_IN), 0644);
}

int main(int argc, char **argv)
{
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };
	struct cmk_err err = { 0 };
	int status = 0;

	if (argc < 2 || argc > 5) {
		(void)fprintf(stderr, "luks-cmk-generator is run by systemd, see luks-cmk(8)\n");
		return 2;
	}
	if (crypttab_load(argc == 5 ? argv[4] : CRYPTTAB_FILE, &crypttab, &err) < 0) {
		(void)fprintf(stderr, "luks-cmk-generator: %s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < crypttab.count; i++) {
		const struct crypttab_entry *entry = &crypttab.entries[i];
		int r;

		if ((entry->options & CRYPTTAB_NETDEV) == 0)
			continue;
		r = write_drop_in(argv[1], entry->name);
		if (r < 0) {
			(void)fprintf(stderr, "luks-cmk-generator: no drop-in for %s: %s\n",
				      entry->name, strerror(-r));
			status = 1;
		}
	}
	return status;
}
