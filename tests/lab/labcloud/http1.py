# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP/1.1 on a socket. A reply is sent in one piece, so that none of it waits for an ACK."""

import email.utils
import urllib.parse
from dataclasses import dataclass, field
from http.client import responses

from .util import dump

HEAD_MAX = 65536
BODY_MAX = 1 << 20


class BadRequest(Exception):
    """What arrived is not HTTP."""


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list  # (lower-case name, value)
    body: bytes
    path: str = ""
    query: dict = field(default_factory=dict)
    raw_query: str = ""

    def __post_init__(self):
        path, _, self.raw_query = self.target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))

    def header(self, name, default=None):
        return next((value for key, value in self.headers if key == name), default)

    @property
    def host(self):
        return self.header("host", "")

    @property
    def client_request_id(self):
        return self.header("x-ms-client-request-id") or self.header("client-request-id")

    @property
    def keep_alive(self):
        wish = self.header("connection", "").lower()
        return "close" not in wish and (self.version == "HTTP/1.1" or "keep-alive" in wish)


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: list = field(default_factory=list)
    json: object = None  # kept beside body so that a fault can change a member
    note: dict = field(default_factory=dict)  # more for the request log
    when: float = None  # the Date; None: this machine's clock

    def head(self, length=None, keep_alive=True):
        reason = responses.get(self.status, "Status")
        lines = [f"HTTP/1.1 {self.status} {reason}"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append("Date: " + email.utils.formatdate(self.when, usegmt=True))
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def wire(self, head_only=False, keep_alive=True):
        return self.head(len(self.body), keep_alive) + (b"" if head_only else self.body)


def json_reply(status, value, headers=(), **note):
    return Reply(status, dump(value), [("Content-Type", "application/json; charset=utf-8"), *headers],
                 value, note)


class Reader:
    """Requests from one connection, with what was read too far kept for the next."""

    def __init__(self, sock):
        self.sock = sock
        self.held = b""

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.held += data

    def _until(self, mark):
        while mark not in self.held:
            if len(self.held) > HEAD_MAX:
                raise BadRequest("head too long")
            self._more()
        part, _, self.held = self.held.partition(mark)
        return part

    def _exactly(self, count):
        if count > BODY_MAX:
            raise BadRequest("body too long")
        while len(self.held) < count:
            self._more()
        part, self.held = self.held[:count], self.held[count:]
        return part

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self._until(b"\r\n"):
                    pass
                return body
            body += self._exactly(size)
            self._until(b"\r\n")
            if len(body) > BODY_MAX:
                raise BadRequest("body too long")

    def _body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunks()
        return self._exactly(int(headers.get("content-length", "0")))

    def request(self):
        """The next request, or None at the end of the connection. BadRequest for what is no HTTP."""
        try:
            head = self._until(b"\r\n\r\n").decode("latin-1").lstrip("\r\n")
        except EOFError:
            return None
        first, *rest = head.split("\r\n")
        try:
            method, target, version = first.split(" ")
            headers = [(name.strip().lower(), value.strip())
                       for name, _, value in (line.partition(":") for line in rest)]
            if not version.startswith("HTTP/1."):
                raise BadRequest(version)
            return Request(method, target, version, headers, self._body(dict(headers)))
        except (ValueError, EOFError) as error:
            raise BadRequest(str(error)) from error
