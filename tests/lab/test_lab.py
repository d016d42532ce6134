# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab is honest: it verifies, refuses with the right code, decrypts, and its faults do what they say."""

import base64
import http.client
import json
import os
import socket
import ssl
import sys
import time
import urllib.parse

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import Lab, LabError  # noqa: E402

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Answer:
    def __init__(self, reply):
        self.status, self.body = reply.status, reply.read()
        self.headers = reply.headers

    @property
    def json(self):
        return json.loads(self.body)


class Machine:
    """A plain client of the lab, written without a line of the lab's code."""

    def __init__(self, lab):
        self.lab = lab
        self.ids = lab.basic()
        self.app = self.ids["provider"]["client_id"]
        self.contoso = self.ids["customers"]["contoso"]
        self.tls = ssl.create_default_context(cafile=lab.ca_file)

    def open(self, host):
        port = self.lab.info["ports"]["https"]
        return _Named(host.rsplit(":", 1)[0], port, self.tls)

    def http(self, method, url, body=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        connection = self.open(parts.netloc)
        path = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, path, body, headers or {})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def metadata(self, query, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.lab.info["ports"]["metadata"])
        connection.request("GET", "/metadata/identity/oauth2/token?" + urllib.parse.urlencode(query),
                           headers={"Metadata": "true"} if headers is None else headers)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def assertion(self):
        answer = self.metadata({"api-version": "2018-02-01", "resource": "api://AzureADTokenExchange",
                                "client_id": self.ids["provider"]["identity_client_id"]})
        assert answer.status == 200, answer.body
        return answer.json["access_token"]

    def sign_in(self, assertion=None, tenant=None, **form):
        form = {"grant_type": "client_credentials", "client_assertion_type": BEARER,
                "client_id": self.app, "scope": f"https://{self.lab.info['vault_suffix']}/.default",
                "client_assertion": assertion or self.assertion(), **form}
        return self.http("POST", f"https://{self.lab.info['authority']}/"
                         f"{tenant or self.contoso['tenant_id']}/oauth2/v2.0/token",
                         urllib.parse.urlencode({k: v for k, v in form.items() if v is not None}),
                         {"Content-Type": "application/x-www-form-urlencoded"})

    def token(self, customer="contoso", suffix="vault_suffix"):
        answer = self.sign_in(tenant=self.ids["customers"].get(customer, {}).get("tenant_id", customer),
                              scope=f"https://{self.lab.info[suffix]}/.default")
        assert answer.status == 200, answer.body
        return answer.json["access_token"]

    def key(self, method, url, body=None, token=None, api="api-version=7.4", headers=None):
        url += ("&" if "?" in url else "?") + api if api else ""
        return self.http(method, url, json.dumps(body) if body else None,
                         {"Authorization": "Bearer " + (token or self.token()),
                          "Content-Type": "application/json", **(headers or {})})

    def unwrap(self, data=b"secret", url=None, token=None):
        """Wraps with the public key alone, then asks the vault to unwrap."""
        url = url or self.contoso["kid"]
        got = self.key("GET", url, token=token).json["key"]
        value = public_key(got).encrypt(data, oaep(hashes.SHA256()))
        return self.key("POST", url + "/unwrapkey", {"alg": "RSA-OAEP-256", "value": b64u(value)}, token)


class _Named(http.client.HTTPSConnection):
    """To 127.0.0.1, whatever the resolver thinks of *.localhost."""

    def __init__(self, host, port, context):
        super().__init__(host, port, context=context, timeout=5)

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), 5)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def oaep(digest):
    return padding.OAEP(padding.MGF1(digest), digest, None)


def public_key(jwk):
    numbers = (int.from_bytes(unb64u(jwk[name]), "big") for name in ("e", "n"))
    return rsa.RSAPublicNumbers(*numbers).public_key()


@pytest.fixture
def machine():
    with Lab() as lab:
        yield Machine(lab)


@pytest.fixture(scope="module")
def shared():
    """One lab for tests that leave nothing behind."""
    with Lab() as lab:
        yield Machine(lab)


@pytest.fixture
def lab(machine):
    return machine.lab


def refusal(answer):
    """(status, error, AADSTS code) of Entra."""
    body = answer.json
    assert f"AADSTS{body['error_codes'][0]}:" in body["error_description"]
    return answer.status, body["error"], body["error_codes"][0]


