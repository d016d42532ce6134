# SPDX-License-Identifier: LGPL-2.1-or-later
"""Entra ID: exchanges an assertion for an access token in the customer's tenant, or says why not."""

import re
import urllib.parse

from . import names
from .federation import Refused, judge
from .http1 import Reply, json_reply
from .util import b64u, is_guid, random_guid, stamp

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# AADSTS number: (HTTP status, error). What is not here is 401 invalid_client.
KINDS = {
    90002: (400, "invalid_request"), 900023: (400, "invalid_request"), 90038: (400, "invalid_request"),
    900144: (400, "invalid_request"), 900561: (400, "invalid_request"), 50027: (400, "invalid_request"),
    50166: (400, "invalid_request"), 70003: (400, "unsupported_grant_type"),
    70011: (400, "invalid_scope"), 500011: (400, "invalid_resource"),
    700016: (400, "unauthorized_client"), 7000112: (400, "unauthorized_client"),
}
COMMON = [("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
          ("X-Content-Type-Options", "nosniff"),
          ("P3P", 'CP="DSP CUR OTPi IND OTRi ONL FIN"'), ("X-XSS-Protection", "0")]


def _headers(request, cache="no-store, no-cache"):
    return [("Cache-Control", cache), *COMMON, ("x-ms-request-id", random_guid()),
            ("x-ms-ests-server", "2.1.22400.7 - LAB ProdSlices"),
            *([("client-request-id", request.client_request_id)] if request.client_request_id else [])]


def _refusal(model, cloud, request, refused, tenant_id):
    status, error = KINDS.get(refused.code, (401, "invalid_client"))
    trace, when = random_guid(), stamp(model.now())
    correlation = request.client_request_id or random_guid()
    return json_reply(status, {
        "error": error,
        "error_description": f"AADSTS{refused.code}: {refused.text}\r\nTrace ID: {trace}\r\n"
                             f"Correlation ID: {correlation}\r\nTimestamp: {when}",
        "error_codes": [refused.code], "timestamp": when, "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://{cloud.authority}/error?code={refused.code}",
    }, _headers(request), tenant=tenant_id, error=refused.code)


def _tenant(model, cloud, name):
    tenant = model.tenants.get(name.lower())
    if tenant is None:
        tenant = next((t for t in model.tenants.values() if name == t.name + ".onmicrosoft.com"), None)
    if tenant is None:
        if not is_guid(name) and not re.fullmatch(r"[A-Za-z0-9.-]+\.[A-Za-z0-9.-]+", name):
            raise Refused(900023, f"Specified tenant identifier '{name}' is neither a valid DNS name, "
                          "nor a valid external domain.")
        raise Refused(90002, f"Tenant '{name}' not found. Check to make sure you have the correct tenant "
                      "ID and are signing into the correct cloud.")
    if tenant.cloud is not cloud:
        raise Refused(90038, f"Tenant '{name}' request is being redirected to the National Cloud "
                      f"'{tenant.cloud.authority}'.")
    return tenant


def _form(request):
    kind = (request.header("content-type") or "").split(";")[0].strip().lower()
    text = request.body.decode("utf-8", "replace") if kind == "application/x-www-form-urlencoded" else ""
    form = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
    for name in ("grant_type", "client_id", "scope"):
        if not form.get(name):
            raise Refused(900144, f"The request body must contain the following parameter: '{name}'.")
    if form["grant_type"] != "client_credentials":
        raise Refused(70003, f"The app requested an unsupported grant type '{form['grant_type']}'.")
    return form


def _principal(model, tenant, client_id):
    """The application and its service principal in the tenant that is asked."""
    app = model.apps.get(client_id.lower())
    home = app is not None and app.tenant is tenant
    if app is None or not (app.multi_tenant or home):
        raise Refused(700016, f"Application with identifier '{client_id}' was not found in the directory "
                      f"'{tenant.name}'. This can happen if the application has not been installed by "
                      "the administrator of the tenant.")
    principal = tenant.principals.get(app.client_id)
    if principal is None:
        raise Refused(7000229, f"The client application {client_id} is missing service principal in the "
                      f"tenant {tenant.id}.")
    if not principal.enabled:
        raise Refused(7000112, f"Application '{client_id}'({app.name}) is disabled.")
    return app, principal


def _authenticate(model, app, form):
    if form.get("client_secret"):
        if form["client_secret"] not in app.secrets:
            raise Refused(7000215, f"Invalid client secret provided for app '{app.client_id}'.")
    elif not form.get("client_assertion"):
        raise Refused(7000218, "The request body must contain the following parameter: "
                      "'client_assertion' or 'client_secret'.")
    elif form.get("client_assertion_type") != JWT_BEARER:
        raise Refused(900144, "The request body must contain the following parameter: "
                      "'client_assertion_type'.")
    else:
        judge(model, app, form["client_assertion"])


def _resource(tenant, scope):
    """The aud of the token for a scope. Only the vaults' resources exist in a lab."""
    if not scope.endswith("/.default") or " " in scope.strip():
        raise Refused(70011, f"The provided request must include a 'scope' input parameter. The provided "
                      f"value for the input parameter 'scope' is not valid. The scope {scope} is not "
                      "valid.")
    asked = scope[:-len("/.default")].rstrip("/")
    for kind in ("vault", "hsm"):
        resource = tenant.cloud.resource(kind)
        if asked in (resource, "https://" + names.bare(tenant.cloud.suffix(kind))) and tenant.resources:
            return asked
    raise Refused(500011, f"The resource principal named {asked} was not found in the tenant named "
                  f"{tenant.name}.")


def _token(model, cloud, request, tenant_name):
    if request.method != "POST":
        raise Refused(900561, "The endpoint only accepts POST requests. Received a "
                      f"{request.method} request.")
    tenant = _tenant(model, cloud, tenant_name)
    form = _form(request)
    app, principal = _principal(model, tenant, form["client_id"])
    _authenticate(model, app, form)
    resource = _resource(tenant, form["scope"])
    now, life = model.now(), model.settings["access_token_seconds"]
    claims = {
        "aud": resource, "iss": tenant.sts_issuer, "iat": now - 300, "nbf": now - 300, "exp": now + life,
        "aio": b64u(app.name.encode()), "appid": app.client_id, "appidacr": "2", "idp": tenant.sts_issuer,
        "idtyp": "app", "oid": principal.object_id, "sub": principal.object_id, "tid": tenant.id,
        "uti": b64u(random_guid().encode())[:22], "ver": "1.0"}
    return json_reply(200, {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life,
                            "access_token": tenant.key.sign(claims)},
                      [*_headers(request), ("Pragma", "no-cache"), ("Expires", "-1")],
                      tenant=tenant.id, app=app.client_id, scope=form["scope"])


def _discovery(cloud, tenant, request):
    """What OIDC clients read before they sign in."""
    base = f"https://{cloud.authority}/{tenant.id}"
    return json_reply(200, {
        "token_endpoint": base + "/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": base + "/discovery/v2.0/keys", "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token"], "scopes_supported": ["openid"],
        "issuer": tenant.issuer, "authorization_endpoint": base + "/oauth2/v2.0/authorize",
        "device_authorization_endpoint": base + "/oauth2/v2.0/devicecode",
        "tenant_region_scope": "EU", "cloud_instance_name": cloud.authority.partition(".")[2],
    }, _headers(request, "max-age=86400, private"), tenant=tenant.id)


