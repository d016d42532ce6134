/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identity from a file that an agent keeps fresh: what a workload identity's token volume holds, and what
 * most other issuers' agents write. It is read anew for every unlock.
 */
#include <errno.h>

#include "base/cause.h"
#include "base/io.h"
#include "identity/identity.h"

/*
 * The path comes from the machine's configuration alone: a header that could name files would make this
 * machine read them with the rights of root.
 */
static int read_file(struct identity *identity, struct cmk_err *err)
{
	if (identity->path[0] != '/')
		return cmk_err(err, CMK_CONFIG,
			       "the identity comes from a file, and luks-cmk.conf names none; set "
			       "file in [identity] to an absolute path");
	int r = io_read_file(identity->path, IDENTITY_JWT_MAX + IDENTITY_BLANK_MAX, false,
			     &identity->held);
	if (r == -EFBIG)
		return cmk_err(err, CMK_IDENTITY,
			       "%s is longer than any JWT (%d bytes); check what writes it",
			       identity->path, IDENTITY_JWT_MAX);
	if (r < 0)
		return cmk_err_errno(err, CMK_IDENTITY, -r,
				     "%s, which holds this machine's identity, cannot be read; "
				     "check that its agent runs",
				     identity->path);
	if (!identity_trim_jwt(&identity->held))
		return cmk_err(err, CMK_IDENTITY, "%s holds no JWT; check what writes it",
			       identity->path);
	return 0;
}

static int file_prepare(struct identity *identity, struct cmk_err *err)
{
	int r = read_file(identity, err);

	if (r < 0 && err && err->code == CMK_IDENTITY)
		cause_set(err, "identity:file");
	return r;
}

const struct identity_ops identity_file = {
	.name = "file",
	.machine_only = true,
	.prepare = file_prepare,
	.request = identity_held,
};
