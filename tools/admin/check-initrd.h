/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an initramfs can open what it is to open. */
#pragma once

#include "base/err.h"

/*
 * Unpacks image and opens with its files and its configuration, without a mapping: device, or if that is NULL
 * all volumes of its crypttab. Says how it went. The exit status of that, or CMK_CONFIG (image), CMK_HELPER
 * (nothing of ours in it), CMK_SYSTEM. Leaves this process in a mount namespace of its own.
 */
int check_initrd(const char *image, const char *device, struct cmk_err *err);
