#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# In an initrd without systemd: read by dracut's queue, again and again, when no device is on its way; opens the
# enrolled volumes before the queue's next job, cryptroot-ask, asks for their passphrases.
(
	# shellcheck source=initramfs/functions
	. /lib/luks-cmk/functions

	# What cryptroot-ask is going to open, by its names.
	write_table()
	{
		[ ! -e /etc/crypttab ] || cat /etc/crypttab
		for uuid in $(getargs rd.luks.uuid); do
			uuid=${uuid#luks-}
			grep -qs "$uuid" /etc/crypttab || echo "luks-$uuid UUID=$uuid none luks"
		done
	}

	if [ -e "$luks_cmk_table" ]; then
		luks_cmk_boot local-block
	else
		(umask 077 && mkdir -p "$luks_cmk_run")
		write_table >"$luks_cmk_table"
		luks_cmk_boot local-top
	fi
)
