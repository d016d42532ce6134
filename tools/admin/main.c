/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* luks-cmk: enrols LUKS2 volumes for a customer's key and tells how they are. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "command.h"
#include "paths.h"

#define COMMON_HELP                                                       \
	"      --debug              say on standard error what happens\n" \
	"  -h, --help               this text\n"

#define REMEMBER_HELP                                                                   \
	"      --name NAME          as which it opens when its disk appears (default: " \
	"luks-UUID)\n"                                                                  \
	"      --no-remember        do not let it open by itself\n"

static const struct command commands[] = {
	{ "enroll", "DEVICE --customer NAME", "let a customer's key open an existing LUKS2 volume",
	  "      --customer NAME      whose key, from customers.d/NAME.conf\n"
	  "  -d, --key-file FILE      unlock the volume with this file; - is standard input\n"
	  "      --unlock-token N     unlock the volume with its token N\n"
	  "      --header-backup FILE keep the header as it was in this new file\n" REMEMBER_HELP,
	  "Without --key-file or --unlock-token a passphrase is asked for.", cmd_enroll },
	{ "format", "DEVICE --customer NAME",
	  "make a LUKS2 volume that never had a passphrase; destroys what is on DEVICE",
	  "      --customer NAME      whose key, from customers.d/NAME.conf\n"
	  "      --label LABEL        of the new volume\n"
	  "      --sector-size BYTES  512, 1024, 2048 or 4096 (default: 4096 where it fits)\n"
	  "      --force              also where DEVICE holds a LUKS header already\n"
	  "  -q, --batch-mode         do not ask for confirmation\n" REMEMBER_HELP,
	  NULL, cmd_format },
	{ "attach", "DEVICE [NAME] | --all | --boot", "open volumes by their customers' keys",
	  "      --all                every enrolled volume that this machine knows\n"
	  "      --boot               the same in an initramfs, heeding the kernel's command line\n"
	  "      --background         beside the prompt: what timeout = forever leaves to do\n"
	  "      --first PROGRAM      run this before, to bring the network up (--boot)\n"
	  "      --prompt-pid PID     who shows the prompt, to be ended when all is open\n"
	  "      --untried            only volumes that have not failed since boot\n"
	  "      --crypttab FILE      instead of /etc/crypttab\n"
	  "      --cmdline FILE       instead of /proc/cmdline\n"
	  "      --console FILE       where a passphrase may be typed, instead of /dev/console\n"
	  "      --timeout SECONDS    for all of it (default: that of luks-cmk.conf); or: forever\n"
	  "      --wait SECONDS       for devices that are not there yet\n"
	  "      --json               for programs (--all)\n"
	  "      --remember           open it too when its disk appears again\n"
	  "      --dry-run            ask the vault, open the keyslot, make no mapping\n",
	  "Without NAME, crypttab has the mapping's name, or it is luks-UUID.", cmd_attach },
	{ "detach", "NAME | DEVICE | --all", "close enrolled volumes",
	  "      --all                every enrolled volume that is open\n"
	  "      --deferred           close one that is in use when it is free\n",
	  "Of a disk that is gone what is mounted is unmounted.", cmd_detach },
	{ "status", "DEVICE", "who can open a volume; asks no vault",
	  "      --json               for programs\n", NULL, cmd_status },
	{ "list", "[DEVICE...]", "every volume of this machine that is enrolled",
	  "      --json               for programs\n",
	  "Without DEVICE all block devices are looked at.", cmd_list },
	{ "check", "[DEVICE | --customer NAME | --all | --config | --initrd IMAGE [DEVICE]]",
	  "try each step up to the customer's key, timed; changes nothing",
	  "      --customer NAME      a customer's key, without any volume\n"
	  "      --all                every enrolled volume and every customer (the default)\n"
	  "      --config             only whether the configuration can be read; nothing is "
	  "asked\n"
	  "      --initrd IMAGE       open the volumes of its crypttab, or DEVICE, with the files "
	  "of an\n"
	  "                           initramfs, before the next boot has to\n"
	  "      --json               for programs\n",
	  NULL, cmd_check },
	{ "remove", "DEVICE", "take a customer's key off a volume",
	  "      --key URL            only the wrapping under this key\n"
	  "      --token N            only token N\n"
	  "      --last               even if nothing can open the volume afterwards\n",
	  "Repeating it is no error; no vault is asked.", cmd_remove },
	{ "customer", "add NAME --tenant TENANT --key URL | list | show NAME | handover NAME",
	  "which customers this machine knows",
	  "      --tenant TENANT      the customer's: its id, or a domain of it (add)\n"
	  "      --key URL            of the customer's key, usually without version (add)\n"
	  "      --spare-key URL      of another key that shall open the volumes too (add)\n"
	  "      --force              replace what is configured already (add)\n"
	  "      --json               for programs (list, show)\n"
	  "      --markdown           for sending it (handover)\n",
	  "handover prints what the customer's administrator must run, filled in.", cmd_customer },
	{ "provider", "setup [--tenant TENANT]", "what the provider runs once in Azure, filled in",
	  "      --tenant TENANT      the provider's: its id, or a domain of it\n"
	  "      --markdown           for sending it\n",
	  "Prints commands and runs none.", cmd_provider },
	{ "why", "[DEVICE | UUID | --previous]", "why the last unlocks failed",
	  "      --previous           of the boot before this one, from the journal\n"
	  "      --json               for programs\n",
	  NULL, cmd_why },
};

