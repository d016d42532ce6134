/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access tokens in RUNDIR/tokens: "LUKSCMK-TOKEN-1 EXPIRES LENGTH\n" and the token. */

#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

#define HEADING	    "LUKSCMK-TOKEN-1"
#define HEADING_MAX 64
#define FILE_MAX    (VAULT_CREDENTIAL_MAX + HEADING_MAX)
#define PATH_SIZE   512

/* A name that says nothing and cannot be steered by a header: SHA-256 of all that a token depends on. */
static bool file_name(const struct vault_target *target, const struct identity *identity,
		      char out[static EVP_MAX_MD_SIZE * 2 + 1])
{
	_cleanup_buf_ struct buf id = BUF(4096);
	const char *parts[] = {
		target->ops->name,	    target->cloud->name,	target->cloud->authority,
		target->wrapping.tenant_id, target->wrapping.client_id, target->scope,
		identity->ops->name,	    identity->client_id,	identity->path
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_append(&id, parts[i], strlen(parts[i]) + 1);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (buf_error(&id) < 0 || EVP_Digest(id.data, id.len, hash, &len, EVP_sha256(), NULL) != 1)
		return false;
	for (unsigned i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
	return true;
}

void cache_open(struct cache *ret, const char *rundir, const struct vault_target *target,
		const struct identity *identity)
{
	*ret = (struct cache){ .fd = -1 };
	char name[EVP_MAX_MD_SIZE * 2 + 1];
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "%s/tokens", rundir);
	if (len < 0 || (size_t)len >= sizeof(path) || !file_name(target, identity, name))
		return;
	if (io_mkdir(rundir, 0700) < 0 || io_mkdir(path, 0700) < 0)
		return;
	len = snprintf(path, sizeof(path), "%s/tokens/%s", rundir, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return;
	ret->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

void cache_open_metadata(struct cache *ret, const char *rundir)
{
	*ret = (struct cache){ .fd = -1 };
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "%s/metadata", rundir);
	if (len < 0 || (size_t)len >= sizeof(path) || io_mkdir(rundir, 0700) < 0)
		return;
	ret->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

bool cache_try_lock(struct cache *cache)
{
	if (cache->fd < 0 || cache->locked)
		return true;
	int r;
	do
		r = flock(cache->fd, LOCK_EX | LOCK_NB);
	while (r < 0 && errno == EINTR);
	/* Without locks (some file systems) signing in twice is better than not at all. */
	cache->locked = r == 0;
	return r == 0 || errno != EWOULDBLOCK;
}

void cache_unlock(struct cache *cache)
{
	if (cache->locked)
		(void)flock(cache->fd, LOCK_UN);
	cache->locked = false;
}

static bool parse(const struct secret *file, struct vault_credential *ret)
{
	int64_t expires;
	size_t len;
	int used = 0;
	const char *text = (const char *)file->data;
	if (sscanf(text, HEADING " %" SCNd64 " %zu%n", &expires, &len, &used) != 2 || used <= 0)
		return false;
	size_t start = (size_t)used + 1;
	/* Cut short where its writer was killed: nothing is kept. */
	if (text[used] != '\n' || len == 0 || len != file->len - start)
		return false;
	if (expires < (int64_t)time(NULL) + CACHE_MARGIN)
		return false;
	if (secret_set(&ret->value, file->data + start, len) < 0)
		return false;
	ret->expires = expires;
	return true;
}

bool cache_get(struct cache *cache, struct vault_credential *ret)
{
	_cleanup_secret_ struct secret file = { 0 };
	if (cache->fd < 0 || lseek(cache->fd, 0, SEEK_SET) != 0 || secret_init(&file, FILE_MAX) < 0)
		return false;
	if (io_read_all(cache->fd, &file, INT64_MAX) < 0 || file.len == 0)
		return false;
	return parse(&file, ret);
}

void cache_put(struct cache *cache, const struct vault_credential *credential)
{
	if (cache->fd < 0 || ftruncate(cache->fd, 0) < 0 || !credential)
		return;
	_cleanup_secret_ struct secret file = { 0 };
	char heading[HEADING_MAX];
	int len = snprintf(heading, sizeof(heading), HEADING " %" PRId64 " %zu\n",
			   credential->expires, credential->value.len);
	if (len < 0 || secret_init(&file, FILE_MAX) < 0 || lseek(cache->fd, 0, SEEK_SET) != 0)
		return;
	if (secret_append(&file, heading, (size_t)len) < 0 ||
	    secret_append(&file, credential->value.data, credential->value.len) < 0)
		return;
	/* Half a token is recognised by its length, and not used. */
	(void)io_write_all(cache->fd, file.data, file.len);
}

void cache_done(struct cache *cache)
{
	cache_unlock(cache);
	if (cache->fd >= 0)
		(void)close(cache->fd);
	cache->fd = -1;
}
