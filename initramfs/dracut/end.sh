#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Before the system starts: gives back the network that was configured for the vault's sake.
(
	# shellcheck source=initramfs/functions
	. /lib/luks-cmk/functions
	luks_cmk_end
	network_down
)
