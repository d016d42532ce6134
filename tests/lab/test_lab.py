# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab is honest about identity: it verifies, and refuses with the right code. Its log counts right."""

import json
import os
import ssl

import pytest
from client import Lab, LabError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from plainclient import Machine, b64u, public_key, refusal, unb64u


def test_metadata(machine, lab):
    good = {"api-version": "2018-02-01", "resource": "api://AzureADTokenExchange",
            "client_id": machine.ids["provider"]["identity_client_id"]}
    answer = machine.metadata(good)
    assert answer.headers["Server"].startswith("IMDS/")
    assert all(isinstance(v, str) for v in answer.json.values())
    assert answer.json["client_id"] == good["client_id"]
    claims = json.loads(unb64u(answer.json["access_token"].split(".")[1]))
    assert claims["sub"] == claims["oid"] == machine.ids["provider"]["identity_principal_id"]
    assert claims["aud"] == "api://AzureADTokenExchange"
    assert claims["iss"].endswith(machine.ids["provider"]["tenant_id"] + "/v2.0")
    for query, headers, text in (
            (good, {}, "Required metadata header not specified"),
            (good, {"Metadata": "True"}, "Required metadata header not specified"),
            (good, {"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, "proxy"),
            (good, {"Metadata": "true", "Via": "1.1 proxy"}, "proxy"),
            ({**good, "api-version": "1999-01-01"}, None, "api-version"),
            ({**good, "client_id": machine.app}, None, "Identity not found")):
        answer = machine.metadata(query, headers)
        assert answer.status == 400 and text in answer.json["error_description"], query
    lab.identity_detach()
    assert machine.metadata(good).json == {"error": "invalid_request",
                                           "error_description": "Identity not found"}


def test_sign_in(machine):
    answer = machine.sign_in()
    assert answer.status == 200 and isinstance(answer.json["expires_in"], int)
    claims = json.loads(unb64u(answer.json["access_token"].split(".")[1]))
    tenant = machine.contoso["tenant_id"]
    assert claims["ver"] == "1.0" and claims["tid"] == tenant and claims["appid"] == machine.app
    assert claims["iss"] == f"https://sts.windows.net/{tenant}/"
    assert claims["oid"] == machine.contoso["principal_id"]


def test_assertion_is_verified(machine, lab):
    for how, expected in (({"tamper": True}, (401, "invalid_client", 700027)),
                          ({"forge": True}, (401, "invalid_client", 700027)),
                          ({"seconds": -3600}, (401, "invalid_client", 700024)),
                          ({"claims": {"idtyp": "user"}}, (401, "invalid_client", 700229)),
                          ({"claims": {"azp": machine.app}}, (401, "invalid_client", 700226))):
        assert refusal(machine.sign_in(lab.assertion(**how))) == expected, how
    head, body, _ = machine.assertion().split(".")
    unsigned = b64u(b'{"alg":"none"}')
    assert refusal(machine.sign_in(f"{unsigned}.{body}."))[2] == 700027
    assert refusal(machine.sign_in("not.a.token"))[2] == 50027
    lab.set("clock_offset", 2 * 86400)
    good = machine.assertion()
    lab.set("clock_offset", 0)
    assert refusal(machine.sign_in(good))[2] == 700024


def test_federation_rules(machine, lab):
    issuer = lab.federation_list()[0]["issuer"]
    subject = machine.ids["provider"]["identity_principal_id"]
    audience = "api://AzureADTokenExchange"
    for change, code in (({"issuer": "https://i.example.com"}, 700211), ({"subject": machine.app}, 700213),
                         ({"audience": "api://other"}, 700212), ({"subject": subject.upper()}, 7002138),
                         ({"audience": audience.lower()}, 7002138), ({"issuer": issuer.upper()}, 7002138)):
        lab.federation_set(**change)
        assert refusal(machine.sign_in()) == (401, "invalid_client", code), change
        lab.federation_set(issuer=issuer, subject=subject, audience=audience)
    assert machine.sign_in().status == 200
    lab.tenant_create("stranger")
    lab.identity_create("foreign", "stranger")
    assert refusal(machine.sign_in(lab.assertion(identity="foreign")))[2] == 700236
    lab.federation_remove()
    assert refusal(machine.sign_in())[2] == 700211
    for number in range(20):
        lab.federation_add(issuer="https://i.example.com", subject=str(number), name=str(number))
    with pytest.raises(LabError):
        lab.federation_add()


def test_other_issuer(machine, lab):
    """What identity source "file" presents."""
    url = "https://oidc.example.com"
    lab.federation_add(issuer=url, subject="host:a", name="file")
    assert refusal(machine.sign_in(lab.assertion(issuer=url, subject="host:a")))[2] == 50166
    lab.issuer_create(url)
    assert machine.sign_in(lab.assertion(issuer=url, subject="host:a")).status == 200
    assert refusal(machine.sign_in(lab.assertion(issuer=url, subject="host:b")))[2] == 700213
    assert refusal(machine.sign_in(lab.assertion(issuer=url, subject="host:a", forge=True)))[2] == 700027


def test_tenant_application_scope(machine, lab):
    unknown = "11111111-2222-4333-8444-555555555555"
    for how, expected in (
            ({"tenant": unknown}, (400, "invalid_request", 90002)),
            ({"tenant": "no_tenant"}, (400, "invalid_request", 900023)),
            ({"client_id": unknown}, (400, "unauthorized_client", 700016)),
            ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
            ({"client_id": None}, (400, "invalid_request", 900144)),
            ({"client_assertion": ""}, (401, "invalid_client", 7000218)),
            ({"client_secret": "x"}, (401, "invalid_client", 7000215)),
            ({"scope": "https://vault.example.com/.default"}, (400, "invalid_resource", 500011)),
            ({"scope": "https://vault.azure.net"}, (400, "invalid_scope", 70011))):
        assert refusal(machine.sign_in(**how)) == expected, how
    lab.principal_disable("contoso")
    assert refusal(machine.sign_in()) == (400, "unauthorized_client", 7000112)
    lab.principal_enable("contoso")
    lab.consent_revoke("contoso")
    assert refusal(machine.sign_in()) == (401, "invalid_client", 7000229)
    lab.consent("contoso")
    assert machine.sign_in().status == 200


def test_discovery(machine, lab):
    base = f"https://{lab.info['authority']}/{machine.contoso['tenant_id']}"
    for method in ("GET", "HEAD"):
        answer = machine.http(method, base + "/v2.0/.well-known/openid-configuration")
        assert answer.status == 200
    keys = machine.http("GET", base + "/discovery/v2.0/keys").json["keys"]
    head, body, sign = machine.token().split(".")
    public_key(keys[0]).verify(unb64u(sign), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())


def test_log_counts(machine, lab):
    mark = lab.mark()
    machine.key("GET", machine.contoso["key"], headers={"x-ms-client-request-id": "abc", "User-Agent": "me"})
    assert [line.rsplit("/", 1)[-1] for line in lab.requests(mark)] == ["token 200", "token 200", "disk 200"]
    entry = lab.log(mark)[-1]
    assert entry["client_request_id"] == "abc" and entry["user_agent"] == "me"
    assert entry["tenant"] == machine.contoso["tenant_id"] and entry["status"] == 200
    hosts = [c["host"] for c in lab.connections(mark)]
    assert hosts == [None, "login.localhost", "contoso.vault.localhost"]
    with open(os.path.join(lab.state, "requests.log"), encoding="utf-8") as file:
        assert json.loads(file.readlines()[-1]) == entry


def test_keep_alive_and_clouds(machine, lab):
    connection = machine.open("contoso.vault.localhost:0")
    mark = lab.mark()
    for _ in range(3):
        connection.request("GET", "/healthstatus")
        assert connection.getresponse().read()
    connection.close()
    assert len(lab.connections(mark)) == 1 and len(lab.log(mark)) == 3
    assert machine.http("GET", f"https://nobody.{lab.info['vault_suffix']}/keys/x").status == 404


@pytest.mark.parametrize("cloud,authority,vault,hsm,audience", (
    ("AzurePublic", "login.microsoftonline.com", "vault.azure.net", "managedhsm.azure.net", ""),
    ("AzureUSGovernment", "login.microsoftonline.us", "vault.usgovcloudapi.net",
     "managedhsm.usgovcloudapi.net", "USGov"),
    ("AzureChina", "login.partner.microsoftonline.cn", "vault.azure.cn", "managedhsm.azure.cn", "China")))
def test_production_names(cloud, authority, vault, hsm, audience):
    """Azure's names, at ports that need no root."""
    with Lab(options=["--production", "--address", "127.0.0.1", "--metadata-address", "127.0.0.1",
                      "--https-port", "0", "--metadata-port", "0"]) as lab:
        machine = Machine(lab, cloud)
        machine.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        lab.info.update(authority=authority, vault_suffix=vault, hsm_suffix=hsm)
        assertion = lab.assertion(audience="api://AzureADTokenExchange" + audience)
        answer = machine.sign_in(assertion)
        assert answer.status == 200, answer.body
        got = machine.key("GET", f"https://contoso.{vault}/keys/disk", token=answer.json["access_token"])
        assert got.json["key"]["kid"] == machine.contoso["kid"]
        tls = {c["tls"] for c in lab.connections() if c["tls"]}
        assert tls == {"TLSv1.2"}
        other = "login.microsoftonline.us" if cloud == "AzurePublic" else "login.microsoftonline.com"
        lab.info["authority"] = other
        assert refusal(machine.sign_in(assertion)) == (400, "invalid_request", 90038)


def test_control(lab):
    for verb, *args in (("key_disable", "contoso/none"), ("no_such_verb",), ("key_create",), ("set", "x", 1),
                        ("fault_add", "no-such"), ("tenant_create", "contoso")):
        with pytest.raises(LabError):
            lab.call(verb, *args)
    assert "authority = login.localhost:" in lab.config()
    assert set(lab.config(customers=True)) == {"contoso", "fabrikam"}
