# SPDX-License-Identifier: LGPL-2.1-or-later
"""luks-cmk against the lab: what it writes, what it asks, what it says, and what a kill at any instant leaves."""

import json
import os
import pty
import re
import select
import signal
import termios
import time

import jsonschema
import luks2
import pytest
from machine import PASSPHRASE, ROOT, SLOWNESS

FIRST = "contoso.vault.azure.net"


@pytest.fixture(name="ready")
def fixture_ready(machine):
    """A machine on which both customers can be enrolled for."""
    machine.configure(provider=True)
    for name in ("contoso", "fabrikam"):
        machine.add_customer(name)
    return machine


def enroll(machine, image, *words, customer="contoso", **how):
    return machine.tool("enroll", image, "--customer", customer, *words, **how)


def by_file(machine):
    return ["--key-file", machine.key_file]


def asked(machine, mark):
    """The requests, those that only open a connection left out."""
    return [f"{e['service']} {e['method']} {e['path'].rsplit('/', 1)[-1]}" for e in machine.lab.log(mark)
            if e["method"] != "HEAD"]


def check_enrolled(machine, image, slots=2, tokens=1):
    """One token, one keyslot more, all in order."""
    metadata = luks2.read(image)
    assert len(metadata["keyslots"]) == slots and len(luks2.tokens(image)) == tokens, metadata
    for token in luks2.tokens(image).values():
        slot, = token["keyslots"]
        assert slot in metadata["keyslots"]
    machine.forget_failures()
    machine.opens(image)


# Enroll

def test_enroll(ready, volume):
    machine = ready
    before = luks2.read(volume)
    mark = machine.lab.mark()
    done = enroll(machine, volume, *by_file(machine))
    # Wrapped here with the public key, proven by the vault, and opened once as at boot.
    assert asked(machine, mark) == ["metadata GET token", "entra POST token", "vault GET disk",
                                    "vault POST unwrapkey", "vault POST unwrapkey"]
    assert "enrolled for contoso: keyslot 1, token 0" in done.out and FIRST in done.out
    check_enrolled(machine, volume)
    machine.opens_by_passphrase(volume)
    after = luks2.read(volume)
    assert after["keyslots"]["0"] == before["keyslots"]["0"] and after["segments"] == before["segments"]
    kdf = after["keyslots"]["1"]["kdf"]
    assert (kdf["type"], kdf["iterations"]) == ("pbkdf2", 1000)


