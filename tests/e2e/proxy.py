#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A proxy for CONNECT: proxy.py PORT LOG STATUS [CERTIFICATE]. With a certificate it opens TLS itself."""

import socket
import ssl
import sys
import threading

PORT, LOG, STATUS, CERTIFICATE = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            break
        head += data
    return head


def serve(client):
    head = read_head(client)
    with open(LOG, "ab") as log:
        log.write(head)
    client.sendall(f"HTTP/1.1 {STATUS} \033[2J\r\nProxy-Authenticate: Basic realm=x\r\n\r\n".encode())
    if not STATUS.startswith("2"):
        client.close()
        return
    if CERTIFICATE:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE[0])
        try:
            client = context.wrap_socket(client, server_side=True)
            with open(LOG, "ab") as log:
                log.write(b"OPENED " + client.recv(65536))
        except OSError:
            client.close()
        return
    host, port = head.split()[1].decode().rsplit(":", 1)
    server = socket.create_connection((host, int(port)))
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


listener = socket.create_server(("127.0.0.1", PORT))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
