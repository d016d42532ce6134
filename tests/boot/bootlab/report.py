# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the cases, one line for each, and judges them by console and request log."""

import contextlib
import os
import re
import shutil
import time
import traceback

from . import archive, data, network, size, typing
from .cases import ROOT_UUID
from .image import PASSPHRASE, run
from .machine import Machine
from .wrong import Wrong

# The emulator's way there, and from the root to lab-init, on a machine that has other things to do.
BEFORE, AFTER = 200, 240
# With the prompt beside: from the mapping to where the boot goes on, after the scripts that ask.
GOES_ON = 5
QUICK = "init=/usr/sbin/lab-init"
SHELL = "lab.shell systemd.mask=serial-getty@ttyS0.service"
SYSTEM = "systemd.run=/usr/sbin/lab-init systemd.mask=serial-getty@ttyS0.service"
RDINIT = "#!/bin/sh\n{}\nexec /init \"$@\"\n"


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.passed = 0
        self.failed = []

    def run(self, case, guest, lab):
        name = f"{guest.name}/{case.name}"
        folder = os.path.join(self.folder, guest.name, case.name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        start = time.monotonic()
        try:
            said = self._said(case, guest, lab, folder)
            self.passed += 1
            print(f"ok    {name:32} {time.monotonic() - start:6.1f} s  {said}", flush=True)
        except Wrong as error:
            self._fail(name, start, error)
        except Exception:  # a broken case must not hide the others
            self._fail(name, start, traceback.format_exc())

    def _said(self, case, guest, lab, folder):
        if case.check:
            return getattr(self, "_" + case.check)(guest)
        boot = Boot(case, guest, lab, folder)
        try:
            return boot.run()
        except Wrong:
            if not boot.emulator_failed():
                raise
        print(f"note  {guest.name}/{case.name}: the emulator broke the guest's kernel; it starts once more", flush=True)
        return Boot(case, guest, lab, folder).run()

    def _fail(self, name, start, why):
        self.failed.append(name)
        print(f"FAIL  {name:32} {time.monotonic() - start:6.1f} s  {why}\n"
              f"      see {os.path.join(self.folder, name)}", flush=True)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([str(self.passed), *self.failed]))

    def _unchanged(self, guest):
        without, plain = guest.bare, guest.plain
        with open(without, "rb") as one, open(plain, "rb") as other:
            if one.read() != other.read():
                raise Wrong(f"{plain} differs from {without}, which was made without our hook")
        return "identical"

    def _loud(self, guest):
        for path, said in guest.loud.items():
            if said is None or path not in said or not re.search(guest.generator.complaint, said, re.M):
                raise Wrong(f"an image was made without {path}, or nobody said why not: {said}")
        return f"no image without {' or '.join(guest.loud)}"

    def _warned(self, guest):
        found = re.search(r"^.*luks-cmk: the boot will ask for the passphrase: .*timeout.*$", guest.warned, re.M)
        if not found:
            raise Wrong(f"an image was made with a wrong configuration, and nobody said so: {guest.warned[-800:]}")
        closed = "is enrolled, and the image does not open it"
        if closed in guest.warned or guest.generator.asks_crypttab and closed not in guest.unlisted:
            raise Wrong(f"the warning of a root that crypttab lacks is wrong, or missing: {guest.unlisted[-800:]}")
        return found[0][:90]

    def _size(self, guest):
        small, text = size.judge(guest.release, guest.plain, guest.initrd)
        if not small:
            raise Wrong(text)
        return text


def _read(path):
    """What Report.save() wrote: (how many passed, names of the others)."""
    with open(path, encoding="utf-8") as file:
        count, *names = file.read().splitlines()
    return int(count), names


def canary(files):
    """What a release that is not out yet makes of it, which fails nothing: {name: path}."""
    for name, path in files.items():
        count, names = _read(path)
        print(f"canary {name}: {count} as expected, {len(names)} not: {' '.join(names)}")


def total(files, broken):
    """The last lines; broken: guests that could not even be prepared."""
    passed, failed = 0, [f"{name}/preparation" for name in broken]
    for path in files:
        count, names = _read(path)
        passed += count
        failed += names
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


