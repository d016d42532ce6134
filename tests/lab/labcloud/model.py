# SPDX-License-Identifier: LGPL-2.1-or-later
"""What exists in the lab: tenants, applications, identities, vaults and keys. No protocol here."""

import threading
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from .jwts import SigningKey
from .names import find_service
from .rsakeys import AesKey, elliptic
from .util import LabError, named_guid, random_guid

FEDERATED_MAX = 20
RSA_OPS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
AES_OPS = ["encrypt", "decrypt", "wrapKey", "unwrapKey"]
ACTIONS = ("get", "list", "wrap", "unwrap", "create", "rotate", "update", "delete")


@dataclass
class ServicePrincipal:
    object_id: str
    enabled: bool = True


@dataclass
class Tenant:
    id: str
    name: str
    cloud: object
    key: SigningKey
    principals: dict = field(default_factory=dict)  # application id: ServicePrincipal
    # False: no Azure subscription was ever in it, so Key Vault's own principal is missing.
    resources: bool = True
    groups: dict = field(default_factory=dict)  # resource group: region

    @property
    def issuer(self):
        return f"https://{self.cloud.authority}/{self.id}/v2.0"

    @property
    def sts_issuer(self):
        return f"{self.cloud.sts}{self.id}/"


@dataclass
class Federated:
    name: str
    issuer: str
    subject: str
    audience: str


@dataclass
class App:
    client_id: str
    name: str
    tenant: Tenant
    multi_tenant: bool = True
    federated: list = field(default_factory=list)
    secrets: list = field(default_factory=list)


@dataclass
class Identity:
    """A user-assigned managed identity."""
    name: str
    client_id: str
    principal_id: str
    tenant: Tenant
    attached: bool = True  # to the one machine that the metadata service serves


@dataclass
class Issuer:
    """An OIDC issuer that is not Entra: what writes the token of identity source "file"."""
    url: str
    key: SigningKey


@dataclass
class KeyVersion:
    id: str
    private: object
    kty: str
    ops: list
    created: int
    updated: int
    enabled: bool = True
    nbf: int = None
    exp: int = None
    recovery_level: str = "Recoverable+Purgeable"
    recoverable_days: int = 90


@dataclass
class Key:
    name: str
    versions: list = field(default_factory=list)  # oldest first
    deleted: int = None  # when; soft-deleted keys answer 404 and can come back

    def version(self, version_id):
        """The named one, or the newest for None."""
        if version_id is None:
            return self.versions[-1]
        return next((v for v in self.versions if v.id == version_id.lower()), None)


@dataclass
class Vault:
    name: str
    kind: str  # "vault" or "hsm"
    tenant: Tenant
    cloud: object
    mode: str = "rbac"  # or "policy"
    region: str = "westeurope"
    firewall: str = "none"  # none, address, perimeter, private
    purge_protection: bool = False
    limit: object = None  # limit.Limit
    keys: dict = field(default_factory=dict)
    grants: dict = field(default_factory=dict)  # (principal object id, key name or None): set of actions

    @property
    def host(self):
        return f"{self.name}.{self.cloud.suffix(self.kind)}"

    def allows(self, principal, action, key):
        return any(action in self.grants.get((principal, scope), ()) for scope in (None, key))


