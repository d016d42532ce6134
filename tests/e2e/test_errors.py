# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error code, provoked, and seen where a user sees it: one line, the code, the exit status."""

import contextlib
import os
import re

import luks2
import pytest
from machine import HELPER, ROOT

EXIT = {"unreachable": 4, "refused": 3, "setup": 1, "header": 1, "state": 5}
CLASSES = {
    "unreachable": "no-network dns tls clock timeout throttled service-down",
    "refused": "consent principal-disabled federation grant firewall key-disabled key-gone key-operation",
    "setup": "identity tenant config policy token protocol sandbox helper system",
    "header": "header-changed null-cipher keyslot device passphrase",
    "state": "state",
}
CLASS = {code: name for name, codes in CLASSES.items() for code in codes.split()}
VAULT = "contoso.vault.azure.net"
CASES = []  # (id, code, function, options)
OTHER_ID = "12345678-1234-1234-1234-123456789abc"


def provokes(code, name=None, **options):
    """
    Marks a function as a way to this code at an unlock. It changes the machine or the image; it may be a
    generator that undoes at its end, and may yield the words that run the program (as unshare).
    Options: sent, whether a request got as far as Entra or a vault, so that there is an id for it; check,
    whether luks-cmk check meets it too; recorded, whether luks-cmk why knows.
    """
    def register(function):
        CASES.append((name or code, code, function, options))
        return function
    return register


def fault(code, kind, name=None, sent=False, **how):
    """A way to a code by a fault of the lab."""
    def run(machine, _):
        if kind == "blackhole" and sent:
            # A connection opened ahead is waited for, 2 s at most; then the request goes.
            machine.configure(network={"timeout": 3})
        machine.lab.fault_add(kind, **how)
    provokes(code, name or f"{code}-{kind}", sent=sent)(run)


def state(code, name, verb, *args, sent=True, **how):
    """A way to a code by a change in the lab."""
    def run(machine, _):
        machine.lab.call(verb, *args, **how)
    provokes(code, f"{code}-{name}", sent=sent)(run)


def header(code, name, **options):
    """A way to a code by a change of the header's JSON; the function gets that."""
    def register(function):
        def run(_, image):
            with luks2.edit(image) as metadata:
                function(metadata)
        provokes(code, f"{code}-{name}", **options)(run)
        return function
    return register


def settings(code, name, **sections):
    """A way to a code by luks-cmk.conf."""
    provokes(code, f"{code}-{name}")(lambda machine, _: machine.configure(**sections))


# Unreachable

@provokes("no-network")
def no_network(_machine, _image):
    """A machine without so much as a loopback device that is up."""
    yield ["unshare", "-n"]


@provokes("dns")
def dns(machine, image):
    """The vault was purged, and its name with it."""
    with luks2.edit(image) as metadata:
        wrapping, = metadata["tokens"]["0"]["wrapped"]
        wrapping["key"] = wrapping["key"].replace("contoso.", "purged.")


for KIND in ("cert-untrusted", "cert-name", "cert-expired"):
    fault("tls", KIND, host=VAULT)
fault("tls", "cert-untrusted", "tls-sign-in", service="entra")
fault("clock", "cert-future", host=VAULT)


@provokes("clock", "clock-assertion", sent=True)
def old_assertion(machine, _):
    """The agent that writes the file has stopped long ago."""
    issuer = f"https://oidc{next(machine.numbers)}.example.com"
    machine.lab.issuer_create(issuer)
    machine.lab.federation_add(issuer=issuer, subject="host:one", name="one")
    with open(os.path.join(machine.conf, "jwt"), "w", encoding="ascii") as file:
        file.write(machine.lab.assertion(issuer=issuer, subject="host:one", seconds=-7200))
    machine.configure(identity={"source": "file", "file": "/etc/luks-cmk/jwt"}, network={"timeout": 1})


