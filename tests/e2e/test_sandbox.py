# SPDX-License-Identifier: LGPL-2.1-or-later
"""What strace sees of an unlock: who speaks to the network, with which rights, and what it reads."""

import ctypes
import glob
import os
import re
import time

import luks2
import pytest
from machine import HELPER, PASSPHRASE, JWT, ROOT, b64u

# "PID" comes from the file's name; a line is "SECONDS call(arguments) = result".
LINE = re.compile(r"^(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\w+|\?)")
CALLS = ("network,open,openat,openat2,creat,execve,execveat,prctl,seccomp,setuid,setresuid,setgid,setresgid,"
         "setgroups,clone,clone3,fork,vfork,unlink,rename,renameat2,mkdir,chmod,fchmod,landlock_restrict_self,ptrace")
NETWORK = re.compile(r"^AF_INET6?\b|sa_family=AF_INET6?\b")
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")


class Call:
    def __init__(self, pid, match):
        self.pid, self.time = pid, float(match["time"])
        self.name, self.arguments = match["call"], match["arguments"]
        self.result = int(match["result"], 0) if re.fullmatch(r"-?\d+|0x[0-9a-f]+", match["result"]) else None

    @property
    def done(self):
        return self.result is not None and self.result >= 0

    @property
    def path(self):
        found = re.search(r'"((?:[^"\\]|\\.)*)"', self.arguments)
        return found[1] if found else None

    def __repr__(self):
        return f"{self.pid} {self.name}({self.arguments}) = {self.result}"


@pytest.fixture(name="traced")
def fixture_traced(machine, enrolled):
    """The system calls of the helper, all its threads, in the order of time; and those of its caller."""
    prefix = machine.path("trace")
    done = machine.unlock(enrolled, wrap=["strace", "-ff", "-ttt", "-s", "4096", "-e", f"trace={CALLS}", "-o", prefix])
    assert done.status == 0, done
    by_pid = {}
    for path in glob.glob(prefix + ".*"):
        pid = int(path.rsplit(".", 1)[1])
        with open(path, encoding="utf-8", errors="replace") as file:
            matches = [LINE.match(line) for line in file]
        by_pid[pid] = [Call(pid, m) for m in matches if m]
        os.unlink(path)
    helper, = [p for p, calls in by_pid.items() if any(c.name == "execve" and c.path == "/" + HELPER for c in calls)]
    threads = {helper}
    for pid in sorted(by_pid):
        threads |= {c.result for c in by_pid[pid] if pid in threads and c.name in ("clone", "clone3") and c.done}
    ours = sorted((c for p in threads for c in by_pid[p]), key=lambda c: c.time)
    start = next(i for i, c in enumerate(ours) if c.name == "execve")
    others = [c for p in by_pid if p not in threads for c in by_pid[p]]
    return ours[start:], others


def first(calls, name, part=""):
    found = [i for i, c in enumerate(calls) if c.name == name and part in c.arguments and c.done]
    assert found, f"no {name}({part})"
    return found[0]


def filter_at(calls):
    """Where the system call filter begins to hold."""
    found = [i for i, c in enumerate(calls) if c.done and (
        (c.name == "seccomp" and "SECCOMP_SET_MODE_FILTER" in c.arguments) or
        (c.name == "prctl" and "PR_SET_SECCOMP" in c.arguments))]
    assert len(found) == 1
    return found[0]


