"""Encrypted values: text that a client may hold but neither read nor change. Needs `cryptography`.

AES-256-GCM (NIST SP 800-38D) with a key and a nonce of its own for each token, both derived by HKDF-SHA256 (RFC 5869) from the
secret key, the purpose and 192 random bits: no number of tokens wears a key out.
"""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erlen.errors import ConfigurationError, Mistake
from erlen.security.signing import BadSignature, SignatureExpired, Verified, check_keys, too_old

__all__ = ["Encryption", "is_available"]


class Encryption:
    """Makes encrypted tokens and takes them back.

    Args:
        keys: `SECRET_KEY`, then the former ones, newest first: the first encrypts, all decrypt.
        debug: allow weak keys.
        clock: the time in seconds since 1970.

    Raises:
        ConfigurationError: if `cryptography` is not installed, or on what `Signer` refuses.
    """

    __slots__ = ("_clock", "_keys")

    def __init__(self, keys: Sequence[str], *, debug: bool = False, clock: Callable[[], float] = time.time) -> None:
        if not is_available():
            raise ConfigurationError(Mistake("Encryption needs the package `cryptography`.", fix="pip install 'erlen[encryption]'"))
        self._keys = [key.encode() for key in check_keys(keys, debug=debug)]
        self._clock = clock

    def dumps(self, value: object, purpose: str) -> str:
        """Encrypt a value for one purpose; anything that msgspec writes as JSON. The token's length tells the value's.

        Raises:
            TypeError: if the value cannot be JSON.
        """
        return self.encrypt(msgspec.json.encode(value), purpose)

    def loads(self, token: str, purpose: str, *, max_age: timedelta | int | None = None) -> Any:
        """Return the value of a token as JSON gives it back.

        Args:
            token: from `dumps`.
            purpose: what it must have been made for.
            max_age: how old it may be, as a timedelta or in seconds; None for any age.

        Raises:
            BadSignature: if it is not genuine; SignatureExpired: if it is too old.
        """
        data = self.decrypt(token, purpose, max_age=max_age).data
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise BadSignature("the token holds no JSON: it was made by `encrypt`, so read it with `decrypt`") from None

    def encrypt(self, data: bytes, purpose: str) -> str:
        """Encrypt bytes for one purpose. The token has URL-safe characters only."""
        header = _VERSION + int(self._clock()).to_bytes(_TIME_SIZE, "big") + secrets.token_bytes(_SALT_SIZE)
        return urlsafe_b64encode(header + _seal(self._keys[0], purpose, header, data)).rstrip(b"=").decode("ascii")

    def decrypt(self, token: str, purpose: str, *, max_age: timedelta | int | None = None) -> Verified:
        """Return the bytes that were encrypted, and when; see `loads`."""
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (BinasciiError, ValueError):
            raise BadSignature(_REFUSAL) from None
        header, sealed = raw[:_HEADER_SIZE], raw[_HEADER_SIZE:]
        if header[:1] != _VERSION or len(sealed) < _TAG_SIZE:
            raise BadSignature(_REFUSAL)
        for key in self._keys:
            data = _unseal(key, purpose, header, sealed)
            if data is not None:
                made_at = int.from_bytes(header[1 : 1 + _TIME_SIZE], "big")
                if too_old(made_at, max_age, self._clock()):
                    raise SignatureExpired(f"the token is older than {max_age if isinstance(max_age, timedelta) else f'{max_age} seconds'}")
                return Verified(data, made_at)
        raise BadSignature(_REFUSAL)

    def __repr__(self) -> str:
        return f"<Encryption with {len(self._keys)} keys>"


def is_available() -> bool:
    """Return whether `cryptography` is installed."""
    from importlib.util import find_spec

    return find_spec("cryptography") is not None


_VERSION = b"\x01"
_TIME_SIZE = 6
_SALT_SIZE = 24
_HEADER_SIZE = 1 + _TIME_SIZE + _SALT_SIZE
_TAG_SIZE = 16
_KEY_SIZE = 32
_NONCE_SIZE = 12
_REFUSAL = "the token was changed, or is for something else"


def _seal(key: bytes, purpose: str, header: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    material = _derive(key, purpose, header)
    return AESGCM(material[:_KEY_SIZE]).encrypt(material[_KEY_SIZE:], data, header)


def _unseal(key: bytes, purpose: str, header: bytes, sealed: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    material = _derive(key, purpose, header)
    try:
        return AESGCM(material[:_KEY_SIZE]).decrypt(material[_KEY_SIZE:], sealed, header)
    except InvalidTag:
        return None


def _derive(key: bytes, purpose: str, header: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if not purpose:
        raise ValueError("a token needs a purpose: name what it is for, such as 'session'")
    # The purpose stands whole at the end, so no two purposes share a key.
    info = b"erlen.encryption.1:" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=_KEY_SIZE + _NONCE_SIZE, salt=header, info=info).derive(key)
