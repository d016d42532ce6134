# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images in userspace: LUKS2 volumes without device-mapper, and a mounted tree for chroot."""

import contextlib
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(TOP, "build", "boot")
PASSPHRASE = "correct horse"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def run(*words, **how):
    """Runs a command quietly; when it fails, what it said is in the error."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **how)
    if done.returncode != 0:
        sys.exit(f"boot lab: {' '.join(words)[:200]} failed ({done.returncode}):\n{done.stdout[-4000:]}")
    return done.stdout


def write(root, path, text, mode=0o644):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


@contextlib.contextmanager
def mounted(root, binds=None, devices=None):
    """
    For chroot: proc, sys, an empty run, a dev of its own with these block devices: {name: (device, uuid)}.
    """
    done = []

    def mount_at(place, *words):
        target = os.path.join(root, place)
        run("mount", *words, target)
        done.append(target)

    try:
        mount_at("proc", "-t", "proc", "proc")
        mount_at("sys", "--bind", "/sys")
        mount_at("run", "-t", "tmpfs", "tmpfs")
        mount_at("dev", "-t", "tmpfs", "-o", "mode=0755", "tmpfs")
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            info = os.stat(f"/dev/{name}")
            os.mknod(os.path.join(root, "dev", name), info.st_mode, info.st_rdev)
            os.chmod(os.path.join(root, "dev", name), 0o666)
        os.symlink("/proc/self/fd", os.path.join(root, "dev/fd"))
        os.makedirs(os.path.join(root, "dev/disk/by-uuid"))
        for name, (device, uuid) in (devices or {}).items():
            info = os.stat(device)
            os.mknod(os.path.join(root, "dev", name), info.st_mode, info.st_rdev)
            os.symlink(f"../../{name}", os.path.join(root, "dev/disk/by-uuid", uuid))
        for place, source in (binds or {}).items():
            mount_at(place, "--bind", source)
        yield
    finally:
        for target in reversed(done):
            subprocess.run(["umount", "-l", target], check=False)


@contextlib.contextmanager
def loops(paths):
    """A loop device for each file; detached when nobody has it open any more, however we end."""
    found, files = [], []
    try:
        for path in paths:
            found.append(run("losetup", "-f", "--show", path).strip())
            files.append(os.open(found[-1], os.O_RDONLY))
            run("losetup", "-d", found[-1])
        yield found
    finally:
        for file in files:
            os.close(file)


def luks_image(path, folder, uuid, size=900):
    """A LUKS2 volume with an ext4 of what is in folder, in userspace; it opens with PASSPHRASE."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    run("truncate", "-s", f"{size}M", path)
    source = ["-d", folder] if folder else []
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", *source, path, f"{size - 32}M")
    encrypt(path, uuid)


LOGICAL = """
logical_volumes {
	root {
		id = "aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa"
		status = ["READ", "WRITE", "VISIBLE"]
		flags = []
		segment_count = 1
		segment1 {
			start_extent = 0
			extent_count = %s
			type = "striped"
			stripe_count = 1
			stripes = ["pv0", 0]
		}
	}
}
"""


def lvm_image(path, tree, root, uuid, size=960):
    """The same with a physical volume between: the volume group "lab" has one volume, "root"."""
    plain = path + ".plain"
    for name, megabytes in ((path, size), (plain, size - 64)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        run("truncate", "-s", f"{megabytes}M", name)
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-d", tree, plain)
    # Only what the group shall fill, so that the header finds room behind it.
    run("truncate", "-s", f"{size - 32}M", path)
    with loops([path]) as (device,), mounted(root, devices={"vdc": (device, uuid)}):
        for words in (("pvcreate", "/dev/vdc"), ("vgcreate", "lab", "/dev/vdc"),
                      ("vgcfgbackup", "-f", "/run/lab", "lab")):
            run("chroot", root, *words, env=ENVIRONMENT)
        # lvcreate wants device-mapper in this machine's kernel; restoring a description does not.
        with open(os.path.join(root, "run/lab"), encoding="utf-8") as file:
            text = file.read()
        extents = re.search(r"pe_count = (\d+)", text)[1]
        end = text.index("\n}\n", text.index("lab {"))
        write(root, "run/lab", text[:end] + LOGICAL % extents + text[end:])
        run("chroot", root, "vgcfgrestore", "--force", "--yes", "-f", "/run/lab", "lab", env=ENVIRONMENT)
    run("truncate", "-s", f"{size}M", path)
    # The first extent is 1 MB behind the start of the physical volume.
    run("dd", f"if={plain}", f"of={path}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")
    os.unlink(plain)
    encrypt(path, uuid)


def btrfs_images(uuids, tree, size=480):
    """{path: UUID}: one btrfs in all of them, each file of the tree in two. mkfs cannot fill several devices, so this
    needs btrfs in this machine's kernel, but not its tools."""
    for path in uuids:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        run("truncate", "-s", f"{size - 32}M", path)
    with loops(uuids) as devices:
        places = {f"vd{letter}": (device, uuid) for letter, device, uuid in zip("de", devices, uuids.values())}
        with mounted(tree, devices=places):
            run("chroot", tree, "mkfs.btrfs", "-q", "-f", "-d", "raid1", "-m", "raid1",
                *[f"/dev/{name}" for name in places], env=ENVIRONMENT)
        target = next(iter(uuids)) + ".mount"
        os.makedirs(target, exist_ok=True)
        run("mount", "-t", "btrfs", "-o",
            "compress-force=zstd:1," + ",".join(f"device={device}" for device in devices), devices[0], target)
        try:
            run("tar", "-C", tree, "--one-file-system", "--exclude=./usr/share/doc", "--exclude=./boot",
                "--exclude=./usr/share/locale", "--exclude=./var/cache", "-cf", target + ".tar", ".")
            run("tar", "-C", target, "-xf", target + ".tar")
        finally:
            run("umount", target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target + ".tar")
            os.rmdir(target)
    for path, uuid in uuids.items():
        run("truncate", "-s", f"{size}M", path)
        encrypt(path, uuid)


def encrypt(path, uuid):
    """What is in path becomes a LUKS2 volume, but for its last 32 MB."""
    run("cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--reduce-device-size", "32M",
        "--resilience", "none", "--batch-mode", "--key-file", key_file(), "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", path)
    run("cryptsetup", "luksUUID", "--batch-mode", "--uuid", uuid, path)


def key_file():
    """Never half of it: guests are made side by side."""
    path = os.path.join(CACHE, "passphrase")
    new = f"{path}.{os.getpid()}"
    with open(new, "w", encoding="utf-8") as file:
        file.write(PASSPHRASE)
    os.replace(new, path)
    return path
