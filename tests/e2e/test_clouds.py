# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every cloud end to end: the three that are built in, and one that only a [cloud] section describes."""

import re
import urllib.parse
from dataclasses import dataclass

import luks2
import pytest


@dataclass
class Cloud:
    name: str
    authority: str
    vault: str
    hsm: str
    audience: str
    section: bool = False

    @property
    def sections(self):
        """What a machine's configuration needs to know of it."""
        if not self.section:
            return {}
        return {f"cloud {self.name}": {"authority": self.authority, "vault_suffix": self.vault,
                                       "hsm_suffix": self.hsm, "audience": self.audience}}


CLOUDS = [
    Cloud("AzurePublic", "login.microsoftonline.com", "vault.azure.net", "managedhsm.azure.net",
          "api://AzureADTokenExchange"),
    Cloud("AzureUSGovernment", "login.microsoftonline.us", "vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net",
          "api://AzureADTokenExchangeUSGov"),
    Cloud("AzureChina", "login.partner.microsoftonline.cn", "vault.azure.cn", "managedhsm.azure.cn",
          "api://AzureADTokenExchangeChina"),
    Cloud("AirGapped", "login.cloud.example", "vault.cloud.example", "managedhsm.cloud.example",
          "api://CloudExampleTokenExchange", section=True),
]
PUBLIC, GOVERNMENT, CHINA, OWN = CLOUDS


class Place:
    """A provider in one cloud, with a machine's configuration for it."""

    def __init__(self, machine, cloud):
        self.machine, self.cloud = machine, cloud
        self.name = f"provider-{cloud.name}-{next(machine.numbers)}".lower()
        self.ids = machine.lab.provider_create(self.name, cloud_name=cloud.name)

    def configure(self, **more):
        self.machine.configure(provider={"cloud": self.cloud.name, **self.ids}, **{**self.cloud.sections, **more})

    def customer(self, **how):
        name = f"customer{next(self.machine.numbers)}"
        self.machine.ids["customers"][name] = self.machine.lab.customer_create(
            name, cloud_name=self.cloud.name, app=self.name, **how)
        return name


@pytest.fixture(name="place", params=CLOUDS, ids=lambda cloud: cloud.name)
def fixture_place(machine, request):
    yield from a_place(machine, request.param)


def a_place(machine, cloud):
    place = Place(machine, cloud)
    place.configure()
    yield place
    machine.lab.identity_detach(place.name)


@pytest.fixture(name="own")
def fixture_own(machine):
    yield from a_place(machine, OWN)


@pytest.fixture(name="government")
def fixture_government(machine):
    yield from a_place(machine, GOVERNMENT)


def asked(machine, mark):
    return [e for e in machine.lab.log(mark) if e["method"] != "HEAD"]


@pytest.mark.parametrize("kind,how", (("vault", {}), ("hsm", {"kty": "oct", "size": 256})))
def test_whole_life(machine, volume, place, kind, how):
    """enroll, open, status, check, remove: and nobody of another cloud is asked for anything."""
    cloud, customer = place.cloud, place.customer(kind=kind, **how)
    suffix = cloud.hsm if kind == "hsm" else cloud.vault
    whole = machine.lab.mark()
    machine.enroll(volume, customer)
    token = luks2.tokens(volume)[0]
    assert token["wrapped"][0]["cloud"] == cloud.name
    assert token["wrapped"][0]["key"].startswith(f"https://{customer}.{suffix}/keys/disk/")
    # The token knows the rest; a cloud that is not built in has to be described.
    machine.configure(**cloud.sections)
    machine.forget()
    mark = machine.lab.mark()
    machine.opens(volume)
    entries = asked(machine, mark)
    assert [e["service"] for e in entries] == ["metadata", "entra", kind]
    assert urllib.parse.parse_qs(entries[0]["query"])["resource"] == [cloud.audience]
    assert entries[1]["host"] == cloud.authority and entries[1]["scope"] == f"https://{suffix}/.default"
    assert f"{customer}.{suffix}" in str(machine.tool("status", volume, "--json").json)
    place.configure()
    machine.tool("check", volume)
    machine.tool("check", "--customer", customer)
    machine.lab.key_disable(f"{customer}.{suffix}/disk")
    machine.forget()
    assert suffix in machine.refuses(volume, "key-disabled").text
    machine.tool("remove", volume)
    hosts = {e["host"] for e in machine.lab.log(whole)}
    assert hosts == {"169.254.169.254", cloud.authority, f"{customer}.{suffix}"}


def test_refusals_name_the_cloud_s_hosts(machine, volume, place):
    customer = place.customer()
    machine.enroll(volume, customer)
    machine.forget()
    for verb, undo, code in (("principal_disable", "principal_enable", "principal-disabled"),
                             ("consent_revoke", "consent", "consent")):
        getattr(machine.lab, verb)(customer, app=place.name)
        machine.refuses(volume, code)
        machine.forget_failures()
        getattr(machine.lab, undo)(customer, app=place.name)
    machine.lab.federation_set(app=place.name, audience="api://AnotherTokenExchange")
    assert machine.refuses(volume, "federation").request_id


