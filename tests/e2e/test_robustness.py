# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts that are short of something, many volumes at once, helpers that are killed, proxies, old addresses."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import time

import luks2
import pytest
from machine import ROOT, SLOWNESS

OPEN = ("cryptsetup", "open", "--test-passphrase", "--token-only")
ROUND = 60
PYTHON = "/usr/bin/python3"
MANY_DESCRIPTORS = """import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
for _ in range(2000): os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execvp(sys.argv[1], sys.argv[1:])"""
NO_PROCESSES = """import os, resource, sys
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
os.execvp(sys.argv[1], sys.argv[1:])"""
SOME_USER = ("setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups")
ASK = """import socket, subprocess, sys
ours, theirs = socket.socketpair()
helper = subprocess.Popen(["/bin/sh", "-c", 'exec "$0" 3<&0 4>&-', sys.argv[1]], stdin=theirs)
theirs.close()
ours.sendall(open(sys.argv[2], "rb").read())
ours.shutdown(socket.SHUT_WR)
with ours.makefile("rb") as reply:
    sys.stdout.buffer.write(reply.read().hex().encode())
helper.wait()"""


def shell(script):
    return ("sh", "-c", script + ' "$@"', "sh")


HOSTS = {
    "no-children": shell("trap '' CHLD; exec"), "no-descriptors": shell("exec <&- >&- 2>&-; exec"),
    "no-input": shell("exec <&-; exec"), "no-error": shell("exec 2>&-; exec"),
    "few-descriptors": shell("ulimit -n 20; exec"), "many-descriptors": (PYTHON, "-c", MANY_DESCRIPTORS),
    "no-locked-memory": shell("ulimit -l 0; exec"), "little-stack": shell("ulimit -s 256; exec"),
    "no-files": shell("ulimit -f 0; exec"), "blocked-signals": ("env", "--block-signal", "--ignore-signal"),
    "no-capabilities": shell("ulimit -l 64; exec setpriv --bounding-set -sys_resource,-ipc_lock"),
    "umask": shell("umask 777; exec"),
}


@pytest.mark.parametrize("name", HOSTS)
def test_host(machine, enrolled, name):
    """What loads the plugin may live with less than usual."""
    done = machine.run(*OPEN, enrolled, wrap=HOSTS[name])
    assert done.status == 0 and not done.errors, done


@pytest.mark.parametrize("name", ("no-files", "no-children", "no-descriptors"))
def test_host_sees_refusal(machine, enrolled, name):
    """And reaches its own prompt after us."""
    machine.lab.key_disable("contoso/disk")
    done = machine.run("cryptsetup", "open", "--test-passphrase", "--key-file", machine.key_file, enrolled,
                       wrap=HOSTS[name])
    assert done.status == 0, done
    machine.forget_failures()
    done = machine.run(*OPEN, enrolled, wrap=HOSTS[name])
    assert done.status == 1, done


@pytest.fixture(name="open_to_all")
def fixture_open_to_all(machine, enrolled):
    """An image and a configuration that every user may read."""
    paths = {machine.conf}
    for path in (enrolled, os.path.join(machine.lab.state, "ca.pem")):
        while path != "/":
            paths.add(path)
            path = os.path.dirname(path)
    modes = {path: os.stat(path).st_mode for path in paths}
    for path, mode in modes.items():
        os.chmod(path, mode | 0o55 if os.path.isdir(path) else 0o666)
    yield enrolled
    for path, mode in modes.items():
        os.chmod(path, mode)


def test_some_user(machine, open_to_all):
    """Without root nothing is kept, and all else works; without processes to spare, the reason is said."""
    done = machine.run(*OPEN, open_to_all, wrap=SOME_USER)
    assert done.status == 0 and not done.errors, done
    assert not os.path.exists(machine.inside("/run/luks-cmk"))
    done = machine.run(*OPEN, open_to_all, wrap=(*SOME_USER, PYTHON, "-c", NO_PROCESSES))
    assert done.status == 1 and done.error.code == "helper" and "unavailable" in done.error.text


def finish(running):
    ends = [(process.communicate(timeout=100), process.returncode) for process in running]
    return [status for _, status in ends], [said for (_, said), _ in ends]


def count(machine, mark, service, method):
    return sum((e["service"], e["method"]) == (service, method) for e in machine.lab.log(mark))


