# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a machine's identity comes from besides Azure's own metadata service: Arc, Google Cloud, a program."""

import os
import re
import stat
import time

import luks2
import pytest
from machine import SLOWNESS
from test_sandbox import wait_for_helper

ARC_FOLDER = "/var/opt/azcmagent/tokens"
ARC_GROUP = 989
GOOGLE = "https://accounts.google.com"
ACCOUNT = "104857600123456789012"
PROGRAM = "/usr/local/libexec/luks-cmk-identity"
NOTES = "/run/luks-cmk-notes"


def services(machine, mark):
    return [e["service"] for e in machine.lab.log(mark) if e["method"] != "HEAD"]


def name_source(image, source):
    """In the header, as whoever can write to the disk could."""
    with luks2.edit(image) as metadata:
        metadata["tokens"]["0"]["identity"] = {"source": source}


# Azure Arc


@pytest.fixture(name="arc")
def fixture_arc(machine):
    folder = machine.inside(ARC_FOLDER)
    machine.lab.listen("arc", True)
    machine.configure(identity={"source": "arc", "client_id": machine.ids["provider"]["identity_client_id"]})
    yield folder
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    machine.lab.listen("arc", True)


def test_arc(machine, enrolled, arc):
    """Question, challenge, answer; and a used key is gone."""
    mark = machine.lab.mark()
    machine.opens(enrolled)
    assert services(machine, mark) == ["arc", "arc", "entra", "vault"]
    assert [e["status"] for e in machine.lab.log(mark) if e["service"] == "arc"] == [401, 200]
    assert os.listdir(arc) == []
    steps = machine.tool("check", enrolled, "--json").json["checks"][0]["steps"]
    assert [s["host"] for s in steps if s["name"] == "identity"] == ["127.0.0.1:40342"] * 2


def test_arc_by_the_token(machine, enrolled, arc):
    """It reads nothing but the agent's folder, so a header may name it: disks move between machines."""
    machine.configure()
    name_source(enrolled, "arc")
    machine.opens(enrolled)


def said_by(machine, subject, source):
    """What provider setup makes of the machine's own assertion, with what the source needs."""
    said = machine.tool("provider", "setup").out
    assert f"Subject: {subject}\n" in said and f"The source `{source}` of this machine" in said
    return said


def test_arc_tells_the_provider(machine, arc):
    ids = machine.ids["provider"]
    said = said_by(machine, ids["identity_principal_id"], "arc")
    assert f"printf 'client_id = %s\\n' '{ids['identity_client_id']}'\n" in said
    assert os.listdir(arc) == []


def realm(path):
    return {"WWW-Authenticate": f"Basic realm={path}"}


CHALLENGES = {
    "none": {}, "shadow": realm("/etc/shadow"), "outside": realm("/etc/ssl/private/x.key"),
    "up": realm(f"{ARC_FOLDER}/../x.key"), "folder": realm(f"{ARC_FOLDER}/folder.key"),
    "link": realm(f"{ARC_FOLDER}/link.key"), "fifo": realm(f"{ARC_FOLDER}/fifo.key"),
    "long": realm(f"{ARC_FOLDER}/long.key"), "root's": realm(f"{ARC_FOLDER}/root.key"),
    "absent": realm(f"{ARC_FOLDER}/absent.key"), "lines": realm(f"{ARC_FOLDER}/lines.key"),
    "escape": realm("\x1b[2J"), "endless": realm("x" * 60000),
}


