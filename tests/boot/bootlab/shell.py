# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands for a machine that runs: typed at its console, where lab-init reads them."""

import re
import time

from .wrong import Wrong


class Shell:
    def __init__(self, machine, start):
        """Waits up to that many seconds for it."""
        self.machine = machine
        self.number = 0
        if not machine.expect(r"LAB-SHELL$", machine.age() + start):
            raise Wrong("the system did not start")

    def send(self, command):
        self.number += 1
        self.machine.type(f"{self.number} {command}\n")

    def ask(self, command, seconds=60):
        """(what it said, its exit status)"""
        self.send(command)
        found = self.machine.expect(rf"LAB-DID {self.number} (\d+)$", self.machine.age() + seconds)
        if not found:
            raise Wrong(f"no answer within {seconds} s: {command}")
        said = re.findall(rf"LAB-SAYS {self.number} (.*)$", self.machine.text, re.M)
        return "\n".join(said), int(found[1])

    def run(self, command, seconds=60):
        """What it said; it must succeed."""
        said, status = self.ask(command, seconds)
        if status != 0:
            raise Wrong(f"{command}: exit status {status}: {said[-500:]}")
        return said

    def wait(self, command, seconds, wrong):
        """Until it succeeds: seconds from now."""
        start = self.machine.age()
        while self.ask(command)[1] != 0:
            if self.machine.age() - start > seconds:
                raise Wrong(f"{wrong} within {seconds} s: {self.ask(command)[0]}")
            time.sleep(0.5)
        return self.machine.age() - start
