# SPDX-License-Identifier: LGPL-2.1-or-later
"""An enrolled volume opens with the stock cryptsetup, asks nothing, and asks no more of the cloud than it must."""

import os
import re
import socket
import time

import luks2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from machine import GUID, SLOWNESS, b64u, new_payload, unb64u

WARM = ("HEAD /healthstatus", "HEAD openid")


def requests(machine, since):
    """[(service, host, "METHOD what")], in order."""
    found = []
    for entry in machine.lab.log(since):
        what = entry["path"].rsplit("/", 1)[-1]
        what = {"openid-configuration": "openid", "healthstatus": "/healthstatus"}.get(what, what)
        found.append((entry["service"], entry["host"], f"{entry['method']} {what}"))
    return found


def without_warm(found):
    return [r for r in found if r[2] not in WARM]


def test_cold_and_warm_unlock(machine, enrolled):
    """The line of the issue, with no configuration but the CA file."""
    assert os.listdir(machine.conf) == ["luks-cmk.conf"]
    with open(os.path.join(machine.conf, "luks-cmk.conf"), encoding="utf-8") as file:
        assert re.fullmatch(r"\[network\]\nca_file = \S+\n", file.read())
    tenant = machine.ids["customers"]["contoso"]["tenant_id"]
    mark = machine.lab.mark()
    machine.opens(enrolled)
    found = requests(machine, mark)
    assert without_warm(found) == [
        ("metadata", "169.254.169.254", "GET token"),
        ("entra", "login.microsoftonline.com", "POST token"),
        ("vault", "contoso.vault.azure.net", "POST unwrapkey")]
    warm = [r[1] for r in found if r[2] in WARM]
    assert len(warm) == len(set(warm)) and set(warm) <= {"login.microsoftonline.com", "contoso.vault.azure.net"}
    token, = [e for e in machine.lab.log(mark) if e["service"] == "entra" and e["method"] == "POST"]
    assert token["path"] == f"/{tenant}/oauth2/v2.0/token" and token["tenant"] == tenant
    hosts = [c["host"] or c["service"] for c in machine.lab.connections(mark)]
    assert len(hosts) == len(set(hosts)) == 3

    mark = machine.lab.mark()
    machine.opens(enrolled)
    assert requests(machine, mark) == [("vault", "contoso.vault.azure.net", "POST unwrapkey")]


def test_dump(machine, enrolled):
    """luksDump shows what an administrator asks first, and not the wrapped key."""
    dump = machine.cryptsetup("luksDump", enrolled).out
    token = luks2.tokens(enrolled)[0]
    wrapping, = token["wrapped"]
    section = dump[dump.index("Tokens:"):dump.index("Digests:")]
    version = wrapping["key"].rsplit("/", 1)[1]
    for name, value in (("Customer", "contoso"), ("Identity", "imds"), ("Vault", "contoso.vault.azure.net"),
                        ("Key", "disk"), ("Version", version), ("Algorithm", "RSA-OAEP-256")):
        assert re.search(rf"{name}:\s+{value}\n", section), name
    assert token["identity"]["client_id"] in section and wrapping["value"] not in dump


def test_request_id_and_user_agent(machine, enrolled):
    """What the customer finds in its audit log leads to this machine, volume and attempt."""
    mark = machine.lab.mark()
    done = machine.unlock(enrolled, "-v")
    assert done.status == 0
    said, = re.findall(rf"luks-cmk: the vault unwrapped .*\(request ({GUID})\)", done.out + done.err)
    sent = machine.lab.log(mark)[-1]
    assert sent["client_request_id"] == said
    uuid = machine.cryptsetup("luksUUID", enrolled).out.strip()
    assert re.fullmatch(r"luks-cmk/[0-9.]+ \(.+\)", sent["user_agent"])
    assert socket.gethostname() in sent["user_agent"] and uuid in sent["user_agent"]
    machine.lab.key_disable("contoso/disk")
    error = machine.refuses(enrolled, "key-disabled")
    assert machine.lab.log(mark)[-1]["client_request_id"] == error.request_id != said


def test_header_is_never_written(machine, enrolled):
    before = luks2.digest(enrolled)
    for _ in range(3):
        machine.opens(enrolled)
    machine.lab.key_disable("contoso/disk")
    for _ in range(3):
        machine.forget_failures()
        machine.refuses(enrolled)
    machine.unlock(enrolled)
    machine.tool("check", enrolled, status=3)
    machine.tool("why", enrolled)
    machine.tool("status", enrolled)
    machine.opens_by_passphrase(enrolled)
    assert luks2.digest(enrolled) == before


def test_no_configuration_at_all(machine, enrolled):
    """The built-in cloud and the token's identity lead to Azure's metadata service."""
    os.unlink(os.path.join(machine.conf, "luks-cmk.conf"))
    machine.lab.fault_add("status", service="metadata", status=400, body='{"error":"invalid_request"}')
    assert "169.254.169.254" in machine.refuses(enrolled, "identity").text


