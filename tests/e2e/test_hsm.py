# SPDX-License-Identifier: LGPL-2.1-or-later
"""Managed HSM: AES keys, which wrap and unwrap there; RSA keys, which wrap here; and how else it differs."""

import luks2
import pytest
from machine import b64u, unb64u

ROLE = "Managed HSM Crypto Service Encryption User"


def asked(machine, mark):
    """["METHOD last part of the path"] of what the HSM was asked."""
    return [f"{e['method']} {e['path'].rsplit('/', 1)[-1]}" for e in machine.lab.log(mark)
            if e["service"] == "hsm" and e["method"] != "HEAD"]


@pytest.fixture(name="hsm")
def fixture_hsm(machine):
    """A customer with an AES key of 256 bits, to enrol for."""
    machine.configure(provider=True)
    return machine.new_customer(kind="hsm", kty="oct", size=256)


@pytest.fixture(name="image")
def fixture_image(machine, hsm, volume):
    machine.enroll(volume, hsm)
    machine.configure()
    machine.forget()
    return volume


def test_aes(machine, hsm, volume):
    """The whole life of an enrolment: enroll, open, status, check, remove."""
    host = f"{hsm}.managedhsm.azure.net"
    mark = machine.lab.mark()
    machine.enroll(volume, hsm)
    # Proven by the HSM, then by opening the volume as at boot.
    assert asked(machine, mark) == ["GET disk", "POST wrapkey", "POST unwrapkey", "POST unwrapkey"]
    wrapping, = luks2.tokens(volume)[0]["wrapped"]
    assert wrapping["alg"] == "A256KW" and len(unb64u(wrapping["value"])) == 80
    assert wrapping["key"] == machine.ids["customers"][hsm]["kid"]
    assert "already" in machine.enroll(volume, hsm).out
    machine.configure()
    machine.forget()
    mark = machine.lab.mark()
    machine.opens(volume)
    assert asked(machine, mark) == ["POST unwrapkey"]
    scopes = [e["scope"] for e in machine.lab.log(mark) if e["service"] == "entra" and e["method"] == "POST"]
    assert scopes == ["https://managedhsm.azure.net/.default"]
    status = machine.tool("status", volume, "--json").json
    assert host in str(status) and "A256KW" in str(status)
    check, = machine.tool("check", volume, "--json").json["checks"]
    assert [s["name"] for s in check["steps"]][-6:] == ["key", "algorithm", "grant", "unwrap", "keyslot", "plugin"]
    assert {s["code"] for s in check["steps"]} == {"ok"}
    machine.configure(provider=True)
    check, = machine.tool("check", "--customer", hsm, "--json").json["checks"]
    assert [s["name"] for s in check["steps"]][-6:] == ["sign-in", "key", "algorithm", "wrap", "grant", "unwrap"]
    payload = machine.payload(volume)
    assert payload.startswith(b"LUKSCMK1") and len(payload) == 72
    machine.tool("remove", volume)
    assert luks2.tokens(volume) == {}
    machine.opens_by_passphrase(volume)


def test_format(machine, hsm):
    """A volume that never had a passphrase."""
    machine.add_customer(hsm)
    path = machine.image()
    machine.tool("format", path, "--customer", hsm, "-q")
    machine.forget()
    machine.opens(path)


@pytest.mark.parametrize("size", (2048, 3072))
def test_rsa(machine, volume, size):
    """An RSA key of an HSM has a public half: it wraps on this machine."""
    customer = machine.new_customer(kind="hsm", size=size)
    machine.configure(provider=True)
    mark = machine.lab.mark()
    machine.enroll(volume, customer)
    assert asked(machine, mark) == ["GET disk", "POST unwrapkey", "POST unwrapkey"]
    assert luks2.tokens(volume)[0]["wrapped"][0]["alg"] == "RSA-OAEP-256"
    machine.configure()
    machine.forget()
    machine.opens(volume)


def fails_to_enrol(machine, image, customer, code, status):
    before = luks2.digest(image)
    done = machine.enroll(image, customer, status=status)
    assert done.error.code == code and luks2.digest(image) == before, done
    return done.error.text


@pytest.mark.parametrize("size", (128, 192))
def test_aes_too_short(machine, volume, size):
    machine.configure(provider=True)
    customer = machine.new_customer(kind="hsm", kty="oct", size=size)
    assert "256 bits" in fails_to_enrol(machine, volume, customer, "key-operation", 3)


