# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A system that has started, mostly with data disks: what is done with it, and what must come of it. A function for each
"does" of the table, which takes a report.Boot. Index 0 is the root's disk, those of the data follow.
"""

import contextlib
import json
import os
import time

from .image import PASSPHRASE
from .shell import Shell
from .wrong import Wrong

UP, APPEARS, GONE, OFF = 300, 60, 60, 120
# Longer than a packet would take.
QUIET = 8
DATA = "c0ffee00-0000-4000-8000-000000000002"
MOUNT = "/srv/data"
# A dash, as many names have: systemd's units spell it otherwise.
NAME, UNIT = "data-1", r"data\x2d1"
FSTAB = f"/dev/mapper/{NAME} {MOUNT} ext4 defaults,nofail,{{}} 0 2"
# When the mapping appears; when the system starts, by our unit; and by systemd's.
WANTED = f"x-systemd.wanted-by=dev-mapper-{UNIT}.device"
ATTACH = f"x-systemd.requires=luks-cmk-attach@{UNIT}.service"
CRYPTSETUP = f"_netdev,x-systemd.requires=systemd-cryptsetup@{UNIT}.service"
FAILED = "systemctl list-units --failed --plain --no-legend"
CRYPTTAB = f"{NAME} UUID={DATA} none luks,_netdev,nofail"


@contextlib.contextmanager
def _started(boot, prompts=False):
    """(machine, shell) of a system that has come to multi-user.target; prompts: the root wants its passphrase."""
    machine = boot.start()
    try:
        if prompts:
            if not machine.expect(boot.look.prompt, UP):
                raise Wrong("no prompt")
            time.sleep(2)
            machine.type(PASSPHRASE + "\n")
        shell = Shell(machine, UP)
        shell.wait("systemctl is-active multi-user.target", boot.case.bound + boot.look.slack, "no multi-user.target")
        yield machine, shell
    finally:
        machine.end()


def _stop(machine, shell):
    """As an administrator would; nothing must hold it up."""
    shell.send("systemctl poweroff")
    if not machine.has_ended(OFF):
        raise Wrong(f"it did not switch itself off within {OFF} s")


def _mount_later(shell, option):
    shell.run(f"mkdir -p {MOUNT}; echo '{FSTAB.format(option)}' >>/etc/fstab; systemctl daemon-reload")


def _asked(boot, mark):
    """HEAD only opens a connection ahead of its use."""
    return sorted(entry["service"] for entry in boot.lab.log(mark) if entry["method"] != "HEAD")


def _must_ask(boot, mark, expected):
    asked = _asked(boot, mark)
    if asked != sorted(expected):
        raise Wrong(f"asked were {' '.join(asked) or 'none'}, expected {' '.join(expected) or 'none'}")


def _pull(machine, shell, failed):
    """Takes the disk away; nothing must be left of it. failed: units that had failed before."""
    machine.pull(1)
    shell.wait(f"! test -e /dev/vdb && ! dmsetup info {NAME} && ! mountpoint -q {MOUNT}", GONE, "something is left")
    shell.wait(f"! systemctl is-active 'luks-cmk-attach@{UNIT}' && ! ls /dev/luks-cmk/*", GONE, "a unit or a link is left")
    if shell.run(FAILED) != failed:
        raise Wrong(f"units have failed: {shell.run(FAILED)}")


def _must_be_open_as(shell, name):
    """What the kernel says is on the disk; and it is not opened once more."""
    said = shell.run("luks-cmk list --json /dev/vdb")
    if json.loads(said)["volumes"][0]["open_as"] != name:
        raise Wrong(f"it should be open as '{name}', but luks-cmk list says: {said}")
    if not name:
        return
    said, status = shell.ask("luks-cmk attach /dev/vdb another 2>&1")
    if status != 5 or f"open already, as {name};" not in said:
        raise Wrong(f"it is open already, but luks-cmk attach says: {said}")


def hotplug(boot):
    with _started(boot) as (machine, shell):
        failed = shell.run(FAILED)
        mark = boot.lab.mark()
        machine.plug(1, "data")
        shell.wait("udevadm info /dev/vdb | grep -x 'E: LUKS_CMK=1'", APPEARS, "udev does not know the volume")
        shell.run("udevadm settle")
        time.sleep(QUIET)
        if boot.lab.log(mark) or shell.ask(f"test -e /dev/mapper/{NAME}")[1] == 0:
            raise Wrong("a volume that nobody knows was asked for, or opened")
        _mount_later(shell, WANTED)
        shell.run(f"luks-cmk attach --remember /dev/vdb {NAME}")
        _must_be_open_as(shell, NAME)
        shell.wait(f"mountpoint -q {MOUNT} || mount {MOUNT}", APPEARS, "it cannot be mounted")
        shell.run(f"echo kept >{MOUNT}/file; umount {MOUNT}; luks-cmk detach /dev/vdb")
        _must_be_open_as(shell, "")
        _pull(machine, shell, failed)
        mark = boot.lab.mark()
        machine.plug(1, "data")
        took = shell.wait(f"grep kept {MOUNT}/file", APPEARS, "it is not mounted")
        _must_ask(boot, mark, ["vault"])
        _pull(machine, shell, failed)
        _stop(machine, shell)
    return f"mounted {took:.1f} s after it was plugged in, nothing left when it was pulled out, no packet before"


def _must_mount(boot):
    """Starts the system, whose fstab mounts the volume; the seconds that took."""
    mark = boot.lab.mark()
    with _started(boot) as (machine, shell):
        took = shell.wait(f"mountpoint -q {MOUNT}", APPEARS, "it is not mounted")
        _must_ask(boot, mark, ["metadata", "entra", "vault", "vault"])
        _stop(machine, shell)
    return took


def fstab(boot):
    """Remembered, and mounted by fstab."""
    with _started(boot) as (machine, shell):
        _mount_later(shell, ATTACH)
        shell.run(f"luks-cmk attach --remember /dev/vdb {NAME}")
        _stop(machine, shell)
    return f"mounted {_must_mount(boot):.1f} s after multi-user.target"


def crypttab(boot):
    """systemd's own unit with our plugin; then the vault is down."""
    with _started(boot) as (machine, shell):
        _mount_later(shell, CRYPTSETUP)
        shell.run(f"echo '{CRYPTTAB}' >>/etc/crypttab")
        _stop(machine, shell)
    took = _must_mount(boot)
    fault = boot.lab.fault_add(kind="status", service="vault", status=503)["id"]
    try:
        with _started(boot, prompts=True) as (machine, shell):
            shell.wait("grep -l 'Id=cryptsetup:.*0002' /run/systemd/ask-password/ask.*", APPEARS + 60,
                       "nobody asks for its passphrase")
            said = shell.run("luks-cmk why")
            if "[service-down]" not in said:
                raise Wrong(f"luks-cmk why does not tell why: {said}")
            _stop(machine, shell)
    finally:
        boot.lab.fault_clear(fault)
    return f"mounted {took:.1f} s after multi-user.target; and with the vault down the passphrase is asked for"