@pytest.fixture(name="traps")
def fixture_traps(arc):
    """What a challenge might lead to."""
    for name, text in (("long", "x" * 5000), ("root", "secret"), ("lines", "a\r\nX-Evil: 1")):
        path = os.path.join(arc, name + ".key")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chown(path, 0, ARC_GROUP)
        os.chmod(path, 0o600 if name == "root" else 0o640)
    os.symlink("/etc/hosts", os.path.join(arc, "link.key"))
    os.mkfifo(os.path.join(arc, "fifo.key"), 0o640)
    os.mkdir(os.path.join(arc, "folder.key"))
    yield
    os.rmdir(os.path.join(arc, "folder.key"))


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_arc_challenge(machine, enrolled, traps, challenge):
    """Whoever answers on the agent's port is shown nothing but a key of the agent's."""
    with machine.lab.fault("status", service="arc", status=401, headers=CHALLENGES[challenge]):
        mark = machine.lab.mark()
        machine.refuses(enrolled, "identity")
    assert services(machine, mark) == ["arc"]
    machine.opens_by_passphrase(enrolled)


@pytest.mark.parametrize("code,how", (
    ("identity", {"kind": "set", "members": {"client_id": None}}), ("identity", {"kind": "wrong-identity"}),
    ("service-down", {"kind": "status", "status": 503}), ("protocol", {"kind": "html"}),
    ("protocol", {"kind": "huge"}), ("timeout", {"kind": "blackhole"}), ("protocol", {"kind": "garbage"})))
def test_arc_answer(machine, enrolled, arc, code, how):
    machine.configure(network={"timeout": 2},
                      identity={"source": "arc", "client_id": machine.ids["provider"]["identity_client_id"]})
    with machine.lab.fault(service="arc", **how):
        machine.refuses(enrolled, code)


def test_arc_key_not_accepted(machine, enrolled, arc):
    """A second challenge is the end: no third question."""
    with machine.lab.fault("status", service="arc", status=401, headers=realm(f"{ARC_FOLDER}/a.key")):
        with open(os.path.join(arc, "a.key"), "w", encoding="ascii") as file:
            os.fchown(file.fileno(), 0, ARC_GROUP)
            os.fchmod(file.fileno(), 0o640)
            file.write("old")
        mark = machine.lab.mark()
        machine.refuses(enrolled, "identity")
        assert services(machine, mark) == ["arc", "arc"]


def test_arc_away(machine, enrolled, arc):
    machine.configure(network={"timeout": 2},
                      identity={"source": "arc", "client_id": machine.ids["provider"]["identity_client_id"]})
    machine.lab.listen("arc", False)
    assert "Azure Arc's agent" in machine.refuses(enrolled, "service-down").text
    machine.lab.listen("arc", True)
    machine.forget_failures()
    machine.lab.identity_detach()
    assert "Azure Arc" in machine.refuses(enrolled, "identity").text
    machine.lab.identity_attach()
    # A machine that has no agent; or one whose folder everybody can fill.
    machine.forget_failures()
    os.rename(arc, arc + "2")
    try:
        assert ARC_FOLDER in machine.refuses(enrolled, "identity").text
        machine.forget_failures()
        os.mkdir(arc)
        os.chmod(arc, 0o777)
        assert "everybody can write" in machine.refuses(enrolled, "identity").text
        machine.forget_failures()
        os.rmdir(arc)
        os.symlink(arc + "2", arc)
        machine.refuses(enrolled, "identity")
        os.unlink(arc)
    finally:
        os.rename(arc + "2", arc)


def test_arc_rights(machine, enrolled, arc):
    """The folder's group is all that is kept, and only where it is needed."""
    def groups():
        with machine.lab.fault("blackhole", path="unwrapkey"):
            process = machine.start("cryptsetup", "open", "--test-passphrase", "--token-only", enrolled)
            try:
                status, _ = wait_for_helper(machine)
            finally:
                process.communicate(timeout=30)
        assert re.search(r"^CapEff:\t0+$", status, re.M) and not re.search(r"^[UG]id:.*\b0\b", status, re.M)
        return re.search(r"^Groups:\t(.*)$", status, re.M)[1].split()

    who = {"client_id": machine.ids["provider"]["identity_client_id"]}
    machine.configure(network={"timeout": 3}, identity={"source": "arc", **who})
    assert groups() == [str(ARC_GROUP)]
    machine.forget()
    machine.configure(network={"timeout": 3}, identity={"source": "imds", **who})
    assert groups() == []
    # Root's own group opens more than this folder.
    machine.forget()
    machine.configure(network={"timeout": 3}, identity={"source": "arc", **who})
    os.chown(arc, 0, 0)
    try:
        assert "Permission denied" in machine.refuses(enrolled, "identity").text
    finally:
        os.chown(arc, 0, ARC_GROUP)


