"""Signed values: text that a client may hold but not change (HMAC-SHA256, RFC 2104, through itsdangerous)."""

from __future__ import annotations

import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from erlen.errors import ErlenError, Mistake, raise_all
from erlen.security.encryption import seal, unseal

if TYPE_CHECKING:
    from itsdangerous import Signer as Engine

__all__ = ["BadSignature", "SignatureExpired", "Signer", "Verified", "random_key"]


class BadSignature(ErlenError):
    """The token was not made with one of these keys for this purpose, or was changed since."""


class SignatureExpired(BadSignature):
    """The token is genuine but older than allowed."""


class Verified(Struct, frozen=True):
    """What a genuine token holds. `made_at` is in seconds since 1970, `age` in seconds."""

    data: bytes
    made_at: int
    age: int


class Signer:
    """Makes tokens and takes them back.

    A token is for one purpose (`"password-reset"`): one that was made for another is refused, even where one purpose's name
    begins like the other's. Its content is readable by whoever holds it, unless it is encrypted.

    Args:
        keys: `SECRET_KEY`, then the former ones, newest first: the first signs and encrypts, all verify.
        debug: allow weak keys.
        clock: the time in seconds since 1970.

    Raises:
        ConfigurationError: without a key, or with one of under 32 characters or under 8 different ones (`random_key` makes a good
            one). The keys never appear in a message.
    """

    def __init__(self, keys: Sequence[str], *, debug: bool = False, clock: Callable[[], float] = time.time) -> None:
        self._keys = (keys,) if isinstance(keys, str) else tuple(keys)
        self._clock = clock
        # Purposes are few unless a program makes them up; then this must not grow for ever.
        self._engine = lru_cache(128)(self._make_engine)
        mistakes = [] if self._keys and all(self._keys) else [Mistake("SECRET_KEY is empty.", fix=_FIX)]
        for position, key in enumerate(() if debug or mistakes else self._keys):
            name = f"Former secret key number {position}" if position else "SECRET_KEY"
            if len(key) < _KEY_LENGTH:
                mistakes.append(Mistake(f"{name} is {len(key)} long; {_KEY_LENGTH} characters are needed to withstand guessing.", fix=_FIX))
            elif len(set(key)) < _KEY_VARIETY:
                mistakes.append(Mistake(f"{name} repeats a few characters, which is not random.", fix=_FIX))
        raise_all(mistakes)

    def dumps(self, value: object, purpose: str, *, compress: bool = False, encrypt: bool = False) -> str:
        """Sign a value.

        Args:
            value: anything that msgspec writes as JSON, up to 1 MiB.
            purpose: what the token is for.
            compress: shorten it where that helps. Never where it holds a secret beside what a client chose: its length would tell
                (CRIME).
            encrypt: hide it too (AES-256-GCM); needs `cryptography`.

        Returns:
            A token of URL-safe characters.

        Raises:
            TypeError: if the value cannot be JSON; ValueError: if it is too large, or the purpose empty.
            ConfigurationError: if `cryptography` is needed and not installed.
        """
        return self.sign(msgspec.json.encode(value), purpose, compress=compress, encrypt=encrypt)

    def loads(self, token: str, purpose: str, *, max_age: timedelta | int | None = None) -> Any:
        """Return the value of a token, encrypted or not, as JSON gives it back.

        Args:
            token: from `dumps`.
            purpose: what it must have been made for.
            max_age: how old it may be, as a timedelta or in seconds; None for any age.

        Raises:
            BadSignature: if it is not genuine; SignatureExpired: if it is too old.
        """
        data = self.verify(token, purpose, max_age=max_age).data
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise BadSignature("the token holds no JSON: it was made by `sign`, so read it with `verify`") from None

    def sign(self, data: bytes, purpose: str, *, compress: bool = False, encrypt: bool = False) -> str:
        """Sign bytes; see `dumps`."""
        if len(data) > _SIZE_LIMIT:
            raise ValueError(f"a token holds at most {_SIZE_LIMIT} bytes, not {len(data)}: keep the data on the server and sign its id")
        if not purpose:
            raise ValueError("a token needs a purpose: name what it is for, such as 'password-reset'")
        shorter = zlib.compress(data) if compress else data
        body = _COMPRESSED + shorter if len(shorter) < len(data) else _PLAIN + data
        made_at = int(self._clock())
        if encrypt:
            return seal(self._keys[0], purpose, body, made_at)
        return self._engine(purpose).sign(urlsafe_b64encode(body).rstrip(b"=") + b".%x" % made_at).decode("ascii")

    def verify(self, token: str, purpose: str, *, max_age: timedelta | int | None = None) -> Verified:
        """Return the bytes that were signed, and when; see `loads`."""
        opened = None
        if token.isascii() and len(token) <= _TOKEN_LIMIT:
            # A signed token has dots, an encrypted one has none.
            opened = self._unsign(token, purpose) if "." in token else unseal(self._keys, purpose, token)
        if opened is None:
            raise BadSignature("the token was changed, or is for something else")
        body, made_at = opened
        age = int(self._clock()) - made_at
        if max_age is not None:
            seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
            if not -_CLOCK_SKEW <= age <= seconds:
                raise SignatureExpired(f"the token is older than {int(seconds)} seconds")
        return Verified(_unpack(body), made_at, age)

    def _unsign(self, token: str, purpose: str) -> tuple[bytes, int] | None:
        from itsdangerous import BadSignature as EngineRefusal

        try:
            text = self._engine(purpose).unsign(token)
        except EngineRefusal:
            return None
        # From here on it is our own work.
        body, _, made_at = text.rpartition(b".")
        return urlsafe_b64decode(body + b"=" * (-len(body) % 4)), int(made_at, 16)

    def _make_engine(self, purpose: str) -> Engine:
        from hashlib import sha256

        from itsdangerous import Signer as Engine

        # The purpose stands whole at the end of the salt, so no two purposes share one (CVE-2026-6873).
        salt = b"erlen.signing.1:" + purpose.encode()
        return Engine([*reversed(self._keys)], salt, b".", key_derivation="hmac", digest_method=sha256)

    def __repr__(self) -> str:
        return f"<Signer with {len(self._keys)} keys>"


def random_key() -> str:
    """Return a new key for `SECRET_KEY`: 64 URL-safe characters, 384 random bits."""
    import secrets

    return secrets.token_urlsafe(48)


_FIX = "run `erlen secret` to make one"
_KEY_LENGTH = 32
_KEY_VARIETY = 8
_CLOCK_SKEW = 60  # seconds by which the clocks of several servers may differ
_SIZE_LIMIT = 1024 * 1024
_TOKEN_LIMIT = _SIZE_LIMIT * 4 // 3 + 256
_PLAIN = b"j"
_COMPRESSED = b"z"


def _unpack(body: bytes) -> bytes:
    if body[:1] != _COMPRESSED:
        return body[1:]
    # Signed or not, what unpacks is bounded: a leaked key should not be a bomb as well.
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(body[1:], _SIZE_LIMIT)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise BadSignature("the token unpacks to more than it may hold")
    return data