@pytest.mark.slow
def test_forty_at_once(machine, enrolled):
    """Two customers' disks, cold: one identity and one sign-in for each customer."""
    other = machine.enrolled_image("fabrikam")
    images = [machine.copy(image) for image in (enrolled, other) for _ in range(20)]
    mark = machine.lab.mark()
    statuses, said = finish([machine.start(*OPEN, image) for image in images])
    assert statuses == [0] * 40, said
    assert count(machine, mark, "entra", "POST") == 2 and count(machine, mark, "metadata", "GET") == 2


def helpers(machine):
    """Those of this machine: other tests may run beside."""
    own, found = os.stat(machine.root.removesuffix("root") + "ns/net").st_ino, set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().strip() == "luks-cmk-helper" and os.stat(f"/proc/{pid}/ns/net").st_ino == own:
                    found.add(int(pid))
    return found


def wait_for_helper(machine):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := helpers(machine):
            return found.pop()
        time.sleep(0.02)
    raise AssertionError("no helper was started")


def test_killed_while_signing_in(machine, enrolled):
    """The cache's lock goes with the process that held it, and the others sign in themselves."""
    other = machine.copy(enrolled)
    with machine.lab.fault("delay", service="entra", method="POST", seconds=20, count=1) as fault:
        first = machine.start(*OPEN, enrolled)
        victim = wait_for_helper(machine)
        while not fault.hits():
            time.sleep(0.05)
        second = machine.start(*OPEN, other)
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        statuses, said = finish([first, second])
    assert statuses == [1, 0] and b"signal 9" in said[0] and not said[1], said
    assert time.monotonic() - began < 3 * SLOWNESS


def test_helper_dies_with_its_host(machine, enrolled):
    machine.configure(network={"timeout": "forever"})
    with machine.lab.fault("blackhole", service="metadata"):
        host = machine.start(*OPEN, enrolled)
        helper = wait_for_helper(machine)
        time.sleep(0.3)
        subprocess.run(["pkill", "-KILL", "-P", str(host.pid)], check=False)
        host.kill()
        host.wait()
        deadline = time.monotonic() + 3
        while helper in helpers(machine) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert helper not in helpers(machine)


@pytest.mark.slow
def test_forever_sees_what_changes(machine, enrolled):
    """The resolver's files are replaced while the helper waits, as DHCP clients do: by another file."""
    machine.configure(network={"timeout": "forever"})
    with open(machine.inside("/etc/hosts"), encoding="utf-8") as file:
        content = file.read()
    machine.run("sh", "-c", ": > /etc/none; mv /etc/none /etc/hosts")
    started = machine.start(*OPEN, enrolled)
    time.sleep(2)
    machine.run("sh", "-c", 'printf %s "$1" > /etc/new; mv /etc/new /etc/hosts', "sh", content)
    _, said = started.communicate(timeout=ROUND + 20 * SLOWNESS)
    assert started.returncode == 0 and not said


# A spare vault

def add_spare(image, host):
    """A second wrapping, under another vault's name."""
    with luks2.edit(image) as metadata:
        wrapped = metadata["tokens"]["0"]["wrapped"]
        wrapped.append({**wrapped[0], "key": wrapped[0]["key"].replace("contoso.", host + ".")})


def test_refused_and_out_of_reach(machine, enrolled):
    """Only where every wrapping was refused has the customer said no."""
    machine.configure(network={"timeout": 2})
    add_spare(enrolled, "nowhere")
    machine.lab.key_disable("contoso/disk")
    error = machine.refuses(enrolled, "dns")
    assert "nowhere.vault.azure.net" in error.text and "[key-disabled]" in error.text
    machine.lab.key_enable("contoso/disk")
    machine.forget_failures()
    machine.opens(enrolled)


def test_last_attempt_cut_short(machine, enrolled):
    """The reason is the one found, not that the last of the attempts had no time left."""
    machine.configure(network={"timeout": 5})
    hosts = machine.inside("/etc/hosts")
    content = read(hosts)
    machine.run("ip", "-6", "addr", "add", "fd00::1/64", "dev", "lo")
    with open(hosts, "w", encoding="utf-8") as file:
        file.write(content.replace("10.77.0.1 ", "fd00::99 "))
    done = machine.unlock(enrolled)
    machine.run("ip", "-6", "addr", "del", "fd00::1/64", "dev", "lo")
    with open(hosts, "w", encoding="utf-8") as file:
        file.write(content)
    assert done.status == 1 and done.error.code == "no-network", done