def test_unknown_members(machine, enrolled):
    """A token that a later release wrote."""
    with luks2.edit(enrolled) as metadata:
        token = metadata["tokens"]["0"]
        token["later"] = {"rules": [1, 2.5, None, True, "x"]}
        token["identity"]["hint"] = "x"
        token["wrapped"][0]["attested"] = {"a": []}
    machine.opens(enrolled)
    assert "contoso" in machine.cryptsetup("luksDump", enrolled).out
    assert machine.tool("status", enrolled, "--json").json["tokens"][0]["customer"] == "contoso"


def test_moved_to_another_machine(machine, enrolled):
    """The machine's own identity goes before the token's."""
    with luks2.edit(enrolled) as metadata:
        metadata["tokens"]["0"]["identity"]["client_id"] = "12345678-1234-1234-1234-123456789abc"
    machine.refuses(enrolled, "identity")
    machine.forget()
    machine.configure(identity={"client_id": machine.ids["provider"]["identity_client_id"]})
    machine.opens(enrolled)


def test_concurrent_cold_unlocks(machine, enrolled):
    """Thirty disks at boot sign in once; twelve show it."""
    images = [enrolled] + [machine.copy(enrolled) for _ in range(11)]
    mark = machine.lab.mark()
    running = [machine.start("cryptsetup", "open", "--test-passphrase", "--token-only", i) for i in images]
    ends = [(p.communicate(timeout=60), p.returncode) for p in running]
    assert [status for _, status in ends] == [0] * 12, ends
    found = without_warm(requests(machine, mark))
    assert [r[0] for r in found].count("metadata") == 1
    assert [r[0] for r in found].count("entra") == 1
    assert [r[2] for r in found].count("POST unwrapkey") == 12


@pytest.mark.parametrize("kind,size", (("vault", 3072), ("vault", 4096), ("hsm", 2048), ("hsm", 4096)))
def test_kinds_of_keys(machine, volume, kind, size):
    customer = machine.new_customer(kind=kind, size=size)
    machine.configure(provider=True)
    machine.enroll(volume, customer)
    machine.configure()
    machine.forget()
    machine.opens(volume)


def public_key(machine, url):
    key = machine.key_request("GET", url)["key"]
    number = {name: int.from_bytes(unb64u(key[name]), "big") for name in ("n", "e")}
    return rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()


def test_oaep_with_sha1(machine, enrolled):
    """Not written any more, but read: whoever wraps by hand may have nothing else."""
    machine.opens(enrolled)
    token = luks2.tokens(enrolled)[0]
    wrapping = token["wrapped"][0]
    payload, sha1 = new_payload(enrolled), hashes.SHA1()
    key = public_key(machine, wrapping["key"])
    wrapping["alg"] = "RSA-OAEP"
    wrapping["value"] = b64u(key.encrypt(payload, padding.OAEP(padding.MGF1(sha1), sha1, None)))
    image = machine.copy(machine.plain)
    machine.add_token(image, token, payload, 1)
    machine.forget()
    machine.opens(image)


def test_rotated_key(machine, enrolled):
    """The token pins its version: the vault's newer ones do not matter."""
    machine.lab.key_rotate("contoso/disk")
    machine.opens(enrolled)
    machine.configure(provider=True)
    newer = machine.copy(machine.plain)
    machine.enroll(newer, "contoso")
    machine.opens(newer)
    machine.opens(enrolled)
    versions = [luks2.tokens(i)[0]["wrapped"][0]["key"] for i in (enrolled, newer)]
    assert versions[0] != versions[1]
    machine.lab.key_disable("contoso/disk/" + versions[0].rsplit("/", 1)[1])
    machine.refuses(enrolled, "key-disabled")
    machine.opens(newer)


def test_expired_key(machine):
    """The vault still unwraps, and we follow it, unless told otherwise."""
    customer = machine.new_customer()
    image = machine.enrolled_image(customer)
    machine.lab.key_expire(f"{customer}/disk")
    machine.opens(image)
    machine.configure(policy={"expired_keys": "refuse"})
    assert "expired" in machine.refuses(image, "policy").text
    machine.configure(policy={"expired_keys": "follow"})
    machine.forget_failures()
    machine.opens(image)
    assert "expired" in machine.tool("check", image).out


@pytest.fixture(name="spared")
def fixture_spared(machine, volume):
    """Enrolled with a spare key in a second vault of the same customer: (image, first, second host)."""
    customer, spare = machine.new_customer(), f"spare{next(machine.numbers)}"
    machine.lab.vault_create(spare, customer)
    machine.lab.grant(spare)
    url = machine.lab.key_create(f"{spare}/disk")["url"]
    machine.configure(provider=True)
    machine.add_customer(customer, spares=[url])
    machine.tool("enroll", volume, "--customer", customer, "--key-file", machine.key_file)
    assert len(luks2.tokens(volume)[0]["wrapped"]) == 2
    machine.configure(network={"timeout": 20})
    machine.forget()
    return volume, f"{customer}.vault.azure.net", f"{spare}.vault.azure.net"