# Google Cloud


@pytest.fixture(name="google")
def fixture_google(machine):
    machine.lab.google_attach(ACCOUNT)
    machine.lab.federation_add(issuer=GOOGLE, subject=ACCOUNT, name="google")
    machine.configure(identity={"source": "gcp"})
    yield
    machine.lab.google_detach()
    machine.lab.federation_remove("google")


def test_google(machine, enrolled, google):
    mark = machine.lab.mark()
    machine.opens(enrolled)
    entries = [e for e in machine.lab.log(mark) if e["method"] != "HEAD"]
    assert [e["service"] for e in entries] == ["metadata", "entra", "vault"]
    assert entries[0]["path"] == "/computeMetadata/v1/instance/service-accounts/default/identity"
    machine.forget()
    machine.configure()
    name_source(enrolled, "gcp")
    machine.opens(enrolled)


def test_google_tells_the_provider(machine, google):
    assert f"Issuer: {GOOGLE}\n" in said_by(machine, ACCOUNT, "gcp")


def test_google_enrols(machine, volume, google):
    machine.configure(provider=True, identity={"source": "gcp", "client_id": ""})
    machine.enroll(volume, "contoso")
    assert luks2.tokens(volume)[0]["identity"] == {"source": "gcp"}
    machine.configure()
    machine.forget()
    machine.opens(volume)


@pytest.mark.parametrize("code,how", (
    ("identity", {"kind": "status", "status": 200, "body": "a.b.c"}),
    ("identity", {"kind": "html"}), ("identity", {"kind": "status", "status": 404}),
    ("protocol", {"kind": "html", "headers": {"Metadata-Flavor": "Google"}}),
    ("protocol", {"kind": "status", "status": 200, "body": "a" * 20000 + ".b.c",
                  "headers": {"Metadata-Flavor": "Google"}}),
    ("protocol", {"kind": "redirect", "headers": {"Metadata-Flavor": "Google"}}),
    ("service-down", {"kind": "status", "status": 503}), ("throttled", {
        "kind": "status", "status": 429, "headers": {"Metadata-Flavor": "Google"}}),
    ("protocol", {"kind": "huge"}), ("timeout", {"kind": "blackhole"})))
def test_google_answer(machine, enrolled, google, code, how):
    machine.configure(identity={"source": "gcp"}, network={"timeout": 2})
    with machine.lab.fault(service="metadata", **how):
        mark = machine.lab.mark()
        machine.refuses(enrolled, code)
    assert set(services(machine, mark)) <= {"metadata"}


def test_google_without_account(machine, enrolled, google):
    machine.lab.google_detach()
    assert "service account" in machine.refuses(enrolled, "identity").text


def test_google_unknown_to_the_provider(machine, enrolled, google):
    machine.lab.google_attach("another")
    machine.refuses(enrolled, "federation")


# A program


@pytest.fixture(name="program")
def fixture_program(machine):
    """Writes the program, and has it chosen. Its notes are of the helper's user."""
    issuer = f"https://spiffe{next(machine.numbers)}.example.com"
    machine.lab.issuer_create(issuer)
    machine.lab.federation_add(issuer=issuer, subject="spiffe://host/one", name="program")
    jwt = machine.lab.assertion(issuer=issuer, subject="spiffe://host/one")
    path, notes = machine.inside(PROGRAM), machine.inside(NOTES)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.makedirs(notes, exist_ok=True)
    os.chmod(notes, 0o777)
    machine.configure(identity={"source": "exec", "program": PROGRAM})

    def write(script="", output=jwt, mode=0o755):
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\necho {output}\n")
        os.chmod(path, mode)
        os.chown(path, 0, 0)
        return path

    yield write
    machine.lab.federation_remove("program")
    if os.path.lexists(path):
        os.unlink(path)
    for name in os.listdir(notes):
        os.unlink(os.path.join(notes, name))


