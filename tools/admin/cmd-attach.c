/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk attach: opens mappings, one by name or those of crypttab, also in an initramfs. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "attach-boot.h"
#include "attach-say.h"
#include "base/io.h"
#include "base/text.h"
#include "bootparams.h"
#include "command.h"
#include "disks.h"
#include "entry.h"
#include "format/config.h"
#include "known.h"
#include "paths.h"
#include "prompts.h"
#include "remember.h"
#include "remembered.h"

#define CMDLINE_FILE "/proc/cmdline"
#define CONSOLE_FILE "/dev/console"
/* In an initramfs, for disks that come late; what comes later still is for the next call. */
#define BOOT_DEVICE_WAIT_S 10

struct attach {
	struct call *call;
	bool all, boot, background, remember;
	bool every; /* of --all: what nobody has told this machine of, too */
	int asker_pid;
	const char *crypttab_file;
	const char *cmdline_file;
	const char *console_file;
	const char *first;
	const char *timeout;
	const char *wait;
	const char *prompt_pid;
	struct attach_settings settings;
	struct crypttab crypttab;
	struct crypttab remembered;
};

static void attach_done(struct attach *attach)
{
	crypttab_done(&attach->crypttab);
	crypttab_done(&attach->remembered);
}

static int parse_options(struct attach *attach)
{
	struct call *call = attach->call;
	const struct command_option options[] = {
		{ .name = "all", .flag = &attach->all },
		{ .name = "boot", .flag = &attach->boot },
		{ .name = "background", .flag = &attach->background },
		{ .name = "untried", .flag = &attach->settings.untried },
		{ .name = "dry-run", .flag = &attach->settings.dry_run },
		{ .name = "json", .flag = &call->json },
		{ .name = "remember", .flag = &attach->remember },
		{ .name = "crypttab", .value = &attach->crypttab_file },
		{ .name = "cmdline", .value = &attach->cmdline_file },
		{ .name = "console", .value = &attach->console_file },
		{ .name = "first", .value = &attach->first },
		{ .name = "prompt-pid", .value = &attach->prompt_pid },
		{ .name = "timeout", .value = &attach->timeout },
		{ .name = "wait", .value = &attach->wait },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 0, 2);
	int seconds = attach->boot ? BOOT_DEVICE_WAIT_S : 0;

	if (r != 0)
		return r;
	if ((call->argc > 0) + attach->all + attach->boot != 1)
		return usage_error(call, "one of DEVICE, --all and --boot is needed");
	if (!attach->boot && (attach->background || attach->settings.untried ||
			      attach->cmdline_file != NULL || attach->console_file != NULL))
		return usage_error(call, "--background, --untried, --cmdline and --console are for "
					 "--boot only");
	if (attach->first != NULL && (!attach->boot || attach->background || *attach->first != '/'))
		return usage_error(call, "--first is the path of a program, with --boot, but not "
					 "with --background");
	if (attach->prompt_pid != NULL &&
	    (!attach->background ||
	     !option_number(attach->prompt_pid, INT_MAX, &attach->asker_pid) ||
	     attach->asker_pid == 0))
		return usage_error(call, "--prompt-pid is a process id, with --background");
	if (attach->timeout != NULL &&
	    !bootparams_timeout(attach->timeout, &attach->settings.timeout))
		return usage_error(call,
				   "--timeout is a number of seconds from 1 to 86400, or forever");
	if (attach->wait != NULL &&
	    (call->argc > 0 || !option_number(attach->wait, 86400, &seconds)))
		return usage_error(call, "--wait is a number of seconds, with --all or --boot");
	if (call->json && !attach->all)
		return usage_error(call, "--json goes with --all");
	if (attach->remember && (call->argc == 0 || attach->settings.dry_run))
		return usage_error(call, "--remember goes with DEVICE, and without --dry-run");
	attach->settings.device_wait = (uint32_t)seconds;
	attach->settings.debug = call->debug;
	attach->settings.claim = attach->boot;
	return 0;
}

/* The helper says what is wrong with a configuration: it will read the same. */
static void read_config(struct attach *attach)
{
	struct config config;

	if (config_load(CONF_DIR, &config, NULL) < 0)
		config_init(&config);
	attach->every = config.attach.hotplug == CONFIG_HOTPLUG_ALL;
	if (attach->settings.timeout == 0)
		attach->settings.timeout = config.network.timeout;
}

