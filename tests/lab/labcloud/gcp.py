# SPDX-License-Identifier: LGPL-2.1-or-later
"""Google Cloud's metadata server, as far as it tells who a machine is."""

from .http1 import Reply

ISSUER = "https://accounts.google.com"
PATH = "/computeMetadata/v1/instance/service-accounts/default/identity"
FLAVOR = ("Metadata-Flavor", "Google")


def handle(model, request):
    html = [FLAVOR, ("Content-Type", "text/html; charset=UTF-8")]
    if request.header("metadata-flavor") != "Google":
        return Reply(403, b"Missing required header: Metadata-Flavor", html)
    if model.google_account is None or request.path != PATH:
        return Reply(404, b"", html)
    if not request.query.get("audience"):
        return Reply(400, b"non-empty audience parameter required", html)
    now = model.now()
    token = model.issuers[ISSUER].key.sign({
        "aud": request.query["audience"], "azp": model.google_account, "exp": now + 3600, "iat": now,
        "iss": ISSUER, "sub": model.google_account})
    return Reply(200, token.encode(), [FLAVOR, ("Content-Type", "text/html")])
