# SPDX-License-Identifier: LGPL-2.1-or-later
"""The server name in a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), left on the socket."""

import select
import socket
import time

HELLO_MAX = 16384
WAIT = 10


def _peek(sock):
    """The first TLS record, left in the socket; empty if the client says nothing or no TLS."""
    until = time.monotonic() + WAIT
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    while time.monotonic() < until:
        if not poll.poll(WAIT * 1000):
            break
        data = sock.recv(HELLO_MAX, socket.MSG_PEEK)
        if not data or data[0] != 22:
            break
        if len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
            return data[5:5 + int.from_bytes(data[3:5], "big")]
        time.sleep(0.0005)  # a long hello comes in two segments
    return b""


def _skip(data, at, size_bytes):
    return at + size_bytes + int.from_bytes(data[at:at + size_bytes], "big")


def server_name(sock):
    """The name the client asks for, in lower case; None if there is none."""
    hello = _peek(sock)
    at = 4 + 2 + 32  # handshake head, version, random
    for size_bytes in (1, 2, 1):  # session, cipher suites, compression
        at = _skip(hello, at, size_bytes)
    end = min(_skip(hello, at, 2), len(hello))
    at += 2
    while at + 4 <= end:
        kind = int.from_bytes(hello[at:at + 2], "big")
        if kind == 0:
            length = int.from_bytes(hello[at + 7:at + 9], "big")
            return hello[at + 9:at + 9 + length].decode("ascii", "replace").lower()
        at = _skip(hello, at + 2, 2)
    return None
