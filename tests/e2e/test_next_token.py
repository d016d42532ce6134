# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever one customer's vault does, the next token on the volume is reached, and in time."""

import luks2
import pytest
from machine import SLOWNESS

TIMEOUT = 2
FIRST = "contoso.vault.azure.net"
NOTHING = ("blackhole", {})
FAULTS = {
    "403": ("status", {"status": 403}), "404": ("status", {"status": 404}),
    "429": ("status", {"status": 429}), "429-later": ("status", {"status": 429, "headers": {"Retry-After": "3600"}}),
    "500": ("status", {"status": 500}), "garbage": ("garbage", {}), "reset": ("reset", {}),
    "reset-middle": ("reset-middle", {}), "truncate": ("truncate", {}), "close": ("close", {}),
    "nothing": NOTHING, "nothing-at-all": ("blackhole", {"stage": "connect"}),
    "drip": ("drip", {"seconds": 1}), "html": ("html", {}), "redirect": ("redirect", {}),
    "huge": ("huge", {"chunked": True}), "wrong-kid": ("wrong-kid", {}), "cert-name": ("cert-name", {}),
}
# An answer that will not get better is not waited for.
FINAL = {"403", "404", "429-later", "garbage", "html", "redirect", "huge", "wrong-kid"}


@pytest.fixture(name="image")
def fixture_image(machine, two_tokens):
    machine.configure(network={"timeout": TIMEOUT})
    return machine.copy(two_tokens)


def requests_of(machine, mark, host):
    return [e for e in machine.lab.log(mark) if e["host"] == host and e["path"].endswith("unwrapkey")]


def check_opened(done, code=None):
    assert done.status == 0, done
    assert {error.code for error in done.errors} == {code} if code else done.errors, done


@pytest.mark.parametrize("name", FAULTS)
def test_second_token_opens(machine, image, name):
    kind, how = FAULTS[name]
    before = luks2.digest(image)
    with machine.lab.fault(kind, host=FIRST, **how):
        done = machine.unlock(image)
    check_opened(done)
    assert len(done.errors) == 1 and done.errors[0].text.count(FIRST) >= 1, done
    assert done.seconds < TIMEOUT + 2 * SLOWNESS
    if name in FINAL:
        assert done.seconds < 1.5 * SLOWNESS
    assert luks2.digest(image) == before


@pytest.mark.parametrize("name", ("403", "429", "nothing"))
def test_preferred_token_fails_once(machine, image, name):
    """libcryptsetup opens the token of a preferred keyslot twice; the vault is asked once."""
    kind, how = FAULTS[name]
    machine.cryptsetup("config", "--key-slot", "1", "--priority", "prefer", image)
    mark = machine.lab.mark()
    with machine.lab.fault(kind, host=FIRST, path="unwrapkey", **how):
        done = machine.unlock(image)
    check_opened(done)
    assert done.seconds < TIMEOUT + 2 * SLOWNESS
    assert len({error.code for error in done.errors}) == 1
    if name != "429":
        assert len(requests_of(machine, mark, FIRST)) == 1


def test_preferred_second_token(machine, image):
    """And the other way round: the good token preferred, the first is never asked."""
    machine.cryptsetup("config", "--key-slot", "2", "--priority", "prefer", image)
    mark = machine.lab.mark()
    with machine.lab.fault("blackhole", host=FIRST):
        machine.opens(image)
    assert requests_of(machine, mark, FIRST) == []


@pytest.mark.parametrize("refusal,code", (
    (lambda lab: lab.key_disable("contoso/disk"), "key-disabled"), (lambda lab: lab.revoke("contoso"), "grant"),
    (lambda lab: lab.principal_disable("contoso"), "principal-disabled"),
    (lambda lab: lab.consent_revoke("contoso"), "consent")), ids=("key", "role", "principal", "consent"))
def test_first_customer_says_no(machine, image, refusal, code):
    """The customer's three switches, and the fourth: its own volumes close, the other's token opens."""
    refusal(machine.lab)
    check_opened(machine.unlock(image), code)
    machine.forget_failures()
    done = machine.unlock(image, "--token-id", "0")
    assert done.status != 0 and done.error.code == code


def test_both_fail(machine, image):
    """Then the passphrase is what is left, and is reached in time."""
    with machine.lab.fault("blackhole", service="vault"):
        done = machine.unlock(image)
        assert done.status != 0 and [e.code for e in done.errors] == ["timeout"] * 2
        assert done.seconds < 2 * TIMEOUT + 2 * SLOWNESS
        machine.opens_by_passphrase(image)


def test_timeout_of_everything(machine, image):
    """No service answers at all, for as long as it takes."""
    for service in ("metadata", "entra"):
        machine.forget()
        with machine.lab.fault("blackhole", service=service):
            done = machine.unlock(image, "--token-id", "0")
        assert done.status != 0 and done.error.code == "timeout"
        assert TIMEOUT - 0.5 < done.seconds < TIMEOUT + 2 * SLOWNESS


def test_forever(machine, image):
    """Only where the administrator says so; the attempt goes on, and succeeds when the vault is back."""
    machine.configure(network={"timeout": "forever"})
    with machine.lab.fault("status", host=FIRST, status=503, count=4) as fault:
        done = machine.unlock(image, "--token-id", "0")
        assert done.status == 0 and fault.hits() == 4
