# SPDX-License-Identifier: LGPL-2.1-or-later
"""Key Vault and Managed HSM, the keys part: paths, permissions, and what each operation answers."""

import base64
import json
import re

from . import keycrypto
from .http1 import Reply, json_reply
from .util import LabError, b64u
from .vaulttoken import authenticate, authorize, error, firewall, headers

VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01",
            "7.6-preview.2", "2025-06-01-preview", "2026-01-01-preview", "2026-07-01-preview")
NAME = re.compile(r"[0-9A-Za-z-]{1,127}\Z")
PAGE = 25


class Call:
    """One authenticated request at one vault."""

    def __init__(self, model, vault, request, claims, name):
        self.model, self.vault, self.request = model, vault, request
        self.claims, self.name = claims, name
        self.key = None
        self.body = {}

    def ok(self, value, **note):
        return json_reply(200, value, headers(self.vault, self.request), tenant=self.vault.tenant.id,
                          key=self.name, **note)

    def error(self, status, code, message, inner=None):
        return error(self.vault, self.request, status, code, message, inner)

    def not_found(self):
        return self.error(404, "KeyNotFound", f"A key with (name/id) {self.name} was not found in this key "
                          "vault. If you recently deleted this key you may be able to recover it using the "
                          "correct recovery command.")

    def attributes(self, version):
        vault = self.vault
        out = {"enabled": version.enabled}
        out.update({n: getattr(version, n) for n in ("nbf", "exp") if getattr(version, n) is not None})
        out.update(created=version.created, updated=version.updated, recoveryLevel=version.recovery_level,
                   recoverableDays=version.recoverable_days, exportable=False)
        if vault.kind == "hsm":
            out["hsmPlatform"] = "2"
        return out

    def bundle(self, version):
        key = {"kid": self.model.kid(self.vault, self.key, version), "kty": version.kty,
               "key_ops": version.ops, **keycrypto.public(version.private)}
        return {"key": key, "attributes": self.attributes(version)}


def get_key(call, version):
    return call.ok(call.bundle(version), version=version.id)


def list_versions(call, _version):
    query = call.request.query
    start = 0
    if "$skiptoken" in query:
        try:
            start = int(base64.b64decode(query["$skiptoken"]))
        except ValueError:
            return call.error(400, "BadParameter", "The skiptoken is invalid")
    size = min(int(query["maxresults"]), PAGE) if query.get("maxresults", "").isdigit() else PAGE
    # By version and not by time, as the service: whoever takes the first or last one for the newest errs.
    versions = sorted(call.key.versions, key=lambda v: v.id)
    page, left = versions[start:start + size], versions[start + size:]
    value = [{"kid": call.model.kid(call.vault, call.key, v), "attributes": call.attributes(v)} for v in page]
    out = {"value": value}
    token = base64.b64encode(str(start + size).encode()).decode()
    path = f"/keys/{call.name}/versions"
    if call.vault.kind == "hsm":
        if left:
            out["nextLink"] = f"https://{call.vault.host}{path}?$skiptoken={token}&maxresults={size}"
        return call.ok(out)
    host = call.vault.host if ":" in call.vault.host else call.vault.host + ":443"
    out["nextLink"] = (f"https://{host}{path}?api-version={query.get('api-version')}&$skiptoken={token}"
                       f"&maxresults={size}") if left else None
    return call.ok(out)


def _crypto(call, version, operation, ops_name, run):
    body, now = call.body, call.model.now()
    if operation == "unwrapKey" and not version.enabled:
        # Seen at a live vault: wrapping with a disabled key still passes, only unwrapping is refused.
        return call.error(403, "Forbidden", f"Operation {operation} is not allowed on a disabled key.",
                          "KeyDisabled")
    if ops_name not in version.ops:
        return call.error(403, "Forbidden", f"Operation {operation} is not permitted on this key.",
                          "KeyOperationForbidden")
    # Dates stop wrapping only: an expired key goes on unwrapping.
    if operation == "wrapKey" and version.exp is not None and now >= version.exp:
        return call.error(403, "Forbidden", "Operation wrapKey is not allowed on an expired key.",
                          "KeyExpired")
    if operation == "wrapKey" and version.nbf is not None and now < version.nbf:
        return call.error(403, "Forbidden", "Operation wrapKey is not allowed on a key that is not yet "
                          "valid.", "KeyNotYetValid")
    try:
        value = run(version.private, body.get("alg"), body.get("value"))
    except ValueError as wrong:
        return call.error(400, "BadParameter", str(wrong))
    out = {"kid": call.model.kid(call.vault, call.key, version), "value": b64u(value)}
    if call.vault.kind == "hsm":
        out["alg"] = body["alg"]
    return call.ok(out, version=version.id)


def wrap(call, version):
    return _crypto(call, version, "wrapKey", "wrapKey", keycrypto.wrap)


def unwrap(call, version):
    return _crypto(call, version, "unwrapKey", "unwrapKey", keycrypto.unwrap)