def notes_of(machine, name):
    with open(os.path.join(machine.inside(NOTES), name), encoding="utf-8") as file:
        return file.read()


def test_program(machine, enrolled, program):
    """It runs without root's rights, environment or descriptors, and is told for whom its token is."""
    program(f"""echo "$*" > {NOTES}/arguments; cat /proc/self/status > {NOTES}/status
        tr '\\0' '\\n' < /proc/$$/environ > {NOTES}/environment; ls -l /proc/$$/fd > {NOTES}/descriptors
        pwd > {NOTES}/folder""")
    mark = machine.lab.mark()
    machine.opens(enrolled)
    assert services(machine, mark) == ["entra", "vault"]
    assert notes_of(machine, "arguments") == "api://AzureADTokenExchange\n"
    assert notes_of(machine, "environment") == "" and notes_of(machine, "folder") == "/\n"
    descriptors = dict(re.findall(r"(\d+) -> (.*)", notes_of(machine, "descriptors")))
    # sh keeps its script on 10, and what it redirects meanwhile on 11.
    assert set(descriptors) <= {"0", "1", "2", "10", "11"} and descriptors["0"] == "/dev/null"
    assert "socket" not in str(descriptors) and "/tokens/" not in str(descriptors)
    status = notes_of(machine, "status")
    for line in (r"Uid:(\t65534){4}", r"Gid:(\t65534){4}", r"Groups:\t ?", r"NoNewPrivs:\t1", r"CapEff:\t0+",
                 r"CapPrm:\t0+"):
        assert re.search(rf"^{line}$", status, re.M), line


def test_program_tells_the_provider(machine, program):
    program()
    assert f"printf 'program = %s\\n' '{PROGRAM}'\n" in said_by(machine, "spiffe://host/one", "exec")


def test_program_enrols(machine, volume, program):
    program()
    machine.configure(provider=True, identity={"source": "exec", "program": PROGRAM, "client_id": ""})
    machine.enroll(volume, "contoso")
    machine.tool("check", volume)
    machine.configure()
    machine.forget()
    # The token says exec, and only this machine's configuration may.
    machine.refuses(volume, "config")
    machine.forget_failures()
    machine.configure(identity={"source": "exec", "program": PROGRAM})
    machine.opens(volume)


@pytest.mark.parametrize("source", ("exec", "file"))
def test_header_chooses_no_program_and_no_file(machine, enrolled, program, source):
    program(f"touch {NOTES}/ran")
    name_source(enrolled, source)
    for identity in ({"program": PROGRAM, "file": "/etc/hosts"}, {}):
        machine.configure(identity=identity)
        assert "only this machine may choose" in machine.refuses(enrolled, "config").text
        machine.forget_failures()
    machine.configure(identity={"source": "imds", "program": PROGRAM, "file": "/etc/hosts",
                                "client_id": machine.ids["provider"]["identity_client_id"]})
    machine.opens(enrolled)
    assert os.listdir(machine.inside(NOTES)) == []


