# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces: the lab at Azure's names, what is laid over, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
from client import HERE, Namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NS = [sys.executable, os.path.join(HERE, "ns")]
CONNECT = """
import socket, time
for _ in range(40):
    began = time.perf_counter()
    socket.create_connection(("login.microsoftonline.com", 443)).close()
    print((time.perf_counter() - began) * 1000)
    time.sleep(0.01)
"""


def run(*words, **how):
    return subprocess.run([*NS, *words], capture_output=True, text=True, timeout=60, **how)


def test_names_and_overlays(tmp_path):
    (tmp_path / "stage/usr/libexec").mkdir(parents=True)
    (tmp_path / "stage/usr/libexec/luks-cmk-probe").write_text("staged")
    (tmp_path / "stage/lib/x86_64-linux-gnu/cryptsetup").mkdir(parents=True)
    (tmp_path / "stage/lib/x86_64-linux-gnu/cryptsetup/probe.so").write_text("plugin")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/luks-cmk.conf").write_text("mine")
    script = ("cat /usr/libexec/luks-cmk-probe /usr/lib/x86_64-linux-gnu/cryptsetup/probe.so "
              "/etc/luks-cmk/luks-cmk.conf; ls /run/luks-cmk; mkdir /run/luks-cmk; "
              "curl -sS https://contoso.vault.azure.net/healthstatus; "
              "curl -sS --max-time 5 https://example.com; pwd; exit 7")
    done = run("--trust", "--stage", str(tmp_path / "stage"), "--conf", str(tmp_path / "conf"), "--",
               "sh", "-c", script, cwd=tmp_path)
    assert done.stdout == 'stagedpluginmine{"status":"healthy"}' + str(tmp_path) + "\n"
    assert "Could not resolve host: example.com" in done.stderr and done.returncode == 7
    assert not os.path.exists("/usr/libexec/luks-cmk-probe") and not os.path.exists("/run/luks-cmk-lab")


def test_served_namespace():
    with Namespace() as ns:
        hosts = ns.run(["cat", "/etc/hosts"], capture_output=True, text=True).stdout
        assert "10.77.0.1 fabrikam.vault.azure.net" in hosts and "northwind" not in hosts
        ns.customer_create("northwind", kind="hsm")
        hosts = ns.run(["cat", "/etc/hosts"], capture_output=True, text=True).stdout
        assert "10.77.0.1 northwind.managedhsm.azure.net" in hosts
        assert ns.run(["sh", "-c", "exit 3"]).returncode == 3
        mark = ns.mark()
        ns.run(["sh", "-c", "curl -sS --cacert $LAB_CA https://contoso.vault.azure.net/healthstatus"])
        assert ns.requests(mark) == ["vault GET /healthstatus 200"]


def alive(marker):
    """Processes of this machine that carry marker in their command line."""
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if marker in line and str(os.getpid()) not in line]


@pytest.mark.parametrize("how", (signal.SIGTERM, signal.SIGKILL))
def test_killed(tmp_path, how):
    marker = str(tmp_path / "state")
    process = subprocess.Popen([*NS, "--state", marker, "--", "sh", "-c", f": {marker}; sleep 100; :"])
    until = time.monotonic() + 20
    while not os.path.exists(marker + "/ns.json") and time.monotonic() < until:
        time.sleep(0.05)
    assert alive(marker)
    process.send_signal(how)
    process.wait(10)
    while alive(marker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(marker)


def test_interrupted(tmp_path):
    """What Ctrl-C sends to all of them: the command decides, with its lab still there to clean up in."""
    script = ("trap 'curl -sS --cacert $LAB_CA https://contoso.vault.azure.net/healthstatus; exit 7' INT; "
              f"touch {tmp_path}/ready; sleep 30; echo not reached")
    process = subprocess.Popen([*NS, "--", "sh", "-c", script], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (7, '{"status":"healthy"}', "")


def test_cable():
    done = run("--delay-ms", "10", "--", "/usr/bin/python3", "-c", CONNECT)
    times = [float(t) for t in done.stdout.split()]
    # The quickest: what else this machine does makes the others slower.
    assert len(times) == 40 and 20 <= min(times) < 25
