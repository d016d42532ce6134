# SPDX-License-Identifier: LGPL-2.1-or-later
"""Key material. RSA keys are slow to make, so they are kept in a folder and used again by the next lab."""

import os
import stat
import tempfile
import threading

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


class KeyPool:
    """Hands out RSA keys, never the same twice in one process. The folder is private to its owner."""

    def __init__(self, folder):
        self.folder = folder
        self.used = {}
        self.lock = threading.Lock()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise SystemExit(f"{folder}: not a folder of this user alone; give another with --key-pool")

    def rsa(self, bits):
        with self.lock:
            index = self.used.get(bits, 0)
            self.used[bits] = index + 1
        path = os.path.join(self.folder, f"rsa{bits}-{index}.pem")
        try:
            with open(path, "rb") as file:
                return serialization.load_pem_private_key(file.read(), None)
        except (FileNotFoundError, ValueError):
            key = rsa.generate_private_key(65537, bits)
            write_whole(path, private_pem(key))
            return key


def write_whole(path, data, mode=0o600):
    """Several labs may fill one pool at a time: readers see a whole file or none."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def write_readable(path, text):
    write_whole(path, text.encode(), 0o644)


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class AesKey:
    """A symmetric key: nothing of it is public."""

    def __init__(self, bits):
        self.key_size = bits
        self.secret = os.urandom(bits // 8)


def elliptic():
    return ec.generate_private_key(ec.SECP256R1())
