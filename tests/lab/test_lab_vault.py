# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's vaults: real wrapping and unwrapping, and every refusal in its shape."""

import email.utils
import time

import pytest
from cryptography.hazmat.primitives import hashes
from plainclient import b64u, inner, oaep, public_key, unb64u


@pytest.mark.parametrize("kind,suffix", (("vault", "vault_suffix"), ("hsm", "hsm_suffix")))
def test_wrap_and_unwrap(machine, lab, kind, suffix):
    customer = lab.customer_create("tailspin", kind)
    token = machine.token(customer["tenant_id"], suffix)
    kid, key = customer["kid"], customer["key"]
    got = machine.key("GET", key, token=token).json
    assert got["key"]["kid"] == kid and got["key"]["kty"] == ("RSA-HSM" if kind == "hsm" else "RSA")
    for alg, digest in (("RSA-OAEP-256", hashes.SHA256()), ("RSA-OAEP", hashes.SHA1())):
        value = public_key(got["key"]).encrypt(b"k" * 72, oaep(digest))
        for url in (kid + "/unwrapkey", key + "/unwrapKey", key + "//unwrapkey"):
            out = machine.key("POST", url, {"alg": alg, "value": b64u(value)}, token).json
            assert unb64u(out["value"]) == b"k" * 72 and out["kid"] == kid
            assert out.get("alg") == (alg if kind == "hsm" else None) and "=" not in out["value"]
        wrapped = machine.key("POST", key + "/wrapkey", {"alg": alg, "value": "aGVsbG8"}, token).json
        back = machine.key("POST", kid + "/unwrapkey", {"alg": alg, "value": wrapped["value"]}, token)
        assert back.json["value"] == "aGVsbG8"
    # Versionless means the newest: what an older version wrapped does not open any more.
    lab.key_rotate("tailspin/disk")
    body = {"alg": "RSA-OAEP", "value": b64u(value)}
    assert inner(machine.key("POST", key + "/unwrapkey", body, token))[:2] == (400, "BadParameter")
    assert machine.key("POST", kid + "/unwrapkey", body, token).status == 200


def test_aes_key(machine, lab):
    """Only an HSM has them; nothing of one is shown, and the algorithm must fit its size."""
    customer = lab.customer_create("adventure", "hsm", kty="oct", size=256)
    token = machine.token(customer["tenant_id"], "hsm_suffix")
    kid, key = customer["kid"], customer["key"]
    got = machine.key("GET", key, token=token).json["key"]
    assert got["kty"] == "oct-HSM" and set(got) == {"kid", "kty", "key_ops"}
    plain = b64u(b"k" * 72)
    out = machine.key("POST", key + "/wrapkey", {"alg": "A256KW", "value": plain}, token).json
    assert out["kid"] == kid and out["alg"] == "A256KW" and len(unb64u(out["value"])) == 80
    back = machine.key("POST", kid + "/unwrapkey", {"alg": "A256KW", "value": out["value"]}, token)
    assert back.json["value"] == plain
    wrong = out["value"][:-2] + ("AA" if out["value"][-2:] != "AA" else "BB")
    for alg, value, verb in (("A128KW", plain, "wrapkey"), ("RSA-OAEP-256", plain, "wrapkey"),
                             ("A256KW", b64u(b"k" * 70), "wrapkey"), ("A256KW", wrong, "unwrapkey"),
                             ("A256KW", b64u(b"k" * 9), "unwrapkey")):
        assert inner(machine.key("POST", kid + "/" + verb, {"alg": alg, "value": value}, token)) == (
            400, "BadParameter", None), (alg, verb)
    lab.key_rotate("adventure/disk")
    assert machine.key("POST", kid + "/unwrapkey", {"alg": "A256KW", "value": out["value"]}, token).status == 200


