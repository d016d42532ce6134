# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests: starts a lab cloud (on loopback, or in a namespace) and calls its verbs as methods."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"


class LabError(Exception):
    """The lab refused a verb; the text says why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A socket's address holds 107 bytes, and a test's folder may be deeper: go through the folder.
        folder = os.open(os.path.dirname(os.path.abspath(self.path)), os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
        finally:
            os.close(folder)


class Control:
    """The verbs of a running lab: control.key_disable("contoso/disk"). `labctl help` lists them."""

    def __init__(self, path):
        self.control_path = path

    def call(self, verb, *args, **kwargs):
        connection = _UnixConnection(self.control_path)
        try:
            connection.request("POST", "/" + verb, json.dumps({"args": args, "kwargs": kwargs}),
                               {"Connection": "close"})
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in reply:
            raise LabError(f"{verb}: {reply['error']}")
        return reply["result"]

    def __getattr__(self, verb):
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda *args, **kwargs: self.call(verb, *args, **kwargs)

    # The few that deserve a better shape than the plain verb.

    def fault(self, kind, **how):
        """A fault for the length of a with block."""
        return _Fault(self, kind, how)

    def requests(self, since=None, service=None):
        """The log as short texts, "vault POST /keys/disk/…/unwrapkey 200", for plain comparison."""
        return [f"{e['service']} {e['method']} {e['path']} {e['status']}" for e in self.log(since)
                if service in (None, e["service"])]

    def basic(self):
        return self.scenario_basic()

    def write_config(self, folder):
        """luks-cmk.conf and customers.d/*.conf for a machine in this lab. Returns folder."""
        customers = os.path.join(folder, "customers.d")
        os.makedirs(customers, exist_ok=True)
        with open(os.path.join(folder, "luks-cmk.conf"), "w", encoding="utf-8") as file:
            file.write(self.config())
        for name, text in self.config(customers=True).items():
            with open(os.path.join(customers, name + ".conf"), "w", encoding="utf-8") as file:
                file.write(text)
        return folder


class _Fault:
    def __init__(self, control, kind, how):
        self.control, self.kind, self.how = control, kind, how
        self.id = None

    def __enter__(self):
        self.id = self.control.fault_add(self.kind, **self.how)["id"]
        return self

    def hits(self):
        return next((f.get("hits", 0) for f in self.control.fault_list() if f["id"] == self.id), 0)

    def __exit__(self, *_):
        self.control.fault_clear(self.id)


class _Process:
    """A child that writes one line to a descriptor when it is ready."""

    def start(self, command, **how):
        reader, writer = os.pipe()
        try:
            self.process = subprocess.Popen([*command, "--ready-fd", str(writer)], pass_fds=[writer],
                                            stdin=subprocess.DEVNULL, **how)
        finally:
            os.close(writer)
        with os.fdopen(reader) as file:
            if not file.readline():
                self.process.wait()
                raise LabError(f"{command[0]} did not start (status {self.process.returncode})")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Lab(Control):
    """
    A lab cloud of one's own on loopback ports, in the folder state (a temporary one by default).

        with Lab() as lab:
            ids = lab.basic()
            lab.write_config("/tmp/conf")
            lab.key_disable("contoso/disk")
    """

    def __init__(self, state=None, options=()):
        self.own_state = state is None
        self.state = state or tempfile.mkdtemp(prefix="luks-cmk-lab-")
        self.options = list(options)
        self.info = None
        super().__init__(os.path.join(self.state, "control"))

    def start(self):
        self._process = _Process()
        self._process.start([PYTHON, os.path.join(HERE, "cloud.py"), "--state", self.state, *self.options])
        with open(os.path.join(self.state, "lab.json"), encoding="utf-8") as file:
            self.info = json.load(file)
        return self

    @property
    def ca_file(self):
        return self.info["ca_file"]

    def stop(self):
        self._process.end()
        if self.own_state:
            shutil.rmtree(self.state, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def enter_command(state, command):
    """For a namespace made by ns --state STATE."""
    with open(os.path.join(state, "ns.json"), encoding="utf-8") as file:
        place = json.load(file)
    # A folder that is current stays the outer one until it is entered by its name again.
    return ["/usr/bin/nsenter", "-t", str(place["pid"]), "-m", "-n", "-p", "-r", "-w", "--", "/usr/bin/env",
            *[f"{name}={value}" for name, value in place["environment"].items()],
            "/bin/sh", "-c", 'cd "$0" && exec "$@"', os.getcwd(), *command]


class Namespace(Control):
    """
    A network and mount namespace with the lab at production names, kept until the block ends. Root only.

        with Namespace(stage="/tmp/stage") as ns:
            ns.run(["cryptsetup", "open", …], check=True)
            ns.key_disable("contoso/disk")

    options are those of tests/lab/ns: ["--trust", "--delay-ms", "10"] and so on. ids is what the
    scenario made.
    """

    def __init__(self, stage=None, conf=None, options=(), scenario="basic"):
        self.state = tempfile.mkdtemp(prefix="luks-cmk-lab-")
        self.options = ["--state", self.state, "--scenario", scenario, *options]
        self.options += ["--stage", stage] if stage else []
        self.options += ["--conf", conf] if conf else []
        super().__init__(os.path.join(self.state, "control"))

    def __enter__(self):
        self._process = _Process()
        try:
            self._process.start([PYTHON, os.path.join(HERE, "ns"), "--serve", *self.options])
        except LabError:
            shutil.rmtree(self.state, ignore_errors=True)
            raise
        return self

    @property
    def ids(self):
        with open(os.path.join(self.state, "scenario.json"), encoding="utf-8") as file:
            return json.load(file)

    def command(self, command):
        """The words that run command in the namespace, for one's own Popen; the folder stays the same."""
        return enter_command(self.state, command)

    def run(self, command, **how):
        return subprocess.run(self.command(command), **how)

    def __exit__(self, *_):
        self._process.end()
        shutil.rmtree(self.state, ignore_errors=True)
