# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file system as the command sees it: /etc, /usr and /run are laid over, nothing reaches the disk."""

import os
import shutil
import subprocess

ARC_FOLDER = "/var/opt/azcmagent/tokens"  # of Azure Arc's agent; fixed, as its address is
SCRATCH = "/mnt"  # any folder that exists; covered for a moment


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def overlay(stage):
    """stage: a tree of DESTDIR, or None."""
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", SCRATCH)
    for name in ("etc", "usr", "run"):
        upper, work = (os.path.join(SCRATCH, name + end) for end in ("-upper", "-work"))
        os.mkdir(upper)
        os.mkdir(work)
        if stage:
            _stage(os.path.abspath(stage), name, upper)
        mount("-t", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={work}", "lab", f"/{name}")
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/var/opt")
    # The overlays hold their layers themselves.
    subprocess.run(["umount", SCRATCH], check=True)
    _names()
    shutil.rmtree("/run/luks-cmk", ignore_errors=True)


def _stage(stage, name, upper):
    _lay(os.path.join(stage, name), upper)
    if name == "usr":
        # On a system with merged /usr, what is installed to /lib belongs there.
        for folder in ("bin", "sbin", "lib", "lib64"):
            _lay(os.path.join(stage, folder), os.path.join(upper, folder))


def _lay(source, target):
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def _write(path, text):
    # Not through a symbolic link: resolv.conf often is one, to somewhere else.
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _names():
    """Only /etc/hosts says what there is; the lab keeps it in step with its vaults."""
    _write("/etc/resolv.conf", "")
    _write("/etc/hosts", "127.0.0.1 localhost\n")
    _write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")


def configuration(conf, ca_file, trust):
    """/etc/luks-cmk: the folder conf itself, so that changes show on both sides; or the CA file alone."""
    shutil.rmtree("/etc/luks-cmk", ignore_errors=True)
    os.mkdir("/etc/luks-cmk")
    if conf:
        mount("--bind", os.path.abspath(conf), "/etc/luks-cmk")
    else:
        _write("/etc/luks-cmk/luks-cmk.conf", f"[network]\nca_file = {ca_file}\n")
    if trust:
        digest = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", ca_file], check=True,
                                capture_output=True, text=True).stdout.strip()
        with open(ca_file, encoding="ascii") as file:
            pem = file.read()
        os.makedirs("/etc/ssl/certs", exist_ok=True)
        _write(f"/etc/ssl/certs/{digest}.0", pem)
        with open("/etc/ssl/certs/ca-certificates.crt", "a", encoding="ascii") as file:
            file.write(pem)
