# SPDX-License-Identifier: LGPL-2.1-or-later
"""Listens, speaks TLS, and carries requests to the services and replies back, faults included."""

import os
import select
import socket
import struct
import threading
import time

from . import faults as fault_kinds
from .ca import WRONG
from .hello import server_name
from .http1 import BadRequest, Reader, Reply
from .names import find_service

INTERNET = (socket.AF_INET, socket.AF_INET6)


class Gone(Exception):
    """This connection ends here."""


class Connection:
    """One client, in a thread of its own."""

    def __init__(self, cloud, sock, service):
        self.cloud = cloud
        self.sock = sock
        self.service = service  # "metadata", "control", or None: what the TLS server name says
        self.record = cloud.log.connection(service, "%s:%s" % sock.getpeername()[:2]
                                           if sock.family in INTERNET else "unix")

    def run(self):
        try:
            if self.sock.family in INTERNET:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = server_name(self.sock) if self.service is None else None
            if self.service is None:
                self._start_tls(name)
            else:
                self._apply_transport(self.cloud.faults.take("connect", self.service, None), None)
            self._serve()
        except (Gone, OSError, EOFError) as error:
            self.record["error"] = self.record["error"] or str(error) or None
        finally:
            self.sock.close()

    def _start_tls(self, name):
        self.record["host"] = name
        service, cloud, _ = find_service(self.cloud.model.clouds, name or "")
        self.service = self.record["service"] = service or "unknown"
        hits = self.cloud.faults.take("connect", service, name)
        wrong = next((f.kind for f in hits if f.kind in WRONG), None)
        self._apply_transport([f for f in hits if f.kind not in WRONG], None)
        context = self.cloud.certificates.context(
            service or "entra", cloud or self.cloud.model.clouds[0], wrong)
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.record["tls"] = self.sock.version()

    def _serve(self):
        reader = Reader(self.sock)
        while True:
            try:
                request = reader.request()
            except BadRequest:
                self.sock.sendall(Reply(400).wire(keep_alive=False))
                return
            if request is None:
                return
            self._answer(request)
            if not request.keep_alive:
                return

    def _answer(self, request):
        if self.service == "control":
            self.sock.sendall(self.cloud.control.handle(request).wire(False, request.keep_alive))
            return
        hits = self.cloud.faults.take("request", self.service, request.host, request.method, request.path)
        names = [f.kind for f in hits]
        for fault in hits:
            if fault.kind == "delay":
                self._wait(fault, fault.seconds or 1)
        transport = [f for f in hits if f.kind in fault_kinds.TRANSPORT]
        silent = any(f.kind in ("reset", "garbage", "close", "blackhole") for f in transport)
        reply = None if silent else self._reply(request, hits)
        self.cloud.log.add(self.record, request, reply, names)
        wire = reply.wire(request.method == "HEAD", request.keep_alive) if reply else b""
        self._apply_transport(transport, wire)
        self.sock.sendall(wire)

    def _reply(self, request, hits):
        for fault in hits:
            reply = fault_kinds.replace(fault, self.service)
            if reply:
                return reply
        with self.cloud.model.lock:
            reply = self.cloud.handle(self.service, request)
        for fault in hits:
            fault_kinds.alter(fault, reply)
        return reply

    def _apply_transport(self, hits, wire):
        """Faults below HTTP; those that end the connection raise Gone."""
        for fault in hits:
            if fault.kind == "delay":
                self._wait(fault, fault.seconds or 1)
            elif fault.kind == "blackhole":
                self._wait(fault, fault.seconds or 86400)
                raise Gone
            elif fault.kind == "garbage":
                self.sock.sendall(b"\x00\x01garbage" + os.urandom(256))
                raise Gone
            elif fault.kind == "close":
                raise Gone
            elif fault.kind in ("reset", "reset-middle"):
                self._reset(wire if fault.kind == "reset-middle" else b"")
            elif fault.kind == "truncate":
                self.sock.sendall(wire[:-max(1, len(wire) // 4)])
                raise Gone
            elif fault.kind == "huge":
                self._huge(fault)
            elif fault.kind == "drip":
                self._drip(fault, wire)

    def _wait(self, fault, seconds):
        """Until time is over, the fault is cleared, or the client has gone."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLRDHUP)
        while (left := until - time.monotonic()) > 0 and not fault.cleared.is_set():
            if poll.poll(min(left, 0.05) * 1000):
                raise Gone

    def _reset(self, wire):
        if wire:
            self.sock.sendall(wire[:len(wire) // 2])
            time.sleep(0.05)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def _drip(self, fault, wire):
        for index in range(len(wire)):
            self.sock.sendall(wire[index:index + 1])
            self._wait(fault, fault.seconds or 0.1)
        raise Gone

    def _huge(self, fault):
        size = fault.bytes or 100 << 20
        reply = Reply(fault.status or 200, headers=[("Content-Type", "application/json")])
        block = b"A" * 65536
        if fault.chunked:
            reply.headers.append(("Transfer-Encoding", "chunked"))
            block = b"10000\r\n" + block + b"\r\n"
        self.sock.sendall(reply.head(None if fault.chunked else size, False) +
                          (b"" if fault.chunked else b'{"value":"'))
        for _ in range(size // 65536):
            self.sock.sendall(block)
        raise Gone


class Listener:
    """A listening socket and its accept loop; close() makes further connections be refused."""

    def __init__(self, cloud, sock, service):
        self.cloud, self.sock, self.service = cloud, sock, service
        self.port = sock.getsockname()[1] if sock.family in INTERNET else None
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        while True:
            try:
                client, _ = self.sock.accept()
            except OSError:
                return
            try:
                connection = Connection(self.cloud, client, self.service)
            except OSError:
                client.close()
                continue
            threading.Thread(target=connection.run, daemon=True).start()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.sock.close()


def tcp(address, port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(512)
    return sock


def unix(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    os.chmod(path, 0o600)
    sock.listen(64)
    return sock