for SERVICE in ("metadata", "entra", "vault"):
    SENT = SERVICE != "metadata"  # it has no ids
    fault("timeout", "blackhole", f"timeout-{SERVICE}", service=SERVICE, sent=SENT)
    fault("throttled", "status", f"throttled-{SERVICE}", service=SERVICE, status=429, sent=SENT)
    fault("service-down", "status", f"service-down-{SERVICE}", service=SERVICE, status=500, body="", sent=SENT)
    fault("service-down", "reset", f"service-down-reset-{SERVICE}", service=SERVICE, sent=SENT)
fault("service-down", "status", "service-down-90033", service="entra", status=400, sent=True,
      body='{"error":"invalid_request","error_description":"AADSTS90033: Transient","error_codes":[90033]}')
fault("timeout", "blackhole", "timeout-connect", host=VAULT, stage="connect")
fault("service-down", "truncate", host=VAULT, path="unwrapkey", sent=True)
fault("service-down", "status", "service-down-410", service="metadata", status=410)
state("service-down", "metadata-refused", "listen", "metadata", False, sent=False)
state("service-down", "https-refused", "listen", "https", False, sent=False)

# Refused

state("consent", "revoked", "consent_revoke", "contoso")
state("principal-disabled", "switch", "principal_disable", "contoso")
state("federation", "none", "federation_remove")
state("federation", "subject", "federation_set", subject=OTHER_ID)
state("federation", "issuer", "federation_set", issuer="https://login.microsoftonline.com/other/v2.0")
state("federation", "audience", "federation_set", audience="api://other")
state("federation", "case", "federation_set", audience="API://AzureADTokenExchange")
state("grant", "role", "revoke", "contoso")
state("firewall", "address", "vault_firewall", "contoso", "address")
state("firewall", "perimeter", "vault_firewall", "contoso", "perimeter")
state("firewall", "private", "vault_firewall", "contoso", "private")
state("key-disabled", "switch", "key_disable", "contoso/disk")
state("key-gone", "deleted", "key_delete", "contoso/disk")
state("key-operation", "ops", "key_set", "contoso/disk", ops="wrapKey")


@provokes("grant", "grant-policy", sent=True)
def access_policy(machine, _):
    machine.lab.vault_mode("contoso", "policy")
    machine.lab.revoke("contoso", "unwrap")


@header("key-gone", "version", sent=True)
def other_version(metadata):
    wrapping, = metadata["tokens"]["0"]["wrapped"]
    wrapping["key"] = wrapping["key"].rsplit("/", 1)[0] + "/" + "0" * 32


@header("key-operation", "value", sent=True)
def damaged_value(metadata):
    wrapping, = metadata["tokens"]["0"]["wrapped"]
    wrapping["value"] = "A" * len(wrapping["value"])


# Set up wrongly

state("identity", "detached", "identity_detach", sent=False)
fault("identity", "wrong-identity", service="metadata")
settings("identity", "no-file", identity={"source": "file", "file": "/nowhere/jwt"})
settings("identity", "unknown-source", identity={"source": "carrier-pigeon"})
settings("config", "misspelt", network={"time_out": 5})
settings("config", "section", networks={"timeout": 5})
settings("config", "value", network={"timeout": "soon"})
settings("config", "ca-file", network={"ca_file": "/nowhere/ca.pem"})
settings("config", "file-unnamed", identity={"source": "file"})
settings("policy", "tenant", policy={"allow_tenants": OTHER_ID})
settings("policy", "vault", policy={"allow_vaults": "fabrikam.vault.azure.net"})


@provokes("policy", "policy-expired", sent=True)
def expired(machine, _):
    machine.lab.key_expire("contoso/disk")
    machine.configure(policy={"expired_keys": "refuse"})


@header("policy", "foreign-host")
def foreign_host(metadata):
    wrapping, = metadata["tokens"]["0"]["wrapped"]
    wrapping["key"] = wrapping["key"].replace("vault.azure.net", "vault.azure.net.evil.example.com")


