# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Three sides have to agree before a volume opens: each way in which they do not that we know of, and what check
makes of it. It stops at the right step, with the right code, and names the side that can put it right.
"""

import contextlib
import os
import re
import subprocess

import luks2
import pytest
from machine import GUID, HELPER, ROOT
from test_errors import CLASS, EXIT, other_helper
from test_identity import PROGRAM
from test_robustness import proxy

OTHER_ID = "12345678-1234-1234-1234-123456789abc"
LOGIN, VAULT = "login.microsoftonline.com", "contoso.vault.azure.net"
ROWS = []  # (name, provoke, step, code, who acts, on a volume)
DONE = set()


def row(name, step, code, acts, volume=False):
    """
    Marks a function as a misconfiguration, of the machine or (volume) of an enrolled volume, and what check is
    to say. It may be a generator that undoes at its end, and yield the words that run the program.
    """
    def register(function):
        ROWS.append((name, function, step, code, acts, volume))
        return function
    return register


def lab(name, step, code, acts, verb, *args, volume=False, **how):
    row(name, step, code, acts, volume)(lambda machine, _: machine.lab.call(verb, *args, **how))


def fault(name, step, code, acts, kind, **how):
    def provoke(machine, _):
        machine.lab.fault_add(kind, **how)
    row(name, step, code, acts)(provoke)


def settings(name, step, code, acts, **sections):
    row(name, step, code, acts)(lambda machine, _: machine.configure(provider=True, **sections))


def rewrite(machine, text):
    """The customer's file has this line in place of its own of that key."""
    path = os.path.join(machine.conf, "customers.d/contoso.conf")
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if line.split(" ")[0] != text.split(" ")[0]]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*lines, text]) + "\n")


def customer(name, step, code, acts, text):
    row(name, step, code, acts)(lambda machine, _: rewrite(machine, text))


def header(name, step, code, acts):
    def register(function):
        def provoke(_, image):
            with luks2.edit(image) as metadata:
                function(metadata["tokens"]["0"]["wrapped"][0], metadata)
        row(name, step, code, acts, volume=True)(provoke)
    return register


def entra(number, error="invalid_client"):
    """What Entra says, where the lab has no state for it."""
    return {"service": "entra", "path": "oauth2", "status": 400,
            "body": f'{{"error":"{error}","error_description":"AADSTS{number}: x","error_codes":[{number}]}}'}


# This machine: configuration

customer("tenant-unknown", "tenant", "tenant", "machine", f"tenant_id = {OTHER_ID}")
customer("tenant-mistyped", "configuration", "config", "machine", "tenant_id = contoso")
customer("vault-mistyped", "dns", "dns", "machine", "key = https://contosoo.vault.azure.net/keys/disk")
customer("key-mistyped", "key", "key-gone", "customer", f"key = https://{VAULT}/keys/disc")
customer("key-elsewhere", "configuration", "config", "machine", "key = https://contoso.vault.example.com/keys/disk")
customer("key-no-url", "configuration", "config", "machine", "key = contoso/disk")
settings("misspelt", "configuration", "config", "machine", network={"time_out": 5})
settings("policy-tenant", "configuration", "policy", "machine", policy={"allow_tenants": OTHER_ID})
settings("policy-vault", "configuration", "policy", "machine", policy={"allow_vaults": "x.vault.azure.net"})
settings("wrong-cloud", "configuration", "config", "machine", provider_lines={"cloud": "AzureUSGovernment"})
settings("no-such-cloud", "configuration", "config", "machine", provider_lines={"cloud": "AzureMoon"})
settings("no-application", "configuration", "config", "machine", provider_lines={"client_id": ""})
settings("no-identity", "configuration", "config", "machine", identity={"client_id": ""})
settings("no-source", "identity", "identity", "machine", identity={"source": "carrier-pigeon"})
settings("no-jwt-file", "identity", "identity", "machine", identity={"source": "file", "file": "/nowhere/jwt"})
settings("wrong-application", "sign-in", "consent", "customer", provider_lines={"client_id": OTHER_ID})
settings("wrong-authority", "tenant", "tenant", "machine", provider_lines={"cloud": "mixed"},
         **{"cloud mixed": {"authority": "login.microsoftonline.us", "vault_suffix": "vault.azure.net",
                            "audience": "api://AzureADTokenExchange", "metadata": "169.254.169.254"}})
