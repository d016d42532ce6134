# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrapping and unwrapping with real RSA and AES; ValueError carries the text of a BadParameter."""

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .rsakeys import AesKey
from .util import b64u, b64u_int, unb64u


def _oaep(digest):
    return padding.OAEP(padding.MGF1(digest), digest, None)


PADDINGS = {"RSA-OAEP-256": lambda: _oaep(hashes.SHA256()), "RSA-OAEP": lambda: _oaep(hashes.SHA1()),
            "RSA1_5": padding.PKCS1v15}
AES = {"A128KW": 128, "A192KW": 192, "A256KW": 256}


def public(private):
    """The members of a JSON web key that hold the public half; a symmetric key has none."""
    if isinstance(private, AesKey):
        return {}
    numbers = private.public_key().public_numbers()
    if isinstance(private, rsa.RSAPrivateKey):
        return {"n": b64u_int(numbers.n), "e": b64u_int(numbers.e)}
    point = {name: b64u(getattr(numbers, name).to_bytes(32, "big")) for name in ("x", "y")}
    return {"crv": "P-256", **point}


def _check(private, algorithm, value):
    if isinstance(private, AesKey):
        fits = AES.get(algorithm) == private.key_size
    else:
        fits = isinstance(private, rsa.RSAPrivateKey) and algorithm in PADDINGS
    if not fits:
        raise ValueError("Property alg has an invalid value or is not supported by this key type")
    try:
        data = unb64u(value)
    except ValueError:
        raise ValueError("Property value is not valid base64url") from None
    if not data:
        raise ValueError("Property value is empty")
    return None if isinstance(private, AesKey) else PADDINGS[algorithm](), data


def _aes(operation, private, data):
    """RFC 3394: multiples of eight bytes, two at least; eight more when wrapped."""
    try:
        return operation(private.secret, data)
    except (ValueError, keywrap.InvalidUnwrap):
        raise ValueError("Property value cannot be wrapped or unwrapped with this key") from None


def wrap(private, algorithm, value):
    how, data = _check(private, algorithm, value)
    if isinstance(private, AesKey):
        return _aes(keywrap.aes_key_wrap, private, data)
    try:
        return private.public_key().encrypt(data, how)
    except ValueError:
        raise ValueError("Property value is too long for this key and algorithm") from None


def unwrap(private, algorithm, value):
    how, data = _check(private, algorithm, value)
    if isinstance(private, AesKey):
        return _aes(keywrap.aes_key_unwrap, private, data)
    if len(data) != private.key_size // 8:
        raise ValueError("Property value has the wrong size for this key")
    try:
        return private.decrypt(data, how)
    except ValueError:
        raise ValueError("Property value could not be decrypted with this key") from None
