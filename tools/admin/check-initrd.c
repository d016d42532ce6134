/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * luks-cmk check --initrd: the unlock of the real volumes with the files of an initramfs, so that what is
 * missing there is found before the reboot. All of it happens in a mount namespace of its own, on a tmpfs:
 * however it ends, nothing is left behind.
 */
#include "check-initrd.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/secret.h"
#include "paths.h"

/* Debian's initramfs-tools and dracut each have one; the first knows the images of both. */
#define UNMKINITRAMFS "/usr/bin/unmkinitramfs"
#define LSINITRD      "/usr/bin/lsinitrd"
#define PLACE	      RUN_DIR "/initrd"
#define RESOLV_CONF   "/etc/resolv.conf"
#define RESOLV_MAX    65536
#define ARGUMENTS_MAX 8

static char *const environment[] = { (char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
				     NULL };

/* Runs argv, in folder if it is not NULL, with that as its root if jail. The exit status, or -errno. */
static int run(const char *const argv[], const char *folder, bool jail)
{
	char *words[ARGUMENTS_MAX + 1] = { NULL };
	int status = 0;
	pid_t pid;

	for (size_t i = 0; argv[i] != NULL && i < ARGUMENTS_MAX; i++)
		words[i] = (char *)(uintptr_t)argv[i];
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if ((folder == NULL || chdir(folder) == 0) && (!jail || chroot(".") == 0))
			(void)execve(words[0], words, environment);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int mount_at(const char *root, const char *place, const char *source, const char *type,
		    unsigned long flags, struct cmk_err *err)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, place);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be made", path);
	if (mount(source, path, type, flags, NULL) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, "%s cannot be mounted", path);
	return 0;
}

static int make_place(struct cmk_err *err)
{
	(void)io_mkdir(RUN_DIR, 0700);
	if (io_mkdir(PLACE, 0700) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno, PLACE " cannot be made; run as root");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, errno,
				     "no mount namespace can be made; run as root");
	return mount_at(PLACE, "", "tmpfs", "tmpfs", MS_NOSUID, err);
}

/* root: where the image's files are. An image with microcode before them is unpacked into several folders. */
static int unpack(const char *image, const char **ret_root, struct cmk_err *err)
{
	const char *const unmkinitramfs[] = { UNMKINITRAMFS, image, PLACE, NULL };
	const char *const lsinitrd[] = { LSINITRD, "--unpack", image, NULL };
	bool have = access(UNMKINITRAMFS, X_OK) == 0;
	int r;

	if (access(image, R_OK) < 0)
		return cmk_err_errno(err, CMK_CONFIG, errno, "%s cannot be read", image);
	if (!have && access(LSINITRD, X_OK) < 0)
		return cmk_err(err, CMK_SYSTEM,
			       "neither " UNMKINITRAMFS " nor " LSINITRD
			       " is there to unpack the image; "
			       "install initramfs-tools-core or dracut-core");
	r = have ? run(unmkinitramfs, NULL, false) : run(lsinitrd, PLACE, false);
	if (r != 0)
		return cmk_err(err, CMK_CONFIG, "%s cannot be unpacked by %s; is it an initramfs?",
			       image, have ? UNMKINITRAMFS : LSINITRD);
	*ret_root = access(PLACE "/main", F_OK) == 0 ? PLACE "/main" : PLACE;
	return 0;
}

/* What the image finds around it when it boots; its scripts write the resolver's file. */
static int furnish(const char *root, struct cmk_err *err)
{
	_cleanup_secret_ struct secret resolver = { 0 };
	char path[256];
	int r = mount_at(root, "dev", "/dev", NULL, MS_BIND, err);

	if (r == 0)
		r = mount_at(root, "proc", "proc", "proc", 0, err);
	if (r == 0)
		r = mount_at(root, "sys", "/sys", NULL, MS_BIND, err);
	if (r == 0)
		r = mount_at(root, "run", "tmpfs", "tmpfs", MS_NOSUID, err);
	if (r < 0 || io_read_file(RESOLV_CONF, RESOLV_MAX, false, &resolver) < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s" RESOLV_CONF, root);
	r = io_write_file(path, resolver.data, resolver.len, 0644);
	return r < 0 ? cmk_err_errno(err, CMK_SYSTEM, -r, "%s cannot be written", path) : 0;
}

/* Where dracut and initramfs-tools keep the list of what the boot opens. */
static const char *find_crypttab(const char *root)
{
	static const char *const places[] = { "/cryptroot/crypttab", "/etc/crypttab" };
	char path[256];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, places[i]);
		if (access(path, R_OK) == 0)
			return places[i];
	}
	return NULL;
}

int check_initrd(const char *image, const char *device, struct cmk_err *err)
{
	const char *const one[] = { TOOL_PATH, "attach", "--dry-run", device, NULL };
	const char *all[] = { TOOL_PATH, "attach", "--all", "--dry-run", "--crypttab", NULL, NULL };
	const char *root = NULL;
	char path[256];
	int r = make_place(err);

	if (r == 0)
		r = unpack(image, &root, err);
	if (r == 0)
		r = furnish(root, err);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s" TOOL_PATH, root);
	if (access(path, X_OK) < 0)
		return cmk_err(err, CMK_HELPER,
			       "%s has no " TOOL_PATH ": nothing was enrolled when it was made, or "
			       "luks-cmk was not installed; make it anew",
			       image);
	all[5] = find_crypttab(root);
	if (device == NULL && all[5] == NULL)
		return cmk_err(err, CMK_CONFIG,
			       "%s has no crypttab: name the DEVICE that it is to open", image);
	r = run(device != NULL ? one : all, root, true);
	return r < 0 ? cmk_err_errno(err, CMK_SYSTEM, -r, "no process can be started") : r;
}
