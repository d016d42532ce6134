# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small helpers: base64url, identifiers, times, and the one exception that verbs raise."""

import base64
import json
import re
import time
import uuid

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
# Everything that has a name here gets the same identifier in every run: a disk enrolled yesterday
# still finds its tenant today, and a recorded log can be read beside a new one.
NAMES = uuid.UUID("6d2c9a54-0d0e-5f43-9a35-3c1c0c6a2f10")


class LabError(Exception):
    """A verb was used wrongly; the text goes back to whoever called it."""


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_int(number):
    return b64u(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def unb64u(text):
    """Strict base64url without padding, as the vault wants it; ValueError otherwise."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def named_guid(kind, name):
    return str(uuid.uuid5(NAMES, kind + "/" + name))


def random_guid():
    return str(uuid.uuid4())


def is_guid(text):
    return bool(GUID.match(text))


def stamp(seconds):
    """The form of times in Entra's error replies."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def dump(value):
    """JSON without blanks, as the services write it."""
    return json.dumps(value, separators=(",", ":")).encode()
