# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole lab in one object: state, services, listeners, and the files that say how to reach it."""

import json
import os

from . import arc, entra, gcp, keyvault, metadata, names, server
from .ca import Certificates
from .control import Control
from .faults import Faults
from .http1 import Reply
from .log import RequestLog
from .model import Model
from .rsakeys import KeyPool, write_readable

GONE = {"metadata": None, "https": None, "arc": None}


class Cloud:
    """options: state, control, log, key_pool, production, address, metadata_address, ports, hosts."""

    def __init__(self, options):
        self.options = options
        self.folder = options.state
        os.makedirs(self.folder, exist_ok=True)
        self.log = RequestLog(options.log or os.path.join(self.folder, "requests.log"))
        self.faults = Faults()
        self.ports = {"metadata": options.metadata_port, "https": options.https_port}
        self.addresses = {"metadata": options.metadata_address, "https": options.address}
        if options.arc_folder:
            self.ports["arc"], self.addresses["arc"] = arc.PORT, arc.ADDRESS
            self.agent = arc.Agent(options.arc_folder)
        self.listeners = dict(GONE)
        self.certificates = None
        self.model = None
        pool = KeyPool(options.key_pool)
        # Sockets first: on loopback the ports are part of every name.
        sockets = {service: server.tcp(address, self.ports[service])
                   for service, address in self.addresses.items()}
        self.ports = {service: sock.getsockname()[1] for service, sock in sockets.items()}
        clouds = names.production() if options.production else names.loopback(
            self.ports["https"], self.ports["metadata"])
        self.model = Model(clouds, pool)
        self.model.on_names = self.write_hosts
        self.certificates = Certificates(self.folder, clouds, pool)
        self.control = Control(self)
        self.write_hosts()
        for service, sock in sockets.items():
            self.listeners[service] = server.Listener(self, sock, _label(service))
        for address in options.also_address:
            server.Listener(self, server.tcp(address, self.ports["https"]), None)
        self.write_json("lab.json", self.info())
        self.write_text("lab.conf", self.cloud_section())
        self.control_path = options.control or os.path.join(self.folder, "control")
        server.Listener(self, server.unix(self.control_path), "control")

    def handle(self, service, request):
        reply = self._answer(service, request)
        reply.when = self.model.now()
        return reply

    def _answer(self, service, request):
        if service == "arc":
            return self.agent.handle(self.model, request)
        if service == "metadata":
            google = request.path.startswith("/computeMetadata/")
            return (gcp if google else metadata).handle(self.model, request)
        found, cloud, _ = names.find_service(self.model.clouds, request.host)
        if found == "entra":
            return entra.handle(self.model, cloud, request)
        vault = self.model.vaults.get(names.bare(request.host))
        if vault is None:
            # In Azure its name would not resolve; on loopback only the answer can say so.
            return Reply(404, note={"error": "no vault"})
        return keyvault.handle(self.model, vault, request)

    def listen(self, service, on):
        listener = self.listeners[service]
        if not on and listener:
            listener.close()
            self.listeners[service] = None
        elif on and not listener:
            self.listeners[service] = server.Listener(
                self, server.tcp(self.addresses[service], self.ports[service]), _label(service))

    def host_names(self):
        found = []
        for cloud in self.model.clouds:
            found += [names.bare(cloud.authority), *cloud.authority_aliases]
        return found + list(self.model.vaults)

    def write_hosts(self):
        """Keeps a hosts file in step with the vaults that exist: a deleted one has no name any more."""
        if self.options.hosts:
            lines = ["127.0.0.1 localhost", "::1 localhost"]
            lines += [f"{self.options.address} {name}" for name in self.host_names()]
            write_readable(self.options.hosts, "\n".join(lines) + "\n")

    def info(self):
        cloud = self.model.clouds[0]
        return {"ca_file": self.certificates.ca_file, "control": self.options.control or
                os.path.join(self.folder, "control"), "pid": os.getpid(), "ports": self.ports,
                "cloud": cloud.name, "authority": cloud.authority, "vault_suffix": cloud.vault_suffix,
                "hsm_suffix": cloud.hsm_suffix, "audience": cloud.audience, "metadata": cloud.metadata}

    def cloud_section(self):
        """For luks-cmk.conf; production names need none, they are built in."""
        if self.options.production:
            return ""
        info = self.info()
        members = ("authority", "vault_suffix", "hsm_suffix", "audience", "metadata")
        return "[cloud lab]\n" + "".join(f"{name} = {info[name]}\n" for name in members)

    def machine_config(self):
        lines = ["[provider]", f"cloud = {self.model.clouds[0].name}"]
        if self.model.apps:
            app = self.model.app()
            lines[1] = f"cloud = {app.tenant.cloud.name}"
            lines.append(f"client_id = {app.client_id}")
        if self.model.identities:
            lines += ["[identity]", "source = imds", f"client_id = {self.model.identity().client_id}"]
        lines += ["[network]", f"ca_file = {self.certificates.ca_file}"]
        return "\n".join(lines) + "\n" + self.cloud_section()

    def customer_config(self):
        """{name: text} for customers.d: one for each tenant that has a vault with a key."""
        files = {}
        for vault in self.model.vaults.values():
            for key in vault.keys:
                files.setdefault(vault.tenant.name, f"[customer]\ntenant_id = {vault.tenant.id}\n"
                                                    f"key = https://{vault.host}/keys/{key}\n")
        return files

    def write_text(self, name, text):
        write_readable(os.path.join(self.folder, name), text)

    def write_json(self, name, value):
        self.write_text(name, json.dumps(value, indent=2) + "\n")


def _label(service):
    return None if service == "https" else service