OUTPUTS = {
    "nothing": ("identity", "exit 0"), "fails": ("identity", "exit 3"), "killed": ("identity", "kill -9 $$"),
    "later": ("service-down", "echo agent is starting >&2; exit 75"),
    "page": ("identity", "echo '<html>'; exit 0"), "two": ("identity", "echo a.b.c"),
    "endless": ("identity", "exec yes"), "silent endless": ("identity", "yes >&2 & yes a.b.c"),
    "escape": ("identity", r"printf '\033[2J\033]0;x\007' >&2; exit 1"),
    "token in complaint": ("identity", "echo eyJhbGciOiJSUzI1NiJ9.eyJhdWQi.c2ln >&2; exit 1"),
    "hangs": ("timeout", "sleep 60"), "hangs deaf": ("timeout", "trap '' TERM INT HUP; sleep 60"),
    "hangs silent": ("timeout", "exec >&- 2>&-; sleep 60"),
    "no interpreter": ("identity", None),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_program_output(machine, enrolled, program, output):
    code, script = OUTPUTS[output]
    path = program(script or "")
    if script is None:
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/nowhere/sh\n")
    machine.configure(identity={"source": "exec", "program": PROGRAM}, network={"timeout": 2})
    began = time.monotonic()
    mark = machine.lab.mark()
    assert PROGRAM in machine.refuses(enrolled, code).text
    assert time.monotonic() - began < 5 * SLOWNESS and services(machine, mark) == []
    machine.opens_by_passphrase(enrolled)


def test_program_that_can_later(machine, enrolled, program):
    """Its agent comes up a moment after it was first asked."""
    program(f"echo >> {NOTES}/runs; [ $(wc -l < {NOTES}/runs) = 3 ] || exit 75")
    assert machine.opens(enrolled).seconds > 2
    assert notes_of(machine, "runs") == "\n" * 3


def test_program_leaves_nothing(machine, enrolled, program):
    """What it started ends with it, whether it was good or not."""
    for script in ("sleep 987 >/dev/null 2>&1 &", "sleep 987 & sleep 60"):
        program(script)
        machine.configure(identity={"source": "exec", "program": PROGRAM}, network={"timeout": 2})
        machine.unlock(enrolled)
        machine.forget()
        assert machine.run("pgrep", "-f", "sleep 987").out == ""


def test_program_dies_with_who_asked(machine, enrolled, program):
    program("exec sleep 986")
    process = machine.start("cryptsetup", "open", "--test-passphrase", "--token-only", enrolled)
    until = time.monotonic() + 20
    while not (found := machine.run("pgrep", "-x", "luks-cmk-helper").out) and time.monotonic() < until:
        time.sleep(0.05)
    machine.run("kill", "-9", found.strip())
    process.communicate(timeout=20)
    while machine.run("pgrep", "-f", "sleep 986").out and time.monotonic() < until:
        time.sleep(0.05)
    assert machine.run("pgrep", "-f", "sleep 986").out == ""


WRONG = {
    "of a group": lambda path: os.chmod(path, 0o775), "of everybody": lambda path: os.chmod(path, 0o757),
    "of a user": lambda path: os.chown(path, 65534, 65534),
    "in a user's folder": lambda path: os.chown(os.path.dirname(path), 1000, 0),
    "in everybody's folder": lambda path: os.chmod(os.path.dirname(os.path.dirname(path)), 0o1777),
    "absent": os.unlink,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_program_of_others(machine, enrolled, program, wrong):
    """What anybody but root could change is not run."""
    path = program(f"touch {NOTES}/ran")
    parents = [os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    before = [os.stat(parent) for parent in parents]
    WRONG[wrong](path)
    try:
        assert PROGRAM in machine.refuses(enrolled, "config").text
    finally:
        for parent, status in zip(parents, before):
            os.chown(parent, status.st_uid, status.st_gid)
            os.chmod(parent, stat.S_IMODE(status.st_mode))
    assert os.listdir(machine.inside(NOTES)) == []


def test_linked_program(machine, enrolled, program):
    path = program(f"touch {NOTES}/ran")
    os.rename(path, path + "2")
    os.symlink(PROGRAM + "2", path)
    try:
        assert "symbolic link" in machine.refuses(enrolled, "config").text
    finally:
        os.unlink(path + "2")
    assert os.listdir(machine.inside(NOTES)) == []
