# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults on demand: which request they hit, and what they do to its reply."""

import re
import threading
from dataclasses import dataclass, field

from .ca import WRONG
from .http1 import Reply, json_reply
from .names import bare
from .util import LabError, dump

ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \r\x08 end"

# kind: what it does, for the help text; the order is that of use.
KINDS = {
    "delay": "answer after SECONDS",
    "status": "answer STATUS with HEADERS and BODY, or the service's usual body for 429, 5xx …",
    "html": "a page of HTML with STATUS (200)",
    "redirect": "302 to LOCATION",
    "escape": "the service's error shape with STATUS (403), terminal escape sequences in its text",
    "huge": "200 and a body of BYTES (100 MiB), streamed; CHUNKED without a length",
    "set": "change MEMBERS of the JSON reply, {\"a.b\": value}; null removes",
    "wrong-kid": "the reply names a key of someone else",
    "value": "the reply's value is VALUE (base64url), whatever was unwrapped",
    "wrong-identity": "the metadata reply names another client_id",
    "reset": "RST instead of the reply",
    "reset-middle": "RST in the middle of the reply",
    "truncate": "end of the connection in the middle of the body",
    "garbage": "bytes that are no HTTP",
    "close": "end of the connection without a byte",
    "blackhole": "never an answer, the connection stays open",
    "drip": "one byte every SECONDS (0.1)",
    "cert-name": "a certificate for another name",
    "cert-expired": "an expired certificate",
    "cert-future": "a certificate that is not valid yet",
    "cert-untrusted": "a certificate of an unknown authority",
}
TRANSPORT = ("reset", "reset-middle", "truncate", "garbage", "close", "blackhole", "drip", "huge")
# What can happen before a request is read: when stage is "connect", before the TLS handshake.
CONNECT = ("delay", "reset", "garbage", "close", "blackhole")


@dataclass
class Fault:
    kind: str
    id: int = 0
    service: str = None
    host: str = None
    path: str = None
    method: str = None
    stage: str = "request"
    count: int = None  # None: until cleared
    status: int = None
    headers: dict = None
    body: str = None
    seconds: float = None
    location: str = None
    bytes: int = None
    chunked: bool = False
    members: dict = None
    value: str = None
    hits: int = 0
    cleared: threading.Event = field(default_factory=threading.Event, repr=False)

    def matches(self, service, host, method, path):
        return ((self.service in (None, service)) and (not self.host or self.host == bare(host or ""))
                and (not self.method or self.method == method)
                and (not self.path or bool(re.search(self.path, path or ""))))

    def describe(self):
        return {name: value for name, value in vars(self).items()
                if name != "cleared" and value not in (None, False)}


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.list = []
        self.next_id = 1

    def add(self, **how):
        fault = Fault(**how)
        if fault.kind not in KINDS:
            raise LabError(f"no fault {fault.kind}; there are: {', '.join(KINDS)}")
        if fault.kind in WRONG:
            fault.stage = "connect"
        if fault.stage == "connect" and fault.kind not in CONNECT + WRONG:
            raise LabError(f"{fault.kind} needs a request; at stage connect: {', '.join(CONNECT)}")
        with self.lock:
            fault.id = self.next_id
            self.next_id += 1
            self.list.append(fault)
        return fault

    def clear(self, fault_id=None):
        with self.lock:
            gone = [f for f in self.list if fault_id in (None, f.id)]
            self.list = [f for f in self.list if f not in gone]
        for fault in gone:
            fault.cleared.set()
        return len(gone)

    def take(self, stage, service, host, method=None, path=None):
        """All faults that hit this, in the order of KINDS; a counted one is used up by it."""
        with self.lock:
            hit = [f for f in self.list if f.stage == stage
                   and (f.count is None or f.hits < f.count)
                   and f.matches(service, host, method, path)]
            for fault in hit:
                fault.hits += 1
        return sorted(hit, key=lambda f: list(KINDS).index(f.kind))


def error_shape(service, status, text):
    """An error as that service would word it."""
    if service in ("metadata", "arc"):
        return {"error": "unavailable", "error_description": text}
    if service == "entra":
        return {"error": "temporarily_unavailable" if status >= 429 else "invalid_request",
                "error_description": f"AADSTS90055: {text}", "error_codes": [90055]}
    code = {429: "Throttled", 403: "Forbidden", 404: "KeyNotFound", 401: "Unauthorized"}
    return {"error": {"code": code.get(status, "InternalServerError"), "message": text}}


def replace(fault, service):
    """The reply of a fault that answers instead of the service; None for the other kinds."""
    headers = list((fault.headers or {}).items())
    if fault.kind == "status":
        status = fault.status or 500
        if fault.body is not None:
            return Reply(status, fault.body.encode("utf-8", "surrogateescape"), headers)
        return json_reply(status, error_shape(service, status, "Too many requests or not now."), headers)
    if fault.kind == "html":
        page = fault.body or "<!DOCTYPE html><html><body><h1>Sign in to the guest network</h1></body></html>"
        return Reply(fault.status or 200, page.encode(), [("Content-Type", "text/html"), *headers])
    if fault.kind == "redirect":
        where = fault.location or "https://evil.example.com/"
        return Reply(fault.status or 302, b"", [("Location", where), *headers])
    if fault.kind == "escape":
        status = fault.status or 403
        return json_reply(status, error_shape(service, status, fault.body or ESCAPES), headers)
    return None


def _set(value, path, new):
    *way, last = path.split(".")
    for name in way:
        value = value.setdefault(name, {})
    if new is None:
        value.pop(last, None)
    else:
        value[last] = new


def alter(fault, reply):
    """Changes members of a successful JSON reply."""
    if not isinstance(reply.json, dict) or reply.status != 200:
        return
    members = fault.members or {}
    if fault.kind == "wrong-kid":
        name = "key.kid" if "key" in reply.json else "kid"
        members = {name: "https://evil.vault.azure.net/keys/disk/" + "0" * 32}
    elif fault.kind == "value":
        members = {"value": fault.value or ""}
    elif fault.kind == "wrong-identity":
        members = {"client_id": "00000000-1111-2222-3333-444444444444"}
    elif fault.kind != "set":
        return
    for path, new in members.items():
        _set(reply.json, path, new)
    reply.body = dump(reply.json)
