# SPDX-License-Identifier: LGPL-2.1-or-later
"""luks-cmk check --initrd: the unlock of a real volume with the files of an image, and what is missing in it."""

import glob
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slow  # an image is packed for each

TOOL, HELPER = "/usr/sbin/luks-cmk", "/usr/libexec/luks-cmk-helper"


@pytest.fixture
def device(machine):
    """An enrolled volume as a block device."""
    image = machine.copy(machine.enrolled_image())
    loop = subprocess.run(["losetup", "-f", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    yield loop
    subprocess.run(["losetup", "-d", loop], check=True)


def libraries(machine, program):
    """With the loader, which ldd names without an arrow."""
    words = machine.run("ldd", program).out.split()
    return [word for word in words if word.startswith("/") and os.path.exists(machine.inside(word))]


@pytest.fixture
def tree(machine, device, tmp_path):
    """What a hook would have put into the image: a folder."""
    machine.configure()
    root = tmp_path / "tree"
    names = {TOOL, HELPER, "/etc/hosts", "/etc/luks-cmk/luks-cmk.conf", os.path.join(machine.lab.state, "ca.pem"),
             *libraries(machine, TOOL), *libraries(machine, HELPER)}
    for name in names:
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(machine.inside(name), target)
    for folder in ("cryptroot", "etc/ssl/certs", "usr/lib/ssl"):
        (root / folder).mkdir(parents=True)
    (root / "usr/lib/ssl/certs").symlink_to("/etc/ssl/certs")
    # One is enough to make it a folder of roots; the lab's own is in ca_file.
    shutil.copy(sorted(glob.glob("/etc/ssl/certs/*.0"))[0], root / "etc/ssl/certs")
    (root / "cryptroot/crypttab").write_text(f"root {device} none luks,initramfs\n")
    return root


def pack(tree):
    image = tree.parent / "initrd"
    with open(image, "wb") as file:
        subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, cwd=tree, stdout=file, check=True)
    return str(image)


def test_opens(machine, device, tree):
    image = pack(tree)
    mark = machine.lab.mark()
    done = machine.tool("check", "--initrd", image)
    assert done.out == "root would open\n"
    assert machine.tool("check", "--initrd", image, device).out.endswith(" would open\n")
    assert [e["service"] for e in machine.lab.log(mark) if e["method"] != "HEAD"].count("vault") == 2
    assert not os.path.exists(machine.inside("/run/luks-cmk/initrd/usr")), "something was left behind"


@pytest.mark.parametrize("missing, code, status", [
    (HELPER, "helper", 1), (TOOL, "helper", 1), ("ca.pem", "config", 1), ("crypttab", "config", 1)])
def test_missing(machine, tree, missing, code, status):
    for path in tree.rglob(os.path.basename(missing)):
        if path.is_file():
            path.unlink()
    assert machine.tool("check", "--initrd", pack(tree), status=status).error.code == code


def test_no_roots(machine, tree):
    """What OpenSSL looks for roots in is not there."""
    (tree / "usr/lib/ssl/certs").unlink()
    conf = tree / "etc/luks-cmk/luks-cmk.conf"
    conf.write_text(conf.read_text().replace("[network]\n", "[network]\ntimeout = 3\n"))
    assert machine.tool("check", "--initrd", pack(tree), status=4).error.code == "tls"


def test_key_disabled(machine, tree):
    machine.lab.key_disable("contoso/disk")
    assert machine.tool("check", "--initrd", pack(tree), status=3).error.code == "key-disabled"


def test_no_image(machine, tmp_path):
    assert machine.tool("check", "--initrd", str(tmp_path / "absent"), status=1).error.code == "config"
    junk = tmp_path / "junk"
    junk.write_bytes(b"no archive of any kind" * 1000)
    assert machine.tool("check", "--initrd", str(junk), status=1).error.code == "config"
