/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * luks-cmk-udev: what udev's rule asks about a LUKS2 device. Reads its header and this machine's own files, asks
 * nobody, and loads none of the tool's libraries: it runs for every encrypted disk of the machine.
 *
 *   luks-cmk-udev [--first] [--name=NAME] [--links=LINK...] DEVNODE
 *
 * Prints LUKS_CMK=1 and LUKS_CMK_CUSTOMER of a volume that is enrolled; of one that is to be open while its disk is
 * there LUKS_CMK_NAME, unless it has got one already; and when the disk has just appeared (--first) LUKS_CMK_UNIT,
 * which opens it. Exits with 1 where there is nothing to tell.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/text.h"
#include "crypttab.h"
#include "disks.h"
#include "format/config.h"
#include "paths.h"
#include "remembered.h"
#include "unit-name.h"

#define CRYPTSETUP_UNIT "systemd-cryptsetup"
#define ATTACH_UNIT	"luks-cmk-attach"

struct probe {
	bool first;
	const char *name;  /* that udev has already; or empty */
	const char *links; /* to the device, below /dev, separated by blanks */
	const char *node;
	const char *conf;
	const char *crypttab;
	struct disk_header header;
	struct token token;
};

static bool is_link(const struct probe *probe, const char *folder, const char *name, bool any_case)
{
	char link[CRYPTTAB_SOURCE_MAX + 32];
	int len = snprintf(link, sizeof(link), "%s%s", folder, name);

	if (len < 0 || (size_t)len >= sizeof(link))
		return false;
	for (const char *p = probe->links; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (n == (size_t)len &&
		    (any_case ? strncasecmp(p, link, n) : strncmp(p, link, n)) == 0)
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

/* The links are not made yet while the rules run: so not by looking where they lead. */
static bool is_meant(const struct probe *probe, const char *source)
{
	static const struct {
		const char *tag, *folder;
		bool any_case;
	} links[] = {
		{ "PARTUUID=", "disk/by-partuuid/", true },
		{ "PARTLABEL=", "disk/by-partlabel/", false },
		{ "/dev/", "", false },
	};

	if (text_starts(source, "UUID="))
		return strcasecmp(source + strlen("UUID="), probe->header.uuid) == 0;
	if (text_starts(source, "LABEL="))
		return probe->header.label[0] != '\0' &&
		       strcmp(source + strlen("LABEL="), probe->header.label) == 0;
	if (strcmp(source, probe->node) == 0)
		return true;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (text_starts(source, links[i].tag))
			return is_link(probe, links[i].folder, source + strlen(links[i].tag),
				       links[i].any_case);
	}
	return false;
}

/* Whether crypttab has the volume; ret_unit is empty if not by itself. */
static bool in_crypttab(const struct probe *probe, char ret_unit[static UNIT_NAME_MAX])
{
	const unsigned never = CRYPTTAB_NOAUTO | CRYPTTAB_DETACHED | CRYPTTAB_OTHER;
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };

	ret_unit[0] = '\0';
	if (crypttab_load(probe->crypttab, &crypttab, NULL) < 0)
		return false;
	for (size_t i = 0; i < crypttab.count; i++) {
		const struct crypttab_entry *entry = &crypttab.entries[i];

		if (!is_meant(probe, entry->source))
			continue;
		if ((entry->options & never) == 0)
			(void)unit_name(CRYPTSETUP_UNIT, entry->name, ret_unit);
		return true;
	}
	return false;
}

/* The mapping's name, if it is to be made by us; else empty. */
static void choose_name(const struct probe *probe, bool all, char out[static CRYPTTAB_NAME_MAX])
{
	_cleanup_crypttab_ struct crypttab remembered = { 0 };
	const struct crypttab_entry *entry = NULL;

	out[0] = '\0';
	if (!text_is_guid(probe->header.uuid))
		return;
	if (remembered_load(probe->conf, &remembered, NULL) == 0)
		entry = remembered_find(&remembered, probe->header.uuid);
	if (entry != NULL && (entry->options & CRYPTTAB_NOAUTO) != 0)
		return;
	if (entry != NULL && remembered_is_name(entry->name))
		(void)text_copy(out, CRYPTTAB_NAME_MAX, entry->name);
	else if (all)
		(void)snprintf(out, CRYPTTAB_NAME_MAX, "luks-%s", probe->header.uuid);
}

static void decide(const struct probe *probe, enum config_hotplug hotplug)
{
	char unit[UNIT_NAME_MAX] = "";
	char name[CRYPTTAB_NAME_MAX] = "";

	if (hotplug == CONFIG_HOTPLUG_OFF)
		return;
	if (!in_crypttab(probe, unit)) {
		choose_name(probe, hotplug == CONFIG_HOTPLUG_ALL, name);
		if (name[0] != '\0' && !unit_name(ATTACH_UNIT, name, unit))
			return;
	}
	if (name[0] != '\0' && (probe->first || probe->name[0] == '\0'))
		printf("LUKS_CMK_NAME=%s\n", name);
	if (unit[0] != '\0' && probe->first)
		printf("LUKS_CMK_UNIT=%s\n", unit);
}

static bool parse_options(int argc, char **argv, struct probe *probe)
{
	static const struct option longs[] = { { "first", no_argument, NULL, 'f' },
					       { "name", required_argument, NULL, 'n' },
					       { "links", required_argument, NULL, 'l' },
					       { "conf", required_argument, NULL, 'c' },
					       { "crypttab", required_argument, NULL, 't' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			probe->first = true;
			break;
		case 'n':
			probe->name = optarg;
			break;
		case 'l':
			probe->links = optarg;
			break;
		case 'c':
			probe->conf = optarg;
			break;
		case 't':
			probe->crypttab = optarg;
			break;
		default:
			return false;
		}
	}
	if (optind + 1 != argc)
		return false;
	probe->node = argv[optind];
	return true;
}

int main(int argc, char **argv)
{
	static struct config config; /* large */
	static struct probe probe = {
		.name = "", .links = "", .conf = CONF_DIR, .crypttab = CRYPTTAB_FILE
	};

	if (!parse_options(argc, argv, &probe)) {
		(void)fprintf(stderr, "luks-cmk-udev is run by udev's rule, see luks-cmk(8)\n");
		return 2;
	}
	if (disks_enrolled(probe.node, &probe.header, &probe.token) != 1)
		return 1;
	printf("LUKS_CMK=1\nLUKS_CMK_CUSTOMER=%s\n", probe.token.customer);
	/* With a wrong configuration nothing opens anyhow, and luks-cmk says why. */
	if (config_load(probe.conf, &config, NULL) == 0)
		decide(&probe, config.attach.hotplug);
	return fflush(stdout) == 0 ? 0 : 1;
}
