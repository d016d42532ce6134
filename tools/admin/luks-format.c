/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 volumes: making a new one, of parameters known before anything is written. */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "disks.h"

/* cryptsetup's own defaults of today, written out: the key is bound to them before the header exists. */
#define FORMAT_CIPHER	"aes"
#define FORMAT_MODE	"xts-plain64"
#define FORMAT_KEY_BITS 512
#define FORMAT_OFFSET	(UINT64_C(16) * 1024 * 1024)
#define SECTOR		512
/* In the header's subsystem field until the volume is proven: it marks what a killed format left. */
#define UNFINISHED "luks-cmk format"

int luks_format_describe(const struct luks_format *format, char out[static HEADER_DESCRIPTION_MAX],
			 struct cmk_err *err)
{
	struct header header = { .cipher = FORMAT_CIPHER "-" FORMAT_MODE,
				 .key_bits = FORMAT_KEY_BITS,
				 .sector_size = format->sector_size,
				 .offset = FORMAT_OFFSET };
	int r = header_describe(&header, out);

	if (r < 0)
		return cmk_err_errno(err, CMK_SYSTEM, -r, "the new header cannot be described");
	return 0;
}

int luks_format(const char *path, bool debug, const struct luks_format *format, struct luks **ret,
		struct cmk_err *err)
{
	/* For the digest of the volume key alone, which is random: no benchmark, no waiting. */
	static const struct crypt_pbkdf_type fast = { .type = CRYPT_KDF_PBKDF2,
						      .hash = "sha256",
						      .iterations = 1000,
						      .flags = CRYPT_PBKDF_NO_BENCHMARK };
	struct crypt_params_luks2 params = { .pbkdf = &fast,
					     .sector_size = format->sector_size,
					     .label = format->label,
					     .subsystem = UNFINISHED };
	_cleanup_luks_ struct luks *luks = NULL;
	char *copy = strdup(path);
	int r;

	if (copy == NULL)
		return -ENOMEM;
	r = luks_attach(copy, debug, &luks, err);
	if (r < 0)
		return r;
	r = crypt_set_data_offset(luks->cd, FORMAT_OFFSET / SECTOR);
	if (r >= 0)
		r = crypt_format(luks->cd, CRYPT_LUKS2, FORMAT_CIPHER, FORMAT_MODE, NULL, NULL,
				 FORMAT_KEY_BITS / 8, &params);
	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "%s cannot be formatted", luks->name);
	r = luks_identify(luks, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(luks);
	return 0;
}

bool luks_unfinished(const char *path)
{
	struct disk_header header = { 0 };

	return disks_probe(path, &header) >= 0 && strcmp(header.subsystem, UNFINISHED) == 0;
}

int luks_finish(struct luks *luks, struct cmk_err *err)
{
	struct disk_header header = { 0 };
	int r = disks_probe(luks->path, &header);

	if (r >= 0) /* sets both: the label stays, the mark goes */
		r = crypt_set_label(luks->cd, header.label[0] != '\0' ? header.label : NULL, NULL);
	if (r < 0)
		return luks_err(luks, r, CMK_DEVICE, err, "the header of %s cannot be written",
				luks->name);
	return 0;
}

static int node_size(int fd, const char *path, uint64_t *ret, struct cmk_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be used", path);
	if (S_ISREG(st.st_mode)) {
		*ret = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return cmk_err(err, CMK_DEVICE, "%s is neither a block device nor an image file",
			       path);
	if (ioctl(fd, BLKGETSIZE64, ret) < 0)
		return cmk_err_errno(err, CMK_DEVICE, errno, "the size of %s is unknown", path);
	return 0;
}

int luks_format_size(const char *path, uint64_t *ret, struct cmk_err *err)
{
	/* O_EXCL, without O_CREAT, on a block device: not while it is mounted or part of something. */
	_cleanup_close_ int fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	char loop[64];
	uint64_t size = 0;
	int r;

	if (fd < 0 && errno == EBUSY)
		return cmk_err(err, CMK_STATE,
			       "%s is in use: unmount it, or close what was made of it, first",
			       path);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be written; run as root",
				     path);
	if (fd < 0)
		return cmk_err_errno(err, CMK_DEVICE, errno, "%s cannot be opened", path);
	r = node_size(fd, path, &size, err);
	if (r < 0)
		return r;
	if (disks_loop_of(path, loop, sizeof(loop)))
		return cmk_err(err, CMK_STATE, "%s is in use as %s: detach that first", path, loop);
	if (size < FORMAT_OFFSET + 4096)
		return cmk_err(err, CMK_DEVICE, "%s is too small: a volume needs more than 16 MiB",
			       path);
	*ret = size;
	return 0;
}