def test_bearer_token(machine, lab):
    vault = machine.contoso["vault"]
    answer = machine.http("GET", machine.contoso["key"] + "?api-version=7.4")
    assert answer.status == 401 and "AKV10000" in answer.json["error"]["message"]
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://{lab.info["authority"]}/{machine.contoso["tenant_id"]}", '
        f'resource="https://{lab.info["vault_suffix"]}"')
    fabrikam, hsm = machine.token("fabrikam"), machine.token("contoso", "hsm_suffix")
    head, body, sign = machine.token().split(".")
    forged = ".".join((head, body, sign[:-8] + ("A" if sign[-8] != "A" else "B") + sign[-7:]))
    for token, text in ((fabrikam, "AKV10032"), (hsm, "AKV10022"), (forged, "AKV10046"), ("x", "AKV10000")):
        answer = machine.key("GET", machine.contoso["key"], token=token)
        assert answer.status == 401 and text in answer.json["error"]["message"], text
    lab.set("access_token_seconds", -1)
    assert machine.key("GET", machine.contoso["key"]).status == 401
    assert machine.http("HEAD", vault + "/healthstatus").status == 200
    lab.vault_create("safe", "contoso", kind="hsm")
    answer = machine.http("GET", f"https://safe.{lab.info['hsm_suffix']}/keys/disk?api-version=7.4")
    assert answer.status == 401 and answer.body == b"" and "Bearer" in answer.headers["WWW-Authenticate"]


def test_list_keys(machine, lab):
    """A right of its own, and one that no unlock needs."""
    keys = machine.contoso["vault"] + "/keys"
    assert inner(machine.key("GET", keys))[:2] == (403, "Forbidden")
    lab.grant("contoso", "list")
    listed = machine.key("GET", keys).json
    assert [k["kid"] for k in listed["value"]] == [machine.contoso["key"]] and listed["nextLink"] is None
    lab.key_delete("contoso/disk")
    assert machine.key("GET", keys).json["value"] == []


def test_date(machine, lab):
    """The services tell the time by their own clock."""
    where = machine.contoso["vault"] + "/healthstatus"

    def told():
        return email.utils.parsedate_to_datetime(machine.http("GET", where).headers["Date"]).timestamp()

    before = told()
    lab.set("clock_offset", 86400)
    assert 86390 < told() - before < 86500


def test_vault_refusals(machine, lab):
    token = machine.token()
    lab.revoke("contoso", "unwrap")
    assert inner(machine.unwrap(token=token)) == (403, "Forbidden", "ForbiddenByRbac")
    assert machine.key("GET", machine.contoso["key"], token=token).status == 200
    lab.vault_mode("contoso", "policy")
    assert inner(machine.unwrap(token=token)) == (403, "Forbidden", "AccessDenied")
    lab.grant("contoso")
    for rule, code in (("address", "ForbiddenByFirewall"), ("perimeter", "ForbiddenByFirewall"),
                       ("private", "ForbiddenByConnection")):
        lab.vault_firewall("contoso", rule)
        assert inner(machine.key("GET", machine.contoso["key"], token=token)) == (403, "Forbidden", code)
    lab.vault_firewall("contoso", "none")
    lab.key_disable("contoso/disk")
    assert inner(machine.unwrap(token=token)) == (403, "Forbidden", "KeyDisabled")
    assert machine.key("GET", machine.contoso["key"], token=token).json["attributes"]["enabled"] is False
    lab.key_enable("contoso/disk")
    lab.key_expire("contoso/disk")
    assert machine.unwrap(token=token).status == 200
    answer = machine.key("POST", machine.contoso["key"] + "/wrapkey",
                         {"alg": "RSA-OAEP-256", "value": "aGVsbG8"}, token)
    assert inner(answer) == (403, "Forbidden", "KeyExpired")
    lab.key_set("contoso/disk", ops="wrapKey")
    assert inner(machine.unwrap(token=token)) == (403, "Forbidden", "KeyOperationForbidden")
    lab.key_delete("contoso/disk")
    assert inner(machine.key("GET", machine.contoso["key"], token=token)) == (404, "KeyNotFound", None)
    lab.key_recover("contoso/disk")
    assert machine.key("GET", machine.contoso["key"], token=token).status == 200
    lab.vault_move("contoso", "fabrikam")
    assert "AKV10032" in machine.key("GET", machine.contoso["key"], token=token).json["error"]["message"]


