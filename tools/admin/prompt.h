/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the person at the terminal, or a file, has to say. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/* cryptsetup's limit for a key file (cryptsetup --help, "Maximum keyfile size"). */
#define KEY_FILE_MAX (8 * 1024 * 1024)

/* Whether prompt_secret() asks a person, who may mistype, rather than reading standard input. */
bool prompt_interactive(void);
/*
 * Asks on the terminal without echo; where standard input is no terminal, reads one line from it. The
 * newline is cut off. A signal meanwhile restores the terminal before it does its work. CMK_PASSPHRASE.
 */
int prompt_secret(const char *question, struct secret *ret, struct cmk_err *err);
/* Asks for YES in capital letters; standard input may answer too. False for anything else. */
bool prompt_yes(const char *question);
/* The whole content of a key file, newlines included; "-" is standard input. CMK_PASSPHRASE. */
int prompt_key_file(const char *path, struct secret *ret, struct cmk_err *err);
