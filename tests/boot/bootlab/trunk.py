# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A switch's trunk port with one tagged VLAN and no native one, in userspace: not every kernel of a machine that
runs the lab knows 802.1Q. The guest's card is one end of a socket pair, one frame to a datagram; the other side is
a tap on the bridge.
"""

import contextlib
import fcntl
import os
import socket
import struct
import threading

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
TYPE_VLAN, TAG_BYTES, ADDRESSES = 0x8100, 4, 12
# Without the checksum, as in Ethernet: a frame that lost its tag may have become too short.
FRAME_MIN = 60
FRAME_MAX = 2048


def untag(frame, number):
    """What leaves the trunk into the VLAN; None for an untagged frame (a priority tag is one, by 802.1Q) and for
    another VLAN's."""
    if len(frame) < ADDRESSES + TAG_BYTES + 2:
        return None
    kind, tag = struct.unpack_from("!HH", frame, ADDRESSES)
    if kind != TYPE_VLAN or tag & 0xFFF != number:
        return None
    return (frame[:ADDRESSES] + frame[ADDRESSES + TAG_BYTES:]).ljust(FRAME_MIN, b"\0")


def tag(frame, number):
    """What leaves the VLAN through the trunk."""
    return frame[:ADDRESSES] + struct.pack("!HH", TYPE_VLAN, number) + frame[ADDRESSES:].ljust(
        FRAME_MIN - ADDRESSES, b"\0")


class Trunk:
    """Between the descriptor guest, for the emulator, and a tap that the caller puts on the bridge."""

    def __init__(self, tap, number):
        self.number = number
        self.dropped = 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.guest = theirs
        self.ours = ours
        self.wire = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.wire, TUNSETIFF, struct.pack("16sH", tap.encode(), IFF_TAP | IFF_NO_PI))
        for work in (self._in, self._out):
            threading.Thread(target=work, daemon=True).start()

    def _in(self):
        with contextlib.suppress(OSError):
            while frame := self.ours.recv(FRAME_MAX):
                bare = untag(frame, self.number)
                if bare is None:
                    self.dropped += 1
                else:
                    os.write(self.wire, bare)

    def _out(self):
        with contextlib.suppress(OSError):
            while frame := os.read(self.wire, FRAME_MAX):
                self.ours.send(tag(frame, self.number))

    def close(self):
        """The emulator has ended; the tap ends with us, too."""
        self.guest.close()
        self.ours.shutdown(socket.SHUT_RDWR)
        os.close(self.wire)
