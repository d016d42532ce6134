/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 volumes: the tool's only user of libcryptsetup. Every failure is a sentence with a code. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "format/header.h"
#include "format/token.h"

struct crypt_device;

/* LUKS2_KEYSLOTS_MAX and LUKS2_TOKENS_MAX of cryptsetup's lib/luks2/luks2.h: sets fit into 32 bits. */
#define LUKS_SLOTS_MAX 32
#define LUKS_NONE      (-1)

/* libcryptsetup's limit for a passphrase that is no file (LUKS2 takes up to 512 characters). */
#define LUKS_PASSPHRASE_MAX 512

struct luks {
	struct crypt_device *cd;
	char *path;			     /* what was opened */
	char name[256];			     /* the same, fit to be printed */
	char uuid[64];			     /* fit to be printed */
	char label[256];		     /* fit to be printed; may be empty */
	char header[HEADER_DESCRIPTION_MAX]; /* see format/header.h; empty without any keyslot */
	bool debug;
	char said[256]; /* the last error that libcryptsetup reported itself */
};
#define _cleanup_luks_ __attribute__((cleanup(luks_freep)))

/*
 * Loads the LUKS2 header of a DEVICE argument; no key is needed. CMK_DEVICE for what is no LUKS2 volume:
 * absent, something else, LUKS1, a detached header.
 */
int luks_open(const char *device, bool debug, struct luks **ret, struct cmk_err *err);
void luks_free(struct luks *luks);
static inline void luks_freep(struct luks **luks)
{
	luks_free(*luks);
}

/* For luks*.c: connects a new object to libcryptsetup, without loading anything. Takes over path. */
int luks_attach(char *path, bool debug, struct luks **ret, struct cmk_err *err);
/* Reads UUID, label and header description of what is loaded or was just made. */
int luks_identify(struct luks *luks, struct cmk_err *err);
/* cmk_err() with libcryptsetup's own last words, or those of errno r, after the sentence. */
int luks_err(struct luks *luks, int r, enum cmk_code code, struct cmk_err *err, const char *format,
	     ...) __attribute__((format(printf, 5, 6)));

/* The next token of our type after that number (LUKS_NONE first); LUKS_NONE at the end. */
int luks_next_token(const struct luks *luks, int token);
/* The type of any token: owned by libcryptsetup, until the next call. NULL where there is none. */
const char *luks_token_type(const struct luks *luks, int token);
/* The JSON of a token: owned by libcryptsetup, until the next call. */
int luks_token_json(struct luks *luks, int token, const char **ret, struct cmk_err *err);
/* A token of ours, parsed. CMK_TOKEN */
int luks_token(struct luks *luks, int token, struct token *ret, struct cmk_err *err);

/* Sets of keyslots, one bit each: those that open the volume, and those that a token is assigned to. */
uint32_t luks_active_slots(const struct luks *luks);
uint32_t luks_token_slots(const struct luks *luks, int token);
/* Active keyslots that can be opened without the given token's help. */
uint32_t luks_other_slots(const struct luks *luks, int token);
/* Active keyslots that can be opened without any token of ours. */
uint32_t luks_bypass_slots(const struct luks *luks);

/* Unlocking, to add a keyslot: the volume key, of which ret is a copy to be wiped. CMK_PASSPHRASE. */
int luks_key_by_passphrase(struct luks *luks, const struct secret *passphrase, struct secret *ret,
			   struct cmk_err *err);
/* pin may be empty; -ENOANO (err unchanged) asks for one. CMK_KEYSLOT. */
int luks_key_by_token(struct luks *luks, int token, const struct secret *pin, struct secret *ret,
		      struct cmk_err *err);
/* Keyslots of PBKDF2, as ours are made: the others, made for people, cost seconds each to try. */
uint32_t luks_cheap_slots(const struct luks *luks);
/* The keyslot, of a set, that a payload opens; or LUKS_NONE. */
int luks_slot_of(struct luks *luks, uint32_t slots, const struct secret *payload);

struct luks_enrolment {
	int token;
	int keyslot;
};

