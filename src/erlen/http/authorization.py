"""The `Authorization` header field (RFC 9110, section 11.6.2)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Authorization", "parse_authorization"]


class Authorization(Struct, frozen=True):
    """What a client authenticates with."""

    scheme: str
    """In lower case: `bearer`, `basic`, …"""
    token: str
    """Everything after the scheme."""
    username: str = ""
    """Of `basic` (RFC 7617)."""
    password: str = ""
    """Of `basic`."""

    def __repr__(self) -> str:
        return f"<Authorization {self.scheme} ***>"


def parse_authorization(value: str | None) -> Authorization | None:
    """Parse the field's value; None where it is absent or malformed."""
    scheme, _, token = (value or "").partition(" ")
    scheme, token = scheme.lower(), token.strip()
    if not scheme or not token:
        return None
    if scheme != "basic":
        return Authorization(scheme, token)
    from base64 import b64decode

    try:
        username, colon, password = b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        return None
    return Authorization(scheme, token, username, password) if colon else None
