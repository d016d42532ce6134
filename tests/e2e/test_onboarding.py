# SPDX-License-Identifier: LGPL-2.1-or-later
"""From two empty tenants to an open volume, by what luks-cmk itself prints."""

import os
import re

import pytest
from client import Namespace
from machine import ROOT, STAGE, Machine

KEY = "https://contoso.vault.azure.net/keys/disk"
DISCOVERY = {"service": "entra", "path": "openid-configuration"}
TENANT = "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"


def add(machine, tenant, *words, **how):
    return machine.tool("customer", "add", "contoso", "--tenant", tenant, "--key", KEY, *words, **how)


def shown(machine):
    return machine.tool("customer", "show", "contoso", "--json").json["tenant_id"]


def test_tenant_by_domain(machine):
    """Asked for once, with nothing that proves who asks; the file holds the id."""
    machine.configure(provider=True)
    known = machine.ids["customers"]["contoso"]["tenant_id"]
    mark = machine.lab.mark()
    add(machine, "contoso.onmicrosoft.com")
    request, = machine.lab.log(mark)
    assert (request["service"], request["method"], request["status"]) == ("entra", "GET", 200)
    assert request["path"] == "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration"
    assert shown(machine) == known
    assert "already" in add(machine, known).out
    assert "already" in add(machine, "Contoso.OnMicrosoft.com".lower()).out
    refused = add(machine, "fabrikam.onmicrosoft.com", status=5).error
    # The lookup was a success: its id would lead whoever looks for it to nothing.
    assert refused.code == "state" and refused.request_id is None


def test_tenant_needs_no_network_for_an_id(machine):
    machine.lab.listen("https", False)
    add(machine, TENANT)
    assert shown(machine) == TENANT


@pytest.mark.parametrize("tenant,code,status", (
    ("nobody.onmicrosoft.com", "tenant", 1),
    ("contoso", "config", 1), ("contoso.com/../x", "config", 1), ("-", "config", 1), ("a.b\n", "config", 1),
))
def test_no_tenant(machine, tenant, code, status):
    assert add(machine, tenant, status=status).error.code == code


@pytest.mark.parametrize("fault,code,status", (
    ({"kind": "set", "members": {"issuer": f"https://login.microsoftonline.us/{TENANT}/v2.0"}}, "tenant", 1),
    ({"kind": "set", "members": {"issuer": "https://login.microsoftonline.com/$(reboot)/v2.0"}}, "tenant", 1),
    ({"kind": "set", "members": {"issuer": "\x1b[2J"}}, "tenant", 1),
    ({"kind": "set", "members": {"issuer": None}}, "protocol", 1),
    ({"kind": "html"}, "protocol", 1),
    ({"kind": "redirect", "location": "https://login.microsoftonline.us/"}, "protocol", 1),
    ({"kind": "huge"}, "protocol", 1),
    ({"kind": "status", "status": 429}, "throttled", 4),
    ({"kind": "reset"}, "service-down", 4),
    ({"kind": "blackhole"}, "timeout", 4),
    ({"kind": "drip", "seconds": 1}, "timeout", 4),
    ({"kind": "cert-untrusted", "path": None}, "tls", 4),
), ids=lambda value: value["kind"] if isinstance(value, dict) else str(value))
def test_tenant_of_a_hostile_service(machine, fault, code, status):
    """Bounded, and nothing is written."""
    machine.configure(provider=True, network={"timeout": 2})
    fault = dict(fault)
    with machine.lab.fault(fault.pop("kind"), **{**DISCOVERY, **fault}):
        done = add(machine, "contoso.onmicrosoft.com", status=status)
    assert done.error.code == code and done.seconds < 10
    machine.tool("customer", "show", "contoso", status=1)


# From nothing to an open volume

class Newcomer(Machine):
    """A machine in a cloud with two empty tenants, and an administrator with az on each side."""

    def __init__(self, folder):
        super().__init__(folder)
        self.lab = Namespace(stage=STAGE, conf=self.conf, scenario="empty")

    def reset(self):
        self.configure()

    def shell(self, script, who, status=0):
        """bash runs script as it stands, where az is the lab's; each administrator has a home."""
        home = os.path.join(self.folder, who)
        os.makedirs(home, exist_ok=True)
        done = self.run("env", f"HOME={home}", f"PATH={ROOT}/tests/lab:/usr/sbin:/usr/bin:/sbin:/bin",
                        "bash", "-c", "set -eu\n" + script)
        assert done.status == status, (script, done)
        return done.out


def sections(text):
    """{heading: commands} of what luks-cmk prints, in either form; headings keep their order."""
    found = {}
    if text.startswith("# "):
        for part in re.split(r"^## ", text, flags=re.M)[1:]:
            heading, _, rest = part.partition("\n")
            found[heading] = "".join(re.findall(r"^```sh\n(.*?)^```$", rest, re.M | re.S))
        return found
    parts = re.split(r"^(\S.*)\n-+\n\n", text, flags=re.M)[1:]
    for heading, rest in zip(parts[::2], parts[1::2]):
        found[heading] = "".join(re.findall(r"^    (.*\n)", rest, re.M))
    return found