def inner(answer):
    """(status, code, innererror) of a vault."""
    error = answer.json["error"]
    return answer.status, error["code"], error.get("innererror", {}).get("code")


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
    for change, code in (({"issuer": "https://other.example.com"}, 700211), ({"subject": machine.app}, 700213),
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


def attempt(machine):
    """A health request: its answer, or the name of the exception."""
    try:
        return machine.http("GET", machine.contoso["vault"] + "/healthstatus")
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


@pytest.mark.parametrize("how,expected", (
    ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, 429), ({"kind": "status"}, 500),
    ({"kind": "html"}, 200), ({"kind": "html", "status": 403}, 403), ({"kind": "redirect"}, 302),
    ({"kind": "escape"}, 403), ({"kind": "reset"}, "RemoteDisconnected"),
    ({"kind": "reset-middle"}, "IncompleteRead"), ({"kind": "truncate"}, "IncompleteRead"),
    ({"kind": "garbage"}, "BadStatusLine"), ({"kind": "close"}, "RemoteDisconnected"),
    ({"kind": "cert-name"}, "SSLCertVerificationError"), ({"kind": "cert-expired"}, "SSLCertVerificationError"),
    ({"kind": "cert-future"}, "SSLCertVerificationError"),
    ({"kind": "cert-untrusted"}, "SSLCertVerificationError"),
    ({"kind": "reset", "stage": "connect"}, "ConnectionResetError"),
    ({"kind": "garbage", "stage": "connect"}, "SSLError"),
    ({"kind": "close", "stage": "connect"}, ("SSLEOFError", "SSLZeroReturnError", "ConnectionResetError")),
))
def test_fault(shared, how, expected):
    machine, lab = shared, shared.lab
    with lab.fault(**how, service="vault", count=1) as fault:
        seen = attempt(machine)
        seen = seen if isinstance(seen, str) else seen.status
        assert seen in expected if isinstance(expected, tuple) else seen == expected
        assert fault.hits() == 1
        assert attempt(machine).status == 200


def test_reset_is_a_reset(machine, lab):
    """Over plain HTTP, because Python's TLS reports it as an early end."""
    with lab.fault("reset", service="metadata"), pytest.raises(ConnectionResetError):
        machine.metadata({})


def test_slow_faults(machine, lab):
    with lab.fault("delay", seconds=0.3, host="contoso.vault.localhost"):
        began = time.monotonic()
        assert attempt(machine).status == 200 and 0.3 <= time.monotonic() - began < 1
    with lab.fault("drip", seconds=0.001):
        assert attempt(machine).json == {"status": "healthy"}
    with lab.fault("blackhole"):
        machine.tls.set_alpn_protocols(["http/1.1"])
        began = time.monotonic()
        connection = machine.open("contoso.vault.localhost:0")
        connection.timeout = 0.3
        connection.connect()
        connection.sock.settimeout(0.3)
        connection.request("GET", "/healthstatus")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert 0.3 <= time.monotonic() - began < 1
    lab.listen("https", False)
    assert attempt(machine) == "ConnectionRefusedError"
    lab.listen("https", True)
    assert attempt(machine).status == 200


def test_faults_that_change_replies(machine, lab):
    token = machine.token()
    with lab.fault("huge", bytes=1 << 20, path="healthstatus"):
        assert len(attempt(machine).body) == 1 << 20 or attempt(machine) == "IncompleteRead"
    with lab.fault("wrong-kid", path="unwrapkey"):
        assert "evil.vault.azure.net" in machine.unwrap(token=token).json["kid"]
    with lab.fault("value", value="AAAA", path="unwrapkey"):
        assert machine.unwrap(token=token).json["value"] == "AAAA"
    with lab.fault("set", members={"attributes.enabled": None, "key.kty": "oct"}, path="/keys/"):
        got = machine.key("GET", machine.contoso["key"], token=token).json
        assert got["key"]["kty"] == "oct" and "enabled" not in got["attributes"]
    query = {"api-version": "2018-02-01", "resource": "api://AzureADTokenExchange"}
    with lab.fault("wrong-identity"):
        assert machine.metadata(query).json["client_id"] != machine.ids["provider"]["identity_client_id"]
    with lab.fault("escape", service="entra"):
        assert "\x1b[31m" in machine.sign_in().json["error_description"]


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


def test_control(lab):
    for call in (lambda: lab.key_disable("contoso/none"), lambda: lab.no_such_verb(), lambda: lab.key_create(),
                 lambda: lab.fault_add("no-such"), lambda: lab.set("x", 1), lambda: lab.tenant_create("contoso")):
        with pytest.raises(LabError):
            call()
    assert "authority = login.localhost:" in lab.config()
    assert set(lab.config(customers=True)) == {"contoso", "fabrikam"}
