# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes the image, and how its boot looks on the console: the lab's second dimension beside the release."""

OUT = "/run/initrd"
EPOCH = ["env", "SOURCE_DATE_EPOCH=1700000000"]
# Of the emulated machine: this one, where images are made, has others.
DRIVERS = "virtio_blk virtio_pci virtio_net dm_crypt xts ecb aesni_intel btrfs"
# Quick to make, and to unpack.
PACKER = "zstd -3 -q"
# What the next kernel will be started with.
GRUB = ("etc/default/grub", 'GRUB_CMDLINE_LINUX="bond=bond0:eth0,eth1 vlan=vlan7:eth0"\n')


class InitramfsTools:
    name = "initramfs-tools"
    # In every run, and not only in whole ones; None: there is one for each release.
    usual = True
    releases = None
    packages = ("initramfs-tools", "cryptsetup-initramfs", "mdadm")
    # Without these files the product is not installed, as far as the generator can see.
    ours = ("usr/share/initramfs-tools/hooks/luks-cmk", "usr/share/initramfs-tools/scripts/*/luks-cmk",
            "usr/share/initramfs-tools/scripts/*/cmk-luks")
    settings = {"etc/initramfs-tools/conf.d/resume": "RESUME=none\n",
                "etc/systemd/network/lab.network": "[Match]\nName=e*\n[Network]\nDHCP=ipv4\n"}
    # Of the started system.
    services = ("systemd-networkd.service",)
    # Images beside the plain one: their names, and a file that is there while they are made.
    others = (("initrd-grub", *GRUB), ("initrd-ipv6", "etc/initramfs-tools/luks-cmk.conf", "LUKS_CMK_IPV6=y\n"))
    begin = r"Running /scripts/local-top"
    prompt = r"Please unlock disk root"
    rooted = r"Running /scripts/local-bottom"
    goes_on = r"Running /scripts/local-premount"
    complaint = r"^E: luks-cmk: "
    # It warns of a root that crypttab lacks only where that is mounted: the row "forgotten".
    asks_crypttab = False
    forget = []
    slack = 0
    # What its own scripts have configured stays.
    keeps_network = False

    @staticmethod
    def command(version):
        return [*EPOCH, "mkinitramfs", "-o", OUT, version]

    @staticmethod
    def table(volumes):
        """Files of an image that opens these: [(name, UUID)]."""
        lines = "".join(f"{name} UUID={uuid} none luks,initramfs\n" for name, uuid in volumes)
        return {"cryptroot/crypttab": (lines, 0o644)}


class Dracut:
    name = "dracut"
    usual = True
    releases = None
    packages = ("dracut", "dracut-network", "procps")
    ours = ("usr/lib/dracut/modules.d/*luks-cmk",)
    settings = {}
    services = ()
    others = (("initrd-grub", *GRUB),)
    begin = r"Starting .*luks-cmk-boot"
    prompt = r"Please enter passphrase for disk"
    complaint = r"^dracut(\[F\])?: luks-cmk: "
    asks_crypttab = True
    # The image waits for the volume that it was made for: not where others are there instead.
    forget = ["rm -f /lib/dracut/hooks/initqueue/finished/devexists-*by-uuid* "
              "/etc/systemd/system/initrd.target.wants/dev-disk-by*"]
    # Seconds more: udev and systemd are busy then, and an emulated processor takes its time.
    slack = 20
    keeps_network = False
    rooted = r"Mounted .*sysroot|Reached target .*Initrd Root File System"
    goes_on = rooted

    @staticmethod
    def command(version):
        """For this machine alone, as Debian's users make it; its root is named because a chroot has none."""
        return [*EPOCH, "dracut", "--force", "--reproducible", "--hostonly", "--no-hostonly-default-device",
                "--add-device", "/dev/vda", "--add-drivers", DRIVERS, "--add", "lvm btrfs", "--compress", PACKER,
                "--kver", version, OUT]

    @staticmethod
    def table(volumes):
        lines = "".join(f"{name} /dev/disk/by-uuid/{uuid} none luks\n" for name, uuid in volumes)
        words = " ".join(f"rd.luks.uuid=luks-{uuid}" for _, uuid in volumes)
        return {"etc/crypttab": (lines, 0o644), "etc/cmdline.d/90crypt.conf": (words + "\n", 0o644)}


# Of all those below, which thereby share a system.
RARE = (*Dracut.packages, "klibc-utils", "network-manager", "isc-dhcp-client")


class DracutPlain(Dracut):
    """An initrd without systemd."""
    name = "dracut-plain"
    usual = False
    packages = RARE
    begin = r"luks-cmk: "
    prompt = r"Enter passphrase for /dev/"
    rooted = goes_on = r"LAB-ROOT"

    @staticmethod
    def command(version):
        return [*Dracut.command(version), "--omit",
                "systemd systemd-initrd dracut-systemd systemd-networkd ifcfg"]


class DracutNetworkManager(Dracut):
    """Its network is NetworkManager's alone."""
    name = "dracut-nm"
    usual = False
    packages = RARE

    @staticmethod
    def command(version):
        return [*Dracut.command(version), "--add", "network-manager", "--omit", "systemd-networkd"]


class DracutLegacy(Dracut):
    """Its network is brought up by dracut's own scripts, which are told to by the image."""
    name = "dracut-legacy"
    usual = False
    # Debian 13's gets no usable routes from option 121 of DHCP, which Azure sends.
    releases = ("bookworm",)
    keeps_network = True
    packages = RARE

    @staticmethod
    def command(version):
        return [*Dracut.command(version), "--add", "network-legacy", "--kernel-cmdline", "rd.neednet=1"]


ALL = {generator.name: generator for generator in
       (InitramfsTools, Dracut, DracutPlain, DracutNetworkManager, DracutLegacy)}