def steps(text):
    """The numbered steps' commands, one after another."""
    numbered = [(h, c) for h, c in sections(text).items() if re.match(r"\d+\. ", h)]
    assert [int(h.partition(".")[0]) for h, _ in numbered] == list(range(1, len(numbered) + 1))
    return "".join(commands for _, commands in numbered)


def revocations(text):
    return {h.partition(": ")[2]: c for h, c in sections(text).items() if h.startswith("Revoke: ")}


@pytest.fixture(name="newcomer")
def fixture_newcomer(tmp_path):
    if os.geteuid() != 0 or not STAGE:
        pytest.fail("needs root and LUKS_CMK_STAGE")
    with Newcomer(tmp_path) as machine:
        yield machine


def set_up_provider(machine, *words):
    """Runs what provider setup prints; what that prints becomes luks-cmk.conf; only the lab's CA is added."""
    text = machine.tool("provider", "setup", "--tenant", "provider.onmicrosoft.com", *words).out
    printed = machine.shell(steps(text), "provider")
    assert re.match(r"\[provider\]\ncloud = AzurePublic\nclient_id = .*\n\n\[identity\]\n", printed)
    ca_file = os.path.join(machine.lab.state, "ca.pem")
    with open(os.path.join(machine.conf, "luks-cmk.conf"), "w", encoding="utf-8") as file:
        file.write(printed + f"\n[network]\nca_file = {ca_file}\n")
    return text


def hand_over(machine, key, *words):
    machine.tool("customer", "add", "contoso", "--tenant", "contoso.onmicrosoft.com", "--key", key)
    text = machine.tool("customer", "handover", "contoso", *words).out
    machine.shell(steps(text), "customer")
    return text


def enrol(machine):
    volume = machine.copy(machine.plain)
    assert "ok" in machine.tool("check", "--customer", "contoso").out
    machine.tool("enroll", volume, "--customer", "contoso", "--key-file", machine.key_file)
    machine.opens(volume)
    return volume


def revoked(machine, volume, commands, code, undo):
    """The commands alone, in a new shell, and what undoes them."""
    machine.forget()
    machine.opens(volume)
    machine.shell(commands, "customer")
    machine.forget()
    machine.refuses(volume, code)
    machine.shell(undo, "customer")
    machine.forget()
    machine.opens(volume)


def check_revocations(machine, volume, text):
    """Each switch has the code that the text promises; undone as the text says, the volume opens again."""
    found = revocations(text)
    assert len(found) == 3
    promised = dict(re.findall(r"Revoke: (.*?)\n.*?then say \[([a-z-]+)\]", re.sub(r"(?<=say)\n", " ", text), re.S))
    assert {h: promised[h] for h in found} == promised
    for heading, commands in found.items():
        undo = commands.replace("--enabled false", "--enabled true").replace("=false", "=true")
        if undo == commands:
            undo, = [c for h, c in sections(text).items() if re.match(r"\d+\. The role", h)]
        revoked(machine, volume, commands, promised[heading], undo)
    assert sorted(promised.values()) == ["grant", "key-disabled", "principal-disabled"]


def test_from_empty_tenants(newcomer):
    """Key Vault, from plain text."""
    machine = newcomer
    set_up_provider(machine)
    text = hand_over(machine, KEY)
    volume = enrol(machine)
    vault, = machine.lab.show()["vaults"]
    assert vault["purge_protection"] and vault["mode"] == "rbac"
    key, = vault["keys"].values()
    assert [v["kty"] for v in key["versions"]] == ["RSA-HSM"]
    grant, = [g for g in vault["grants"] if "unwrap" in g["actions"]]
    assert grant["key"] == "disk" and grant["actions"] == ["get", "unwrap", "wrap"]
    # All of it once more changes nothing that is seen.
    before = machine.lab.show()
    machine.shell(steps(text), "customer")
    set_up_provider(machine)
    assert machine.lab.show() == before
    machine.opens(volume)
    check_revocations(machine, volume, text)


@pytest.mark.slow
def test_from_empty_tenants_to_an_hsm(newcomer):
    """Managed HSM, from Markdown. It exists: the text leaves activating it to its owner."""
    machine = newcomer
    set_up_provider(machine, "--markdown")
    machine.lab.vault_create("contoso-hsm", "contoso", "hsm")
    text = hand_over(machine, "https://contoso-hsm.managedhsm.azure.net/keys/disk", "--markdown")
    check_revocations(machine, enrol(machine), text)


# What is printed