/*
 * Writes the token with no keyslot, adds the keyslot, assigns it: killed in between, what the volume
 * opened with still opens it. volume_key NULL: of the header just formatted. On failure all of it is taken
 * back; ret_undone tells whether there was anything. CMK_DEVICE, CMK_KEYSLOT.
 */
int luks_enrol(struct luks *luks, const struct secret *volume_key, const struct secret *payload,
	       const struct token *token, struct luks_enrolment *ret, bool *ret_undone,
	       struct cmk_err *err);
/* The same on a copy of the header in memory: whether there is room for it. CMK_DEVICE. */
int luks_rehearse(struct luks *luks, const struct secret *volume_key, const struct secret *payload,
		  const struct token *token, struct cmk_err *err);
/* Takes back what luks_enrol() wrote; whether there was anything. */
bool luks_undo(struct luks *luks, const struct luks_enrolment *enrolment);
int luks_assign(struct luks *luks, const struct luks_enrolment *enrolment, struct cmk_err *err);
/* The reverse, where finishing did not succeed. */
void luks_unassign(struct luks *luks, const struct luks_enrolment *enrolment);

/* Opens the volume's keyslot by the token, through the installed plugin, exactly as at boot. */
int luks_prove(struct luks *luks, int token, struct cmk_err *err);
/* Whether this process may write to the volume: libcryptsetup's own errors do not tell. CMK_DEVICE. */
int luks_check_writable(const struct luks *luks, struct cmk_err *err);
/* Whether the plugin is where libcryptsetup looks for it. CMK_HELPER. */
int luks_plugin_check(struct cmk_err *err);

/*
 * Whether a mapping of this name is there and is this volume's: 1 or 0. CMK_STATE for another volume's,
 * CMK_SYSTEM where the kernel's device-mapper does not answer.
 */
int luks_mapping(struct luks *luks, const char *name, struct cmk_err *err);
/* Whether the kernel can make mappings at all. */
bool luks_can_map(void);
/* Whether any mapping of this name is there. */
bool luks_mapping_exists(const char *name);
/*
 * Opens one of the token's keyslots with its payload and makes the mapping, or with name NULL none.
 * options of crypttab.h. CMK_KEYSLOT, CMK_DEVICE.
 */
int luks_activate(struct luks *luks, int token, const struct secret *payload, const char *name,
		  unsigned options, struct cmk_err *err);
/*
 * Closes a mapping, whose disk may be gone. deferred: one in use closes when it is free, which is 1. 0; CMK_STATE
 * for one in use, CMK_DEVICE.
 */
int luks_deactivate(const char *name, bool deferred, struct cmk_err *err);

/* Destroys a set of keyslots; those that another token uses as well stay. CMK_KEYSLOT. */
int luks_destroy_slots(struct luks *luks, int token, uint32_t slots, struct cmk_err *err);
/* Replaces a token's JSON, or removes it (json NULL). CMK_DEVICE. */
int luks_token_write(struct luks *luks, int token, const char *json, struct cmk_err *err);
int luks_backup(struct luks *luks, const char *file, struct cmk_err *err);

/* A new volume: aes-xts-plain64, 512 bits, data from 16 MiB. */
struct luks_format {
	const char *label; /* or NULL */
	uint32_t sector_size;
};
/* The header description that it will have. */
int luks_format_describe(const struct luks_format *format, char out[static HEADER_DESCRIPTION_MAX],
			 struct cmk_err *err);
/* Overwrites the header of path. Leaves no keyslot, and the mark of luks_unfinished(). */
int luks_format(const char *path, bool debug, const struct luks_format *format, struct luks **ret,
		struct cmk_err *err);
/*
 * Whether that is what a format left that never came to its end, perhaps too little to be loaded;
 * luks_finish() is that end.
 */
bool luks_unfinished(const char *path);
int luks_finish(struct luks *luks, struct cmk_err *err);
/* The size of a device or file in bytes, and that it can hold a volume. CMK_DEVICE. */
int luks_format_size(const char *path, uint64_t *ret, struct cmk_err *err);
