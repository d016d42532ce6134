/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root's rights, given up for good. */
#include "base/drop.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define USER "luks-cmk"
/* "nobody" everywhere; an initramfs has no user database. */
#define FALLBACK_ID 65534

int drop_root(gid_t group, struct cmk_err *err)
{
	uid_t uid = FALLBACK_ID;
	gid_t gid = FALLBACK_ID;

	if (geteuid() != 0)
		return 0;
	const struct passwd *user = getpwnam(USER);
	if (user && user->pw_uid != 0) {
		uid = user->pw_uid;
		gid = user->pw_gid;
	}
	if (setgroups(group ? 1 : 0, group ? &group : NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return cmk_err_errno(err, CMK_SANDBOX, errno,
				     "cannot give up root's rights for user %u", (unsigned)uid);
	if (setuid(0) == 0 || setgid(0) == 0)
		return cmk_err(err, CMK_SANDBOX,
			       "root's rights came back after they were given up; "
			       "report this with the kernel's version");
	return 0;
}
