"""Sessions kept whole in a signed, and where possible encrypted, cookie (OWASP Session Management Cheat Sheet)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.http.session import HttpSession
from erlen.security.signing import BadSignature, Signer, Verified

__all__ = ["CookieSessions", "SessionTooLarge", "protect_from_caches"]


class SessionTooLarge(ErlenError):
    """The session does not fit in a cookie."""


class CookieSessions:
    """Opens a request's session from its cookie, and saves it with the response.

    Over TLS the cookie is `__Host-session` with `Secure`: browsers let neither a sub-domain nor a page without TLS set it, so
    nobody can plant one (session fixation). On plain HTTP, where browsers refuse that prefix, it is `session`. Each is signed under
    its own name, and only the one that fits the connection is read.

    What a cookie cannot do: be called back. Whoever copied it can send it again after log-out, or after the session has
    changed, until `max_age` has passed. Where that matters, keep sessions on the server.

    An unused session costs nothing: no cookie, no `Vary`. One that was read adds `Vary: Cookie` and keeps the response out of shared
    caches; see `protect_from_caches`. It is saved when it changed, and anew once half of its age has passed, so that it lasts as
    long as it is used. A request that ignores its cookies (it has a bearer token) gets an empty session that is not kept.

    Args:
        signer: None in production without `SECRET_KEY`: then opening a session is an error, and nothing else is.
        name: of the cookie, without prefix.
        max_age: how long after its last saving a session ends, as a timedelta or in seconds.
        samesite: `lax` keeps the cookie out of cross-site sub-requests, `strict` out of links too; `none` needs TLS, and is `lax`
            without.
        domain: also send it to the sub-domains of this one: they then can set it, too (the prefix becomes `__Secure-`).
        secure: over TLS only; `auto` when this request came over TLS.
        encrypt: `auto` encrypts when `cryptography` is installed; True needs it; with False the visitor can read their session.
            Both forms are read in each case, so that switching signs nobody out.

    Raises:
        ConfigurationError: if `encrypt` is True and `cryptography` is not installed.
    """

    __slots__ = ("_domain", "_encrypt", "_max_age", "_name", "_samesite", "_secure", "_signer")

    def __init__(
        self,
        signer: Signer | None,
        *,
        name: str = "session",
        max_age: timedelta | int = timedelta(days=14),
        samesite: Literal["lax", "strict", "none"] = "lax",
        domain: str | None = None,
        secure: Literal["auto"] | bool = "auto",
        encrypt: Literal["auto"] | bool = "auto",
    ) -> None:
        self._signer = signer
        self._name = name
        self._max_age = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
        self._samesite: Literal["lax", "strict", "none"] = samesite
        self._domain = domain
        self._secure: Literal["auto"] | bool = secure
        self._encrypt: bool | None = None if encrypt == "auto" else encrypt
        if encrypt is True and signer is not None:
            _ = signer.encryption

    def open(self, request: Request) -> HttpSession:
        """Return the session in the request's cookie, or a new one where there is none or it is not genuine.

        It is saved when the request ends.

        Raises:
            ConfigurationError: without a signer.
        """
        if self._signer is None:
            fix = "run `erlen secret` and set SECRET_KEY to what it prints"
            raise ConfigurationError(Mistake("Sessions are signed with SECRET_KEY, and there is none.", fix=fix))
        secure = request.is_secure if self._secure == "auto" else self._secure
        name = self._cookie_name(secure)
        session, made_at = self._read(self._signer, request.cookies.get(name, ""), name)
        if not request.ignores_cookies:

            def save(request: Request, response: Response) -> None:
                self._save(session, made_at, response, secure=secure)

            request.finish_with(save)
        return session

    def _cookie_name(self, secure: bool) -> str:
        if not secure:
            return self._name
        return ("__Host-" if self._domain is None else "__Secure-") + self._name

    def _read(self, signer: Signer, cookie: str, name: str) -> tuple[HttpSession, int]:
        if not cookie:
            return HttpSession(), 0
        try:
            verified = self._verify(signer, cookie, name)
            return HttpSession.load(verified.data), verified.made_at
        except (BadSignature, ValueError):
            # Nobody's fault: the key was changed, the cookie is old, or someone played with it. All begin anew.
            return HttpSession(), 0

    def _verify(self, signer: Signer, cookie: str, name: str) -> Verified:
        # A signed token has dots, an encrypted one has none.
        if "." in cookie:
            return signer.verify(cookie, _PURPOSE + name, max_age=self._max_age)
        try:
            encryption = signer.encryption
        except ConfigurationError:
            raise BadSignature("the session is encrypted, and `cryptography` is not installed") from None
        return encryption.decrypt(cookie, _PURPOSE + name, max_age=self._max_age)

    def _encrypts(self) -> bool:
        if self._encrypt is None:
            from erlen.security.encryption import is_available

            self._encrypt = is_available()
        return self._encrypt

    def _save(self, session: HttpSession, made_at: int, response: Response, *, secure: bool) -> None:
        if session.modified:
            if not session.is_empty:
                self._set(session, response, secure=secure)
            elif not session.new:
                self._set_cookie(response, "", max_age=0, secure=secure)
        elif session.accessed and not session.new and self._signer is not None and self._signer.age_of(made_at) > self._max_age // 2:
            self._set(session, response, secure=secure)
        elif session.accessed:
            protect_from_caches(response, sets_cookie=False)

    def _set(self, session: HttpSession, response: Response, *, secure: bool) -> None:
        signer = self._signer
        if signer is None:
            return
        name = self._cookie_name(secure)
        seal = signer.encryption.encrypt if self._encrypts() else signer.sign
        cookie = seal(session.dump(), _PURPOSE + name)
        if len(name) + len(cookie) > _COOKIE_LIMIT:
            raise SessionTooLarge(
                f"the session takes {len(name) + len(cookie)} bytes as a cookie, and browsers drop one of more than {_COOKIE_LIMIT}: keep "
                "less in it (an id instead of an object), or keep sessions on the server with `app.use(Sessions())` from erlen.sessions"
            )
        self._set_cookie(response, cookie, max_age=self._max_age if session.permanent else None, secure=secure)

    def _set_cookie(self, response: Response, value: str, *, max_age: int | None, secure: bool) -> None:
        response.set_cookie(
            self._cookie_name(secure),
            value,
            max_age=max_age,
            domain=self._domain,
            secure=secure,
            httponly=True,
            samesite=self._samesite if secure or self._samesite != "none" else "lax",
        )
        protect_from_caches(response, sets_cookie=True)


def protect_from_caches(response: Response, *, sets_cookie: bool) -> None:
    """Keep a visitor's response away from other visitors (RFC 9111, sections 3 and 5.2; CVE-2023-30861).

    It gets `Vary: Cookie`. Where it has no `Cache-Control` of its own it becomes `private`, as many shared caches ignore `Vary`;
    `private, no-store` where it sets the session's cookie. With one of its own, a response that sets the cookie loses `public` and
    `s-maxage` and gains `private`; one that only read the session is left as its author wrote it.
    """
    headers = response.headers
    headers.add_token("vary", "Cookie")
    own = headers.getlist("cache-control")
    if not any(own):
        headers["cache-control"] = "private, no-store" if sets_cookie else "private"
    elif sets_cookie:
        parts = [part.strip() for value in own for part in value.split(",") if part.strip()]
        kept = [part for part in parts if part.partition("=")[0].strip().lower() not in ("public", "s-maxage")]
        if not any(part.lower() in ("private", "no-store") for part in kept):
            kept.insert(0, "private")
        headers["cache-control"] = ", ".join(kept)


# What RFC 6265bis, section 5.7 lets a name and value take, less room for the attributes, which `format_cookie` counts too.
_COOKIE_LIMIT = 3900
_PURPOSE = "session:"