def create(call, _version):
    body = call.body
    attributes = body.get("attributes") or {}
    if call.key is not None and call.key.deleted is not None:
        return call.error(409, "Conflict", f"Key {call.name} is currently in a deleted but recoverable "
                          "state, and its name cannot be reused.", "ObjectIsDeletedButRecoverable")
    try:
        call.key = call.model.add_key(
            call.vault, call.name, kty=str(body.get("kty")), size=body.get("key_size") or 2048,
            ops=body.get("key_ops"), enabled=attributes.get("enabled"), nbf=attributes.get("nbf"),
            exp=attributes.get("exp"))
    except LabError as wrong:
        return call.error(400, "BadParameter", str(wrong))
    return get_key(call, call.key.versions[-1])


def rotate(call, _version):
    return get_key(call, call.model.rotate(call.vault, call.key))


def update(call, version):
    attributes = call.body.get("attributes") or {}
    for name in ("enabled", "nbf", "exp"):
        if name in attributes:
            setattr(version, name, attributes[name])
    version.ops = call.body.get("key_ops") or version.ops
    version.updated = call.model.now()
    return get_key(call, version)


def delete(call, _version):
    call.key.deleted = call.model.now()
    days = call.key.versions[-1].recoverable_days
    return call.ok({"recoveryId": f"https://{call.vault.host}/deletedkeys/{call.name}",
                    "deletedDate": call.key.deleted, "scheduledPurgeDate": call.key.deleted + days * 86400,
                    **call.bundle(call.key.versions[-1])})


def list_keys(call):
    """All keys that are not deleted, on one page, by their newest versions."""
    found = [k for k in call.vault.keys.values() if k.deleted is None]
    return call.ok({"value": [{"kid": f"https://{call.vault.host}/keys/{k.name}",
                               "attributes": call.attributes(k.version(None))} for k in found],
                    "nextLink": None})


# Method and last part of the path: (permission, function, needs the key to exist). The segment's case
# is free, and so is an empty version: /keys/disk//unwrapkey.
OPERATIONS = {
    ("GET", ""): ("get", get_key, True), ("GET", "versions"): ("list", list_versions, True),
    ("POST", "wrapkey"): ("wrap", wrap, True), ("POST", "unwrapkey"): ("unwrap", unwrap, True),
    ("POST", "create"): ("create", create, False), ("POST", "rotate"): ("rotate", rotate, True),
    ("PATCH", ""): ("update", update, True), ("DELETE", ""): ("delete", delete, True),
}


def _route(request):
    """(name, version or None, operation or None) of /keys/NAME[/VERSION][/WORD]."""
    parts = request.path.split("/")[2:]
    name, rest = parts[0], [p for p in parts[1:] if p]
    word = ""
    if rest and (request.method, rest[-1].lower()) in OPERATIONS:
        word = rest.pop().lower()
    if len(rest) > 1:
        return name, None, None
    return name, (rest[0] if rest else None), OPERATIONS.get((request.method, word))


def _version_check(vault, request):
    asked = request.query.get("api-version")
    if asked in VERSIONS or (vault.kind == "hsm" and "$skiptoken" in request.query):
        return None
    text = (f"The specified version ({asked}) is not recognized. Consider using the latest supported "
            f"version ({VERSIONS[8]})." if asked else "api-version must be specified")
    return error(vault, request, 400, "BadParameter", text)


def _read_body(call):
    if call.request.method not in ("POST", "PATCH") or not call.request.body:
        return None
    try:
        call.body = json.loads(call.request.body)
        if not isinstance(call.body, dict):
            raise ValueError
    except ValueError:
        return call.error(400, "BadParameter", "The request body could not be parsed as JSON.")
    return None


def handle(model, vault, request):
    if request.path.rstrip("/") == "/healthstatus" and request.method in ("GET", "HEAD"):
        return json_reply(200, {"status": "healthy"}, headers(vault, request), tenant=vault.tenant.id)
    claims, refusal = authenticate(model, vault, request)
    if refusal:
        return refusal
    if request.path.rstrip("/") == "/keys" and request.method == "GET":
        return (_version_check(vault, request) or firewall(vault, request, claims)
                or authorize(vault, request, claims, "list", None)
                or list_keys(Call(model, vault, request, claims, None)))
    if not request.path.startswith("/keys/"):
        return Reply(404, b"", headers(vault, request))
    name, version_id, operation = _route(request)
    call = Call(model, vault, request, claims, name)
    if operation is None:
        return call.error(405 if not name else 400, "BadParameter", "Method or path not allowed")
    if not NAME.match(name):
        return call.error(400, "BadParameter", f"The request URI contains an invalid name: {name}")
    action, function, must_exist = operation
    refusal = (_version_check(vault, request) or firewall(vault, request, claims)
               or authorize(vault, request, claims, action, name) or _read_body(call)
               or (vault.limit and vault.limit.refuses(vault, request)))
    if refusal:
        return refusal
    call.key = vault.keys.get(name)
    if not must_exist:
        return function(call, None)
    version = call.key.version(version_id) if call.key and call.key.deleted is None else None
    return function(call, version) if version else call.not_found()