def test_aes_refused(machine, hsm, volume):
    """What the customer's side forbids, in the HSM's way of saying so."""
    key = f"{hsm}/disk"
    machine.lab.key_set(key, ops="unwrapKey")
    assert "wrapKey" in fails_to_enrol(machine, volume, hsm, "key-operation", 3)
    machine.lab.key_set(key, ops="wrapKey")
    assert "unwrapKey" in fails_to_enrol(machine, volume, hsm, "key-operation", 3)
    machine.lab.key_set(key, ops="wrapKey,unwrapKey")
    for action in ("get", "wrap", "unwrap"):
        machine.lab.revoke(hsm, action)
        assert ROLE in fails_to_enrol(machine, volume, hsm, "grant", 3), action
        machine.lab.grant(hsm)
    machine.lab.key_disable(key)
    fails_to_enrol(machine, volume, hsm, "key-disabled", 3)
    machine.lab.key_enable(key)
    machine.lab.key_delete(key)
    fails_to_enrol(machine, volume, hsm, "key-gone", 3)
    machine.lab.key_recover(key)
    machine.enroll(volume, hsm)


@pytest.mark.parametrize("code,how", (
    ("protocol", {"kind": "wrong-kid"}), ("protocol", {"kind": "value", "value": b64u(b"k" * 72)}),
    ("protocol", {"kind": "value", "value": ""}), ("protocol", {"kind": "html"}), ("protocol", {"kind": "huge"}),
    ("key-operation", {"kind": "value", "value": b64u(b"k" * 80)})))
def test_hostile_wrapping(machine, hsm, volume, code, how):
    """No answer of the HSM gets into the header before its own unwrap has proven it."""
    status = 3 if code == "key-operation" else 1
    with machine.lab.fault(service="hsm", path="/wrapkey$", **how):
        fails_to_enrol(machine, volume, hsm, code, status)


def test_wrap_is_tried_again(machine, hsm, volume):
    with machine.lab.fault("status", service="hsm", path="/wrapkey$", status=503, count=1):
        machine.enroll(volume, hsm)
    machine.configure()
    machine.forget()
    machine.opens(volume)


def test_empty_401(machine, hsm, image):
    """Once, a new token helps; then it is a refusal, with a sentence although the HSM says nothing."""
    machine.opens(image)
    with machine.lab.fault("status", service="hsm", path="unwrapkey", status=401, body="", count=1):
        machine.opens(image)
    machine.forget()
    with machine.lab.fault("status", service="hsm", path="unwrapkey", status=401, body=""):
        assert "401 without a reason" in machine.refuses(image, "grant").text


@pytest.mark.parametrize("code,verb", (("grant", "revoke"), ("key-disabled", "key_disable"), ("key-gone", "key_delete")))
def test_revoked(machine, hsm, image, code, verb):
    getattr(machine.lab, verb)(hsm if verb == "revoke" else f"{hsm}/disk")
    text = machine.refuses(image, code).text
    assert f"{hsm}.managedhsm.azure.net" in text and (code != "grant" or ROLE in text)
    machine.opens_by_passphrase(image)


def test_tampered(machine, hsm, image):
    """AES key wrap notices any change; an algorithm of another kind of key does not fit."""
    value = luks2.tokens(image)[0]["wrapped"][0]["value"]
    for name, text, code in (("value", ("B" if value[0] == "A" else "A") + value[1:], "key-operation"),
                             ("alg", "RSA-OAEP-256", "key-operation"), ("alg", "A128KW", "token")):
        path = machine.copy(image)
        with luks2.edit(path) as metadata:
            metadata["tokens"]["0"]["wrapped"][0][name] = text
        machine.refuses(path, code)


def test_rotated(machine, hsm, image):
    """A volume asks for the version that wrapped it; a new enrolment takes the newest."""
    machine.lab.key_rotate(f"{hsm}/disk")
    machine.opens(image)
    machine.configure(provider=True)
    other = machine.copy(machine.plain)
    machine.enroll(other, hsm)
    versions = machine.lab.key_show(f"{hsm}/disk")["versions"]
    for path, version in ((image, versions[0]), (other, versions[1])):
        assert luks2.tokens(path)[0]["wrapped"][0]["key"].endswith("/" + version)
    machine.lab.key_disable(f"{hsm}/disk/{versions[0]}")
    machine.forget()
    machine.refuses(image, "key-disabled")
    machine.opens(other)


def test_spare_in_a_vault(machine, hsm, volume):
    """One customer, an AES key in an HSM and an RSA key in a vault: two scopes, either opens."""
    spare = f"spare{next(machine.numbers)}"
    machine.lab.vault_create(spare, hsm)
    machine.lab.grant(spare)
    url = machine.lab.key_create(f"{spare}/disk")["url"]
    machine.add_customer(hsm, spares=[url])
    machine.tool("enroll", volume, "--customer", hsm, "--key-file", machine.key_file)
    assert [w["alg"] for w in luks2.tokens(volume)[0]["wrapped"]] == ["A256KW", "RSA-OAEP-256"]
    machine.configure()
    for lost, kept in ((f"{hsm}/disk", f"{spare}/disk"), (f"{spare}/disk", f"{hsm}/disk")):
        machine.lab.key_enable(kept)
        machine.lab.key_disable(lost)
        machine.forget()
        machine.opens(volume)
