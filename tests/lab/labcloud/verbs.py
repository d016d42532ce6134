# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything one can do to the lab from outside: tenants, identities, vaults, keys. One function, one verb."""

import inspect
import time

from .jwts import SigningKey
from .metadata import assertion_claims
from .model import App, FEDERATED_MAX, Federated, Identity, Issuer
from .util import LabError, b64u, named_guid, unb64u

VERBS = {}


def verb(function):
    """Registers a verb. Its first parameter is the cloud, the others are the caller's."""
    VERBS[function.__name__] = function
    return function


def signature(function):
    """The parameters as a caller sees them."""
    return [p for p in inspect.signature(function).parameters.values()][1:]


def as_list(value):
    return value.split(",") if isinstance(value, str) else list(value or [])


@verb
def tenant_create(cloud, name, cloud_name: str = None, resources: bool = True):
    """a directory; without RESOURCES Key Vault's own principal is missing in it"""
    tenant = cloud.model.add_tenant(name, cloud_name)
    tenant.resources = resources
    return {"tenant_id": tenant.id, "name": name, "cloud": tenant.cloud.name}


@verb
def app_create(cloud, name, tenant, multi_tenant: bool = True, secret: str = None):
    """an application in its home tenant, with its service principal there"""
    home = cloud.model.tenant(tenant)
    app = App(named_guid("app", name), name, home, multi_tenant, secrets=[secret] if secret else [])
    cloud.model.apps[app.client_id] = app
    cloud.model.consent(home, app)
    return {"client_id": app.client_id}


@verb
def identity_create(cloud, name, tenant, attached: bool = True):
    """a user-assigned managed identity, attached to this machine or not"""
    identity = Identity(name, named_guid("identity", name), named_guid("identity-principal", name),
                        cloud.model.tenant(tenant), attached)
    cloud.model.identities[identity.client_id] = identity
    return {"client_id": identity.client_id, "principal_id": identity.principal_id}


@verb
def identity_attach(cloud, name: str = None):
    """to this machine"""
    cloud.model.identity(name).attached = True


@verb
def identity_detach(cloud, name: str = None):
    """from this machine"""
    cloud.model.identity(name).attached = False


@verb
def federation_add(cloud, app: str = None, identity: str = None, issuer: str = None, subject: str = None,
                   audience: str = None, name: str = "lab"):
    """a federated credential for an identity; each of the three texts can be given otherwise"""
    application = cloud.model.app(app)
    if len(application.federated) >= FEDERATED_MAX:
        raise LabError(f"an application has at most {FEDERATED_MAX} federated credentials")
    if issuer is None or subject is None:
        who = cloud.model.identity(identity)
        issuer, subject = issuer or who.tenant.issuer, subject or who.principal_id
    if any((f.issuer, f.subject) == (issuer, subject) for f in application.federated):
        raise LabError("issuer and subject exist already")
    application.federated.append(
        Federated(name, issuer, subject, audience or application.tenant.cloud.audience))
    return federation_list(cloud, app)[-1]


@verb
def federation_list(cloud, app: str = None):
    """the federated credentials of the application"""
    return [vars(f) for f in cloud.model.app(app).federated]


@verb
def federation_set(cloud, name: str = "lab", app: str = None, issuer: str = None, subject: str = None,
                   audience: str = None):
    """changes texts of a federated credential"""
    for federated in cloud.model.app(app).federated:
        if federated.name == name:
            federated.issuer = issuer or federated.issuer
            federated.subject = subject or federated.subject
            federated.audience = audience or federated.audience
            return vars(federated)
    raise LabError(f"no federated credential {name}")


@verb
def federation_remove(cloud, name: str = "lab", app: str = None):
    """a federated credential of the application"""
    application = cloud.model.app(app)
    application.federated = [f for f in application.federated if f.name != name]


@verb
def issuer_create(cloud, url):
    """another OIDC issuer with a key of its own, for identity source "file\""""
    cloud.model.issuers[url] = Issuer(url, SigningKey(cloud.model.pool))


@verb
def assertion(cloud, identity: str = None, issuer: str = None, subject: str = None, audience: str = None,
              seconds: int = 3600, claims: dict = None, tamper: bool = False, forge: bool = False):
    """a JWT as that identity or issuer would sign it; TAMPER changes it after, FORGE signs with a wrong key"""
    model, now = cloud.model, cloud.model.now()
    if issuer:
        key = model.issuers[issuer].key if issuer in model.issuers else SigningKey(model.pool)
        content = {"iss": issuer, "sub": subject, "aud": audience or model.clouds[0].audience,
                   "iat": now, "nbf": now}
    else:
        who = model.identity(identity)
        key = who.tenant.key
        content = assertion_claims(model, who, audience or who.tenant.cloud.audience)
        content["sub"] = subject or content["sub"]
    # A negative time gives a token that ended so long ago, and began a day before.
    content["nbf"] = content["iat"] = now - 86400 if seconds < 0 else content["nbf"]
    content.update({"exp": now + seconds, **(claims or {})})
    token = (SigningKey(model.pool) if forge else key).sign(content, {"kid": key.kid} if forge else None)
    if tamper:
        head, body, sign = token.split(".")
        token = ".".join((head, b64u(unb64u(body).replace(b'"exp"', b'"xep"')), sign))
    return token


@verb
def consent(cloud, tenant, app: str = None):
    """the tenant's administrator consents: the application gets a service principal there"""
    principal = cloud.model.consent(cloud.model.tenant(tenant), cloud.model.app(app))
    return {"principal_id": principal.object_id}


def _principal(cloud, tenant, app):
    principal = cloud.model.tenant(tenant).principals.get(cloud.model.app(app).client_id)
    if principal is None:
        raise LabError(f"tenant {tenant} has not consented")
    return principal


@verb
def consent_revoke(cloud, tenant, app: str = None):
    """the service principal is deleted"""
    _principal(cloud, tenant, app)
    del cloud.model.tenant(tenant).principals[cloud.model.app(app).client_id]


@verb
def principal_disable(cloud, tenant, app: str = None):
    """no new token for the application in this tenant"""
    _principal(cloud, tenant, app).enabled = False


@verb
def principal_enable(cloud, tenant, app: str = None):
    """tokens again"""
    _principal(cloud, tenant, app).enabled = True


@verb
def vault_create(cloud, name, tenant, kind: str = "vault", mode: str = "rbac", region: str = "westeurope"):
    """KIND vault or hsm; MODE rbac or policy (access policies)"""
    vault = cloud.model.add_vault(name, cloud.model.tenant(tenant), kind, mode, region)
    return {"url": f"https://{vault.host}", "tenant_id": vault.tenant.id}


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
def vault_mode(cloud, name, mode):
    """MODE rbac or policy"""
    cloud.model.vault(name).mode = mode


@verb
def vault_move(cloud, name, tenant):
    """to another tenant: tokens of the old one get AKV10032"""
    cloud.model.vault(name).tenant = cloud.model.tenant(tenant)


def _target(cloud, vault, principal, app):
    found = cloud.model.vault(vault)
    return found, principal or _principal(cloud, found.tenant.name, app).object_id


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
    """VAULT/NAME; a second time makes a new version. EXP and NBF in seconds since 1970"""
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
