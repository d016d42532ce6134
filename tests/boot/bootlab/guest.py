# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: a Debian made by mmdebstrap, the product installed into it, an enrolled root, an initramfs."""

import contextlib
import functools
import glob
import hashlib
import os
import shutil
import subprocess

from .cases import DATA_UUID, LVM_UUID, MIRROR_UUIDS, PART_UUIDS, ROOT_UUID
from .generator import OUT
from .image import (CACHE, ENVIRONMENT, HERE, TOP, btrfs_images, key_file, loops, luks_image, lvm_image, mounted, run,
                    write)

MIRROR = "http://deb.debian.org/debian"
COMMON = ("systemd-sysv udev dbus linux-image-cloud-amd64 cryptsetup busybox "
          "zstd e2fsprogs kmod iproute2 ca-certificates libinih1 libudev1 libseccomp2 openssl lvm2 "
          "btrfs-progs").split()
RELEASES = {
    "bookworm": [*COMMON, "libcurl4", "libssl3", "dhcpcd-base"],
    "trixie": [*COMMON, "libcurl4t64", "libssl3t64", "dhcpcd-base", "systemd-cryptsetup"],
}
# What comes next: it may fail without failing the run. A mirror may be a snapshot, older than it promises to be.
CANARY = "testing"
RELEASES[CANARY] = RELEASES["trixie"]
# Its device in the chroot, its UUID.
VOLUMES = {"root": ("vda", ROOT_UUID), "data": ("vdb", DATA_UUID), "lvm": ("vdc", LVM_UUID),
           "mirror0": ("vdd", MIRROR_UUIDS[0]), "mirror1": ("vde", MIRROR_UUIDS[1]),
           **{name: (f"vdf{name[-1]}", uuid) for name, uuid in PART_UUIDS.items()}}
PROGRAMS = {"lab-init": "usr/sbin", "lab-shell": "usr/sbin", "lab-shell.service": "etc/systemd/system"}
# Without one of these there must be no image.
NEEDED = ("usr/libexec/luks-cmk-helper", "etc/luks-cmk/lab-ca.pem")
# To build the product in a guest of another release than this machine's.
BUILD = ("gcc libc6-dev meson ninja-build pkg-config cryptsetup-bin libcryptsetup-dev libcurl4-openssl-dev "
         "libssl-dev libinih-dev libudev-dev libseccomp-dev").split()


def say(text):
    print(f"  {text}", flush=True)


def this_release():
    with open("/etc/os-release", encoding="utf-8") as file:
        return dict(line.rstrip().split("=", 1) for line in file if "=" in line).get("VERSION_CODENAME", "")


def debian(release, packages, purpose):
    """A tar of an installed system, made once for each list of packages."""
    digest = hashlib.sha256(" ".join([release, *sorted(packages)]).encode()).hexdigest()[:12]
    path = os.path.join(CACHE, f"{purpose}-{release}-{digest}.tar")
    if not os.path.exists(path):
        say(f"{release}: installing {len(packages)} packages (once, some minutes)")
        os.makedirs(CACHE, exist_ok=True)
        options = ['--aptopt=Acquire::Check-Valid-Until "false"'] if release == CANARY else []
        run("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=check/empty", *options,
            "--include=" + ",".join(packages), release, path + ".part.tar", MIRROR)
        os.rename(path + ".part.tar", path)
    return path


