"""Protection against cross-site request forgery (OWASP CSRF Prevention Cheat Sheet; Fetch Metadata, W3C).

Every browser says where a request comes from: `Sec-Fetch-Site` over TLS and to localhost, `Origin` with every unsafe request. A
page cannot forge either, so they decide; a token is needed only from a client that sends neither and yet sends cookies.
"""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

from erlen.errors import Forbidden
from erlen.http.request import Request
from erlen.security.origin import Origins, authority_for, parse_origin, shown

__all__ = ["CsrfPolicy"]


class CsrfPolicy:
    """Decides whether a request that changes something was sent by this site's own pages.

    Args:
        trusted_origins: `TRUSTED_ORIGINS`: other origins whose pages may send requests, as `Origins` takes them.

    Raises:
        ConfigurationError: if an entry is no origin.
    """

    def __init__(self, trusted_origins: Iterable[str] = ()) -> None:
        self.trusted = Origins(trusted_origins, setting="TRUSTED_ORIGINS")

    def check(self, request: Request) -> bool:
        """Decide by the headers alone.

        1. A safe method passes (RFC 9110, section 9.2.1): its handler changes nothing.
        2. A bearer token exempts (RFC 6750): no browser adds one by itself. From here on the request has no cookies, so that a
           forged one cannot fall back on them.
        3. What `check_origin` decides.
        4. Without cookies there is nothing to abuse: it passes.

        Returns:
            True if the request passes; False if `verify_token` must decide.

        Raises:
            Forbidden: if it comes from another site.
        """
        if request.method in _SAFE:
            return True
        authorization = request.header("authorization")
        if authorization is not None and _BEARER(authorization):
            request.ignores_cookies = True
            return True
        return self.check_origin(request) or not request.header("cookie")

    def check_origin(self, request: Request) -> bool:
        """Compare where a request comes from with this site; also for WebSocket handshakes, which no other rule of browsers guards.

        `Sec-Fetch-Site` decides where it is sent: `same-origin` and `none` (typed, bookmarked) pass; `same-site` does not, as a
        sub-domain may be someone else's. Else `Origin` must be this site's scheme, host and port. One difference passes: a
        request that reached us as HTTP from the `https` page of the same host. That is TLS ended by a proxy we were not told
        about; and the `https` page of a host may always do what its `http` page, which anyone on the way can forge, may do.
        The reverse is refused.

        Returns:
            True if the request comes from this site or a trusted origin; False if it says nothing.

        Raises:
            Forbidden: if it comes from elsewhere; `Origin: null` (a sandboxed frame, a redirect across sites) is elsewhere.
        """
        site = request.header("sec-fetch-site")
        origin = request.header("origin")
        if site is None and origin is None:
            return False
        own = _is_own(request, origin) if site is None else site in ("same-origin", "none")
        if own or origin in self.trusted:
            return True
        detail = f"Cross-site request refused: Sec-Fetch-Site is {shown(site)}, Origin is {shown(origin)}, and this site is "
        detail += shown(f"{request.scheme}://{request.host}") + "."
        if origin not in (None, "null"):
            detail += " Add the origin to TRUSTED_ORIGINS if its pages may send requests here."
        raise Forbidden(detail)

    async def verify_token(self, request: Request) -> None:
        """Require the session's token in the header, or in the form field where the body is a form.

        The form is read for this, and `request.form()` gives it again; a handler that streams its form takes the header instead.

        Raises:
            Forbidden: if there is none, or it is not this session's.
        """
        token = request.header("x-csrf-token")
        if token is None and request.content_type in _FORMS:
            field = (await request.form()).get("csrf_token")
            token = field if isinstance(field, str) else None
        if not token:
            raise Forbidden(
                "CSRF token missing: this client says neither Sec-Fetch-Site nor Origin, but sends cookies. "
                "Send the token as the header X-CSRF-Token or the form field 'csrf_token'; templates write it with csrf_token."
            )
        from hmac import compare_digest

        secret = request.session.csrf_secret
        # Both run even where there is no secret, so that the time says nothing.
        if not compare_digest(_unmask(token), secret.encode()) or not secret:
            raise Forbidden("CSRF token wrong: it belongs to another session, or the session has ended. Load the page again for a new one.")

    def token(self, request: Request) -> str:
        """Return the session's token for a page to send back, making the session's secret on first use.

        It is masked anew at each call, so that compression cannot leak it (BREACH).
        """
        session = request.session
        if not session.csrf_secret:
            session.csrf_secret = os.urandom(_SECRET_BYTES).hex()
        secret = session.csrf_secret.encode()
        mask = os.urandom(len(secret))
        return urlsafe_b64encode(mask + _xor(mask, secret)).decode("ascii").rstrip("=")


_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_BEARER = re.compile(r"bearer +[A-Za-z0-9._~+/-]+=* *", re.IGNORECASE | re.ASCII).fullmatch
_SECRET_BYTES = 24
_TOKEN_LIMIT = 256


def _unmask(token: str) -> bytes:
    """Return the secret in a masked token; of something else, bytes that equal no secret."""
    if len(token) > _TOKEN_LIMIT or not token.isascii():
        return b""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    half = len(raw) // 2
    return b"" if len(raw) % 2 else _xor(raw[:half], raw[half:])


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _is_own(request: Request, origin: str | None) -> bool:
    scheme, authority = parse_origin(origin or "") or ("", "")
    return scheme in ("https", request.scheme) and authority == authority_for(scheme, request.host)
