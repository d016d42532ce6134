/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Access tokens kept between unlocks in RUNDIR/tokens, one root-only file for each tenant, application,
 * cloud, scope and identity; locked while one process signs in, so that thirty disks sign in once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/identity.h"
#include "vault/vault.h"

/* A token with less than this left is not used: the vault's clock is not ours. Seconds. */
#define CACHE_MARGIN 120

/* A zeroed struct with fd = -1 caches nothing, and locks nothing. */
struct cache {
	int fd;
	bool locked;
};

/* Before the sandbox closes. Without the right to the directory nothing is cached: never an error. */
void cache_open(struct cache *ret, const char *rundir, const struct vault_target *target,
		const struct identity *identity);
/*
 * RUNDIR/metadata, which holds nothing: whoever asks for the machine's identity has its lock meanwhile. The metadata
 * service throttles a machine that asks for many at once, whoever the customers are.
 */
void cache_open_metadata(struct cache *ret, const char *rundir);
/* Tries to take the lock, never waits: true when held (always, if nothing is cached). */
bool cache_try_lock(struct cache *cache);
void cache_unlock(struct cache *cache);
/* With the lock held: a token that is still good, or false. */
bool cache_get(struct cache *cache, struct vault_credential *ret);
/* With the lock held: keeps a token, or forgets what is kept (credential NULL). */
void cache_put(struct cache *cache, const struct vault_credential *credential);
void cache_done(struct cache *cache);
