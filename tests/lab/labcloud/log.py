# SPDX-License-Identifier: LGPL-2.1-or-later
"""The request log: one entry for each HTTP request, one record for each TCP connection."""

import json
import threading
import time


class RequestLog:
    """Kept in memory for the control interface and, where a path is given, as JSON lines in a file."""

    def __init__(self, path=None):
        self.lock = threading.Lock()
        self.entries = []
        self.connections = []
        self.file = open(path, "ab", buffering=0) if path else None

    def connection(self, service, peer):
        """A new connection; the caller fills in what it learns later."""
        record = {"time": time.time(), "service": service, "host": None, "peer": peer, "tls": None,
                  "error": None, "requests": 0}
        if service == "control":
            return record
        with self.lock:
            self.connections.append(record)
            record["connection"] = len(self.connections)
        return record

    def add(self, connection, request, reply, faults):
        """Before the reply leaves: whoever has the reply finds the entry."""
        entry = {
            "time": time.time(), "service": connection["service"], "host": request.host,
            "method": request.method, "path": request.path, "query": request.raw_query,
            "status": reply.status if reply else None, "tenant": None, "error": None,
            "client_request_id": request.client_request_id,
            "user_agent": request.header("user-agent"), "connection": connection["connection"],
            "faults": faults, **(reply.note if reply else {})}
        with self.lock:
            connection["requests"] += 1
            self.entries.append(entry)
            if self.file:
                self.file.write(json.dumps(entry).encode() + b"\n")

    def mark(self):
        with self.lock:
            return {"requests": len(self.entries), "connections": len(self.connections)}

    def since(self, mark):
        with self.lock:
            return self.entries[mark["requests"] if mark else 0:]

    def connections_since(self, mark):
        with self.lock:
            return [dict(c) for c in self.connections[mark["connections"] if mark else 0:]]
