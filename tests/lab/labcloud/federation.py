# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges a client assertion: who signed it, is it in time, and which federated credential it fits."""

from .jwts import peek
from .util import stamp


class Refused(Exception):
    """A refusal of Entra: its AADSTS number and text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


def _audiences(claims):
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _same_but_case(left, right):
    return isinstance(left, str) and isinstance(right, str) and left.lower() == right.lower()


def _by_issuer(model, app, issuer):
    matching = [f for f in app.federated if f.issuer == issuer]
    if matching:
        return matching
    if any(_same_but_case(f.issuer, issuer) for f in app.federated):
        raise Refused(7002138, f"No matching federated identity record found for presented assertion "
                      f"issuer '{issuer}'. It differs from a record in letter case only.")
    if any(t.issuer == issuer and t is not app.tenant for t in model.tenants.values()):
        raise Refused(700236, "Entra ID tokens issued by issuer "
                      f"'{issuer}' may not be used for federated identity credential flows for "
                      "applications or managed identities registered in this tenant.")
    raise Refused(700211, f"No matching federated identity record found for presented assertion issuer "
                  f"'{issuer}'.")


def _issuer_key(model, issuer):
    for tenant in model.tenants.values():
        if tenant.issuer == issuer:
            return tenant.key
    if issuer in model.issuers:
        return model.issuers[issuer].key
    raise Refused(50166, f"Request to External OIDC endpoint of '{issuer}' failed.")


def _check_time(model, claims):
    now = model.now()
    start, end = claims.get("nbf", 0), claims.get("exp")
    if not isinstance(end, (int, float)) or not isinstance(start, (int, float)):
        raise Refused(50027, "JWT token is invalid or malformed.")
    if not start - 300 <= now < end + 300:
        raise Refused(700024, "Client assertion is not within its valid time range. Current time: "
                      f"{stamp(now)}, assertion valid from {stamp(start)}, expiry time of assertion "
                      f"{stamp(end)}.")


def _check_kind(model, claims, issuer):
    """Only a managed identity's own token is good; an application's or a user's is not."""
    if issuer in model.issuers:
        return
    if claims.get("idtyp") != "app":
        raise Refused(700229, "Only app-only tokens can be used as Federated Identity Credentials for "
                      "Entra ID issuer.")
    if not any(i.client_id == claims.get("azp") for i in model.identities.values()):
        raise Refused(700226, "Only managed identities can be used as Federated Identity Credential.")


def _by_subject(matching, subject):
    fitting = [f for f in matching if f.subject == subject]
    if fitting:
        return fitting
    code = 7002138 if any(_same_but_case(f.subject, subject) for f in matching) else 700213
    raise Refused(code, "No matching federated identity record found for presented assertion subject "
                  f"'{subject}'. The matching is done using a case-sensitive comparison. Check your "
                  "federated identity credential Subject, Audience and Issuer.")


def _by_audience(matching, audiences):
    if any(f.audience in audiences for f in matching):
        return
    close = any(_same_but_case(f.audience, a) for f in matching for a in audiences)
    raise Refused(7002138 if close else 700212, "No matching federated identity record found for "
                  f"presented assertion audience '{audiences[0] if audiences else None}'.")


def judge(model, app, assertion):
    """Returns the claims of a good assertion for app; raises Refused otherwise."""
    seen = peek(assertion)
    if seen is None:
        raise Refused(50027, "JWT token is invalid or malformed.")
    header, claims = seen
    matching = _by_issuer(model, app, claims.get("iss"))
    key = _issuer_key(model, claims.get("iss"))
    if header.get("alg") != "RS256" or header.get("kid") != key.kid or not key.verifies(assertion):
        raise Refused(700027, "Client assertion contains an invalid signature. [Reason - The key was "
                      f"not found., Thumbprint of key used by client: '{header.get('kid')}']")
    _check_time(model, claims)
    _check_kind(model, claims, claims.get("iss"))
    _by_audience(_by_subject(matching, claims.get("sub")), _audiences(claims))
    return claims