settings("wrong-audience", "sign-in", "federation", "provider", provider_lines={"cloud": "mixed"},
         **{"cloud mixed": {"authority": LOGIN, "vault_suffix": "vault.azure.net",
                            "audience": "api://AzureADTokenExchangeUSGov", "metadata": "169.254.169.254"}})
settings("audience-mangled", "identity", "config", "machine", provider_lines={"cloud": "mixed"},
         **{"cloud mixed": {"authority": LOGIN, "vault_suffix": "vault.azure.net",
                            "audience": "api://AzureADTokenExchange/.default", "metadata": "169.254.169.254"}})
fault("scope", "sign-in", "config", "machine", "status", **entra(70011, "invalid_scope"))


@row("tenant-of-another-customer", "tenant", "tenant", "machine")
def other_tenant(machine, _):
    rewrite(machine, "tenant_id = " + machine.ids["customers"]["fabrikam"]["tenant_id"])


@row("customer-unknown", "configuration", "config", "machine")
def no_customer(machine, _):
    os.unlink(os.path.join(machine.conf, "customers.d/contoso.conf"))


@row("helper-missing", "helper", "helper", "machine")
def no_helper(machine, _):
    with other_helper(machine, None):
        yield


@row("helper-may-not-drop-rights", "helper", "sandbox", "machine")
def no_sandbox(_machine, _image):
    yield ["setpriv", "--bounding-set=-setuid,-setgid"]


# This machine: clock, names, network, TLS, proxies

lab("clock-10-years-behind", "clock", "clock", "machine", "set", "clock_offset", 10 * 365 * 86400)
lab("clock-10-years-ahead", "clock", "clock", "machine", "set", "clock_offset", -10 * 365 * 86400)
fault("certificate-not-yet-valid", "tls", "clock", "machine", "cert-future", host=LOGIN)
fault("certificate-expired", "tls", "tls", "machine", "cert-expired", host=VAULT)
fault("certificate-of-another", "tls", "tls", "machine", "cert-name", host=VAULT)
fault("interception-sign-in", "tls", "tls", "machine", "cert-untrusted", host=LOGIN)
fault("interception-vault", "tls", "tls", "machine", "cert-untrusted", host=VAULT)
settings("root-missing", "tls", "tls", "machine", network={"ca_file": ""})
settings("root-unreadable", "configuration", "config", "machine", network={"ca_file": "/nowhere/ca.pem"})
settings("proxy-name", "dns", "dns", "machine", network={"proxy": "http://proxy.example.com:3128", "timeout": 3})
settings("proxy-down", "connect", "service-down", "machine", network={"proxy": "http://127.0.0.1:9"})
fault("proxy-needed", "tls", "timeout", "machine", "blackhole", host=LOGIN, stage="connect")
fault("portal", "tenant", "protocol", "machine", "redirect", host=LOGIN)
fault("portal-page", "tenant", "protocol", "machine", "html", host=LOGIN)
lab("sign-in-refused", "connect", "service-down", "machine", "listen", "https", False)


@row("no-network", "connect", "no-network", "machine")
def no_network(_machine, _image):
    yield ["unshare", "-n"]


@contextlib.contextmanager
def without_name(machine, host):
    """As where a resolver does not know it, or a private zone lacks it."""
    path = machine.inside("/etc/hosts")
    with open(path, encoding="ascii") as file:
        before = file.read()
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(line for line in before.splitlines(True) if host not in line))
    try:
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


for HOST in (LOGIN, VAULT):
    def no_name(machine, _, host=HOST):
        with without_name(machine, host):
            yield
    row(f"dns-{HOST.split('.')[0]}", "dns", "dns", "machine")(no_name)

for STATUS, CODE in (("403", "config"), ("407", "config"), ("502", "service-down")):
    def by_proxy(machine, _, status=STATUS):
        with proxy(machine, status):
            machine.configure(provider=True, network={"proxy": "http://127.0.0.1:3128"})
            yield
    row(f"proxy-{STATUS}", "connect", CODE, "machine")(by_proxy)


@row("proxy-opens-tls", "tls", "tls", "machine")
def inspector(machine, _):
    pem = machine.path("inspector.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-addext", f"subjectAltName=DNS:{LOGIN},DNS:{VAULT}", "-keyout", pem + ".key", "-out", pem],
                   check=True, capture_output=True)
    with open(pem + ".key", encoding="ascii") as key, open(pem, "a", encoding="ascii") as file:
        file.write(key.read())
    with proxy(machine, "200", pem):
        machine.configure(provider=True, network={"proxy": "http://127.0.0.1:3128"})
        yield


