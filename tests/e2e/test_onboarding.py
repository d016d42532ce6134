# SPDX-License-Identifier: LGPL-2.1-or-later
"""From two empty tenants to an open volume, by what luks-cmk itself prints."""

import pytest

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
    assert add(machine, "fabrikam.onmicrosoft.com", status=5).error.code == "state"


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
