# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts that are short of something, many volumes at once, helpers that are killed, proxies."""

import os
import time

import pytest
from machine import SLOWNESS

OPEN = ("cryptsetup", "open", "--test-passphrase", "--token-only")
ROUND = 60


@pytest.mark.slow
def test_forever_sees_what_changes(machine, enrolled):
    """The resolver's files are replaced while the helper waits, as DHCP clients do: by another file."""
    hosts = machine.inside("/etc/hosts")
    machine.configure(network={"timeout": "forever"})
    with open(hosts, encoding="utf-8") as file:
        content = file.read()
    machine.run("sh", "-c", ": > /etc/none; mv /etc/none /etc/hosts")
    started = machine.start(*OPEN, enrolled)
    time.sleep(2)
    machine.run("sh", "-c", 'printf %s "$1" > /etc/new; mv /etc/new /etc/hosts', "sh", content)
    _, said = started.communicate(timeout=ROUND + 20 * SLOWNESS)
    assert started.returncode == 0 and not said