# The metadata service, and other issuers

lab("metadata-not-there", "identity", "service-down", "machine", "listen", "metadata", False)
lab("identity-not-attached", "identity", "identity", "provider", "identity_detach")
fault("identity-of-another", "identity", "identity", "provider", "wrong-identity", service="metadata")
fault("metadata-by-proxy", "identity", "service-down", "machine", "status", service="metadata", status=502, body="")
fault("metadata-blocked", "identity", "identity", "machine", "status", service="metadata", status=403, body="blocked")
fault("metadata-header-lost", "identity", "protocol", "machine", "status", service="metadata", status=400,
      body='{"error":"invalid_request","error_description":"Required metadata header not specified"}')
fault("metadata-portal", "identity", "protocol", "machine", "html", service="metadata")
fault("metadata-throttles", "identity", "throttled", "machine", "status", service="metadata", status=429)
fault("metadata-silent", "identity", "timeout", "machine", "blackhole", service="metadata")
fault("metadata-updates", "identity", "service-down", "nobody", "status", service="metadata", status=410)


@row("two-identities-wrong-one", "sign-in", "federation", "provider")
def second_identity(machine, _):
    made = machine.lab.identity_create("second", "provider")
    machine.configure(provider=True, identity={"client_id": made["client_id"]})
    yield
    machine.lab.identity_detach("second")


@row("identity-of-another-tenant", "sign-in", "federation", "provider")
def foreign_identity(machine, _):
    made = machine.lab.identity_create("foreign", "fabrikam")
    machine.configure(provider=True, identity={"client_id": made["client_id"]})
    yield
    machine.lab.identity_detach("foreign")


# Azure Arc, Google Cloud, and a program

def arc(name, step, code, acts, **how):
    """On a machine that has the agent; how: what it answers instead, or nothing for no agent that listens."""
    def provoke(machine, _):
        machine.configure(provider=True, identity={"source": "arc"})
        machine.lab.listen("arc", bool(how))
        if how:
            machine.lab.fault_add(service="arc", **how)
        yield
        machine.lab.listen("arc", True)
    row(name, step, code, acts)(provoke)


arc("arc-not-there", "identity", "service-down", "machine")
arc("arc-impostor", "identity", "identity", "machine", kind="status", status=401,
    headers={"WWW-Authenticate": "Basic realm=/etc/shadow"})
arc("arc-other-identity", "identity", "identity", "provider", kind="wrong-identity")
arc("arc-too-old", "identity", "identity", "machine", kind="set", members={"client_id": None})
settings("google-without-account", "identity", "identity", "provider", identity={"source": "gcp"})


@row("google-elsewhere", "identity", "identity", "machine")
def elsewhere(machine, _):
    machine.configure(provider=True, identity={"source": "gcp"})
    machine.lab.fault_add("html", service="metadata")


def program(name, step, code, acts, script, mode=0o755):
    def provoke(machine, _):
        path = machine.inside(PROGRAM)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, mode)
        machine.configure(provider=True, identity={"source": "exec", "program": PROGRAM})
        yield
        os.unlink(path)
    row(name, step, code, acts)(provoke)


program("program-fails", "identity", "identity", "machine", "exit 3")
program("program-prints-no-jwt", "identity", "identity", "machine", "echo '<html>'")
program("program-cannot-now", "identity", "service-down", "machine", "exit 75")
program("program-hangs", "identity", "timeout", "machine", "sleep 60")
program("program-of-others", "configuration", "config", "machine", "exit 0", 0o777)


def assertion(name, step, code, acts, known=True, trusted=True, **how):
    """From a file, of an issuer that is not Azure."""
    def provoke(machine, _):
        issuer = f"https://oidc{next(machine.numbers)}.example.com"
        if known:
            machine.lab.issuer_create(issuer)
        if trusted:
            machine.lab.federation_add(issuer=issuer, subject="host:one", name=name)
        with open(os.path.join(machine.conf, "jwt"), "w", encoding="ascii") as file:
            file.write(machine.lab.assertion(issuer=issuer, subject="host:one", **how))
        machine.configure(provider=True, identity={"source": "file", "file": "/etc/luks-cmk/jwt"})
        yield
        if trusted:
            machine.lab.federation_remove(name)
    row(name, step, code, acts)(provoke)