def unpack(tar, folder):
    """Once for each tar."""
    stamp = folder + ".from"
    if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == tar and os.path.isdir(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    run("tar", "-xf", tar, "-C", folder)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(tar)


@functools.cache
def build(release):
    """What meson install puts on a machine of that release: a folder for DESTDIR."""
    stage = os.path.join(CACHE, f"stage-{release}")
    shutil.rmtree(stage, ignore_errors=True)
    folder = os.path.join(CACHE, f"build-{release}")
    setup = ["meson", "setup", "--prefix=/usr", "-Dtests=false", "-Dman=disabled"]
    if release == this_release():
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            run(*setup, folder, TOP)
        run("ninja", "-C", folder)
        run("meson", "install", "-C", folder, "--quiet", "--strip", env={**os.environ, "DESTDIR": stage})
        return stage
    root = os.path.join(CACHE, f"builder-{release}")
    unpack(debian(release, BUILD, "builder"), root)
    for name in ("source", "build", "stage"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    shutil.rmtree(os.path.join(root, "stage"))
    with mounted(root, {"source": TOP}):
        if not os.path.exists(os.path.join(root, "build", "build.ninja")):
            run("chroot", root, *setup, "/build", "/source")
        run("chroot", root, "ninja", "-C", "/build")
        run("chroot", root, "env", "DESTDIR=/stage", "meson", "install", "-C", "/build", "--quiet", "--strip")
    shutil.copytree(os.path.join(root, "stage"), stage, symlinks=True)
    return stage


def name(release, generator):
    return f"{release}-{generator.name}"


def system(release, generator):
    """A tar of what is installed in the guest."""
    return debian(release, [*RELEASES[release], *generator.packages], "guest")


class Guest:
    """
    One release with one generator, in a folder of its own; lab: the cloud (Control), state: its folder.
    """

    def __init__(self, release, generator, lab, state):
        self.release = release
        self.generator = generator
        self.name = name(release, generator)
        self.lab = lab
        self.folder = os.path.join(CACHE, f"guest-{self.name}")
        self.root = os.path.join(self.folder, "root")
        self.disks = {name: os.path.join(self.folder, name + ".img") for name in VOLUMES}
        self.initrd = os.path.join(self.folder, "initrd")
        self.state = state

    @property
    def kernel(self):
        return max(glob.glob(os.path.join(self.root, "boot", "vmlinuz-*")))

    @property
    def version(self):
        return os.path.basename(self.kernel).split("-", 1)[1]

    def image(self, name):
        """The path of one of its images; of the plain one, if this generator has no need of another."""
        others = [other[0] for other in self.generator.others]
        return os.path.join(self.folder, name if name in others else "initrd")

    def prepare(self, tar, stage, wanted):
        """wanted: names of VOLUMES, of the generator's other images, of the checks that need images"""
        os.makedirs(self.folder, exist_ok=True)
        unpack(tar, self.root)
        self.install(stage)
        for name, folder in PROGRAMS.items():
            shutil.copy(os.path.join(HERE, "guest", name), os.path.join(self.root, folder, name))
        self.configure()
        say(f"{self.name}: root and data volume, in userspace")
        disks = self.images(wanted)
        with loops([self.disks[name] for name in disks]) as devices:
            self.devices = {VOLUMES[name][0]: (device, VOLUMES[name][1]) for name, device in zip(disks, devices)}
            with self.mounted():
                # Nothing is enrolled yet: with our hook and without it.
                if {"unchanged", "size"} & wanted:
                    self.plain = self.update_initramfs("plain")
                if "unchanged" in wanted:
                    with self.aside():
                        self.bare = self.update_initramfs("bare")
                say(f"{self.name}: enrolling at the lab's vault")
                for device in self.devices:
                    self.chroot("luks-cmk", "enroll", f"/dev/{device}", "--customer", "contoso",
                                "--key-file", "/run/passphrase")
                say(f"{self.name}: initramfs")
                self.initrd = self.update_initramfs("initrd")
                if "loud" in wanted:
                    self.loud = {path: self.initramfs_without(path) for path in NEEDED}
                if "warned" in wanted:
                    self.warned = self.initramfs_with("etc/luks-cmk/luks-cmk.conf", "[network]\ntimeout = soon\n")
                    self.unlisted = self.initramfs_with("etc/crypttab", None) if self.generator.asks_crypttab else ""
                for name, path, text in [other for other in self.generator.others if other[0] in wanted]:
                    write(self.root, path, text)
                    self.update_initramfs(name)
                    os.unlink(os.path.join(self.root, path))

    def images(self, wanted):
        """Makes the volumes; the root is the one that every initramfs is made for."""
        wanted = {"root", *wanted}
        luks_image(self.disks["root"], self.root, ROOT_UUID)
        if "data" in wanted:
            luks_image(self.disks["data"], None, DATA_UUID, 64)
        for name in wanted & PART_UUIDS.keys():
            luks_image(self.disks[name], None, PART_UUIDS[name], 192)
        if "lvm" in wanted:
            lvm_image(self.disks["lvm"], self.root, self.root, LVM_UUID)
        if "mirror0" in wanted:
            btrfs_images({self.disks[name]: VOLUMES[name][1] for name in ("mirror0", "mirror1")}, self.root)
        return [name for name in VOLUMES if name in wanted]

    def install(self, stage):
        """As meson install would: /lib is a link to /usr/lib."""
        for folder in sorted(os.listdir(stage)):
            target = os.path.join(self.root, "" if folder == "usr" else "usr", folder)
            run("cp", "-a", "--remove-destination", os.path.join(stage, folder) + "/.", target)

    @contextlib.contextmanager
    def aside(self):
        """As if luks-cmk had never been installed, as far as the generator can see."""
        ours = [path for pattern in self.generator.ours for path in glob.glob(os.path.join(self.root, pattern))]
        away = os.path.join(self.folder, "aside")
        shutil.rmtree(away, ignore_errors=True)
        for number, path in enumerate(ours):
            os.makedirs(os.path.join(away, str(number)))
            shutil.move(path, os.path.join(away, str(number), "it"))
        yield
        for number, path in enumerate(ours):
            shutil.move(os.path.join(away, str(number), "it"), path)

    @contextlib.contextmanager
    def mounted(self):
        with mounted(self.root, devices=self.devices):
            shutil.copy(key_file(), os.path.join(self.root, "run/passphrase"))
            yield

    def chroot(self, *words):
        return run("chroot", self.root, *words, env=ENVIRONMENT)

    def configure(self):
        conf = os.path.join(self.root, "etc/luks-cmk")
        shutil.rmtree(conf, ignore_errors=True)
        os.makedirs(conf)
        self.lab.write_config(conf)
        shutil.copy(os.path.join(self.state, "ca.pem"), os.path.join(conf, "lab-ca.pem"))
        name = os.path.join(conf, "luks-cmk.conf")
        with open(name, encoding="utf-8") as file:
            text = file.read().replace(os.path.join(self.state, "ca.pem"), "/etc/luks-cmk/lab-ca.pem")
        write(self.root, name, text)
        write(self.root, "etc/crypttab", f"root UUID={ROOT_UUID} none luks,initramfs\n")
        write(self.root, "etc/fstab", "/dev/mapper/root / ext4 defaults 0 1\n")
        write(self.root, "etc/hostname", f"lab-{self.name}\n")
        # Without one, each start would be a machine's first, and begin a journal of its own.
        write(self.root, "etc/machine-id", hashlib.md5(self.name.encode()).hexdigest() + "\n")
        write(self.root, "etc/resolv.conf", "nameserver 168.63.129.16\n")
        for path, text in self.generator.settings.items():
            write(self.root, path, text)
        run("systemctl", f"--root={self.root}", "enable", "lab-shell.service", *self.generator.services)

    def initramfs_without(self, path):
        """What the generator says when this is missing; None if it does not mind."""
        path = os.path.join(self.root, path)
        os.rename(path, path + ".aside")
        done = subprocess.run(["chroot", self.root, *self.generator.command(self.version)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=ENVIRONMENT, check=False)
        os.rename(path + ".aside", path)
        return done.stdout if done.returncode else None

    def initramfs_with(self, path, more):
        """What the generator says when that is in a file, too, or nothing is."""
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            text = file.read()
        write(self.root, path, "" if more is None else text + more)
        said = self.chroot(*self.generator.command(self.version))
        write(self.root, path, text)
        return said

    def update_initramfs(self, name):
        """An initramfs of what the guest is now; a file outside of it."""
        self.log = self.chroot(*self.generator.command(self.version))
        path = os.path.join(self.folder, name)
        shutil.copy(self.root + OUT, path)
        with open(path + ".log", "w", encoding="utf-8") as file:
            file.write(self.log)
        return path