class Model:
    """All of it, and one lock: requests are short, and a lock for each part would only hide errors."""

    def __init__(self, clouds, pool):
        self.clouds = clouds
        self.pool = pool
        self.lock = threading.RLock()
        self.tenants = {}
        self.apps = {}
        self.identities = {}
        self.issuers = {}
        self.google_account = None  # of the machine, if it is one of Google Cloud
        self.vaults = {}  # host without port: Vault
        self.settings = {"access_token_seconds": 3599, "assertion_seconds": 86400,
                         "clock_offset": 0}
        self.on_names = lambda: None  # called when a host name appears or goes

    def now(self):
        """The clock of all services; a lab may run fast or slow against the machine."""
        return int(time.time()) + self.settings["clock_offset"]

    def cloud(self, name):
        if name is None:
            return self.clouds[0]
        for cloud in self.clouds:
            if cloud.name == name:
                return cloud
        raise LabError(f"no cloud {name}; there are: {', '.join(c.name for c in self.clouds)}")

    def _named(self, table, what, name):
        for item in table.values():
            if name in (item.name, getattr(item, "id", None), getattr(item, "client_id", None)):
                return item
        raise LabError(f"no {what} {name}")

    def tenant(self, name):
        return self._named(self.tenants, "tenant", name)

    def app(self, name=None):
        if name is None:
            if not self.apps:
                raise LabError("no application yet")
            return next(iter(self.apps.values()))
        return self._named(self.apps, "application", name)

    def identity(self, name=None):
        if name is None:
            if not self.identities:
                raise LabError("no identity yet")
            return next(iter(self.identities.values()))
        return self._named(self.identities, "identity", name)

    def vault(self, name):
        """By short name, by "name" of an HSM, or by host name."""
        for host, vault in self.vaults.items():
            if name in (host, vault.host) or name == vault.name:
                return vault
        raise LabError(f"no vault {name}")

    def key(self, path):
        """VAULT/KEY[/VERSION] or a key's URL: (vault, key, version id or None)."""
        if path.startswith("https://"):
            host, _, rest = path[len("https://"):].partition("/keys/")
            path = host + "/" + rest
        parts = [p for p in path.split("/") if p]
        if not 2 <= len(parts) <= 3:
            raise LabError(f"{path}: a key is named VAULT/KEY or VAULT/KEY/VERSION")
        vault = self.vault(parts[0])
        if parts[1] not in vault.keys:
            raise LabError(f"no key {parts[1]} in vault {parts[0]}")
        key, version = vault.keys[parts[1]], parts[2] if len(parts) == 3 else None
        if version and not key.version(version):
            raise LabError(f"key {parts[1]} has no version {version}")
        return vault, key, version

    def add_tenant(self, name, cloud=None):
        if any(t.name == name for t in self.tenants.values()):
            raise LabError(f"tenant {name} exists already")
        tenant = Tenant(named_guid("tenant", name), name, self.cloud(cloud), SigningKey(self.pool))
        self.tenants[tenant.id] = tenant
        return tenant

    def consent(self, tenant, app):
        return tenant.principals.setdefault(
            app.client_id, ServicePrincipal(named_guid("principal", tenant.name + "/" + app.name)))

    def add_vault(self, name, tenant, kind="vault", mode="rbac", region="westeurope"):
        vault = Vault(name, kind, tenant, tenant.cloud, mode, region)
        host = vault.host.rsplit(":", 1)[0]
        if find_service(self.clouds, host)[2] != name or host in self.vaults:
            raise LabError(f"{name}: not a name for a new vault")
        self.vaults[host] = vault
        self.on_names()
        return vault

    def drop_vault(self, vault):
        del self.vaults[vault.host.rsplit(":", 1)[0]]
        self.on_names()

    def new_version(self, vault, kty="RSA", size=2048, ops=None, **attributes):
        """Fresh key material; an HSM makes -HSM types of what it is asked for."""
        if vault.kind == "hsm" and not kty.endswith("-HSM"):
            kty += "-HSM"
        if kty.startswith("RSA"):
            if size not in (2048, 3072, 4096):
                raise LabError("size is 2048, 3072 or 4096")
            private, all_ops = self.pool.rsa(size), RSA_OPS
        elif kty.startswith("EC"):
            private, all_ops = elliptic(), ["sign", "verify"]
        elif kty == "oct-HSM" and vault.kind == "hsm":
            if size not in (128, 192, 256):
                raise LabError("size is 128, 192 or 256")
            private, all_ops = AesKey(size), AES_OPS
        else:
            raise LabError(f"no key type {kty}")
        if vault.purge_protection and not attributes.get("recovery_level"):
            attributes["recovery_level"] = "Recoverable"
        now = self.now()
        return KeyVersion(random_guid().replace("-", ""), private, kty, list(ops or all_ops), now, now,
                          **{name: v for name, v in attributes.items() if v is not None})

    def add_key(self, vault, name, **how):
        key = vault.keys.setdefault(name, Key(name))
        key.versions.append(self.new_version(vault, **how))
        return key

    def rotate(self, vault, key):
        last = key.versions[-1]
        size = last.private.key_size if isinstance(last.private, (rsa.RSAPrivateKey, AesKey)) else 0
        version = self.new_version(vault, last.kty, size, last.ops, recovery_level=last.recovery_level)
        key.versions.append(version)
        return version

    def kid(self, vault, key, version):
        return f"https://{vault.host}/keys/{key.name}/{version.id}"

    def grant(self, vault, principal, actions, key=None):
        unknown = set(actions) - set(ACTIONS)
        if unknown:
            raise LabError(f"no action {sorted(unknown)[0]}; there are: {', '.join(ACTIONS)}")
        vault.grants.setdefault((principal, key), set()).update(actions)