assertion("assertion-expired", "assertion", "clock", "machine", seconds=-7200)
assertion("assertion-forged", "sign-in", "federation", "provider", forge=True)
assertion("assertion-issuer-not-trusted", "sign-in", "federation", "provider", trusted=False)
assertion("assertion-issuer-not-public", "sign-in", "federation", "provider", known=False)

# The provider's application

lab("federation-none", "sign-in", "federation", "provider", "federation_remove")
lab("federation-subject", "sign-in", "federation", "provider", "federation_set", subject=OTHER_ID)
lab("federation-issuer", "sign-in", "federation", "provider", "federation_set", issuer="https://x.example/v2.0")
lab("federation-audience", "sign-in", "federation", "provider", "federation_set", audience="api://other")
lab("federation-case", "sign-in", "federation", "provider", "federation_set", audience="API://AzureADTokenExchange")
fault("federation-not-a-managed-identity", "sign-in", "federation", "provider", "status", **entra(700226))


@row("federation-case-of-subject", "sign-in", "federation", "provider")
def upper_case(machine, _):
    machine.lab.federation_set(subject=machine.ids["provider"]["identity_principal_id"].upper())


# The customer's tenant

lab("consent-removed", "sign-in", "consent", "customer", "consent_revoke", "contoso")
lab("consent-removed-later", "sign-in", "consent", "customer", "consent_revoke", "contoso", volume=True)
lab("principal-disabled", "sign-in", "principal-disabled", "customer", "principal_disable", "contoso")
fault("conditional-access", "sign-in", "grant", "customer", "status", **entra(53003, "access_denied"))
fault("tenant-restrictions", "sign-in", "firewall", "provider", "status", **entra(500021, "access_denied"))


@row("tenant-without-azure", "tenant", "tenant", "customer")
def no_resources(machine, _):
    name = f"plain{next(machine.numbers)}"
    made = machine.lab.tenant_create(name, resources=False)
    machine.lab.consent(name)
    known = machine.ids["customers"]["contoso"]
    machine.ids["customers"][name] = {**known, "tenant_id": made["tenant_id"]}
    machine.add_customer(name)
    os.rename(os.path.join(machine.conf, f"customers.d/{name}.conf"),
              os.path.join(machine.conf, "customers.d/contoso.conf"))


@row("vault-moved", "tenant", "tenant", "machine")
def moved_vault(machine, _):
    machine.lab.vault_move("contoso", "fabrikam")
    yield
    machine.lab.vault_move("contoso", "contoso")


# The customer's vault and key

lab("role-missing", "grant", "grant", "customer", "revoke", "contoso")
lab("role-without-unwrap", "grant", "grant", "customer", "revoke", "contoso", "unwrap")
lab("firewall-address", "vault", "firewall", "customer", "vault_firewall", "contoso", "address")
lab("firewall-perimeter", "vault", "firewall", "customer", "vault_firewall", "contoso", "perimeter")
lab("private-link-only", "vault", "firewall", "customer", "vault_firewall", "contoso", "private")
lab("key-disabled", "key", "key-disabled", "customer", "key_disable", "contoso/disk", volume=True)
lab("key-disabled-before-enrolment", "key", "key-disabled", "customer", "key_disable", "contoso/disk")
lab("key-deleted", "key", "key-gone", "customer", "key_delete", "contoso/disk")
lab("key-expired", "algorithm", "key-operation", "customer", "key_expire", "contoso/disk")
lab("key-not-yet-valid", "algorithm", "key-operation", "customer", "key_set", "contoso/disk", nbf=4102444800)
lab("key-operation", "algorithm", "key-operation", "customer", "key_set", "contoso/disk", ops="wrapKey", volume=True)
lab("key-operation-new", "algorithm", "key-operation", "customer", "key_set", "contoso/disk", ops="wrapKey")


@row("access-policy-missing", "grant", "grant", "customer")
def access_policy(machine, _):
    machine.lab.vault_mode("contoso", "policy")
    machine.lab.revoke("contoso")


def own_customer(name, step, code, acts, *verbs):
    """A customer of its own, for what cannot be undone."""
    def provoke(machine, _):
        made = machine.new_customer()
        for verb, key, how in verbs:
            machine.lab.call(verb, f"{made}/disk" if key else made, **how)
        machine.add_customer(made)
        os.rename(os.path.join(machine.conf, f"customers.d/{made}.conf"),
                  os.path.join(machine.conf, "customers.d/contoso.conf"))
    row(name, step, code, acts)(provoke)