def test_spare_when_the_first_is_well(machine, spared):
    image, _, second = spared
    mark = machine.lab.mark()
    machine.opens(image)
    assert second not in [e["host"] for e in machine.lab.log(mark)]


@pytest.mark.parametrize("stage", ("request", "connect"))
def test_spare_when_the_first_hangs(machine, spared, stage):
    image, first, _ = spared
    with machine.lab.fault("blackhole", host=first, stage=stage):
        done = machine.opens(image)
    assert 1.9 < done.seconds < 2 + 1.5 * SLOWNESS


@pytest.mark.parametrize("kind,how", (
    ("status", {"status": 500}), ("reset", {}), ("garbage", {}), ("status", {"status": 403}),
    ("status", {"status": 404}), ("cert-untrusted", {}), ("html", {})))
def test_spare_when_the_first_refuses(machine, spared, kind, how):
    image, first, _ = spared
    with machine.lab.fault(kind, host=first, **how):
        assert machine.opens(image).seconds < 1.5 * SLOWNESS


def test_spare_when_both_refuse(machine, spared):
    image, first, second = spared
    machine.lab.key_disable(first.split(".")[0] + "/disk")
    machine.lab.revoke(second.split(".")[0])
    error = machine.refuses(image, "key-disabled")
    assert first in error.text and second in error.text and "[grant]" in error.text


def test_identity_from_a_file(machine, enrolled):
    """A JWT of any issuer that the application trusts, read anew each time."""
    issuer = f"https://oidc{next(machine.numbers)}.example.com"
    machine.lab.issuer_create(issuer)
    machine.lab.federation_add(issuer=issuer, subject="host:one", name="one")
    jwt = os.path.join(machine.conf, "jwt")
    machine.configure(identity={"source": "file", "file": "/etc/luks-cmk/jwt"})

    def agent_writes(text):
        with open(jwt, "w", encoding="utf-8") as file:
            file.write(text)

    mark = machine.lab.mark()
    agent_writes(machine.lab.assertion(issuer=issuer, subject="host:other") + "\n")
    assert "subject" in machine.refuses(enrolled, "federation").text
    machine.forget_failures()
    agent_writes(machine.lab.assertion(issuer=issuer, subject="host:one"))
    machine.opens(enrolled)
    assert "metadata" not in [e["service"] for e in machine.lab.log(mark)]
    machine.forget()
    for text in ("", "no JWT\n", "e30.e30", "x" * 20000):
        agent_writes(text)
        machine.forget_failures()
        machine.refuses(enrolled, "identity")
    os.unlink(jwt)
    machine.forget_failures()
    assert "/etc/luks-cmk/jwt" in machine.refuses(enrolled, "identity").text


def test_revoked_access_token(machine, enrolled):
    """A 401 drops the cached token, and once a new one is fetched."""
    machine.opens(enrolled)
    mark = machine.lab.mark()
    with machine.lab.fault("status", service="vault", path="unwrapkey", status=401, count=1,
                           body='{"error":{"code":"Unauthorized","message":"AKV10000: expired"}}'):
        machine.opens(enrolled)
    assert [r[0] for r in without_warm(requests(machine, mark))] == ["vault", "metadata", "entra", "vault"]


def test_short_lived_access_token(machine, enrolled):
    """One that is about to end is not taken from the cache."""
    machine.lab.set("access_token_seconds", 30)
    machine.opens(enrolled)
    mark = machine.lab.mark()
    machine.opens(enrolled)
    assert "entra" in [r[0] for r in requests(machine, mark)]


def test_one_retry_is_enough(machine, enrolled):
    """A service that stumbles once costs a moment, no more."""
    for service in ("metadata", "entra", "vault"):
        machine.forget()
        with machine.lab.fault("status", service=service, status=503, count=1) as fault:
            done = machine.opens(enrolled)
            assert fault.hits() == 1 and done.seconds < 4 * SLOWNESS, service


def test_retry_after(machine, enrolled):
    with machine.lab.fault("status", service="vault", path="unwrapkey", status=429, count=1,
                           headers={"Retry-After": "2"}):
        assert machine.opens(enrolled).seconds > 2


def test_failure_is_remembered_for_a_moment(machine, enrolled):
    """Scripts ask three times: the vault is asked once; five seconds later, again."""
    machine.lab.key_disable("contoso/disk")
    first = machine.refuses(enrolled, "key-disabled")
    mark, began = machine.lab.mark(), time.monotonic()
    again = machine.refuses(enrolled, "key-disabled")
    assert "not asked again" in again.text and again.request_id == first.request_id
    assert machine.lab.log(mark) == []
    assert machine.why(enrolled) == ["key-disabled"]
    machine.lab.key_enable("contoso/disk")
    time.sleep(max(0, 5.2 - (time.monotonic() - began)))
    machine.opens(enrolled)
    assert machine.why(enrolled) == []