static int load_crypttab(struct attach *attach, struct cmk_err *err)
{
	const char *path = attach->crypttab_file != NULL ? attach->crypttab_file : CRYPTTAB_FILE;
	struct cmk_err wrong = { 0 };
	struct stat st;
	int r;

	if (attach->crypttab_file != NULL && stat(path, &st) < 0)
		return cmk_err_errno(err, CMK_CONFIG, errno, "%s cannot be read", path);
	r = known_crypttab(path, &attach->crypttab, err);
	/* An initramfs's table has all that the boot needs. */
	if (r == 0 && !attach->boot)
		r = remembered_load(CONF_DIR, &attach->remembered, &wrong);
	if (wrong.code != CMK_OK)
		attach_note("%s; it is left out", wrong.text);
	return r;
}

/* What crypttab says of the volume counts before what is remembered of it. */
static const struct crypttab_entry *entry_of(const struct attach *attach, const char *path,
					     const struct disk_header *header, const char *name)
{
	const struct crypttab_entry *remembered;

	for (size_t i = 0; i < attach->crypttab.count; i++) {
		const struct crypttab_entry *entry = &attach->crypttab.entries[i];

		if (entry_is_of(entry, path, header) &&
		    (name == NULL || strcmp(entry->name, name) == 0))
			return entry;
	}
	remembered = remembered_find(&attach->remembered, header->uuid);
	if (remembered != NULL && (name == NULL || strcmp(remembered->name, name) == 0))
		return remembered;
	return NULL;
}

static int attach_device(struct attach *attach, struct cmk_err *err)
{
	const char *name = attach->call->argc > 1 ? attach->call->argv[1] : NULL;
	const struct crypttab_entry *entry;
	struct attach_volume volume = { 0 };
	struct disk_header header = { 0 };
	_cleanup_free_ char *path = NULL;
	struct attach_report report = { .single = true };
	char by_uuid[CRYPTTAB_NAME_MAX];
	int r;

	if (name != NULL && !crypttab_is_name(name))
		return usage_error(attach->call, "'%s' can be no mapping's name", name);
	r = disks_resolve(attach->call->argv[0], &path, err);
	if (r < 0)
		return r;
	(void)disks_probe(path, &header);
	entry = entry_of(attach, path, &header, name);
	if (entry != NULL && (entry->options & CRYPTTAB_DETACHED) != 0)
		return cmk_err(err, CMK_DEVICE,
			       "crypttab gives %s a detached header (header=): only volumes whose "
			       "header is on the data device are supported",
			       entry->name);
	/* Anything can stand in a header. */
	if (name == NULL && entry == NULL && header.version == 2 && !text_is_guid(header.uuid))
		return cmk_err(err, CMK_DEVICE,
			       "%s has no UUID that it could be called by; say a name: luks-cmk "
			       "attach %s NAME",
			       path, path);
	(void)snprintf(by_uuid, sizeof(by_uuid), "luks-%s", header.uuid);
	volume.device = path;
	volume.name = name != NULL ? name : entry != NULL ? entry->name : by_uuid;
	volume.options = entry != NULL ? entry->options & CRYPTTAB_ACTIVATION : 0;
	report.names = &volume.name;
	report.dry_run = attach->settings.dry_run;
	attach_one(&volume, &attach->settings, attach_say, &report);
	if (report.status == 0 && attach->remember)
		return remember_attached(path, header.uuid, volume.name, err);
	return report.status;
}

/*
 * What --all or --boot is to open, moved to the front of the table. An initramfs's crypttab lists only what
 * the boot needs: noauto, as on the system's, does not count there.
 */
static size_t choose(struct attach *attach)
{
	size_t count = 0;

	for (size_t i = 0; i < attach->crypttab.count; i++) {
		const struct crypttab_entry *entry = &attach->crypttab.entries[i];

		if ((entry->options & CRYPTTAB_OTHER) != 0 ||
		    (!attach->boot && (entry->options & CRYPTTAB_NOAUTO) != 0))
			continue;
		if ((entry->options & CRYPTTAB_DETACHED) != 0) {
			attach_note(
				"%s has a detached header (header=), which is not supported; it "
				"is left to others",
				entry->name);
			continue;
		}
		attach->crypttab.entries[count++] = *entry;
	}
	return count;
}

