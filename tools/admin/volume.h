/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A volume's enrolments, as status and list tell them. */
#pragma once

#include "base/buf.h"
#include "format/token.h"
#include "luks.h"

/* {"device","uuid","label","header","tokens","other_keyslots","only_way_in"} */
int volume_json(struct buf *b, struct luks *luks, struct cmk_err *err);
/* The types of the tokens that own a keyslot, "passphrase or key file" where none does. */
void volume_slot_owner(const struct luks *luks, int slot, char *out, size_t size);
