# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the product adds to an image: which parts, and how large each is when it is compressed."""

import os
import subprocess
import tempfile

from .image import run

MB = 1e6
# The goal; and where the libraries that Debian's libcurl is linked with leave no room for it, what it must not pass.
GOAL = 5.0
NO_ROOM = {"trixie": 5.6, "testing": 5.6}
# First that fits.
KINDS = (
    ("our programs", ("luks-cmk",)),
    ("root certificates", ("/ssl/", "ca-certificates")),
    ("kernel modules", ("/modules/", "/modules.")),
    ("network tools", ("/networkd", "systemd-network", "/bin/", "/sbin/", "/network/")),
    ("libraries", (".so",)),
)
# What any image has that needs a network, and ours nothing to do with.
NETWORK = ("kernel modules", "network tools")


def _files(image, folder):
    """{path in the image: path here}"""
    run("unmkinitramfs", image, folder)
    # An image of several archives comes as several folders.
    tops = [os.path.join(folder, name) for name in os.listdir(folder) if name in ("early", "early2", "main")] or [folder]
    return {os.path.join(top, name)[len(base):]: os.path.join(top, name)
            for base in tops for top, _, names in os.walk(base) for name in names
            if not os.path.islink(os.path.join(top, name))}


def _kind(path):
    return next((kind for kind, words in KINDS if any(word in path for word in words)), "other files")


def _compressed(path):
    return len(subprocess.run(["zstd", "-9", "-q", "-c", path], stdout=subprocess.PIPE, check=True).stdout)


def parts(plain, image):
    """{kind: bytes} of what image has and plain has not."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        before, after = (_files(path, os.path.join(folder, str(number))) for number, path in enumerate((plain, image)))
        for path, here in after.items():
            if path not in before or os.path.getsize(before[path]) != os.path.getsize(here):
                found[_kind(path)] = found.get(_kind(path), 0) + _compressed(here)
    return found


def judge(release, plain, image):
    """(whether it is small enough, what to say)"""
    found = parts(plain, image)
    ours = sum(size for kind, size in found.items() if kind not in NETWORK) / MB
    limit = NO_ROOM.get(release, GOAL)
    text = f"{ours:.2f} MB"
    if ours > GOAL:
        text += f", more than the goal of {GOAL:g} MB"
    text += " (" + ", ".join(f"{kind} {size / MB:.2f}" for kind, size in sorted(found.items())) + ")"
    return ours <= limit, text