/* Nothing is typed beside a prompt, nor in a rehearsal, unless that is what is rehearsed. */
static const char *console_of(const struct attach *attach)
{
	if (attach->console_file != NULL)
		return attach->console_file;
	return attach->background || attach->settings.dry_run ? NULL : CONSOLE_FILE;
}

static int boot_entries(struct attach *attach, size_t count, struct attach_report *report,
			struct cmk_err *err)
{
	_cleanup_close_ int asker = attach->asker_pid != 0 ? prompts_asker(attach->asker_pid) : -1;
	const struct attach_boot boot = { .console = console_of(attach),
					  .asker = asker,
					  .background = attach->background,
					  .first = attach->first };

	return attach_boot(&boot, attach->crypttab.entries, count, &attach->settings, report, err);
}

/* As if the signal had not been caught. */
static void end_by(int number)
{
	(void)fflush(NULL);
	(void)raise(number);
}

static int attach_boot_entries(struct attach *attach, struct cmk_err *err)
{
	struct attach_report report = { .boot = true,
					.dry_run = attach->settings.dry_run,
					.timeout = attach->settings.timeout };
	size_t count = choose(attach);
	int r;

	report.entries = attach->crypttab.entries;
	r = boot_entries(attach, count, &report, err);
	if (r > 0)
		end_by(r);
	return r < 0 ? r : report.status;
}

static int print_all(const struct attach *attach, const struct attach_report *report)
{
	if (attach->call->json)
		return attach_table_json(report->table);
	if (report->ours == 0)
		printf("No volume of crypttab or %s/volumes.d is enrolled.\n", CONF_DIR);
	return attach_table_print(report->table);
}

static int attach_all_entries(struct attach *attach, struct cmk_err *err)
{
	_cleanup_attach_table_ struct attach_table table = { 0 };
	struct attach_report report = { .dry_run = attach->settings.dry_run,
					.timeout = attach->settings.timeout,
					.table = &table,
					.json = attach->call->json };
	size_t count;
	int r = known_add(&attach->crypttab, &attach->remembered, attach->every, err);

	if (r < 0)
		return r;
	count = choose(attach);
	report.entries = attach->crypttab.entries;
	r = attach_table_init(&table, report.entries, count, report.dry_run);
	if (r < 0)
		return r;
	attach_table_draw(&table);
	r = attach_many(report.entries, count, &attach->settings, attach_say, &report, err);
	attach_table_clear(&table);
	if (r > 0)
		end_by(r);
	if (r == 0)
		r = print_all(attach, &report);
	return r < 0 ? r : report.status;
}

/* The kernel's command line may forbid or bound it. True if there is nothing to do. */
static bool boot_is_off(struct attach *attach)
{
	const char *path = attach->cmdline_file != NULL ? attach->cmdline_file : CMDLINE_FILE;
	_cleanup_secret_ struct secret file = { 0 };
	struct bootparams params = { 0 };
	int r = io_read_file(path, BOOTPARAMS_FILE_MAX, false, &file);

	if (r < 0)
		attach_note("%s cannot be read: %s", path, strerror(-r));
	else
		bootparams_parse((const char *)file.data, &params);
	if (params.wrong[0] != '\0')
		attach_note("the kernel parameter %s means nothing and is ignored", params.wrong);
	if (params.off)
		printf("luks-cmk: switched off by the kernel's command line\n");
	/* Scripts that have used up some of the time already say how much is left. */
	if (attach->timeout == NULL)
		attach->settings.timeout = params.timeout;
	return params.off;
}

int cmd_attach(struct call *call, struct cmk_err *err)
{
	__attribute__((cleanup(attach_done))) struct attach attach = { .call = call };
	int r = parse_options(&attach);

	if (r != 0)
		return r;
	if (attach.boot && boot_is_off(&attach))
		return 0;
	read_config(&attach);
	/* Somebody is to type a passphrase in the end: what lasts for ever is for the background. */
	if (attach.background && attach.settings.timeout != CONFIG_TIMEOUT_FOREVER)
		return cmk_code_exit(CMK_TIMEOUT);
	if (attach.boot && !attach.background && attach.settings.timeout == CONFIG_TIMEOUT_FOREVER)
		attach.settings.timeout = CONFIG_TIMEOUT_DEFAULT;
	r = load_crypttab(&attach, err);
	if (r < 0)
		return r;
	if (call->argc > 0)
		return attach_device(&attach, err);
	return attach.boot ? attach_boot_entries(&attach, err) : attach_all_entries(&attach, err);
}
