# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the lab's own tests."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import Lab  # noqa: E402
from plainclient import Machine  # noqa: E402


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