def _instances(model, cloud, request):
    where = urllib.parse.urlsplit(request.query.get("authorization_endpoint", ""))
    tenant = where.path.strip("/").split("/")[0] or "common"
    return json_reply(200, {
        "tenant_discovery_endpoint":
            f"https://{cloud.authority}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": c.authority, "preferred_cache": c.authority,
                      "aliases": [c.authority, *c.authority_aliases]} for c in model.clouds],
    }, _headers(request, "max-age=86400, private"))


def handle(model, cloud, request):
    path = request.path.rstrip("/")
    if path.lower() == "/common/discovery/instance":
        return _instances(model, cloud, request)
    tenant_name, _, rest = path.lstrip("/").partition("/")
    try:
        if rest == "oauth2/v2.0/token":
            return _token(model, cloud, request, tenant_name)
        if request.method in ("GET", "HEAD"):
            if rest == "v2.0/.well-known/openid-configuration":
                return _discovery(cloud, _tenant(model, cloud, tenant_name), request)
            if rest == "discovery/v2.0/keys":
                tenant = _tenant(model, cloud, tenant_name)
                return json_reply(200, {"keys": [{**tenant.key.jwk(), "issuer": tenant.issuer}]},
                                  _headers(request, "max-age=86400, private"), tenant=tenant.id)
    except Refused as refused:
        return _refusal(model, cloud, request, refused, tenant_name)
    return Reply(404, b"", _headers(request))