def test_cloud_unknown_to_the_machine(machine, volume, own):
    """A header names a cloud; where its hosts are is for the machine to know."""
    machine.enroll(volume, own.customer())
    machine.configure()
    machine.forget()
    mark = machine.lab.mark()
    assert "[cloud AirGapped]" in machine.refuses(volume, "config").text
    machine.configure(**{"cloud Other": OWN.sections["cloud AirGapped"]})
    machine.forget_failures()
    assert "[cloud AirGapped]" in machine.refuses(volume, "config").text
    assert machine.lab.log(mark) == []
    machine.opens_by_passphrase(volume)


@pytest.mark.parametrize("claimed", [c for c in CLOUDS if c is not GOVERNMENT], ids=lambda cloud: cloud.name)
def test_header_of_another_cloud(machine, volume, government, claimed):
    """A key of one cloud under the name of another: no token of that cloud goes there."""
    machine.enroll(volume, government.customer())
    with luks2.edit(volume) as metadata:
        metadata["tokens"]["0"]["wrapped"][0]["cloud"] = claimed.name
    machine.configure(**OWN.sections)
    machine.forget()
    mark = machine.lab.mark()
    assert claimed.vault in machine.refuses(volume, "policy").text
    assert machine.lab.log(mark) == []


def test_key_of_another_cloud_is_not_enrolled(machine, volume, government):
    customer = government.customer()
    machine.configure(provider=True)
    before = luks2.digest(volume)
    done = machine.enroll(volume, customer, status=1)
    assert done.error.code == "config" and PUBLIC.vault in done.error.text, done
    assert luks2.digest(volume) == before


def test_tenant_of_another_cloud(machine, volume, government):
    """A tenant of the US government's cloud, looked for in the public one."""
    tenant = machine.ids["customers"][government.customer()]["tenant_id"]
    machine.configure(provider=True)
    known = machine.ids["customers"]["contoso"]
    machine.ids["customers"]["misled"] = {**known, "tenant_id": tenant}
    done = machine.enroll(volume, "misled", status=1)
    assert done.error.code == "tenant" and "cloud" in done.error.text


WRONG_SECTIONS = {
    # What is wrong: (code, part of the sentence).
    "audience": ("federation", "", {"audience": "api://CloudExampleTokenExchang"}),
    "authority": ("dns", "login.nowhere.example", {"authority": "login.nowhere.example"}),
    "authority of another": ("tenant", "national cloud", {"authority": PUBLIC.authority}),
    "vault_suffix": ("policy", "vault.other.example", {"vault_suffix": "vault.other.example"}),
    "vault_suffix too short": ("policy", "cloud.example", {"vault_suffix": "cloud.example"}),
    "metadata": ("service-down", "metadata service", {"metadata": "169.254.169.254:81"}),
}


@pytest.mark.parametrize("wrong", WRONG_SECTIONS)
def test_wrong_section(machine, volume, own, wrong):
    """Each member of a [cloud] section, wrong in turn: the sentence leads to it."""
    code, part, change = WRONG_SECTIONS[wrong]
    machine.enroll(volume, own.customer())
    machine.configure(network={"timeout": 2}, **{"cloud AirGapped": {**OWN.sections["cloud AirGapped"], **change}})
    machine.forget()
    assert part in machine.refuses(volume, code).text


def test_suffix_of_the_hsm_is_optional(machine, volume, own):
    section = {k: v for k, v in OWN.sections["cloud AirGapped"].items() if k != "hsm_suffix"}
    own.configure(**{"cloud AirGapped": section})
    machine.enroll(volume, own.customer())
    machine.forget()
    machine.opens(volume)
    other = machine.copy(machine.plain)
    done = machine.enroll(other, own.customer(kind="hsm"), status=1)
    assert done.error.code in ("config", "policy") and re.search(r"vault\.cloud\.example", done.error.text)


def test_policy_in_another_cloud(machine, volume, government):
    """allow_vaults and allow_tenants are the same everywhere."""
    customer = government.customer()
    machine.enroll(volume, customer)
    tenant = machine.ids["customers"][customer]["tenant_id"]
    for policy, code in (({"allow_vaults": f"{customer}.{GOVERNMENT.vault}", "allow_tenants": tenant}, None),
                         ({"allow_vaults": f"{customer}.{PUBLIC.vault}"}, "policy"),
                         ({"allow_tenants": machine.ids["customers"]["contoso"]["tenant_id"]}, "policy")):
        machine.configure(policy=policy)
        machine.forget()
        machine.refuses(volume, code) if code else machine.opens(volume)
