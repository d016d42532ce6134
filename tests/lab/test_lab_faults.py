# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each fault does what it says, as often as it was told to."""

import time

import pytest
from plainclient import attempt


@pytest.mark.parametrize("how,expected", (
    ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, 429), ({"kind": "status"}, 500),
    ({"kind": "html"}, 200), ({"kind": "html", "status": 403}, 403), ({"kind": "redirect"}, 302),
    ({"kind": "escape"}, 403), ({"kind": "reset"}, "RemoteDisconnected"),
    ({"kind": "reset-middle"}, "IncompleteRead"), ({"kind": "truncate"}, "IncompleteRead"),
    ({"kind": "garbage"}, "BadStatusLine"), ({"kind": "close"}, "RemoteDisconnected"),
    ({"kind": "cert-name"}, "SSLCertVerificationError"),
    ({"kind": "cert-expired"}, "SSLCertVerificationError"),
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
