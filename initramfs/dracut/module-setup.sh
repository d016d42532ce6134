#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dracut's module: adds what opening enrolled volumes needs, if the initrd opens any.
# shellcheck disable=SC2154 # dracut's variables

boot=@BOOT_DIR@

fail() {
	dfatal "luks-cmk: $*"
	exit 1
}

warn() {
	dwarn "luks-cmk: $*"
}

add_file() {
	inst_simple "$1" || fail "$1 cannot be copied"
}

# shellcheck source=initramfs/contents
. "${dracutsysrootdir}$boot/contents"

# The devices of this initrd; of an image for any machine, all of this one.
volumes() {
	local device
	if [[ $hostonly ]]; then
		for device in "${!host_fs_types[@]}"; do
			[[ ${host_fs_types[$device]} != crypto_LUKS ]] || echo "$device"
		done
	else
		blkid -t TYPE=crypto_LUKS -o device
	fi
}

enrolled() {
	local device
	for device in $(volumes); do
		if has_token "$device"; then return 0; fi
	done
	return 1
}

# luks_cmk=yes and no in a dracut.conf decide without looking, for images that are built where the volumes are not.
check() {
	case "${luks_cmk:-auto}" in
	yes) return 0 ;;
	no)
		if enrolled; then warn "luks_cmk=no: nothing added, though a volume is enrolled"; fi
		return 1
		;;
	auto) enrolled || return 255 ;;
	*) fail "luks_cmk in dracut.conf is yes, no or auto" ;;
	esac
}

# Whoever configures the network in the initrd already; systemd's own else, which needs no word on the
# command line. Without systemd there is network-legacy.
depends() {
	local module
	echo crypt
	for module in network-manager connman network-legacy; do
		if dracut_module_included "$module"; then
			echo network
			return 0
		fi
	done
	if dracut_module_included systemd; then echo systemd-networkd; else echo network-legacy; fi
}

installkernel() {
	local module
	for module in $(network_modules); do
		# The drivers may be others' than this machine's.
		hostonly='' instmods "$module"
	done
}

# Not the plugin: the cryptsetup that takes a typed passphrase would ask it first, and the passphrase would wait
# for a vault that does not answer.
add_programs() {
	local program
	for program in "$cmk_tool" "$cmk_helper"; do
		[[ -x $program ]] || fail "$program is missing; is luks-cmk installed completely?"
		inst "$program" || fail "$program cannot be copied"
	done
	# Threads end through libgcc_s, which glibc loads only then.
	inst_libdir_file 'libgcc_s.so*'
	inst_multiple cat date flock ip mkdir modprobe readlink rm sed sleep tr udevadm
}

add_systemd() {
	local unit
	inst_simple "$boot/dracut/boot" /lib/luks-cmk/boot
	inst_simple "$boot/dracut/network" /lib/luks-cmk/network
	for unit in luks-cmk-boot.service systemd-cryptsetup@.service.d/luks-cmk.conf; do
		inst_simple "$boot/dracut/$unit" "$systemdsystemunitdir/$unit"
	done
	if dracut_module_included systemd-networkd; then
		inst_simple "$boot/dracut/zz-luks-cmk.network" "$systemdnetwork/zz-luks-cmk.network"
	fi
	inst_hook pre-pivot 90 "$boot/dracut/end.sh"
}

install() {
	add_programs
	inst_simple "$boot/functions" /lib/luks-cmk/functions
	if dracut_module_included systemd; then
		add_systemd
	else
		inst_simple "$boot/dracut/network-legacy" /lib/luks-cmk/network
		inst_hook initqueue/settled 01 "$boot/dracut/settled.sh"
	fi
	add_configuration
	add_roots "$initdir"
}