def has_landlock():
    """landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) tells what the kernel knows."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


def documented_files():
    """The list of docs/threat-model.md."""
    with open(os.path.join(ROOT, "docs/threat-model.md"), encoding="utf-8") as file:
        text = file.read()
    section = text[text.index("**The files that the helper may open after that point**"):]
    table = [line for line in section.splitlines() if line.startswith("|")]
    files = re.findall(r"`(/[^`]+)`", "\n".join(table))
    assert len(files) > 10
    return files


def test_network_without_rights(traced):
    helper, others = traced
    closed = filter_at(helper)
    assert first(helper, "prctl", "PR_SET_NO_NEW_PRIVS, 1") < closed
    assert first(helper, "setgroups", "0, NULL") < first(helper, "setresgid") < first(helper, "setresuid") < closed
    user = re.fullmatch(r"(\d+), (\d+), (\d+)", helper[first(helper, "setresuid")].arguments)
    assert len(set(user.groups())) == 1 and user[1] != "0"
    network = [i for i, c in enumerate(helper) if c.name in ("socket", "connect", "sendto", "sendmsg", "sendmmsg")
               and NETWORK.search(c.arguments)]
    assert [i for i in network if helper[i].name == "connect"], "it never connected"
    assert min(network) > closed
    # Back to root it does not come, not even on trying.
    assert not any(c.done for c in helper[first(helper, "setresuid") + 1:] if c.name in ("setuid", "setresuid"))
    # And nobody else speaks to the network.
    assert not [c for c in others if c.name in ("socket", "connect") and NETWORK.search(c.arguments)]


def test_files(traced):
    helper, _ = traced
    opened = [c for c in helper[filter_at(helper):] if c.name in ("open", "openat", "openat2", "creat") and c.done]
    allowed = documented_files()
    for call in opened:
        assert any(call.path == a or call.path.startswith(a + "/") for a in allowed), call
        assert not WRITING.search(call.arguments), call
    assert "/etc/hosts" in [c.path for c in opened], "names were looked up elsewhere: is this test still right?"


def test_nothing_else(traced):
    """No program, no file changed, no other process; Landlock where the kernel has it."""
    helper, _ = traced
    after = helper[filter_at(helper) + 1:]
    assert not [c for c in after if c.name in ("execve", "execveat", "fork", "vfork", "ptrace") and c.done]
    assert not [c for c in after if c.name in ("unlink", "rename", "renameat2", "mkdir", "chmod", "fchmod") and c.done]
    assert all("CLONE_THREAD" in c.arguments for c in after if c.name in ("clone", "clone3") and c.done)
    assert sum(c.name == "execve" for c in helper) == 1
    if has_landlock():
        assert first(helper, "landlock_restrict_self") < filter_at(helper)


def test_no_secret_in_arguments(machine, enrolled, traced):
    """Not in a command line, not in an environment: any user of the machine can read the former."""
    payload = machine.payload(enrolled)
    for call in (c for calls in traced for c in calls if c.name == "execve"):
        assert not leaks(call.arguments, payload), call
        if call.path == "/" + HELPER:
            assert re.fullmatch(rf'"/{HELPER}", \["/{HELPER}"\], 0x[0-9a-f]+ /\* 0 vars \*/', call.arguments), call


def leaks(text, payload):
    """Whether text holds a JWT, the keyslot key, or the passphrase."""
    random = payload[8:40]
    forms = (b64u(payload), b64u(random)[:-2], payload.hex(), random.hex(), " ".join(f"{b:02x}" for b in random),
             PASSPHRASE)
    return bool(JWT.search(text)) or any(form in text for form in forms)


@pytest.mark.parametrize("state", ("well", "refused", "broken"))
def test_no_secret_in_debug_output(machine, volume, state):
    """As loud as it gets, and with what a service might echo."""
    image = machine.enrolled_image()
    payload = machine.payload(image)
    if state == "refused":
        machine.lab.key_disable("contoso/disk")
    if state == "broken":
        machine.configure(network={"timeout": 1})
        machine.lab.fault_add("set", service="metadata", members={"client_id": None, "expires_in": []})
        machine.lab.fault_add("truncate", service="vault", path="unwrapkey")
    machine.forget()
    said = []
    for words in (["cryptsetup", "open", "--test-passphrase", "--token-only", "--debug", "-v", image],
                  ["luks-cmk", "--debug", "check", image], ["luks-cmk", "check", "--debug", "--json", image],
                  ["luks-cmk", "--debug", "status", image], ["luks-cmk", "why"]):
        done = machine.run(*words)
        said.append(done.out + done.err)
        assert not leaks(said[-1], payload), words
    assert any("unwrapkey" in text for text in said), "is --debug still loud?"
    if state == "well":
        machine.configure(provider=True)
        machine.add_customer("contoso")
        done = machine.tool("--debug", "enroll", volume, "--customer", "contoso", "--key-file", machine.key_file)
        machine.forget()
        assert not leaks(done.out + done.err, machine.payload(volume))


def test_records_and_cache_are_root_s(machine, enrolled):
    """A failure record tells of tenants and vaults, a cached token opens them."""
    machine.opens(enrolled)
    machine.lab.key_disable("contoso/disk")
    machine.refuses(enrolled, "key-disabled")
    for folder, _, files in os.walk(machine.inside("/run/luks-cmk")):
        for path in [folder] + [os.path.join(folder, name) for name in files]:
            found = os.stat(path)
            assert found.st_uid == 0 and found.st_mode & 0o077 == 0, path
    record, = glob.glob(machine.inside("/run/luks-cmk/failed/*"))
    with open(record, encoding="utf-8") as file:
        assert not JWT.search(file.read())


def test_state_of_the_helper(machine, enrolled):
    """What the kernel says of it while it waits for the vault."""
    with machine.lab.fault("blackhole", path="unwrapkey"):
        machine.configure(network={"timeout": 3})
        process = machine.start("cryptsetup", "open", "--test-passphrase", "--token-only", enrolled)
        try:
            status, limits = wait_for_helper(machine)
        finally:
            process.communicate(timeout=30)
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapPrm:\t0+$", status, re.M)
    assert not re.search(r"^Uid:.*\b0\b", status, re.M) and not re.search(r"^Gid:.*\b0\b", status, re.M)
    assert re.search(r"^Groups:\t *$", status, re.M)
    # A container may keep root from raising its limits.
    if machine.run("sh", "-c", "ulimit -l unlimited").status == 0:
        assert not re.search(r"^VmLck:\t +0 kB$", status, re.M)


def wait_for_helper(machine, tries=200):
    """/proc's word on the helper once its sandbox is closed. Those of other labs are not this machine's."""
    network = os.stat(machine.root.removesuffix("root") + "ns/net").st_ino
    for _ in range(tries):
        time.sleep(0.05)
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                with open(folder + "/comm", encoding="ascii") as file:
                    if file.read().strip() != "luks-cmk-helper" or os.stat(folder + "/ns/net").st_ino != network:
                        continue
                with open(folder + "/status", encoding="ascii") as file:
                    status = file.read()
                with open(folder + "/limits", encoding="ascii") as file:
                    limits = file.read()
            except OSError:
                continue
            if "Seccomp:\t2" in status:
                return status, limits
    raise AssertionError("the helper never closed its sandbox")


def test_header_stays_untouched_by_strace(machine, enrolled):
    """The image is opened for reading and locked; not a byte is written."""
    before = luks2.digest(enrolled)
    prefix = machine.path("trace")
    machine.unlock(enrolled, wrap=["strace", "-f", "-e", "trace=write,pwrite64,writev,ftruncate", "-P", enrolled,
                                   "-o", prefix])
    with open(prefix, encoding="utf-8") as file:
        assert not re.search(r"write|ftruncate", file.read())
    assert luks2.digest(enrolled) == before
