/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper's sandbox: memory, user, Landlock, and then the system call filter of filter.c. */

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/drop.h"
#include "base/io.h"
#include "filter.h"

/*
 * All that name resolution and TLS open after this point; docs/threat-model.md repeats the list. A folder
 * lets in what is below it. Programs and libraries are not in it: what is needed of them is loaded.
 */
static const char *const readable[] = {
	/* Names (glibc's getaddrinfo). */
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/nsswitch.conf",
	"/run/systemd/resolve",
	"/run/NetworkManager",
	"/run/resolvconf",
	/* Certification authorities (OpenSSL), by hash: links and what they point to. */
	"/etc/ssl/certs",
	"/usr/lib/ssl/certs",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/etc/pki/tls/certs",
	"/etc/pki/ca-trust",
	"/etc/ca-certificates",
};

void sandbox_memory(void)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/*
	 * Without the limit raised, locking the future would make the threads of the resolver fail after
	 * the drop to another user.
	 */
	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/*
 * A terminal is usually open for reading too, under each of its descriptors: what is typed there, perhaps
 * the passphrase that comes next, is not for a process that speaks to the network.
 */
static int restrict_terminal(struct cmk_err *err)
{
	if (!isatty(STDERR_FILENO))
		return 0;
	_cleanup_close_ int fd = open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno, "cannot give up the terminal");
	return 0;
}

/* Every right over files that this kernel's Landlock can take away. */
static uint64_t handled_rights(long abi)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= UINT64_C(1) << 14; /* LANDLOCK_ACCESS_FS_TRUNCATE, Linux 6.2 */
	if (abi >= 5)
		rights |= UINT64_C(1) << 15; /* LANDLOCK_ACCESS_FS_IOCTL_DEV, Linux 6.10 */
	return rights;
}

static int allow_reading(int ruleset, int fd)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = fd,
	};
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int allow_all_reading(int ruleset, int folder, struct cmk_err *err)
{
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		_cleanup_close_ int fd = open(readable[i], O_PATH | O_CLOEXEC);
		/* What is not there is not on this machine. */
		if (fd >= 0 && allow_reading(ruleset, fd) < 0)
			return cmk_err_errno(err, CMK_SANDBOX, errno,
					     "cannot add %s to the Landlock rules", readable[i]);
	}
	if (folder > 0 && allow_reading(ruleset, folder) < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno,
				     "cannot add the identity's folder to the Landlock rules");
	return 0;
}

static int restrict_files(int folder, struct cmk_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return 0; /* Linux before 5.13, or not enabled: user and seccomp still hold */
	const struct landlock_ruleset_attr attributes = { .handled_access_fs =
								  handled_rights(abi) };
	_cleanup_close_ int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
						   sizeof(attributes), 0);
	if (ruleset < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno, "cannot make a Landlock rule set");
	int r = allow_all_reading(ruleset, folder, err);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno, "cannot enter the Landlock rules");
	return 0;
}

/* The group that may read the folder: root's own is never kept. */
static gid_t group_of(int folder)
{
	struct stat status;
	return folder > 0 && fstat(folder, &status) == 0 ? status.st_gid : 0;
}

int sandbox_enter(int folder, struct cmk_err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno, "cannot set no_new_privs");
	int r = restrict_terminal(err);
	if (r == 0)
		r = drop_root(group_of(folder), err);
	if (r < 0)
		return r;
	/* A change of user resets both of these. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	r = restrict_files(folder, err);
	if (r < 0)
		return r;
	return filter_enter(err);
}
