# SPDX-License-Identifier: LGPL-2.1-or-later
"""
An HTTPS proxy: proxy.py ADDRESS PORT STATE. Every name leads to the lab cloud, which is at the same address; what it was
asked for goes to its standard output.
"""

import os
import select
import socket
import ssl
import sys
import threading


def carry(client, server):
    """Both ways until one has ended. TLS may hold bytes that select() knows nothing of."""
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source, sink in ((client, server), (server, client)):
            if source in ready:
                data = source.recv(65536)
                if not data:
                    return
                sink.sendall(data)


def serve(context, sock, cloud):
    with context.wrap_socket(sock, server_side=True) as client:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        line = head.split(b"\r\n")[0].decode()
        print(line, flush=True)
        method, where, _ = line.split()
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 405 Only CONNECT\r\n\r\n")
            return
        with socket.create_connection((cloud, int(where.rsplit(":", 1)[1]))) as server:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            carry(client, server)


def guarded(*words):
    try:
        serve(*words)
    except OSError as error:
        print(f"a connection ended: {error}", flush=True)


def main():
    address, port, state = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(state, "tls-proxy.pem"), os.path.join(state, "tls-key.pem"))
    with socket.create_server((address, int(port))) as listener:
        while True:
            threading.Thread(target=guarded, args=(context, listener.accept()[0], address), daemon=True).start()


if __name__ == "__main__":
    main()
