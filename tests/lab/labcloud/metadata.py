# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metadata service (IMDS): hands the machine's managed identities their tokens."""

from .http1 import Reply, json_reply
from .util import b64u, random_guid

TOKEN_PATH = "/metadata/identity/oauth2/token"
VERSIONS = ("2018-02-01", "2019-08-01", "2020-06-01", "2021-02-01", "2023-07-01", "2025-04-07")
SELECTORS = ("client_id", "object_id", "msi_res_id")
SERVER = ("Server", "IMDS/150.870.65.1854")


def _refuse(status, error, text):
    return json_reply(status, {"error": error, "error_description": text}, [SERVER], error=error)


def _select(model, query):
    """(identity, None) or (None, why not)."""
    attached = [i for i in model.identities.values() if i.attached]
    given = [s for s in SELECTORS if s in query]
    if len(given) > 1:
        return None, "Only one of client_id, object_id and msi_res_id may be given"
    if not given:
        if len(attached) > 1:
            return None, ("Multiple user assigned identities exist, please specify the clientId / "
                          "resourceId of the identity in the token request")
        return (attached[0], None) if attached else (None, "Identity not found")
    wanted = query[given[0]].lower()
    for identity in attached:
        ids = {"client_id": identity.client_id, "object_id": identity.principal_id,
               "msi_res_id": resource_id(identity).lower()}
        if ids[given[0]] == wanted:
            return identity, None
    return None, "Identity not found"


def resource_id(identity):
    return (f"/subscriptions/{identity.tenant.id}/resourcegroups/lab/providers/"
            f"Microsoft.ManagedIdentity/userAssignedIdentities/{identity.name}")


def assertion_claims(model, identity, resource):
    """What Entra puts into a managed identity's token for another application to trust."""
    now = model.now()
    tenant = identity.tenant
    return {
        "aud": resource, "iss": tenant.issuer, "iat": now - 300, "nbf": now - 300,
        "exp": now + model.settings["assertion_seconds"], "aio": b64u(identity.name.encode()),
        "azp": identity.client_id, "azpacr": "2", "idtyp": "app", "oid": identity.principal_id,
        "sub": identity.principal_id, "tid": tenant.id, "uti": b64u(random_guid().encode())[:22],
        "ver": "2.0", "xms_mirid": resource_id(identity)}


def handle(model, request):
    if request.path.rstrip("/").lower() != TOKEN_PATH:
        return Reply(404, b"", [SERVER])
    if request.method != "GET":
        return Reply(405, b"", [SERVER])
    # A request that came through a proxy may have been forged by whoever sits on the other side.
    if request.header("x-forwarded-for") or request.header("via"):
        return _refuse(400, "invalid_request", "Request must not come through a proxy")
    if request.header("metadata") != "true":
        return _refuse(400, "invalid_request", "Required metadata header not specified")
    for name in ("api-version", "resource"):
        if not request.query.get(name):
            return _refuse(400, "invalid_request", f"Required query variable '{name}' is missing")
    if request.query["api-version"] not in VERSIONS:
        return _refuse(400, "invalid_request", "Invalid api-version was specified in the request")
    identity, why = _select(model, request.query)
    if identity is None:
        return _refuse(400, "invalid_request", why)
    resource = request.query["resource"]
    if resource.endswith("/.default") or "://" not in resource:
        return _refuse(400, "invalid_resource", "AADSTS500011: The resource principal named "
                       f"{resource} was not found in the tenant named {identity.tenant.name}.")
    claims = assertion_claims(model, identity, resource)
    left = claims["exp"] - model.now()
    # Every number is a string here, unlike at the sign-in service.
    return json_reply(200, {
        "access_token": identity.tenant.key.sign(claims), "client_id": identity.client_id,
        "expires_in": str(left), "expires_on": str(claims["exp"]), "ext_expires_in": str(left),
        "not_before": str(claims["nbf"]), "resource": resource, "token_type": "Bearer",
    }, [SERVER], tenant=identity.tenant.id)