# systemd waits 90 seconds for a device, in which an emulated machine does little.
STACKS = """
for i in 1 2 3 4 5 6; do luks-cmk attach --remember /dev/vd$(echo $i | tr 123456 bcdefg) part$i; done
wipefs -qa /dev/mapper/part*
pvcreate -q /dev/mapper/part1 /dev/mapper/part2
vgcreate -q stack /dev/mapper/part1 /dev/mapper/part2
lvcreate -q -y -n data -l 100%FREE stack
mkfs.ext4 -q /dev/stack/data
mdadm --create /dev/md/mirror --run --metadata 1.2 --level 1 --raid-devices 2 /dev/mapper/part3 /dev/mapper/part4
mkfs.ext4 -q /dev/md/mirror
mkfs.btrfs -q -L pool -d raid1 -m raid1 /dev/mapper/part5 /dev/mapper/part6
mkdir -p /srv/lvm /srv/md /srv/btrfs
echo "/dev/stack/data /srv/lvm ext4 nofail,x-systemd.device-timeout=5min 0 2" >>/etc/fstab
echo "UUID=$(blkid -s UUID -o value /dev/md/mirror) /srv/md ext4 nofail,x-systemd.device-timeout=5min 0 2" >>/etc/fstab
echo "LABEL=pool /srv/btrfs btrfs nofail,x-systemd.device-timeout=5min 0 0" >>/etc/fstab
"""
STACKED = " && ".join(f"mountpoint -q /srv/{name}" for name in ("lvm", "md", "btrfs"))
WHOLE = "grep -q UU /proc/mdstat && btrfs filesystem show pool | grep -c devid | grep -qx 2 && ! btrfs fi show | grep -i missing"


def stacks(boot):
    """LVM, md and btrfs, each over two enrolled disks, as often as the case says."""
    with _started(boot) as (machine, shell):
        for line in STACKS.strip().splitlines():
            shell.run(line, 180)
        _stop(machine, shell)
    took = []
    for _ in range(boot.case.times):
        mark = boot.lab.mark()
        with _started(boot) as (machine, shell):
            took.append(shell.wait(STACKED, 2 * APPEARS, "they are not all mounted"))
            shell.wait(WHOLE, APPEARS, "a member is missing")
            _must_ask(boot, mark, ["metadata", "entra", *["vault"] * 7])
            _stop(machine, shell)
    return f"{len(took)} of {boot.case.times} times, {max(took):.1f} s after multi-user.target at most"


# An emulated processor takes its time: as little as can be is put in, and packed.
MAKE = ("sed -i 's/^MODULES=.*/MODULES=dep/; $aCOMPRESSLEVEL=1' /etc/initramfs-tools/initramfs.conf; "
        "update-initramfs -c -k $(uname -r) -b /tmp")
MAKE_SECONDS = 900


def forgotten(boot):
    """The system makes an image with a crypttab that lacks its root."""
    with _started(boot) as (machine, shell):
        said = shell.run(f"sed -i d /etc/crypttab; {MAKE}", MAKE_SECONDS)
        if "/dev/vda is enrolled and holds the root, and the image does not open it" not in said:
            raise Wrong(f"nobody said that the image does not open the root: {said}")
        _stop(machine, shell)
    return "update-initramfs said that the image does not open the root"


def dependent(boot):
    """The system makes an image with the drivers of its own devices alone, and hands it over on its second disk."""
    with _started(boot) as (machine, shell):
        shell.run(MAKE, MAKE_SECONDS)
        size = int(shell.run("stat -c %s /tmp/initrd.img-*"))
        shell.run("dd if=$(ls /tmp/initrd.img-*) of=/dev/vdb bs=1M conv=fsync")
        _stop(machine, shell)
    boot.made = os.path.join(boot.folder, "initrd")
    with open(os.path.join(boot.folder, "data"), "rb") as disk, open(boot.made, "wb") as image:
        image.write(disk.read(size))
    mark = boot.lab.mark()
    with _started(boot) as (machine, shell):
        _must_ask(boot, mark, ["metadata", "entra", "vault"])
        _stop(machine, shell)
    most = os.path.getsize(boot.guest.image("initrd"))
    return f"open with an image of {size / 1e6:.1f} MB, instead of {most / 1e6:.1f} MB"
