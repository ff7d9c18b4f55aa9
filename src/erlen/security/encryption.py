"""Authenticated encryption of tokens; `Signer` uses it for `encrypt=True`. Needs `cryptography`.

AES-256-GCM (NIST SP 800-38D) with a key and a nonce of its own for each token, both derived by HKDF-SHA256 (RFC 5869) from the
secret key, the purpose and 192 random bits: no number of tokens wears a key out.
"""

from __future__ import annotations

import os
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from erlen.errors import ConfigurationError, Mistake

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["is_available", "seal", "unseal"]


def seal(key: str, purpose: str, data: bytes, made_at: int) -> str:
    """Return a token of URL-safe characters, without dots. Its length tells the data's; its time (seconds since 1970) is readable.

    Raises:
        ConfigurationError: if `cryptography` is not installed.
    """
    if not is_available():
        raise ConfigurationError(Mistake("Encryption needs the package `cryptography`.", fix="pip install 'erlen[encryption]'"))
    header = _VERSION + made_at.to_bytes(_TIME_SIZE, "big") + os.urandom(_SALT_SIZE)
    cipher, nonce = _cipher(key, purpose, header)
    return urlsafe_b64encode(header + cipher.encrypt(nonce, data, header)).rstrip(b"=").decode("ascii")


def unseal(keys: Iterable[str], purpose: str, token: str) -> tuple[bytes, int] | None:
    """Return the data of a token and when it was made; None if it is not genuine, or `cryptography` is not installed."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    header, sealed = raw[:_HEADER_SIZE], raw[_HEADER_SIZE:]
    if header[:1] != _VERSION or not sealed or not is_available():
        return None
    from cryptography.exceptions import InvalidTag

    for key in keys:
        cipher, nonce = _cipher(key, purpose, header)
        try:
            return cipher.decrypt(nonce, sealed, header), int.from_bytes(header[1 : 1 + _TIME_SIZE], "big")
        except InvalidTag:
            continue
    return None


def is_available() -> bool:
    """Return whether `cryptography` is installed."""
    from importlib.machinery import PathFinder

    known = "cryptography" in sys.modules
    return sys.modules["cryptography"] is not None if known else PathFinder.find_spec("cryptography") is not None


_VERSION = b"\x01"
_TIME_SIZE = 6
_SALT_SIZE = 24
_HEADER_SIZE = 1 + _TIME_SIZE + _SALT_SIZE
_KEY_SIZE = 32
_NONCE_SIZE = 12


def _cipher(key: str, purpose: str, header: bytes) -> tuple[AESGCM, bytes]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The purpose stands whole at the end, so no two purposes share a key.
    info = b"erlen.encryption.1:" + purpose.encode()
    material = HKDF(algorithm=SHA256(), length=_KEY_SIZE + _NONCE_SIZE, salt=header, info=info).derive(key.encode())
    return AESGCM(material[:_KEY_SIZE]), material[_KEY_SIZE:]
