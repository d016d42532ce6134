# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A service that answers only so many requests: every volume opens in the end, nobody asks before the service said,
and when the time is up the reason is the service's.
"""

import re

import pytest
from machine import GUID, SLOWNESS

VOLUMES, LIMIT, WINDOW_S = 24, 6, 2


def storm(machine, count, *words, **how):
    """Opens copies of a volume side by side; what was done, and a mark in the lab's log before it."""
    images = [machine.enrolled_image() for _ in range(count)]
    table = machine.write("crypttab", "".join(f"v{i} {image} none\n" for i, image in enumerate(images)))
    mark = machine.lab.mark()
    return machine.tool("attach", "--all", "--dry-run", "--crypttab", table, *words, **how), mark


def by_volume(machine, mark):
    """The log's entries of each volume's unwraps."""
    found = {}
    for entry in machine.lab.log(mark):
        if entry["path"].endswith("/unwrapkey"):
            volume = re.search(f"volume ({GUID})", entry["user_agent"])[1]
            found.setdefault(volume, []).append(entry)
    return found


def pauses(entries):
    """(seconds until asked again, what the service wished) after each 429."""
    return [(after["time"] - before["time"], before.get("retry_after", 0))
            for before, after in zip(entries, entries[1:]) if before["status"] == 429]


@pytest.mark.slow
@pytest.mark.parametrize("retry_after", (True, False))
def test_storm(machine, retry_after):
    machine.lab.vault_limit("contoso", LIMIT, seconds=WINDOW_S, retry_after=retry_after)
    done, mark = storm(machine, VOLUMES)
    assert done.out.count("would open") == VOLUMES and done.seconds < 60
    asked = by_volume(machine, mark)
    assert len(asked) == VOLUMES and all(entries[-1]["status"] == 200 for entries in asked.values())
    waited = [pause for entries in asked.values() for pause in pauses(entries)]
    # The last window's at least were throttled, and asked again no sooner than they were told.
    assert len(waited) >= VOLUMES - LIMIT * (done.seconds // WINDOW_S + 1) and waited
    assert all(seconds >= wish and (wish > 0) == retry_after for seconds, wish in waited), waited
    # Nor all together: what was throttled comes back over the back-off's range, not in one moment.
    beyond = sorted(seconds - wish for seconds, wish in waited)
    assert beyond[-1] - beyond[0] > 0.3
    # However often the vault was asked, nobody signed in twice.
    services = [entry["service"] for entry in machine.lab.log(mark) if entry["method"] != "HEAD"]
    assert services.count("metadata") == 1 and services.count("entra") == 1


@pytest.mark.parametrize("retry_after", (True, False))
def test_time_is_up(machine, retry_after):
    """Where the service's wish leads beyond the time there is, that is said at once."""
    machine.lab.vault_limit("contoso", 1, seconds=3600, retry_after=retry_after)
    machine.opens(machine.enrolled_image())
    done, mark = storm(machine, 1, "--timeout", "5", status=4)
    assert done.error.code == "throttled" and "contoso.vault.azure.net" in done.error.text
    assert done.seconds < (2 if retry_after else 6) * SLOWNESS
    (entries,) = by_volume(machine, mark).values()
    assert (len(entries) == 1) == retry_after and {entry["status"] for entry in entries} == {429}


def test_sign_in_is_throttled(machine):
    """Who signs in for all others waits as told; the others do not ask meanwhile."""
    with machine.lab.fault("status", service="entra", path="oauth2", method="POST", status=429, count=1,
                           headers={"Retry-After": "2"}):
        done, mark = storm(machine, 4)
    assert done.out.count("would open") == 4
    posts = [entry["time"] for entry in machine.lab.log(mark) if (entry["service"], entry["method"]) == ("entra", "POST")]
    assert len(posts) == 2 and posts[1] - posts[0] >= 2, posts
