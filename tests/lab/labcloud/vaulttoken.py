# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who asks, and may they: verifies the bearer token of a vault request, then grants and firewall."""

from .http1 import Reply, json_reply
from .jwts import peek
from .util import random_guid

# What a data action is called in the messages.
RBAC_NAMES = {"get": "read", "list": "read", "wrap": "wrap/action", "unwrap": "unwrap/action",
              "create": "create/action", "rotate": "rotate/action", "update": "update/action",
              "delete": "delete"}
POLICY_NAMES = {"wrap": "wrapKey", "unwrap": "unwrapKey"}


def headers(vault, request):
    """What each reply of a vault carries."""
    more = [("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"),
            ("Strict-Transport-Security", "max-age=31536000;includeSubDomains"),
            ("x-ms-request-id", random_guid()), ("x-ms-keyvault-region", vault.region),
            ("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=10.77.0.2;act_addr_fam=InterNetwork;")]
    if vault.kind == "hsm":
        more += [("x-ms-server-latency", "3"), ("X-Frame-Options", "SAMEORIGIN")]
    else:
        more += [("Pragma", "no-cache"), ("Expires", "-1"),
                 ("x-ms-keyvault-service-version", "1.9.2684.1")]
    if request.header("x-ms-client-request-id"):
        more.append(("x-ms-client-request-id", request.header("x-ms-client-request-id")))
    return more


def error(vault, request, status, code, message, inner=None):
    """An error of the vault; a Managed HSM adds its activity to the text."""
    if vault.kind == "hsm":
        message += f" (Activity ID: {random_guid()})"
    body = {"error": {"code": code, "message": message}}
    if inner:
        body["error"]["innererror"] = {"code": inner}
    return json_reply(status, body, headers(vault, request), tenant=vault.tenant.id, error=inner or code)


def _challenge(vault, request, message):
    where = f"https://{vault.cloud.authority}/{vault.tenant.id}"
    challenge = ("WWW-Authenticate", f'Bearer authorization="{where}", '
                                     f'resource="{vault.cloud.resource(vault.kind)}"')
    if vault.kind == "hsm":
        return Reply(401, b"", [("Content-Type", "application/json; charset=utf-8"), challenge,
                                *headers(vault, request)], note={"tenant": vault.tenant.id, "error": 401})
    reply = error(vault, request, 401, "Unauthorized", message)
    reply.headers.append(challenge)
    return reply


def _verify(model, vault, token):
    """Returns (claims, None) or (None, the text of the refusal)."""
    seen = peek(token)
    if seen is None:
        return None, "AKV10000: Error occurred during token parsing."
    header, claims = seen
    signer = next((t for t in model.tenants.values() if t.key.kid == header.get("kid")), None)
    if signer is None or not signer.key.verifies(token):
        return None, "AKV10046: Unable to resolve the key used for signature validation."
    bare = "https://" + vault.cloud.suffix(vault.kind).rsplit(":", 1)[0]
    expected = (vault.cloud.resource(vault.kind), bare)
    if str(claims.get("aud", "")).rstrip("/") not in expected:
        return None, f"AKV10022: Invalid audience. Expected {expected[0]}, found: {claims.get('aud')}."
    if claims.get("iss") != vault.tenant.sts_issuer or signer is not vault.tenant:
        return None, (f"AKV10032: Invalid issuer. Expected one of {vault.tenant.sts_issuer}, found "
                      f"{claims.get('iss')}.")
    if not claims.get("nbf", 0) - 300 <= model.now() < claims.get("exp", 0):
        return None, "AKV10001: Error validating token: the token is expired or not yet valid."
    return claims, None


def authenticate(model, vault, request):
    """(claims, None), or (None, the reply that refuses)."""
    kind, _, token = (request.header("authorization") or "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        return None, _challenge(vault, request, "AKV10000: Request is missing a Bearer or PoP token.")
    claims, why = _verify(model, vault, token.strip())
    if claims is None:
        return None, _challenge(vault, request, why)
    return claims, None


def _caller(claims):
    return f"appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}"


def firewall(vault, request, claims):
    """The reply that refuses a caller by its address; None to let it through."""
    if vault.firewall == "none":
        return None
    tail = f"\r\nCaller: {_caller(claims)}\r\nVault: {vault.name};location={vault.region}"
    text = {"address": "Client address is not authorized and caller is not a trusted service."
                       "\r\nClient address: 10.77.0.2",
            "perimeter": "Request was not allowed by NSP rules and the client address is not authorized "
                         "and caller was ignored because bypass is set to None"
                         "\r\nClient address: 10.77.0.2",
            "private": "Public network access is disabled and request is not from a trusted service nor "
                       "via an approved private link."}[vault.firewall]
    inner = "ForbiddenByConnection" if vault.firewall == "private" else "ForbiddenByFirewall"
    return error(vault, request, 403, "Forbidden", text + tail, inner)


def authorize(vault, request, claims, action, key):
    """The reply that refuses an action on a key (None: on the vault); None to let it through."""
    if vault.allows(claims["oid"], action, key):
        return None
    where = f"/keys/{key}" if key else "/keys"
    if vault.kind == "hsm":
        data_action = f"Microsoft.KeyVault/managedHsm/keys/{RBAC_NAMES[action]}"
        return error(vault, request, 403, "AccessDenied", f"Not authorized to access {data_action} on "
                     f"{where}")
    if vault.mode == "policy":
        return error(vault, request, 403, "Forbidden", f"The user, group or application '{_caller(claims)}'"
                     f" does not have keys {POLICY_NAMES.get(action, action)} permission on key vault "
                     f"'{vault.name};location={vault.region}'.", "AccessDenied")
    return error(
        vault, request, 403, "Forbidden", "Caller is not authorized to perform action on resource.\r\nIf "
        "role assignments, deny assignments or role definitions were changed recently, please observe "
        f"propagation time.\r\nCaller: {_caller(claims)}\r\nAction: 'Microsoft.KeyVault/vaults/keys/"
        f"{RBAC_NAMES[action]}'\r\nResource: '/subscriptions/{vault.tenant.id}/resourcegroups/lab/"
        f"providers/microsoft.keyvault/vaults/{vault.name}{where}'\r\nAssignment: (not found)\r\n"
        "DenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n"
        f"Vault: {vault.name};location={vault.region}\r\n", "ForbiddenByRbac")