own_customer("key-purged", "key", "key-gone", "customer", ("key_purge", True, {}))
own_customer("key-type", "algorithm", "key-operation", "customer", ("key_create", True, {"kty": "EC"}))
own_customer("vault-deleted", "dns", "dns", "machine", ("vault_delete", False, {}))


def aes(name, step, code, acts, size=256, **how):
    """Of a Managed HSM, with an AES key."""
    def provoke(machine, _):
        made = machine.new_customer(kind="hsm", kty="oct", size=size)
        if how:
            machine.lab.key_set(f"{made}/disk", **how)
        machine.add_customer(made)
        os.rename(os.path.join(machine.conf, f"customers.d/{made}.conf"),
                  os.path.join(machine.conf, "customers.d/contoso.conf"))
    row(name, step, code, acts)(provoke)


aes("aes-too-short", "wrap", "key-operation", "customer", size=128)
aes("aes-without-wrap", "algorithm", "key-operation", "customer", ops="unwrapKey")


@row("key-expired-and-refused", "key", "policy", "customer", volume=True)
def expired(machine, _):
    machine.lab.key_expire("contoso/disk")
    machine.configure(policy={"expired_keys": "refuse"})


# Services that are not well

fault("sign-in-throttles", "sign-in", "throttled", "nobody", "status", service="entra", path="oauth2", status=429)
fault("sign-in-busy", "sign-in", "throttled", "nobody", "status", **entra(90055, "temporarily_unavailable"))
fault("vault-throttles", "vault", "throttled", "nobody", "status", service="vault", path="unwrapkey", status=429)
fault("vault-down", "vault", "service-down", "nobody", "status", service="vault", status=503)
fault("vault-silent", "vault", "timeout", "machine", "blackhole", service="vault", path="unwrapkey")

# The volume


@header("token-algorithm", "configuration", "token", "machine")
def weak(wrapping, _):
    wrapping["alg"] = "RSA1_5"


@header("token-algorithm-unknown", "configuration", "token", "machine")
def unknown(wrapping, _):
    wrapping["alg"] = "ROT13"


@header("token-value", "unwrap", "key-operation", "machine")
def value(wrapping, _):
    wrapping["value"] = "A" * len(wrapping["value"])


@header("token-version-of-key", "key", "key-gone", "customer")
def version(wrapping, _):
    wrapping["key"] = wrapping["key"].rsplit("/", 1)[0] + "/" + "0" * 32


@header("header-changed", "unwrap", "header-changed", "machine")
def cipher(_, metadata):
    metadata["segments"]["0"]["encryption"] = "serpent-xts-plain64"


@header("keyslot-changed", "keyslot", "keyslot", "machine")
def slot(_, metadata):
    metadata["keyslots"]["1"]["kdf"]["salt"] = metadata["keyslots"]["0"]["kdf"]["salt"]


@row("plugin-missing", "plugin", "helper", "machine", volume=True)
def no_plugin(machine, _):
    plugin, = machine.run("find", "/usr/lib", "-name", "libcryptsetup-token-luks-cmk.so").out.split()
    machine.run("mv", plugin, plugin + ".away")
    yield
    machine.run("mv", plugin + ".away", plugin)


# The tests of this table

@pytest.fixture(name="ready")
def fixture_ready(machine):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    yield machine
    assert os.path.exists(machine.inside(HELPER))


@pytest.mark.slow  # test_errors.py meets the same codes
@pytest.mark.parametrize("name,provoke,step,code,acts,volume", ROWS, ids=[r[0] for r in ROWS])
def test_row(ready, enrolled, name, provoke, step, code, acts, volume):
    machine = ready
    # Making the volume may have taken them.
    machine.configure(provider=True)
    machine.add_customer("contoso")
    with contextlib.ExitStack() as stack:
        made = provoke(machine, enrolled)
        wrap = stack.enter_context(contextlib.contextmanager(lambda: made)()) if hasattr(made, "send") else None
        be_brief(machine)
        words = [enrolled] if volume else ["--customer", "contoso"]
        done = machine.run("luks-cmk", "check", *words, "--json", wrap=wrap or ())
    found, = done.json["checks"]
    error = found["error"]
    assert error and (found["failed"], error["code"], error["acts"]) == (step, code, acts), found
    assert done.status == EXIT[CLASS[code]] and not done.err
    # It stopped there: all before is well, and nothing comes after.
    assert [s["code"] for s in found["steps"]] == ["ok"] * (len(found["steps"]) - 1) + [code], found
    # The command has no placeholders left that the template meant to be filled from what is known.
    assert ("run" in found) == (acts != "nobody"), found
    assert not re.search(r"\{[a-z-]+\}|\b(APPLICATION|TENANT|VAULT|KEY|URL|HOST|DEVICE)\b", found.get("run", "")), found
    # That service speaks http only.
    assert "https://169.254.169.254" not in found.get("run", ""), found
    DONE.add(name)


