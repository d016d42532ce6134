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
. "$boot/contents"

# The devices that this initrd opens; of an image for any machine, all of this one.
volumes() {
	local device options
	if [[ ! $hostonly ]]; then
		blkid -t TYPE=crypto_LUKS -o device
		return
	fi
	for device in "${!host_fs_types[@]}"; do
		[[ ${host_fs_types[$device]} != crypto_LUKS ]] || echo "$device"
	done
	[[ -e /etc/crypttab ]] || return 0
	# The last line may lack its newline.
	while read -r _ device _ options || [[ $device ]]; do
		[[ ,$options, != *,x-initrd.attach,* && ,$options, != *,force,* ]] || blkid -l -t "$device" -o device ||
			echo "$device"
	done </etc/crypttab
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

# networkd needs no word on the kernel's command line, and nothing of dracut's waits for it. Who else is in the image
# configures what that line says. Without networkd it is NetworkManager, and without systemd we bring our own.
depends() {
	echo crypt
	dracut_module_included systemd || return 0
	if [[ -x $systemdutildir/systemd-networkd && " $omit_dracutmodules " != *" systemd-networkd "* ]]; then
		echo systemd-networkd
	elif [[ -x /usr/sbin/NetworkManager && " $omit_dracutmodules " != *" network-manager "* ]]; then
		echo network-manager
	fi
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
	inst_multiple blkid cat date flock grep ip mkdir modprobe mv readlink rm sed sleep tr udevadm ||
		fail "a program that the boot needs is missing, see above"
}

# Not by rd.neednet=1, for which dracut's queue would wait until NetworkManager has given up on the last card.
add_network_manager() {
	local unit=nm-initrd.service.d/luks-cmk.conf
	local connection=/usr/lib/NetworkManager/system-connections/luks-cmk.nmconnection
	inst_simple "$boot/dracut/$unit" "$systemdsystemunitdir/$unit"
	inst_simple "$boot/dracut/luks-cmk.nmconnection" "$connection"
	# Others' are ignored.
	chmod 600 "$initdir$connection"
}

add_systemd() {
	local unit
	inst_simple "$boot/dracut/boot" /lib/luks-cmk/boot
	inst_simple "$boot/dracut/network" /lib/luks-cmk/network
	for unit in luks-cmk-{boot,forever}.service systemd-{cryptsetup@,networkd}.service.d/luks-cmk.conf; do
		inst_simple "$boot/dracut/$unit" "$systemdsystemunitdir/$unit"
	done
	if dracut_module_included systemd-networkd; then
		for unit in zz-luks-cmk{,-made}.network; do
			inst_simple "$boot/dracut/$unit" "$systemdnetwork/$unit"
		done
	elif dracut_module_included network-manager; then
		add_network_manager
	else
		fail "no network for the image: take systemd-networkd out of omit_dracutmodules, or add network-manager"
	fi
	if dracut_module_included network-legacy; then
		warn "network-legacy is in the image: where ip= or rd.neednet=1 makes it configure the network, nothing boots" \
			"without one, not even with the passphrase; luks-cmk needs neither"
		unit=systemd-networkd.service.d/luks-cmk-legacy.conf
		inst_simple "$boot/dracut/$unit" "$systemdsystemunitdir/$unit"
	fi
	# dracut's queue would give up while the vault is waited for.
	inst_hook initqueue/timeout 01 "$boot/dracut/patience.sh"
}

# Without systemd the network is ours: no other of dracut's is bounded.
add_plain() {
	local file
	[[ -x /usr/lib/klibc/bin/ipconfig ]] || fail "no DHCP client for an initrd without systemd; install klibc-utils"
	inst_simple /usr/lib/klibc/bin/ipconfig /bin/ipconfig
	for file in /lib/klibc-*.so; do inst_simple "$file"; done
	inst_simple "$boot/initramfs-tools/network" /lib/luks-cmk/network
	inst_hook initqueue/settled 01 "$boot/dracut/settled.sh"
}

# dracut has made paths of all but LABEL= and PARTLABEL=.
in_crypttab() {
	local device
	while read -r _ device _; do
		[[ $device == /* ]] || device=$(blkid -l -t "$device" -o device)
		[[ ! $device -ef $1 ]] || return 0
	done <"$initdir/etc/crypttab"
	return 1
} 2>/dev/null

# systemd does not read the command line that dracut has written into the image. What is configured may not run yet.
on_command_line() {
	local files=(/proc/cmdline /etc/default/grub /etc/kernel/cmdline)
	dracut_module_included systemd || files+=("$initdir"/etc/cmdline.d/*)
	grep -qs "rd.luks.*$(cryptsetup luksUUID "$1")" "${files[@]}"
}

# Any machine's image has no crypttab, and may be meant for another machine; but not to open this one's root is a mistake.
warn_forgotten() {
	local device devices where="in /etc/crypttab, or give its line there the option force"
	if [[ $hostonly ]]; then
		devices=$(volumes)
	else
		devices=$(root_volumes)
		where="by rd.luks.name= on the kernel's command line, or make a hostonly image"
	fi
	for device in $devices; do
		in_crypttab "$device" || on_command_line "$device" || ! has_token "$device" ||
			warn "$device is enrolled, and the image does not open it: name it $where"
	done
}

install() {
	add_programs
	inst_simple "$boot/functions" /lib/luks-cmk/functions
	inst_simple "$boot/network-up" /lib/luks-cmk/network-up
	if dracut_module_included systemd; then add_systemd; else add_plain; fi
	inst_hook pre-pivot 90 "$boot/dracut/end.sh"
	add_configuration
	add_roots "$initdir"
	warn_forgotten
}
