# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine: started, watched through its console, typed at, and killed at the end."""

import json
import os
import re
import socket
import subprocess
import threading
import time

QEMU = "qemu-system-x86_64"
# Emulated: a lab that needs KVM does not run in most places where tests run.
BASE = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-no-reboot", "-nodefaults",
        "-display", "none"]
# no_timer_check: an emulator that gets too little of its processor fails the kernel's test of the timer.
APPEND = "no_timer_check console=ttyS0 panic=-1 loglevel=4 random.trust_cpu=1"


class Machine:
    """disks: [(path, serial)]; nics: [(netdev, MAC, has carrier, trunk or None)]; append: more of the kernel's
    command line. late: the disks from this one on are not plugged in until plug() is called, and what is written to
    them stays; keep: that of the others, too."""

    def __init__(self, folder, kernel, initrd, disks, nics=(), append="", options=(), memory=384, cpus=2,
                 late=None, keep=False):
        self.folder = folder
        self.text = ""
        self.changed = threading.Condition()
        self.ended = False
        self.monitor_path = os.path.join(folder, "qmp")
        if os.path.exists(self.monitor_path):
            os.unlink(self.monitor_path)
        words = [QEMU, *BASE, "-m", str(memory), "-smp", str(cpus), "-kernel", kernel, "-initrd", initrd,
                 "-append", f"{APPEND} {append}", "-chardev", "stdio,id=console,signal=off",
                 "-serial", "chardev:console", "-qmp", f"unix:{self.monitor_path},server=on,wait=off",
                 "-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng"]
        for index, (path, serial) in enumerate(disks):
            if late is not None and index >= late:
                # A -drive would go with its device.
                words += ["-blockdev", f"raw,node-name=disk{index},file.driver=file,file.filename={path}"]
                continue
            words += ["-drive", f"file={path},format=raw,if=none,id=disk{index},snapshot={'off' if keep else 'on'}",
                      "-device", f"virtio-blk-pci,drive=disk{index},serial={serial}"]
        for index, (netdev, mac, *_) in enumerate(nics):
            words += ["-netdev", f"{netdev},id=net{index}",
                      "-device", f"virtio-net-pci,netdev=net{index},mac={mac},romfile=,id=nic{index}"]
        # A card without carrier must be so before the kernel looks.
        self.cut = [f"nic{i}" for i, nic in enumerate(nics) if not nic[2]]
        words += [*(["-S"] if self.cut else []), *options]
        with open(os.path.join(folder, "qemu.cmd"), "w", encoding="utf-8") as file:
            file.write(" ".join(words) + "\n")
        self.started = time.monotonic()
        self.trunks = [nic[3] for nic in nics if nic[3]]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT,
                                        pass_fds=[trunk.guest.fileno() for trunk in self.trunks])
        threading.Thread(target=self._read, daemon=True).start()
        if self.cut:
            self.monitor(*[("set_link", {"name": name, "up": False}) for name in self.cut], ("cont", {}))

    def _read(self):
        """Keeps the console, with the second of each line in the copy that people read."""
        log = open(os.path.join(self.folder, "console.log"), "w", encoding="utf-8")  # noqa: SIM115
        fresh = True
        while data := os.read(self.process.stdout.fileno(), 4096):
            text = data.decode(errors="replace").replace("\r", "")
            for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
                log.write((f"{self.age():7.2f} " if fresh else "") + piece)
                fresh = piece.endswith("\n")
            log.flush()
            with self.changed:
                self.text += text
                self.changed.notify_all()
        log.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def age(self):
        """Seconds since the start."""
        return time.monotonic() - self.started

    def expect(self, pattern, until, since=0):
        """Waits for a pattern on the console, up to an age. The match, or None."""
        compiled = re.compile(pattern, re.M)
        with self.changed:
            while True:
                if found := compiled.search(self.text, since):
                    return found
                left = until - self.age()
                if self.ended or left <= 0:
                    return None
                self.changed.wait(left)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def monitor(self, *commands):
        """QEMU's machine protocol: [(command, arguments)]."""
        for _ in range(100):
            if os.path.exists(self.monitor_path):
                break
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
            try:
                sock.connect(f"/proc/self/fd/{folder}/qmp")
            finally:
                os.close(folder)
            stream = sock.makefile("rw", encoding="utf-8")
            stream.readline()
            for name, words in (("qmp_capabilities", {}), *commands):
                stream.write(json.dumps({"execute": name, "arguments": words}) + "\n")
                stream.flush()
                while "event" in (reply := json.loads(stream.readline())):
                    pass
                if "error" in reply:
                    raise RuntimeError(f"{name}: {reply['error']['desc']}")

    def plug(self, index, serial):
        self.monitor(("device_add", {"driver": "virtio-blk-pci", "drive": f"disk{index}", "serial": serial,
                                     "id": f"plugged{index}"}))

    def pull(self, index):
        self.monitor(("device_del", {"id": f"plugged{index}"}))

    def has_ended(self, seconds):
        """Waits that long for it to switch itself off."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, seconds=0):
        """Waits for it to switch itself off that long, then pulls the plug."""
        if not self.has_ended(seconds):
            self.process.kill()
            self.process.wait()
        for trunk in self.trunks:
            trunk.close()