def test_token_schema(ready, volume):
    """What is written is what docs/token.schema.json and docs/formats.md promise to other readers."""
    machine = ready
    with open(os.path.join(ROOT, "docs/token.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    enroll(machine, volume, *by_file(machine))
    token = json.loads(machine.cryptsetup("token", "export", "--token-id", "0", volume).out)
    jsonschema.validate(token, schema)
    wrapping, = token["wrapped"]
    assert re.fullmatch(rf"https://{FIRST}/keys/disk/[0-9a-f]{{32}}", wrapping["key"])
    assert wrapping["tenant_id"] == machine.ids["customers"]["contoso"]["tenant_id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", wrapping["created"])
    payload = machine.payload(volume)
    assert len(payload) == 72 and payload.startswith(b"LUKSCMK1")
    machine.cryptsetup("open", "--test-passphrase", "--disable-external-tokens", "--key-slot", "1", "--key-file",
                       machine.write("payload", payload), volume)


def test_enroll_again(ready, volume):
    machine = ready
    enroll(machine, volume, *by_file(machine))
    before = luks2.digest(volume)
    mark = machine.lab.mark()
    assert "already enrolled" in enroll(machine, volume).out
    done = enroll(machine, volume, customer="fabrikam", status=5)
    assert done.error.code == "state" and "contoso" in done.error.text
    assert asked(machine, mark) == [] and luks2.digest(volume) == before


def test_spare_added_later(ready, volume):
    """Enrolling again changes nothing, but says what is not on the volume yet."""
    machine = ready
    customer, spare = machine.new_customer(), f"spare{next(machine.numbers)}"
    machine.add_customer(customer)
    enroll(machine, volume, *by_file(machine), customer=customer)
    machine.lab.vault_create(spare, customer)
    machine.lab.grant(spare)
    url = machine.lab.key_create(f"{spare}/disk")["url"]
    machine.add_customer(customer, spares=[url])
    before = luks2.digest(volume)
    assert f"lacks the spare key {url}" in enroll(machine, volume, customer=customer).out
    assert luks2.digest(volume) == before


@pytest.mark.parametrize("words,stdin", (
    (["--key-file", "FILE"], ""), (["--key-file", "-"], PASSPHRASE), ([], PASSPHRASE + "\n")),
    ids=("file", "stdin", "line"))
def test_ways_to_unlock(ready, volume, words, stdin):
    machine = ready
    enroll(machine, volume, *[w.replace("FILE", machine.key_file) for w in words], stdin=stdin)
    check_enrolled(machine, volume)


# A passphrase in the session keyring, which cryptsetup's own luks2-keyring token takes.
KEYRING = """
import ctypes, os, platform, sys
add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(keyctl, 1, None) > 0
word = sys.argv[1].encode()
assert libc.syscall(add_key, b"user", b"luks-cmk-test", word, len(word), -3) > 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[2], sys.argv[2:])
"""


def test_unlock_by_another_token(ready, volume):
    machine = ready
    token = {"type": "luks2-keyring", "keyslots": ["0"], "key_description": "luks-cmk-test"}
    machine.cryptsetup("token", "import", "--json-file", machine.write("token", json.dumps(token)), volume)
    words = ["--customer", "contoso", "--unlock-token", "0"]
    before = luks2.digest(volume)
    assert enroll(machine, volume, "--unlock-token", "0", status=1).error.code == "keyslot"
    assert luks2.digest(volume) == before
    done = machine.run("/usr/bin/python3", "-c", KEYRING, PASSPHRASE, "luks-cmk", "enroll", volume, *words)
    assert done.status == 0, done
    check_enrolled(machine, volume)


def test_header_backup(ready, volume):
    machine = ready
    backup, before = machine.path("backup"), luks2.digest(volume)
    enroll(machine, volume, *by_file(machine), "--header-backup", backup)
    assert os.stat(backup).st_mode & 0o077 == 0
    machine.cryptsetup("luksHeaderRestore", "-q", "--header-backup-file", backup, volume)
    assert luks2.digest(volume) == before
    done = enroll(machine, volume, *by_file(machine), "--header-backup", backup, status=5)
    assert done.error.code == "state" and luks2.digest(volume) == before
    os.unlink(backup)


def test_header_backup_without_room(ready, volume):
    """Half a header is no backup: nothing stays that would pass for one, and the volume is as it was."""
    machine, before = ready, luks2.digest(volume)
    script = """mount -t tmpfs -o size=1m full /mnt
        luks-cmk enroll "$1" --customer contoso --key-file "$2" --header-backup /mnt/backup; echo $?; ls /mnt"""
    done = machine.run("unshare", "-m", "sh", "-c", script, "sh", volume, machine.key_file)
    assert done.out == "1\n" and done.error.code == "system" and "/mnt/backup" in done.error.text, done
    assert luks2.digest(volume) == before


REFUSALS = {
    "wrong-passphrase": (1, "passphrase", lambda m: m.write("passphrase2", "wrong"), False),
    "key-disabled": (3, "key-disabled", lambda m: m.lab.key_disable("contoso/disk"), True),
    "key-gone": (3, "key-gone", lambda m: m.lab.key_delete("contoso/disk"), True),
    "key-operation": (3, "key-operation", lambda m: m.lab.key_set("contoso/disk", ops="wrapKey"), True),
    "no-get": (3, "grant", lambda m: m.lab.revoke("contoso", "get"), True),
    "no-unwrap": (3, "grant", lambda m: m.lab.revoke("contoso", "unwrap"), True),
    "expired": (3, "key-operation", lambda m: m.lab.key_expire("contoso/disk"), True),
    "not-yet": (3, "key-operation", lambda m: m.lab.key_set("contoso/disk", nbf=int(time.time()) + 3600), True),
    "firewall": (3, "firewall", lambda m: m.lab.vault_firewall("contoso", "address"), True),
    "consent": (3, "consent", lambda m: m.lab.consent_revoke("contoso"), True),
    "identity": (1, "identity", lambda m: m.lab.identity_detach(), True),
    "down": (4, "service-down", lambda m: m.lab.listen("https", False), True),
    "other-bytes": (1, "protocol", lambda m: m.lab.fault_add("value", value="A" * 96, path="unwrapkey"), True),
    "wrong-kid": (1, "protocol", lambda m: m.lab.fault_add("wrong-kid", path="/keys/"), True),
    "plugin": (1, "helper", lambda m: m.lab.fault_clear(), False),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_enroll_refused(ready, volume, name):
    """Not a byte is written before the vault has proven that it unwraps."""
    machine = ready
    status, code, change, sent = REFUSALS[name]
    change(machine)
    machine.configure(provider=True, network={"timeout": 1})
    before = luks2.digest(volume)
    words = by_file(machine) if name != "wrong-passphrase" else ["--key-file", machine.path("passphrase2")]
    plugins = [os.path.join(f, n) for f, _, names in os.walk(machine.inside("/usr/lib")) for n in names
               if n == "libcryptsetup-token-luks-cmk.so"] if name == "plugin" else []
    for plugin in plugins:
        os.rename(plugin, plugin + ".away")
    try:
        mark = machine.lab.mark()
        done = enroll(machine, volume, *words, status=status)
    finally:
        for plugin in plugins:
            os.rename(plugin + ".away", plugin)
    assert done.error.code == code and luks2.digest(volume) == before, done
    assert bool(asked(machine, mark)) == sent
    machine.opens_by_passphrase(volume)


def test_new_federated_credential(ready, volume):
    """Entra's nodes disagree for minutes: at enrolment alone a mismatch is tried again."""
    machine = ready
    machine.configure(provider=True, network={"timeout": 30})
    body = ('{"error":"invalid_client","error_codes":[70021],"error_description":'
            '"AADSTS70021: No matching federated identity record found"}')
    with machine.lab.fault("status", service="entra", method="POST", status=400, body=body, count=2) as fault:
        enroll(machine, volume, *by_file(machine))
        assert fault.hits() == 2
    machine.forget()
    with machine.lab.fault("status", service="entra", method="POST", status=400, body=body) as fault:
        machine.refuses(volume, "federation")
        assert fault.hits() == 1


def test_last_step_fails(ready, volume):
    """Between the proof and the opening as at boot the key is disabled: what was written is taken back."""
    machine = ready
    before = luks2.read(volume)
    mark = machine.lab.mark()
    with machine.lab.fault("delay", path="unwrapkey", seconds=0.5):
        process = machine.start("luks-cmk", "enroll", volume, "--customer", "contoso", *by_file(machine))
        while "vault POST unwrapkey" not in asked(machine, mark):
            assert process.poll() is None
            time.sleep(0.02)
        machine.lab.key_disable("contoso/disk")
        err = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 3 and "[key-disabled]" in err and "were removed" in err, err
    after = luks2.read(volume)
    assert (after["keyslots"], after["tokens"]) == (before["keyslots"], before["tokens"])
    machine.opens_by_passphrase(volume)


# Format

def test_format(ready):
    machine = ready
    path = machine.image()
    mark = machine.lab.mark()
    done = machine.tool("format", path, "--customer", "contoso", "--label", "l" * 47, "-q")
    assert asked(machine, mark)[2:] == ["vault GET disk", "vault POST unwrapkey", "vault POST unwrapkey"]
    assert "no passphrase" in done.out
    check_enrolled(machine, path, slots=1)
    status = machine.tool("status", path, "--json").json
    assert status["label"] == "l" * 47 and status["only_way_in"] is True
    assert machine.run("cryptsetup", "luksDump", path).out.count("Subsystem:      \t(no subsystem)") <= 1
    again = machine.tool("format", path, "--customer", "contoso", "-q", status=5)
    assert again.error.code == "state"
    before = luks2.digest(path)
    machine.tool("format", path, "--customer", "contoso", "-q", "--force")
    assert luks2.digest(path) != before
    check_enrolled(machine, path, slots=1)


@pytest.mark.parametrize("sector", ("512", "1024", "4096"))
def test_format_sector_size(ready, sector):
    machine = ready
    path = machine.image()
    machine.tool("format", path, "--customer", "contoso", "-q", "--sector-size", sector)
    assert luks2.read(path)["segments"]["0"]["sector_size"] == int(sector)
    machine.opens(path)


def test_format_refused(ready):
    """The vault says no: what was on the device is still there."""
    machine = ready
    path = machine.image()
    with open(path, "r+b") as file:
        file.write(b"data" * 1000)
    before = luks2.digest(path, 1 << 30)
    machine.lab.key_disable("contoso/disk")
    assert machine.tool("format", path, "--customer", "contoso", "-q", status=3).error.code == "key-disabled"
    assert luks2.digest(path, 1 << 30) == before
    done = machine.tool("format", path, "--customer", "contoso", stdin="yes\n", status=5)
    assert "overwrite" in done.err and luks2.digest(path, 1 << 30) == before


# Status, list, check

def test_status_and_list(ready, volume):
    machine = ready
    enroll(machine, volume, *by_file(machine))
    mark = machine.lab.mark()
    status = machine.tool("status", volume, "--json").json
    token, = status["tokens"]
    wrapping, = token["wrapped"]
    assert (token["token"], token["customer"], token["keyslots"]) == (0, "contoso", [1])
    assert (wrapping["host"], wrapping["key_name"], wrapping["alg"]) == (FIRST, "disk", "RSA-OAEP-256")
    assert [o["keyslot"] for o in status["other_keyslots"]] == [0] and status["only_way_in"] is False
    assert "0: passphrase or key file" in machine.tool("status", volume).out
    listed, = machine.tool("list", volume, "--json").json["volumes"]
    assert listed["tokens"] == status["tokens"]
    row = machine.tool("list", volume).out.splitlines()[1]
    assert volume in row and "contoso" in row and "1/1" in row
    assert asked(machine, mark) == []


STEPS = ["configuration", "clock", "dns", "dns", "connect", "connect", "tls", "tls", "tenant", "vault", "identity",
         "assertion", "sign-in", "key", "algorithm", "grant", "unwrap", "keyslot", "plugin"]


def test_check(ready, volume):
    machine = ready
    enroll(machine, volume, *by_file(machine))
    machine.forget()
    before = luks2.digest(volume)
    found, = machine.tool("check", volume, "--json").json["checks"]
    assert [s["name"] for s in found["steps"]] == STEPS and {s["code"] for s in found["steps"]} == {"ok"}
    provider = machine.ids["provider"]
    assert found["assertion"] == {
        "issuer": f"https://login.microsoftonline.com/{provider['tenant_id']}/v2.0",
        "subject": provider["identity_principal_id"], "audience": "api://AzureADTokenExchange"}
    assert abs(found["clock_ahead"]) <= 2 and 3500 < found["token_seconds"] <= 3600
    assert all(0 <= s["ms"] < 3000 * SLOWNESS for s in found["steps"]) and found["error"] is None
    attributes = found["attributes"]
    assert attributes["enabled"] is True and attributes["expires"] == 0 and attributes["created"] > 0
    text = machine.tool("check", volume).out
    assert len(re.findall(r"^  ok +\w", text, re.M)) == len(re.findall(r" ms", text)) >= 2
    assert luks2.digest(volume) == before and machine.why(volume) == []
    machine.lab.key_expire("contoso/disk", 86400 * 3)
    assert "expires on" in machine.tool("check", volume).out
    machine.lab.key_set("contoso/disk", recovery_level="Recoverable")
    assert "purge protection" not in machine.tool("check", volume).out
    machine.lab.key_set("contoso/disk", recovery_level="Recoverable+Purgeable")
    assert "purge protection" in machine.tool("check", volume).out


def test_check_finds_no_plugin(ready, volume):
    """The vault may agree: without the plugin cryptsetup would not even ask it."""
    machine = ready
    enroll(machine, volume, *by_file(machine))
    plugin, = machine.run("find", "/usr/lib", "-name", "libcryptsetup-token-luks-cmk.so").out.split()
    machine.run("mv", plugin, plugin + ".away")
    try:
        assert "luks-cmk.so" in machine.tool("check", volume, status=1).error.text
        assert machine.tool("check", "--customer", "contoso").status == 0
    finally:
        machine.run("mv", plugin + ".away", plugin)
    machine.tool("check", volume)


def test_check_stops_at_the_first_failure(ready):
    """It says at once what is wrong, whose turn it is and what to run, and does not wait for better times."""
    machine = ready
    machine.lab.revoke("contoso", "unwrap")
    done = machine.tool("check", "--customer", "contoso", status=3)
    lines = [line.split() for line in done.out.splitlines() if line.startswith(("  ok", "  FAILED"))]
    assert [(w[0], w[1]) for w in lines[-2:]] == [("ok", "algorithm"), ("FAILED", "grant")]
    assert re.search(r"^  Who acts: the customer$", done.out, re.M)
    command, = re.findall(r"^  Run:      (.*)$", done.out, re.M)
    assert machine.ids["provider"]["client_id"] in command and command.endswith('-n contoso --query id -o tsv)/keys/disk"')
    with machine.lab.fault("status", service="entra", status=503):
        done = machine.tool("check", "--customer", "contoso", status=4)
    assert done.seconds < 5 * SLOWNESS and done.out.count("FAILED") == 1
    assert "Who acts: nobody" in done.out and "Run:" not in done.out


WARNINGS = [
    ("clock ahead", lambda lab: lab.set("clock_offset", -600), "10 minutes ahead of"),
    ("clock behind", lambda lab: lab.set("clock_offset", 200), "3 minutes behind"),
    ("short token", lambda lab: lab.set("access_token_seconds", 300), "lives for 300 s only"),
    ("rights", lambda lab: lab.grant("contoso", "list"), "may list every key"),
    ("expiry", lambda lab: lab.key_expire("contoso/disk", 86400 * 3), "expires on"),
    ("no protection", lambda lab: lab.key_set("contoso/disk", recovery_level="Recoverable+Purgeable"), "purge protection"),
]


@pytest.mark.parametrize("change,part", [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS])
def test_check_warns(ready, change, part):
    """What works today and should not stay so: said, and no failure."""
    machine = ready
    machine.lab.key_set("contoso/disk", recovery_level="Recoverable")
    found, = machine.tool("check", "--customer", "contoso", "--json").json["checks"]
    assert found["warnings"] == [], "warns of nothing without a reason"
    change(machine.lab)
    found, = machine.tool("check", "--customer", "contoso", "--json").json["checks"]
    assert len(found["warnings"]) == 1 and part in found["warnings"][0], found


def code_of(found):
    return found["error"] and found["error"]["code"]


def test_check_customer_and_all(ready, volume):
    machine = ready
    mark = machine.lab.mark()
    assert "contoso" in machine.tool("check", "--customer", "contoso").out
    assert [line for line in asked(machine, mark) if "disk" in line or "unwrapkey" in line] == [
        "vault GET disk", "vault POST unwrapkey"]

    def of_customers(done):
        """Without the volumes of whatever else runs on this machine: devices have no namespaces."""
        return {c["customer"]: code_of(c) for c in done.json["checks"] if "device" not in c}

    assert of_customers(machine.run("luks-cmk", "check", "--all", "--json")) == {"contoso": None, "fabrikam": None}
    machine.lab.key_disable("fabrikam/disk")
    done = machine.run("luks-cmk", "check", "--json")
    assert done.status == 3
    assert of_customers(done) == {"contoso": None, "fabrikam": "key-disabled"}


def test_check_each_wrapping(ready, volume):
    """A spare that no longer answers is noticed before it is needed."""
    machine = ready
    customer, spare = machine.new_customer(), f"spare{next(machine.numbers)}"
    machine.lab.vault_create(spare, customer)
    machine.lab.grant(spare)
    machine.add_customer(customer, spares=[machine.lab.key_create(f"{spare}/disk")["url"]])
    enroll(machine, volume, *by_file(machine), customer=customer)
    assert "only one wrapping" not in machine.tool("check", volume).out
    machine.lab.key_disable(f"{spare}/disk")
    machine.opens(volume)
    done = machine.tool("check", volume, status=3)
    assert done.error.code == "key-disabled" and spare in done.error.text
    checks = machine.run("luks-cmk", "check", "--json", volume).json["checks"]
    assert [code_of(c) for c in checks] == [None, "key-disabled"]


# Remove

def test_remove(ready, volume):
    machine = ready
    before = luks2.read(volume)
    enroll(machine, volume, *by_file(machine))
    payload = machine.payload(volume)
    mark = machine.lab.mark()
    machine.tool("remove", volume)
    assert asked(machine, mark) == []
    after = luks2.read(volume)
    assert (after["keyslots"], after["tokens"]) == (before["keyslots"], before["tokens"])
    machine.opens_by_passphrase(volume)
    done = machine.run("cryptsetup", "open", "--test-passphrase", "--key-file", machine.write("payload", payload), volume)
    assert done.status == 2
    assert "nothing to remove" in machine.tool("remove", volume).out
    enroll(machine, volume, *by_file(machine))
    check_enrolled(machine, volume)


def test_remove_last_way(ready):
    machine = ready
    path = machine.image()
    machine.tool("format", path, "--customer", "contoso", "-q")
    before = luks2.digest(path)
    assert machine.tool("remove", path, status=5).error.code == "state"
    assert luks2.digest(path) == before
    machine.opens(path)


# Customers

def test_customers(machine):
    machine.configure(provider=True)
    known = machine.ids["customers"]["contoso"]
    add = ["customer", "add", "contoso", "--tenant", known["tenant_id"], "--key", known["key"]]
    assert "Added" in machine.tool(*add).out
    assert "already" in machine.tool(*add).out
    shown = machine.tool("customer", "show", "contoso", "--json").json
    assert shown["tenant_id"] == known["tenant_id"] and shown["key"] == known["key"]
    assert [c["name"] for c in machine.tool("customer", "list", "--json").json["customers"]] == ["contoso"]
    assert "ok" in machine.tool("check", "--customer", "contoso").out


# Why

def test_why(ready, volume):
    machine = ready
    enroll(machine, volume, *by_file(machine))
    assert "No unlock has failed" in machine.tool("why").out
    machine.lab.key_disable("contoso/disk")
    error = machine.refuses(volume, "key-disabled")
    uuid = machine.cryptsetup("luksUUID", volume).out.strip()
    for words in ([], [volume], [uuid], ["UUID=" + uuid]):
        text = machine.tool("why", *words).out
        assert error.text in text and "[key-disabled]" in text and error.request_id in text and uuid in text
        assert re.search(r"Next: +the customer must enable", text)
    failure, = machine.tool("why", "--json").json["failures"]
    assert failure["error"]["request_id"] == error.request_id and failure["error"]["class"] == "refused"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", failure["when"])
    machine.lab.key_enable("contoso/disk")
    machine.forget_failures()
    machine.opens(volume)
    assert "No unlock has failed" in machine.tool("why").out


# Usage

@pytest.mark.parametrize("words", (
    [], ["frobnicate"], ["enroll"], ["enroll", "x"], ["enroll", "x", "y", "--customer", "z"], ["status"],
    ["status", "--nonsense", "x"], ["check", "x", "--all"], ["customer"], ["customer", "add", "x"],
    ["enroll", "x", "--customer", "y", "--unlock-token", "-1"], ["why", "a", "b"], ["--nonsense"],
    ["status", "\x1b[31m", "x"]), ids=lambda w: "-".join(w).replace("\x1b", "ESC") or "nothing")
def test_usage(machine, words):
    done = machine.tool(*words, status=2)
    assert done.err.startswith("luks-cmk: ") and "--help" in done.err and not done.out


def test_help(machine):
    for words in (["--help"], ["-h"], ["enroll", "--help"], ["customer", "--help"], ["check", "-h"]):
        assert machine.tool(*words).out.startswith("Usage: luks-cmk")
    assert re.fullmatch(r"luks-cmk \d+\.\d+\.\d+\n", machine.tool("--version").out)


# On a terminal

class Terminal:
    """A program on a terminal of its own, as when a person types."""

    def __init__(self, words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(words[0], words)
        self.said = ""
        self.seen = 0

    def wait_for(self, text, seconds=20):
        """After what was waited for before."""
        end = time.monotonic() + seconds
        while text not in self.said[self.seen:]:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {text!r} in {self.said!r}"
            self.said += os.read(self.fd, 4096).decode()
        self.seen = self.said.index(text, self.seen) + len(text)

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, seconds=30):
        """Its exit status, all output read."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if select.select([self.fd], [], [], 0.1)[0]:
                    part = os.read(self.fd, 4096)
                    self.said += part.decode()
            except OSError:  # EIO: the other side is gone
                break
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


def test_prompt(ready, volume):
    machine = ready
    terminal = Terminal(machine.command("luks-cmk", "enroll", volume, "--customer", "contoso"))
    terminal.wait_for(f"Enter passphrase for {volume}: ")
    assert not terminal.echoes()
    terminal.type("wrong\n")
    terminal.wait_for("No key available with this passphrase.")
    terminal.wait_for("Enter passphrase for ")
    assert not terminal.echoes()
    terminal.type(PASSPHRASE + "\n")
    assert terminal.end() == 0, terminal.said
    assert "is enrolled for contoso" in terminal.said and PASSPHRASE not in terminal.said
    assert "Wrapping a new key" in terminal.said
    check_enrolled(machine, volume)


def test_prompt_thrice_wrong(ready, volume):
    machine = ready
    before = luks2.digest(volume)
    terminal = Terminal(machine.command("luks-cmk", "enroll", volume, "--customer", "contoso"))
    for _ in range(3):
        terminal.wait_for("Enter passphrase for ")
        terminal.type("wrong\n")
    assert terminal.end() == 1 and "[passphrase]" in terminal.said
    assert luks2.digest(volume) == before


@pytest.mark.parametrize("name", ("INT", "TERM", "HUP", "QUIT"))
def test_interrupted_prompt(ready, volume, name):
    """Echo comes back, and nothing was written."""
    machine = ready
    before = luks2.digest(volume)
    pid = machine.path("pid")
    script = ("import subprocess, sys\np = subprocess.Popen(sys.argv[2:])\n"
              "print(p.pid, file=open(sys.argv[1], 'w'))\nprint('status', p.wait())\ninput()")
    terminal = Terminal(machine.command("/usr/bin/python3", "-c", script, pid, "luks-cmk", "enroll", volume,
                                        "--customer", "contoso"))
    terminal.wait_for("Enter passphrase for ")
    assert not terminal.echoes()
    machine.run("sh", "-c", f'kill -{name} "$(cat {pid})"')
    terminal.wait_for(f"status -{signal.Signals['SIG' + name].value}")
    assert terminal.echoes()
    terminal.type("\n")
    assert terminal.end() == 0
    assert luks2.digest(volume) == before


# Killed

def killed_at(machine, image, number, *words, stdin=""):
    """
    Runs the tool and kills it before its write number NUMBER to the image; whether it came that far. Writes
    to the image alone count, which strace finds by path.
    """
    trace = machine.path("trace")
    done = machine.run("luks-cmk", *words, stdin=stdin, wrap=[
        "strace", "-o", trace, "-P", image, "-e", "trace=write,pwrite64,writev,ftruncate,fallocate",
        "-e", f"inject=write,pwrite64,writev,ftruncate,fallocate:signal=SIGKILL:when={number}"])
    os.unlink(trace)
    assert done.status in (0, 128 + signal.SIGKILL, -signal.SIGKILL), done
    return done.status != 0


def every_kill(machine, make, words, check, least):
    """For each write: a new image, a kill there, and what must hold afterwards."""
    number = 0
    while True:
        number += 1
        image = make()
        came = killed_at(machine, image, number, *words(image))
        machine.forget_failures()
        check(image, number if came else None)
        os.unlink(image)
        if not came:
            break
    assert number > least, f"only {number} writes seen: does strace still see them?"


@pytest.mark.slow
def test_enroll_killed(ready):
    machine = ready

    def words(image):
        return ["enroll", image, "--customer", "contoso", *by_file(machine)]

    def check(image, number):
        machine.opens_by_passphrase(image)
        machine.tool(*words(image))
        check_enrolled(machine, image)
        machine.opens_by_passphrase(image)
        assert "nothing to remove" not in machine.tool("remove", image).out, number
        assert luks2.tokens(image) == {} and list(luks2.read(image)["keyslots"]) == ["0"], number

    every_kill(machine, lambda: machine.copy(machine.plain), words, check, least=8)


@pytest.mark.slow
def test_format_killed(ready):
    """What is left is either no volume yet, or one that opens; a repetition ends the work."""
    machine = ready

    def words(image):
        return ["format", image, "--customer", "contoso", "-q"]

    def check(image, number):
        done = machine.run("luks-cmk", *words(image))
        # Only what is wholly done, all but the last copy of it, is in the way of a repetition.
        assert done.status == 0 or done.error.code == "state", (number, done)
        check_enrolled(machine, image, slots=1)

    every_kill(machine, machine.image, words, check, least=8)


@pytest.mark.slow
def test_remove_killed(ready):
    machine = ready
    template = machine.copy(machine.plain)
    enroll(machine, template, *by_file(machine))

    def check(image, number):
        machine.opens_by_passphrase(image)
        machine.tool("remove", image)
        assert luks2.tokens(image) == {} and list(luks2.read(image)["keyslots"]) == ["0"], number
        machine.opens_by_passphrase(image)
        enroll(machine, image, *by_file(machine))
        check_enrolled(machine, image)

    every_kill(machine, lambda: machine.copy(template), lambda image: ["remove", image], check, least=4)


@pytest.mark.slow
def test_enroll_killed_in_time(ready):
    """And by the clock, helper included, before any write too."""
    machine = ready
    for step in range(12):
        image = machine.copy(machine.plain)
        process = machine.start("luks-cmk", "enroll", image, "--customer", "contoso", *by_file(machine))
        time.sleep(0.02 + 0.025 * step)
        # The tool, not nsenter, which waits for it.
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        process.communicate(timeout=30)
        assert process.returncode in (0, 137, -signal.SIGKILL)
        machine.forget()
        machine.opens_by_passphrase(image)
        enroll(machine, image, *by_file(machine))
        check_enrolled(machine, image)
        os.unlink(image)


def test_two_at_once(ready, volume):
    """Two administrators: one enrolment, or two that both open, but no broken header."""
    machine = ready
    running = [machine.start("luks-cmk", "enroll", volume, "--customer", "contoso", *by_file(machine))
               for _ in range(2)]
    for process in running:
        process.communicate(timeout=60)
    assert 0 in [process.returncode for process in running]
    machine.forget_failures()
    machine.opens(volume)
    machine.opens_by_passphrase(volume)
    for number, token in luks2.tokens(volume).items():
        assert token["keyslots"], number
        assert machine.unlock(volume, "--token-id", str(number)).status == 0
