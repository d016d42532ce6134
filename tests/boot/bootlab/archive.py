# SPDX-License-Identifier: LGPL-2.1-or-later
"""A cpio archive of a few files: appended to an initrd, it changes what is in it."""

import gzip
import stat


def _entry(number, name, mode, data):
    """One member of the "newc" format (cpio(5))."""
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def cpio(files):
    """files: {path without a leading slash: (text or bytes, permissions)}. Folders are made on the way."""
    folders = {}
    for path in files:
        parts = path.split("/")[:-1]
        for depth in range(len(parts)):
            folders["/".join(parts[:depth + 1])] = None
    members = [(name, stat.S_IFDIR | 0o755, b"") for name in folders]
    for path, (data, mode) in files.items():
        members.append((path, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data))
    wire = b"".join(_entry(721 + i, *member) for i, member in enumerate(members))
    return gzip.compress(wire + _entry(0, "TRAILER!!!", 0, b""), 1)