def test_bad_parameters(machine, lab):
    token, kid = machine.token(), machine.contoso["kid"]
    for body in ({"alg": "RSA-OAEP-512", "value": "aGVsbG8"}, {"alg": "RSA-OAEP-256", "value": "aGVs+G8"},
                 {"alg": "RSA-OAEP-256", "value": "aGVsbG8="}, {"alg": "RSA-OAEP-256", "value": "aGVsbG8"},
                 {"alg": "RSA-OAEP-256", "value": "A" * 342}, {"value": 7}):
        assert inner(machine.key("POST", kid + "/unwrapkey", body, token))[:2] == (400, "BadParameter"), body
    assert inner(machine.key("GET", kid, token=token, api=""))[:2] == (400, "BadParameter")
    assert inner(machine.key("GET", kid, token=token, api="api-version=1.0"))[:2] == (400, "BadParameter")
    bad_name = machine.contoso["vault"] + "/keys/bad%5B%5D"
    assert inner(machine.key("GET", bad_name, token=token))[:2] == (400, "BadParameter")
    lab.key_create("contoso/curve", kty="EC")
    curve = machine.contoso["vault"] + "/keys/curve"
    assert machine.key("GET", curve, token=token).json["key"]["crv"] == "P-256"
    assert machine.key("POST", curve + "/unwrapkey", {"alg": "RSA-OAEP-256", "value": "aGVsbG8"},
                       token).status == 403


@pytest.mark.parametrize("kind", ("vault", "hsm"))
def test_version_paging(machine, lab, kind):
    customer = lab.customer_create("tailspin", kind)
    lab.grant("tailspin", "list")
    token = machine.token(customer["tenant_id"], kind + "_suffix")
    for _ in range(4):
        lab.key_rotate("tailspin/disk")
    url, seen, pages = customer["key"] + "/versions?maxresults=2&api-version=7.4", [], 0
    while url:
        page = machine.key("GET", url, token=token, api="").json
        seen += [item["kid"].rsplit("/", 1)[1] for item in page["value"]]
        assert ("nextLink" in page) or kind == "hsm"
        url, pages = page.get("nextLink"), pages + 1
        assert url is None or ("api-version" in url) == (kind == "vault")
    assert pages == 3 and sorted(seen) == sorted(lab.key_show("tailspin/disk")["versions"])


def test_keys_through_the_api(machine, lab):
    lab.grant("contoso", "create,rotate,update,delete")
    key, token = machine.contoso["vault"] + "/keys/made", machine.token()
    first = machine.key("POST", key + "/create", {"kty": "RSA", "key_size": 3072}, token).json
    assert len(unb64u(first["key"]["n"])) == 384
    second = machine.key("POST", key + "/rotate", token=token).json
    assert second["key"]["kid"] != first["key"]["kid"]
    got = machine.key("PATCH", second["key"]["kid"], {"attributes": {"enabled": False}}, token).json
    assert got["attributes"]["enabled"] is False
    assert "recoveryId" in machine.key("DELETE", key, token=token).json
    assert inner(machine.key("POST", key + "/create", {"kty": "RSA"}, token))[0] == 409


def test_limit(machine, lab):
    """What is refused does not count, and the next window answers again."""
    token, url = machine.token(), machine.contoso["key"]
    for retry_after in (False, True):
        lab.vault_limit("contoso", 2, seconds=2, retry_after=retry_after)
        answers = [machine.key("GET", url, token=token) for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 429, 429, 429]
        assert inner(answers[-1])[:2] == (429, "Throttled")
        assert answers[-1].headers.get("Retry-After") in (("1", "2") if retry_after else (None,))
    time.sleep(2)
    assert machine.key("GET", url, token=token).status == 200
    lab.vault_limit("contoso")
    assert {machine.key("GET", url, token=token).status for _ in range(5)} == {200}