@header("tenant", "unknown", sent=True)
def unknown_tenant(metadata):
    metadata["tokens"]["0"]["wrapped"][0]["tenant_id"] = OTHER_ID


@provokes("tenant", "tenant-moved", sent=True)
def moved_vault(machine, _):
    """The vault went to another tenant: it does not take the old one's tokens."""
    machine.lab.vault_move("contoso", "fabrikam")
    yield
    machine.lab.vault_move("contoso", "contoso")


@header("token", "algorithm")
def weak_algorithm(metadata):
    metadata["tokens"]["0"]["wrapped"][0]["alg"] = "RSA1_5"


# Refused by the plugin's validation, that libcryptsetup asks before it opens a token: nothing is tried.
@header("token", "version", recorded=False)
def later_version(metadata):
    metadata["tokens"]["0"]["version"] = 2


@header("config", "cloud")
def unknown_cloud(metadata):
    metadata["tokens"]["0"]["wrapped"][0]["cloud"] = "AzureMoon"


for SERVICE in ("metadata", "entra", "vault"):
    for KIND in ("html", "redirect", "garbage", "huge"):
        fault("protocol", KIND, f"protocol-{KIND}-{SERVICE}", service=SERVICE, sent=SERVICE != "metadata")
fault("protocol", "wrong-kid", host=VAULT, sent=True)
fault("protocol", "value", "protocol-magic", host=VAULT, value="A" * 96, sent=True)
fault("protocol", "value", "protocol-size", host=VAULT, value="TFVLU0NNSzE", sent=True)
fault("protocol", "value", "protocol-empty", host=VAULT, value="", sent=True)
fault("protocol", "value", "protocol-base64", host=VAULT, value="no base64url!", sent=True)


@provokes("sandbox")
def sandbox(_machine, _image):
    """A container that may not change users."""
    yield ["setpriv", "--bounding-set=-setuid,-setgid"]


@contextlib.contextmanager
def other_helper(machine, text):
    path = machine.inside(HELPER)
    os.rename(path, path + ".away")
    try:
        if text is not None:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, 0o755)
        yield
    finally:
        os.rename(path + ".away", path)


@pytest.fixture(name="no_helper_left", autouse=True)
def fixture_no_helper_left(machine):
    yield
    assert not os.path.exists(machine.inside(HELPER) + ".away")


for NAME, TEXT in (("missing", None), ("silent", "#!/bin/sh\nexit 0\n"), ("killed", "#!/bin/sh\nkill -9 $$\n"),
                   ("not-executable", ""), ("babbling", "#!/bin/sh\necho hello >&3\n"),
                   ("endless", "#!/bin/sh\nexec cat /dev/zero >&3\n")):
    def without_helper(machine, _image, text=TEXT):
        with other_helper(machine, text):
            yield
    provokes("helper", f"helper-{NAME}")(without_helper)


# The header

@header("header-changed", "sector")
def other_sector(metadata):
    for segment in metadata["segments"].values():
        segment["sector_size"] = 4096 if segment["sector_size"] == 512 else 512


@header("header-changed", "cipher")
def other_cipher(metadata):
    metadata["segments"]["0"]["encryption"] = "serpent-xts-plain64"


@header("header-changed", "mode")
def other_mode(metadata):
    metadata["segments"]["0"]["encryption"] = "aes-xts-plain"


@header("header-changed", "offset")
def other_offset(metadata):
    metadata["segments"]["0"]["offset"] = str(int(metadata["segments"]["0"]["offset"]) + 4096)


@header("null-cipher", "segment")
def null_cipher(metadata):
    metadata["segments"]["0"]["encryption"] = "cipher_null-ecb"


# The tests of this table