def be_brief(machine):
    """Nothing waits for longer than a row needs."""
    path = os.path.join(machine.conf, "luks-cmk.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if "time" not in text:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("[network]\n", "[network]\ntimeout = 4\n"))


@pytest.mark.parametrize("text, file", [("tenant_id = contoso", "customers.d/contoso.conf"), ("", "customer list"),
                                        (f"key = https://{VAULT}/keys/disk/", "customers.d/contoso.conf"),
                                        ("source =", "luks-cmk.conf")])
def test_file_to_correct(ready, text, file):
    """What to run leads to the file that is wrong, and the sentence names that, too."""
    if text == "":
        no_customer(ready, None)
    elif text == "source =":
        ready.configure(provider=True, identity={"source": ""})
    else:
        rewrite(ready, text)
    found, = ready.run("luks-cmk", "check", "--customer", "contoso", "--json").json["checks"]
    assert found["run"].endswith(file) and found["failed"] == "configuration"
    assert "customer list" in file or f"/etc/luks-cmk/{file}" in found["error"]["message"]


def test_clock_of_ten_minutes(ready):
    """No misconfiguration yet: the volume opens, and check warns."""
    for offset in (-600, 600):
        ready.lab.set("clock_offset", offset)
        found, = ready.tool("check", "--customer", "contoso", "--json").json["checks"]
        assert any("10 minutes" in w for w in found["warnings"]) and found["error"] is None


def test_two_identities(ready):
    """Which one is asked for is said in each request, so that a second does not matter."""
    ready.lab.identity_create("beside", "provider")
    ready.tool("check", "--customer", "contoso")
    ready.lab.identity_detach("beside")


# One of each class, met by an unlock of the volume.
SENTENCES = ["vault-down", "metadata-by-proxy", "identity-not-attached", "consent-removed", "federation-subject",
             "role-missing", "firewall-address", "key-disabled", "key-deleted", "token-value", "header-changed"]


@pytest.mark.parametrize("name", SENTENCES)
def test_one_sentence(machine, enrolled, name):
    """The same reaches whoever opens the volume, who reads the journal, and who asks why; once at a time."""
    (provoke, code), = [(r[1], r[3]) for r in ROWS if r[0] == name]
    machine.configure(network={"timeout": 1})
    provoke(machine, enrolled)
    error = machine.refuses(enrolled, code)
    failure, = machine.tool("why", enrolled, "--json").json["failures"]
    assert same(failure["error"]["message"]) == same(error.text) and failure["error"]["code"] == code
    assert error.text in machine.tool("why", enrolled).out
    machine.forget_failures()
    preload = [f"{variable}={value}" for variable, value in machine.preload.items()]
    done = machine.run("env", *preload, "/usr/bin/python3", os.path.join(ROOT, "tests/e2e/journal.py"), enrolled)
    ours = [line for line in done.out.splitlines() if "luks-cmk: " in line and line[0] in "0123456"]
    assert done.status == 1 and len(ours) == 1, done
    # LOG_ERR, and the whole line.
    match = re.fullmatch(rf"3 luks-cmk: (.*) \[{code}\](?: \(request [0-9a-f-]{{36}}\))?", ours[0])
    assert match and same(match[1]) == same(error.text), ours
    machine.forget_failures()
    done = machine.run("luks-cmk", "attach", enrolled, "data", "--dry-run")
    assert same(done.error.text) == same(error.text) and done.status == EXIT[CLASS[code]]
    done = machine.run("luks-cmk", "check", enrolled)
    assert same(done.error.text) == same(error.text) or name == "vault-down"  # whose page for all says less


def same(text):
    """Times and ids of one attempt are not another's."""
    return re.sub(rf"{GUID}|[0-9]+\.[0-9]+ s", "…", text)


def test_count(request, capsys):
    chosen = {item.callspec.params["name"] for item in request.session.items if item.name.startswith("test_row[")}
    with capsys.disabled():
        print(f"\n{len(DONE)} of {len(chosen)} misconfigurations: right step, right code, right party")
    assert DONE == chosen and len(ROWS) >= 40
