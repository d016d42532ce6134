# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plain client of the lab, for its tests: not a line of the lab's own code in it."""

import base64
import http.client
import json
import socket
import ssl
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

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
    """Some machine in the lab, and what it would send."""

    def __init__(self, lab, cloud=None):
        self.lab = lab
        self.ids = lab.scenario_basic(cloud)
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
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def oaep(digest):
    return padding.OAEP(padding.MGF1(digest), digest, None)


def public_key(jwk):
    numbers = (int.from_bytes(unb64u(jwk[name]), "big") for name in ("e", "n"))
    return rsa.RSAPublicNumbers(*numbers).public_key()


def refusal(answer):
    """(status, error, AADSTS code) of Entra."""
    body = answer.json
    assert f"AADSTS{body['error_codes'][0]}:" in body["error_description"]
    return answer.status, body["error"], body["error_codes"][0]


def inner(answer):
    """(status, code, innererror) of a vault."""
    error = answer.json["error"]
    return answer.status, error["code"], error.get("innererror", {}).get("code")


def attempt(machine):
    """A health request: its answer, or the name of the exception."""
    try:
        return machine.http("GET", machine.contoso["vault"] + "/healthstatus")
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