class Boot:
    """One case on one guest."""

    def __init__(self, case, guest, lab, folder):
        self.case, self.guest, self.lab, self.folder = case, guest, lab, folder
        self.look = guest.generator
        self.machine = None
        self.made = None  # an image that is started instead of the guest's

    def run(self):
        case = self.case
        try:
            return getattr(data, case.does)(self) if case.does else self._once()
        finally:
            for name in case.disks:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))

    def emulator_failed(self):
        """Its processors disagree, once in some hundred boots, about code that the kernel has just patched; or it ends
        before the kernel has said a word."""
        if self.machine is None:
            return False
        return "Oops: int3" in self.machine.text or (self.machine.ended and not self.machine.text.strip())

    def _once(self):
        case, lab = self.case, self.lab
        self.mark = lab.mark()
        self.fault = lab.fault_add(**case.fault)["id"] if case.fault else None
        if case.cloud:
            lab.call(*case.cloud)
        try:
            self.machine = self.start()
            try:
                said = self._judge()
            finally:
                self.machine.end(10 if case.again else 0)
        finally:
            self._clear_fault()
            if case.undo:
                lab.call(*case.undo)
        return f"{said}; {self._once_more()}" if case.again else said

    def _once_more(self):
        self.machine = self.start()
        try:
            if not self.machine.expect(r"LAB-UP ", BEFORE + AFTER):
                raise Wrong("it did not start once more")
            if not self.machine.expect(rf"LAB-PREVIOUS .*\[{self.case.code}\]", 0):
                raise Wrong("luks-cmk why --previous did not tell the code")
        finally:
            self.machine.end()
        return "told after the next boot, too"

    def _clear_fault(self):
        if self.fault is not None:
            self.lab.fault_clear(self.fault)
            self.fault = None

    def start(self):
        case, guest = self.case, self.guest
        files = self.look.table(case.table) if case.table else {}
        target = SHELL if case.does else SYSTEM if case.full_boot else QUICK
        append = f"root={case.root} {target} {case.append}"
        before = [case.breaks] if case.breaks else []
        if case.table and ROOT_UUID not in (uuid for _, uuid in case.table):
            before += self.look.forget
        if before:
            files["lab-rdinit"] = (RDINIT.format("\n".join(before)), 0o755)
            append += " rdinit=/lab-rdinit"
        initrd = self.made or guest.image(case.image)
        if files:
            initrd = os.path.join(self.folder, "initrd")
            shutil.copy(guest.image(case.image), initrd)
            with open(initrd, "ab") as file:
                file.write(b"\0" * (-os.path.getsize(initrd) % 4) + archive.cpio(files))
        nics = []
        for index, kind in enumerate(case.nics):
            netdev, trunk = network.cable(f"tap{index}", kind)
            nics.append((netdev, f"52:54:00:00:0{index + 1}:{network.CARDS[kind][1]}", kind != "cut", trunk))
        disks = [(guest.disks[name], name) for name in case.disks]
        own = 0 if case.keep else len(disks) if case.plugs is None else case.plugs
        disks = disks[:own] + [(self._own_disk(name), name) for name in case.disks[own:]]
        return Machine(self.folder, guest.kernel, initrd, disks, nics, append, case.options, late=case.plugs,
                       memory=512 if case.full_boot or case.does else 384, keep=case.keep)

    def _own_disk(self, name):
        """A copy that may be written to; the holes in it stay."""
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            run("cp", "--sparse=always", self.guest.disks[name], path)
        return path

    def _judge(self):
        case, machine = self.case, self.machine
        if not machine.expect(self.look.begin, BEFORE):
            raise Wrong(f"it did not come to its root within {BEFORE} s")
        self.begin = machine.age()
        if case.late is not None:
            time.sleep(case.late)
            machine.plug(0, case.disks[0])
        if case.types:
            said = getattr(typing, case.types)(self)
        else:
            said = self._reach_prompt() if case.code else self._reach_root()
        if not machine.expect(r"LAB-UP ", machine.age() + AFTER):
            raise Wrong("the root was there, and the system did not start")
        self._judge_text()
        self._judge_network()
        self._judge_requests()
        return said

    def _reach_root(self):
        machine, bound = self.machine, self.case.bound + self.look.slack
        found = machine.expect(f"{self.look.prompt}|{self.look.rooted}", self.begin + bound)
        if not found or re.match(self.look.prompt, found[0]):
            raise Wrong("it asked for a passphrase" if found else f"not open after {bound} s")
        return f"open after {machine.age() - self.begin:.1f} s"

    def _reach_prompt(self):
        machine, bound = self.machine, self.case.bound + self.look.slack
        found = machine.expect(f"{self.look.prompt}|{self.look.rooted}", self.begin + bound)
        if not found or not re.match(self.look.prompt, found[0]):
            raise Wrong("it opened by itself" if found else f"no prompt within {bound} s")
        at = machine.age() - self.begin
        if self.case.comes_back is not None:
            return f"prompt after {at:.1f} s, {self._comes_back()}"
        # askpass says it before it listens, and throws away what was typed earlier.
        time.sleep(self.case.waits)
        machine.type(PASSPHRASE + "\n")
        typed = machine.age()
        if not machine.expect(self.look.rooted, typed + AFTER):
            raise Wrong("the passphrase did not open it")
        return f"prompt after {at:.1f} s, [{self.case.code}], open {machine.age() - typed:.1f} s after it was typed"

    def _comes_back(self):
        time.sleep(self.case.comes_back)
        self._clear_fault()
        if self.machine.cut:
            self.machine.monitor(*[("set_link", {"name": name, "up": True}) for name in self.machine.cut])
        back = self.machine.age()
        if not self.machine.expect(r"^.*luks-cmk: root is open", back + AFTER):
            raise Wrong("it did not open when all was well again")
        opened = self.machine.age()
        if not self.machine.expect(self.look.goes_on, opened + GOES_ON + self.look.slack):
            raise Wrong(f"it was open, and did not go on within {GOES_ON + self.look.slack} s")
        if "cryptsetup failed" in self.machine.text:
            raise Wrong("the prompt was not ended: it got an answer")
        return (f"open {opened - back:.1f} s after all was well, "
                f"and on its way {self.machine.age() - opened:.1f} s later")

    def _judge_text(self):
        text, case = self.machine.text, self.case
        mappings = self.machine.expect(r"LAB-MAPPINGS (.*)$", 0)
        if not mappings or mappings[1].split() != list(case.mappings):
            raise Wrong(f"open are {mappings and mappings[1]}, expected {' '.join(case.mappings)}")
        if case.console and not self.machine.expect(case.console, 0):
            raise Wrong(f"the console did not say {case.console}")
        _, _, after = text.partition("LAB-ROOT")
        if case.code not in (None, "none"):
            if f"[{case.code}]" not in self._before_prompt():
                raise Wrong(f"[{case.code}] was not on the console before the prompt")
            if case.comes_back is None and f"[{case.code}]" not in after:
                raise Wrong(f"luks-cmk why did not tell [{case.code}]")

    def _judge_network(self):
        """The system gets it as it was, unless ip= or another than us has set it up."""
        if self.case.full_boot or self.look.keeps_network:
            return
        found = [self.machine.expect(rf"{mark} (.*)$", 0) for mark in ("LAB-ADDRESSES", "LAB-LEFT")]
        if not all(found):
            raise Wrong("the system did not say what is left of the network")
        left = [match[1] for match in found]
        if "ip=" in self.case.append:
            if not left[0]:
                raise Wrong("the address of ip= is gone")
        elif any(left):
            raise Wrong(f"the network is still there: {' '.join(left)}")

    def _before_prompt(self):
        prompt = self.machine.expect(self.look.prompt, 0)
        return self.machine.text[:prompt.start()] if prompt else self.machine.text.partition("LAB-ROOT")[0]

    def _judge_requests(self):
        if self.case.requests is None:
            return
        self._judge_ways()
        # HEAD only opens a connection ahead of its use.
        asked = sorted(e["service"] for e in self.lab.log(self.mark) if e["method"] != "HEAD")
        if asked != sorted(self.case.requests):
            raise Wrong(f"asked were {' '.join(asked) or 'none'}, expected {' '.join(self.case.requests)}")

    def _judge_ways(self):
        """Who came through the proxy, which is at the cloud's own address, and who did not."""
        for connection in self.lab.connections(self.mark):
            through = connection["peer"].startswith(network.CLOUD + ":")
            if connection["service"] and through != (connection["service"] in self.case.proxied):
                raise Wrong(f"{connection['service']} was asked {'through' if through else 'around'} the proxy")
