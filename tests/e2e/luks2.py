# SPDX-License-Identifier: LGPL-2.1-or-later
"""LUKS2 headers as whoever can write to the disk could change them: any JSON, with a right checksum."""

import hashlib
import json
import struct

BINARY = 4096  # the binary header; the JSON area follows it
MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
# Offsets in the binary header: LUKS2 on-disk format, section 2.1.
SIZE, SEQUENCE, UUID, CHECKSUM = 8, 16, 168, 448
HEADER_AREA = 16 * 1024 * 1024  # what a usual volume keeps for its header


def digest(path, size=HEADER_AREA):
    """What must not change: the SHA-256 of all that lies before the data."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()


def _area_size(file):
    file.seek(SIZE)
    return struct.unpack(">Q", file.read(8))[0]


def read_text(path):
    """The JSON area of the first header, as it stands there."""
    with open(path, "rb") as file:
        size = _area_size(file)
        file.seek(BINARY)
        return file.read(size - BINARY).split(b"\0", 1)[0]


def read(path):
    return json.loads(read_text(path))


def write_text(path, text, uuid=None):
    """Both headers get this JSON text, whatever it is, and a checksum that fits."""
    with open(path, "r+b") as file:
        size = _area_size(file)
        if len(text) >= size - BINARY:
            raise ValueError(f"{len(text)} bytes of JSON do not fit into this header")
        area = text.ljust(size - BINARY, b"\0")
        for place, magic in ((0, MAGICS[0]), (size, MAGICS[1])):
            file.seek(place)
            binary = bytearray(file.read(BINARY))
            if not binary.startswith(magic):
                raise ValueError(f"{path}: no LUKS2 header at {place}")
            sequence = struct.unpack_from(">Q", binary, SEQUENCE)[0]
            struct.pack_into(">Q", binary, SEQUENCE, sequence + 1)
            if uuid:
                binary[UUID:UUID + 40] = uuid.encode().ljust(40, b"\0")
            binary[CHECKSUM:CHECKSUM + 64] = bytes(64)
            checksum = hashlib.sha256(bytes(binary) + area).digest()
            binary[CHECKSUM:CHECKSUM + len(checksum)] = checksum
            file.seek(place)
            file.write(bytes(binary) + area)


def write(path, metadata):
    write_text(path, json.dumps(metadata, separators=(",", ":")).encode())


class edit:
    """The header's JSON for the length of a with block; what is made of it is written at its end."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.metadata = read(self.path)
        return self.metadata

    def __exit__(self, kind, *_):
        if kind is None:
            write(self.path, self.metadata)


def tokens(path, kind="luks-cmk"):
    """{number: token} of all tokens of this type."""
    return {int(n): t for n, t in read(path)["tokens"].items() if t["type"] == kind}


def description(path):
    """The line that an enrolment is bound to; docs/formats.md."""
    metadata = read(path)
    segment, = metadata["segments"].values()
    # libcryptsetup takes the size of the volume key from a keyslot.
    key_bits = next(iter(metadata["keyslots"].values()))["key_size"] * 8
    integrity = segment.get("integrity", {}).get("type", "none")
    return (f"cipher={segment['encryption']} key={key_bits} sector={segment['sector_size']} "
            f"offset={segment['offset']} integrity={integrity}")