static void print_help(void)
{
	printf("Usage: luks-cmk COMMAND [ARGUMENT...]\n\n"
	       "Opens LUKS2 volumes with a key in the customer's own vault.\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\nDEVICE is a block device, an image file, UUID=... or LABEL=...\n\n"
	       "      --version            print the version\n" COMMON_HELP
	       "\n'luks-cmk COMMAND --help' describes a command; luks-cmk(8) describes them all.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by the customer's side,\n"
	       "4 unreachable, 5 the state of this machine or volume forbids it.\n");
}

static void print_command_help(const struct command *command)
{
	printf("Usage: luks-cmk %s %s\n\n", command->name, command->synopsis);
	printf("%c%s.\n\n", command->summary[0] - 'a' + 'A', command->summary + 1);
	printf("%s" COMMON_HELP, command->help);
	if (command->note != NULL)
		printf("\n%s\n", command->note);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Passphrases and keys pass through this process: not into a core file, a debugger or swap. */
static void protect_memory(void)
{
	static const struct rlimit none = { 0, 0 };
	static const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	/* Argon2 maps up to 1 GiB: under a limit, locking would make it fail. So without one or not at all. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static int run_command(struct call *call)
{
	struct cmk_err err = { 0 };
	int r = call->command->run(call, &err);

	if (r < 0)
		return report_error(&err);
	if (r == STATUS_HELP) {
		print_command_help(call->command);
		r = 0;
	}
	errno = EIO; /* for a write that failed earlier */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)cmk_err_errno(&err, CMK_SYSTEM, errno, "standard output cannot be written");
		return report_error(&err);
	}
	return r;
}

int main(int argc, char **argv)
{
	enum { DEBUG = UCHAR_MAX + 1, HELP, VERSION };
	static const struct option longs[] = { { "debug", no_argument, NULL, DEBUG },
					       { "help", no_argument, NULL, HELP },
					       { "version", no_argument, NULL, VERSION },
					       { NULL, 0, NULL, 0 } };
	struct call call = { 0 };
	int c;

	(void)setlocale(LC_ALL, "");
	protect_memory();
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		if (c == VERSION) {
			printf("luks-cmk %s\n", PROJECT_VERSION);
			return 0;
		}
		if (c == HELP || c == 'h') {
			print_help();
			return 0;
		}
		if (c != DEBUG)
			return option_unknown(&call, argv);
		call.debug = true;
	}
	if (optind >= argc)
		return usage_error(&call, "a command is missing");
	call.command = find_command(argv[optind]);
	if (call.command == NULL)
		return usage_error(&call, "unknown command '%s'", argv[optind]);
	call.argc = argc - optind;
	call.argv = argv + optind;
	return run_command(&call);
}
