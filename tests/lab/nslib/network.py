# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses of the lab: all on the loopback device, or two namespaces with a long cable between them."""

import os
import subprocess
import sys

from . import sandbox

METADATA, CLOUD, MACHINE = "169.254.169.254", "10.77.0.1", "10.77.0.2"
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "delay.c")
PROGRAM = "/run/luks-cmk-delay"  # in the overlay: gone with the namespace


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def near():
    """Everything in this namespace."""
    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{METADATA}/32", "dev", "lo")
    ip("addr", "add", f"{CLOUD}/24", "dev", "lo")


def cable(delay_ms):
    """
    The lab's end of a cable in this namespace, the machine's end in a new one. Returns the process that
    carries the packets: the new namespace is its.
    """
    subprocess.run(["cc", "-std=gnu11", "-O2", "-o", PROGRAM, SOURCE], check=True)
    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{METADATA}/32", "dev", "lo")
    carrier = subprocess.Popen([PROGRAM, str(round(delay_ms * 1000))], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
    if not carrier.stdout.readline():
        sys.exit("ns: no cable between the namespaces; is there a /dev/net/tun?")
    _end(CLOUD, MACHINE)
    return carrier


def _end(own, other):
    ip("link", "set", "cable", "up")
    ip("addr", "add", own, "peer", other, "dev", "cable")


def enter(carrier):
    """Moves this process, and so the command, to the machine's end."""
    sandbox.enter_network(carrier.pid)
    ip("link", "set", "lo", "up")
    _end(MACHINE, CLOUD)
    ip("route", "add", METADATA, "dev", "cable")
