# SPDX-License-Identifier: LGPL-2.1-or-later
"""One machine in one lab for all tests; each finds it as new."""

import os

import pytest
from machine import HELPER, STAGE, Machine


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long, and proves little more with sanitizers")
    config.addinivalue_line("markers", "xdist_group(name): never beside others of the group")


# Never beside each other: loop devices have no namespaces, and these make some, or look at all that there are; one
# counts what the others of its file have seen.
TOGETHER = {"test_admin_offline.py": "loops", "test_boot_scripts.py": "loops", "test_hotplug.py": "loops",
            "test_initrd.py": "loops", "test_misconfigured.py": "counted"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(TOGETHER[item.path.name]))


@pytest.fixture(scope="session", name="the_machine")
def fixture_the_machine(tmp_path_factory):
    if os.geteuid() != 0 or not STAGE:
        pytest.fail("needs root and LUKS_CMK_STAGE, the result of DESTDIR=... meson install; see tests/run")
    if not os.path.exists(os.path.join(STAGE, HELPER)):
        pytest.fail(f"{STAGE} holds no {HELPER}: configure with --prefix=/usr")
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture(name="machine")
def fixture_machine(the_machine):
    the_machine.reset()
    before = set(os.listdir(the_machine.folder))
    yield the_machine
    keep = {os.path.basename(path) for path in the_machine.templates()}
    for name in set(os.listdir(the_machine.folder)) - before - keep:
        path = the_machine.path(name)
        if os.path.isfile(path):
            os.unlink(path)


@pytest.fixture(name="volume")
def fixture_volume(machine):
    """A LUKS2 volume with a passphrase, and nothing else."""
    return machine.copy(machine.plain)


@pytest.fixture(name="enrolled")
def fixture_enrolled(machine):
    """The same, enrolled for contoso."""
    return machine.enrolled_image()


@pytest.fixture(name="two_tokens")
def fixture_two_tokens(machine):
    """Token 0 is contoso's with keyslot 1, token 1 fabrikam's with keyslot 2: a copy."""
    return machine.image_of_two()
