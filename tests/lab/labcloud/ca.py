# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test CA: root, intermediate, one server certificate per family of names, and wrong ones for faults."""

import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import names
from .rsakeys import elliptic, private_pem, write_whole

DAY = datetime.timedelta(days=1)
USAGE = dict(digital_signature=False, content_commitment=False, key_encipherment=False,
             data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
             encipher_only=False, decipher_only=False)
# Which certificate each fault shows instead of the right one.
WRONG = ("cert-name", "cert-expired", "cert-future", "cert-untrusted")


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "luks-cmk lab"),
                      x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A certificate with the right to sign others."""

    def __init__(self, text, parent=None, path_length=1):
        self.key = elliptic()
        self.subject = _name(text)
        issuer = parent or self
        now = datetime.datetime.now(datetime.timezone.utc)
        usage = x509.KeyUsage(**{**USAGE, "key_cert_sign": True, "crl_sign": True})
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.subject).issuer_name(issuer.subject)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 3650 * DAY).not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(True, path_length), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer.key.public_key()), False)
            .sign(issuer.key, hashes.SHA256()))

    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, key, hosts, start=-1, end=364):
        """A server certificate for hosts; start and end in days from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        alternatives = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h)
                        for h in hosts]
        usage = x509.KeyUsage(**{**USAGE, "digital_signature": True, "key_encipherment": True})
        return (
            x509.CertificateBuilder().subject_name(_name(hosts[0])).issuer_name(self.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + start * DAY).not_valid_after(now + end * DAY)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectAlternativeName(alternatives), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self.key.public_key()), False)
            .sign(self.key, hashes.SHA256())).public_bytes(Encoding.PEM)


class Certificates:
    """TLS contexts by family of names and by fault, made when first needed."""

    def __init__(self, folder, clouds, pool):
        self.folder = folder
        self.clouds = clouds
        self.root = Authority("luks-cmk lab root")
        self.middle = Authority("luks-cmk lab issuing", self.root, 0)
        self.key = pool.rsa(2048)
        self.contexts = {}
        self.ca_file = os.path.join(folder, "ca.pem")
        write_whole(self.ca_file, self.root.pem(), 0o644)
        write_whole(os.path.join(folder, "tls-key.pem"), private_pem(self.key))
        # For a proxy that a test has beside the lab.
        write_whole(os.path.join(folder, "tls-proxy.pem"),
                    self.middle.issue(self.key, ["proxy.lab"]) + self.middle.pem())
        for cloud in clouds:
            for family in ("entra", "vault", "hsm"):
                self.context(family, cloud)

    def context(self, family, cloud, wrong=None):
        where = (family, cloud.name, wrong)
        if where not in self.contexts:
            self.contexts[where] = self._make(family, cloud, wrong)
        return self.contexts[where]

    def _hosts(self, family, cloud):
        if family == "entra":
            return [names.bare(cloud.authority), *cloud.authority_aliases]
        return ["*." + names.bare(cloud.suffix(family))]

    def _make(self, family, cloud, wrong):
        hosts = ["wrong.example.com"] if wrong == "cert-name" else self._hosts(family, cloud)
        start, end = {"cert-expired": (-400, -35), "cert-future": (35, 400)}.get(wrong, (-1, 364))
        middle = self.middle
        if wrong == "cert-untrusted":
            middle = Authority("unknown issuing", Authority("unknown root"), 0)
        chain = middle.issue(self.key, hosts, start, end) + middle.pem()
        path = os.path.join(self.folder, f"tls-{family}-{cloud.name}-{wrong or 'good'}.pem")
        write_whole(path, chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(path, os.path.join(self.folder, "tls-key.pem"))
        return context
