/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of configuration files: each kind of value is one function that checks and stores it. */
#pragma once

#include <stddef.h>

#include "base/secret.h"
#include "format/config-lines.h"

/*
 * Stores value in out, an array of size bytes unless said otherwise. NULL, or what is wrong, to follow
 * the name of the setting in a sentence: "is no GUID".
 */
typedef const char *(*config_set_fn)(void *out, size_t size, const char *value);

/* These take an empty value too, and then leave out empty: "not set". */
const char *config_set_guid(void *out, size_t size, const char *value);
const char *config_set_word(void *out, size_t size, const char *value);
const char *config_set_path(void *out, size_t size, const char *value);
const char *config_set_proxy(void *out, size_t size, const char *value);
const char *config_set_host(void *out, size_t size, const char *value);	   /* in lower case */
const char *config_set_tenants(void *out, size_t size, const char *value); /* struct config_list */
const char *config_set_vaults(void *out, size_t size, const char *value);  /* struct config_list */

/* These do not. */
const char *config_set_name(void *out, size_t size, const char *value);
const char *config_set_authority(void *out, size_t size, const char *value);
const char *config_set_metadata(void *out, size_t size, const char *value);
const char *config_set_audience(void *out, size_t size, const char *value);
const char *config_set_timeout(void *out, size_t size, const char *value); /* uint32_t */
const char *config_set_expired(void *out, size_t size, const char *value); /* enum config_expired */
const char *config_set_hotplug(void *out, size_t size, const char *value); /* enum config_hotplug */
const char *config_set_key(void *out, size_t size, const char *value);

/* One line of a table of settings. */
struct config_key {
	const char *section;
	const char *name;
	config_set_fn set;
	size_t offset;
	size_t size;
};
#define CONFIG_KEY(type, member, section_, name_, set_)                                    \
	{                                                                                  \
		section_, name_, set_, offsetof(type, member), sizeof(((type *)0)->member) \
	}

/* The table's entry for a line, or NULL with CMK_CONFIG. Unknown sections and names are told apart. */
const struct config_key *config_key_find(const struct config_key *keys, size_t count,
					 const char *section, const struct config_line *line);
/* Stores the line's value in its place in the struct that base points to. */
int config_key_store(const struct config_key *key, void *base, const struct config_line *line);

/*
 * Reads a configuration file; ret is NUL-terminated text without a NUL inside. -ENOENT where there is
 * none (err is untouched), CMK_CONFIG, -ENOMEM.
 */
int config_read_file(const char *path, struct secret *ret, struct cmk_err *err);