@pytest.mark.parametrize("code,provoke,options", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_unlock(machine, enrolled, code, provoke, options):
    image = enrolled
    # As long as it takes on a busy machine, where the end of that time is not what is meant.
    machine.configure(network={"timeout": 1 if CLASS[code] == "unreachable" else 20})
    with contextlib.ExitStack() as stack:
        wrap = run(stack, provoke, machine, image) or ()
        error = machine.refuses(image, code, wrap=wrap)
        # No request got anywhere, or the customer finds it by its id.
        if "sent" in options:
            assert bool(error.request_id) == options["sent"], error
        if options.get("recorded", True):
            assert machine.why(image) == [code]
            assert f"[{code}]" in machine.tool("why", image).out
        machine.opens_by_passphrase(image)
        machine.forget_failures()
        check(machine, image, code, wrap)


def run(stack, provoke, machine, image):
    made = provoke(machine, image)
    return stack.enter_context(contextlib.contextmanager(lambda: made)()) if made else ()


def check(machine, image, code, wrap):
    """The dry run meets the same, and its exit status says of which class it is."""
    if CLASS[code] != "unreachable":  # which takes its time
        done = machine.run("luks-cmk", "check", image, wrap=wrap)
        assert done.status == EXIT[CLASS[code]] and done.error.code == code, done
    done = machine.run("luks-cmk", "check", image, "--json", wrap=wrap)
    assert done.status == EXIT[CLASS[code]], done
    if done.out:
        found, = done.json["checks"]
        assert (found["error"]["code"], found["error"]["class"]) == (code, CLASS[code])


# Codes of the tool alone

def test_system(machine, enrolled):
    done = machine.run("sh", "-c", 'luks-cmk status "$1" >/dev/full', "sh", enrolled)
    assert done.status == 1 and done.error.code == "system" and "No space left" in done.err


def test_keyslot(machine, enrolled):
    """The vault unwraps what it should, and that opens no keyslot."""
    with luks2.edit(enrolled) as metadata:
        # What was made of another volume key, or damaged.
        metadata["keyslots"]["1"]["kdf"]["salt"] = metadata["keyslots"]["0"]["kdf"]["salt"]
    done = machine.unlock(enrolled)
    assert done.status == 2
    assert machine.tool("check", enrolled, status=1).error.code == "keyslot"
    machine.opens_by_passphrase(enrolled)


def test_keyslot_gone(machine, enrolled):
    machine.cryptsetup("luksKillSlot", "-q", enrolled, "1", "--key-file", machine.key_file)
    assert machine.unlock(enrolled).status != 0
    assert machine.tool("check", enrolled, status=1).error.code == "keyslot"
    machine.opens_by_passphrase(enrolled)


def test_unreachable(machine, enrolled):
    machine.configure(network={"timeout": 1})
    machine.lab.listen("metadata", False)
    assert machine.tool("check", enrolled, status=4).error.code == "service-down"


def test_device(machine):
    blank = machine.image()
    for command in ("check", "status", "remove"):
        assert machine.tool(command, blank, status=1).error.code == "device"
    assert machine.tool("check", "/nowhere", status=1).error.code == "device"


def test_passphrase(machine, volume):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    wrong = machine.write("wrong", "wrong")
    mark = machine.lab.mark()
    done = machine.tool("enroll", volume, "--customer", "contoso", "--key-file", wrong, status=1)
    assert done.error.code == "passphrase" and machine.lab.log(mark) == []


def test_state(machine, volume):
    assert machine.tool("check", volume, status=5).error.code == "state"


# And that nothing is missing

def defined_codes():
    with open(os.path.join(ROOT, "lib/base/err.h"), encoding="utf-8") as file:
        enum = re.search(r"enum cmk_code \{(.*?)\};", file.read(), re.S)[1]
    names = re.findall(r"^\tCMK_([A-Z_]+)", enum, re.M)
    return {name.lower().replace("_", "-") for name in names} - {"ok", "code-count"}


def test_every_code_is_provoked():
    only_the_tool = {n[5:].replace("_", "-") for n in globals() if n.startswith("test_")}
    covered = {case[1] for case in CASES} | (only_the_tool & set(CLASS))
    assert defined_codes() == covered == set(CLASS)