# Proxies

@contextlib.contextmanager
def proxy(machine, status, *certificate):
    """Its log's path. The metadata service must not be asked through it, whatever it does."""
    log = machine.write("proxy.log", "")
    process = machine.start(PYTHON, os.path.join(ROOT, "tests/e2e/proxy.py"), "3128", log, status, *certificate)
    assert process.stdout.readline()
    machine.configure(network={"proxy": "http://127.0.0.1:3128", "timeout": 2})
    try:
        yield log
    finally:
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
        process.kill()
        process.communicate()


def read(path):
    with open(path, encoding="latin-1") as file:
        return file.read()


def test_proxy(machine, enrolled):
    with proxy(machine, "200") as log:
        machine.opens(enrolled)
        said = read(log)
    assert {line for line in said.splitlines() if line.startswith("CONNECT")} == {
        "CONNECT login.microsoftonline.com:443 HTTP/1.1", "CONNECT contoso.vault.azure.net:443 HTTP/1.1"}
    assert "uthorization" not in said and "eyJ" not in said and "client-request-id" not in said


@pytest.mark.parametrize("status,code", (("407", "config"), ("403", "config"), ("502", "service-down")))
def test_proxy_refuses(machine, enrolled, status, code):
    with proxy(machine, status):
        error = machine.refuses(enrolled, code)
    assert "127.0.0.1:3128" in error.text


def test_proxy_opens_tls(machine, enrolled):
    """A certificate of its own for every host, of a CA that this machine does not know."""
    pem = machine.path("inspector.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-addext", "subjectAltName=DNS:login.microsoftonline.com,DNS:contoso.vault.azure.net",
                    "-keyout", pem + ".key", "-out", pem], check=True, capture_output=True)
    with open(pem, "a", encoding="ascii") as file:
        file.write(read(pem + ".key"))
    with proxy(machine, "200", pem) as log:
        error = machine.refuses(enrolled, "tls")
        assert "OPENED" not in read(log)
    assert "proxy" in error.text


# The helper by itself

def frame(kind, **fields):
    tags = {"header": 2, "volume": 3, "token": 4, "key": 5}
    body = bytes((1, kind))
    for name, value in fields.items():
        body += struct.pack(">BI", tags[name], len(value)) + value
    return struct.pack(">I", len(body)) + body


def fields_of(message):
    """{tag: bytes} of a reply."""
    assert struct.unpack(">I", message[:4])[0] == len(message) - 4 and message[4:6] == b"\1\5"
    found, message = {}, message[6:]
    while message:
        tag, size = struct.unpack(">BI", message[:5])
        found[tag], message = message[5:5 + size], message[5 + size:]
    return found


def ask(machine, message):
    done = machine.run(PYTHON, "-c", ASK, "/usr/libexec/luks-cmk-helper", machine.write("frame", message))
    return fields_of(bytes.fromhex(done.out))


def test_describe(machine, enrolled):
    """The operation that no command uses yet: the key's attributes, and nothing is unwrapped."""
    mark = machine.lab.mark()
    token = luks2.tokens(enrolled)[0]
    reply = ask(machine, frame(3, token=json.dumps(token).encode()))
    assert reply[6] == b"\0" and 5 not in reply
    detail = json.loads(reply[9])
    assert detail["key"]["kid"] == token["wrapped"][0]["key"] and detail["key"]["enabled"] is True
    assert [step["name"] for step in detail["steps"]] == ["identity", "sign-in", "key", "algorithm"]
    assert not [e for e in machine.lab.log(mark) if "unwrap" in e["path"]]
    del token["wrapped"][0]["value"]
    token["wrapped"][0]["key"] = token["wrapped"][0]["key"].rsplit("/", 1)[0]
    newest = machine.lab.key_rotate("contoso/disk")
    reply = ask(machine, frame(3, token=json.dumps(token).encode()))
    assert json.loads(reply[9])["key"]["kid"] in json.dumps(newest)


@pytest.mark.parametrize("message", (b"", b"\0\0\0\2\1\1", frame(9), frame(1, token=b"{}"), b"\xff" * 64),
                         ids=("nothing", "no-fields", "unknown", "no-header", "noise"))
def test_not_a_question(machine, message):
    assert ask(machine, message)[6] != b"\0"
