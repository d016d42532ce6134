# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one can do to the lab from outside: tenants, identities, consent. One function, one verb."""

import inspect

from . import gcp
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
def group_create(cloud, tenant, name, region):
    """a resource group of the tenant's subscription"""
    cloud.model.tenant(tenant).groups[name] = region


@verb
def app_create(cloud, name, tenant, multi_tenant: bool = True, secret: str = None):
    """an application in its home tenant, with its service principal there"""
    home = cloud.model.tenant(tenant)
    app = App(named_guid("app", name), name, home, multi_tenant, secrets=[secret] if secret else [])
    cloud.model.apps[app.client_id] = app
    cloud.model.consent(home, app)
    return {"client_id": app.client_id}


@verb
def app_update(cloud, app, multi_tenant: bool = True):
    """whether other tenants can consent to it"""
    cloud.model.app(app).multi_tenant = multi_tenant


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
def google_attach(cloud, account: str = "104857600123456789012"):
    """the machine is one of Google Cloud too, with this service account"""
    if gcp.ISSUER not in cloud.model.issuers:
        issuer_create(cloud, gcp.ISSUER)
    cloud.model.google_account = account


@verb
def google_detach(cloud):
    """the machine has no service account of Google Cloud"""
    cloud.model.google_account = None


@verb
def assertion(cloud, identity: str = None, issuer: str = None, subject: str = None, audience: str = None,
              seconds: int = 3600, claims: dict = None, tamper: bool = False, forge: bool = False):
    """a JWT as that identity or issuer would sign it; TAMPER changes it, FORGE takes a wrong key"""
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


def principal_of(cloud, tenant, app):
    principal = cloud.model.tenant(tenant).principals.get(cloud.model.app(app).client_id)
    if principal is None:
        raise LabError(f"tenant {tenant} has not consented")
    return principal


@verb
def consent_revoke(cloud, tenant, app: str = None):
    """the service principal is deleted"""
    principal_of(cloud, tenant, app)
    del cloud.model.tenant(tenant).principals[cloud.model.app(app).client_id]


@verb
def principal_disable(cloud, tenant, app: str = None):
    """no new token for the application in this tenant"""
    principal_of(cloud, tenant, app).enabled = False


@verb
def principal_enable(cloud, tenant, app: str = None):
    """tokens again"""
    principal_of(cloud, tenant, app).enabled = True
