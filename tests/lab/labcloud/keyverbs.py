# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one can do to vaults and keys from outside."""

import time

from .limit import Limit
from .util import LabError
from .verbs import as_list, principal_of, verb


@verb
def vault_create(cloud, name, tenant, kind: str = "vault", mode: str = "rbac", region: str = "westeurope"):
    """KIND vault or hsm; MODE rbac or policy (access policies)"""
    vault = cloud.model.add_vault(name, cloud.model.tenant(tenant), kind, mode, region)
    return {"url": f"https://{vault.host}", "tenant_id": vault.tenant.id}


@verb
def vault_protect(cloud, name):
    """from now on its keys cannot be purged; there is no way back"""
    vault = cloud.model.vault(name)
    vault.purge_protection = True
    for version in [v for key in vault.keys.values() for v in key.versions]:
        version.recovery_level = "Recoverable"


@verb
def vault_delete(cloud, name):
    """its host name goes too"""
    cloud.model.drop_vault(cloud.model.vault(name))


@verb
def vault_firewall(cloud, name, rule):
    """RULE none, address, perimeter or private"""
    if rule not in ("none", "address", "perimeter", "private"):
        raise LabError("the rule is none, address, perimeter or private")
    cloud.model.vault(name).firewall = rule


@verb
def vault_limit(cloud, name, operations: int = 0, seconds: float = 10, retry_after: bool = False):
    """answers so many OPERATIONS in each window of SECONDS, and 429 to the others; 0: all of them"""
    cloud.model.vault(name).limit = Limit(operations, seconds, retry_after) if operations else None


@verb
def vault_mode(cloud, name, mode):
    """MODE rbac or policy"""
    cloud.model.vault(name).mode = mode


@verb
def vault_move(cloud, name, tenant):
    """to another tenant: tokens of the old one get AKV10032"""
    cloud.model.vault(name).tenant = cloud.model.tenant(tenant)


def _target(cloud, vault, principal, app):
    found = cloud.model.vault(vault)
    return found, principal or principal_of(cloud, found.tenant.name, app).object_id


@verb
def grant(cloud, vault, actions: list = "get,wrap,unwrap", key: str = None, principal: str = None,
          app: str = None):
    """to the application's service principal, or PRINCIPAL: the vault's keys or one KEY"""
    found, who = _target(cloud, vault, principal, app)
    cloud.model.grant(found, who, as_list(actions), key)


@verb
def revoke(cloud, vault, actions: list = None, key: str = None, principal: str = None, app: str = None):
    """takes ACTIONS, or all, from the principal"""
    found, who = _target(cloud, vault, principal, app)
    held = found.grants.get((who, key), set())
    held -= set(as_list(actions) or held)


@verb
def key_create(cloud, key, size: int = 2048, kty: str = "RSA", ops: list = None, exp: int = None,
               nbf: int = None, enabled: bool = True, recovery_level: str = None):
    """VAULT/NAME; KTY RSA, EC or, in an HSM, oct; a second time makes a new version. EXP and NBF in seconds since 1970"""
    vault_name, _, name = key.partition("/")
    vault = cloud.model.vault(vault_name)
    cloud.model.add_key(vault, name, kty=kty, size=size, ops=as_list(ops), exp=exp, nbf=nbf,
                        enabled=enabled, recovery_level=recovery_level)
    return key_show(cloud, key)


def _version(cloud, key):
    _, found, version = cloud.model.key(key)
    return found.version(version)


@verb
def key_show(cloud, key):
    """VAULT/NAME[/VERSION]: URLs, attributes and versions"""
    vault, found, version_id = cloud.model.key(key)
    version = found.version(version_id)
    shown = {n: getattr(version, n) for n in ("enabled", "nbf", "exp", "created", "kty", "ops")}
    return {"url": f"https://{vault.host}/keys/{found.name}", "version": version.id,
            "kid": cloud.model.kid(vault, found, version), **shown, "deleted": found.deleted,
            "versions": [v.id for v in found.versions]}


@verb
def key_rotate(cloud, key):
    """a new version of the same kind"""
    vault, found, _ = cloud.model.key(key)
    cloud.model.rotate(vault, found)
    return key_show(cloud, f"{vault.host}/{found.name}")


@verb
def key_disable(cloud, key):
    """VAULT/NAME[/VERSION]; without a version all of them"""
    _set_enabled(cloud, key, False)


@verb
def key_enable(cloud, key):
    """VAULT/NAME[/VERSION]; without a version all of them"""
    _set_enabled(cloud, key, True)


def _set_enabled(cloud, key, enabled):
    _, found, version = cloud.model.key(key)
    for each in [found.version(version)] if version else found.versions:
        each.enabled, each.updated = enabled, cloud.model.now()


@verb
def key_expire(cloud, key, seconds: int = -3600):
    """EXP is set SECONDS from now, in the past by default"""
    _version(cloud, key).exp = cloud.model.now() + seconds


@verb
def key_set(cloud, key, ops: list = None, nbf: int = None, exp: int = None, recovery_level: str = None):
    """operations (OPS, comma separated), dates in seconds since 1970, recovery level"""
    version = _version(cloud, key)
    version.ops = as_list(ops) if ops is not None else version.ops
    for name, value in (("nbf", nbf), ("exp", exp), ("recovery_level", recovery_level)):
        if value is not None:
            setattr(version, name, value or None)


@verb
def key_delete(cloud, key):
    """soft-deletes it"""
    cloud.model.key(key)[1].deleted = int(time.time())


@verb
def key_recover(cloud, key):
    """undoes the deletion"""
    cloud.model.key(key)[1].deleted = None


@verb
def key_purge(cloud, key):
    """for good"""
    vault, found, _ = cloud.model.key(key)
    del vault.keys[found.name]