def test_handover_needs(machine):
    """A customer, and an application to consent to."""
    assert machine.tool("customer", "handover", "contoso", status=1).error.code == "config"
    machine.add_customer("contoso")
    error = machine.tool("customer", "handover", "contoso", status=1).error
    assert error.code == "config" and "provider setup" in error.text
    machine.tool("customer", "handover", status=2)
    machine.tool("provider", "frobnicate", status=2)
    machine.tool("provider", "setup", "x", status=2)


def test_handover_of_several_keys(machine):
    """Each vault is made once, each key has its role and its switches; a version is of a key that exists."""
    machine.configure(provider=True)
    url = "https://{}/keys/{}".format
    machine.add_customer("contoso", KEY, [url("spare.vault.azure.net", "disk"), url("contoso.vault.azure.net", "two"),
                                          url("h.managedhsm.azure.net", "disk/" + "0" * 32)])
    done = machine.tool("customer", "handover", "contoso")
    made = steps(done.out)
    assert made.count("az keyvault create ") == 2 and made.count("az keyvault update-hsm ") == 1
    assert made.count("az keyvault key create ") == 3
    assert len(revocations(done.out)) == 2 * 4 + 1 and "revoke all of them" in done.out
    for form in (done.out, machine.tool("customer", "handover", "contoso", "--markdown").out):
        assert steps(form) == made and revocations(form) == revocations(done.out)
        script = made + "".join(revocations(form).values())
        assert machine.run("bash", "-n", "-c", script).status == 0
        # zsh takes no comments at its prompt, and history expansion is on in every shell there.
        assert "#" not in script and "!" not in script


@pytest.mark.parametrize("name,az,host,audience", (
    ("AzureUSGovernment", "AzureUSGovernment", "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    ("AzureChina", "AzureChinaCloud", "login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
))
def test_other_clouds(machine, name, az, host, audience):
    suffix = {"AzureChina": "vault.azure.cn"}.get(name, "vault.usgovcloudapi.net")
    machine.configure(provider=True)
    conf = os.path.join(machine.conf, "luks-cmk.conf")
    with open(conf, encoding="utf-8") as file:
        text = file.read()
    with open(conf, "w", encoding="utf-8") as file:
        file.write(text.replace("[provider]\n", f"[provider]\ncloud = {name}\n"))
    machine.add_customer("contoso", f"https://contoso.{suffix}/keys/disk")
    handed = machine.tool("customer", "handover", "contoso").out
    assert f"az cloud set --name {az}\n" in handed and f"https://{host}/" in handed
    provider = machine.tool("provider", "setup").out
    assert f"az cloud set --name {az}\n" in provider and f'["{audience}"]' in provider


def test_provider_setup_compares(machine):
    """Configured, the machine knows the credential's three texts, and they stand in the commands."""
    machine.configure(provider=True)
    ids = machine.ids["provider"]
    issuer = f"https://login.microsoftonline.com/{ids['tenant_id']}/v2.0"
    mark = machine.lab.mark()
    said = machine.tool("provider", "setup").out
    assert [e["service"] for e in machine.lab.log(mark)] == ["metadata"]
    assert f"Issuer: {issuer}\n" in said and f"Subject: {ids['identity_principal_id']}\n" in said
    made = steps(said)
    assert f"issuer='{issuer}'\n" in made and f"subject='{ids['identity_principal_id']}'\n" in made
    assert f"az login --tenant {ids['tenant_id']} " in made and f"application={ids['client_id']}\n" in made


@pytest.mark.parametrize("claims", ({"iss": "$(reboot)"}, {"sub": "'; reboot; '"}, {"aud": ["a", "b"]},
                                    {"sub": "x\x1b[2J"}, {"iss": "x" * 700}))
def test_hostile_metadata(machine, claims):
    """What answers at the metadata address may be anybody: none of it gets into a command."""
    machine.configure(provider=True)
    token = machine.lab.assertion(claims=claims)
    with machine.lab.fault("set", service="metadata", members={"access_token": token}):
        said = machine.tool("provider", "setup").out
    assert "reboot" not in said and "cannot say yet who it is" in said
    assert "az identity create" in steps(said)


def test_other_source(machine):
    """A JWT of another issuer: its claims, and no managed identity."""
    machine.lab.issuer_create("https://agent.example")
    token = machine.lab.assertion(issuer="https://agent.example", subject="spiffe://example/vm")
    path = os.path.join(machine.conf, "token")
    with open(path, "w", encoding="ascii") as file:
        file.write(token)
    machine.configure(identity={"source": "file", "file": "/etc/luks-cmk/token"})
    said = machine.tool("provider", "setup").out
    assert "issuer='https://agent.example'\nsubject='spiffe://example/vm'\n" in steps(said)
    assert "az identity" not in said and "source = %s" in said
    assert "printf 'file = %s\\n' '/etc/luks-cmk/token'\n" in steps(said)
    os.unlink(path)
    assert machine.tool("provider", "setup", status=1).error.code == "identity"
