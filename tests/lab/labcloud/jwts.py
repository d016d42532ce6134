# SPDX-License-Identifier: LGPL-2.1-or-later
"""JSON web tokens: signing by a named key, and checking that tells exactly what is wrong."""

import jwt
from cryptography.hazmat.primitives import hashes, serialization

from .util import b64u, b64u_int


class SigningKey:
    """One RS256 key with the kid that its JWKS publishes."""

    def __init__(self, pool):
        self.pool = pool
        self._private = None
        self._kid = None

    @property
    def private(self):
        # Made at first use: a lab with ten tenants must not start ten keys slower.
        if self._private is None:
            self._private = self.pool.rsa(2048)
        return self._private

    @property
    def kid(self):
        if self._kid is None:
            digest = hashes.Hash(hashes.SHA1())
            digest.update(self.private.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
            self._kid = b64u(digest.finalize())
        return self._kid

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
                "n": b64u_int(numbers.n), "e": b64u_int(numbers.e)}

    def sign(self, claims, headers=None):
        head = {"kid": self.kid, "x5t": self.kid, **(headers or {})}
        return jwt.encode(claims, self.private, algorithm="RS256", headers=head)

    def verifies(self, token):
        """True only for RS256 by this key; times and audience are the caller's to judge."""
        try:
            jwt.decode(token, self.private.public_key(), algorithms=["RS256"], options={
                "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False})
        except jwt.InvalidTokenError:
            return False
        return True


def peek(token):
    """(header, claims) of a token that nobody has verified yet; None if it is no token at all."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, UnicodeError):
        return None
    return (header, claims) if isinstance(claims, dict) else None
