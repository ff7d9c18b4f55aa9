"""Sessions kept whole in a signed, and where possible encrypted, cookie (OWASP Session Management Cheat Sheet)."""

from __future__ import annotations

from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.http.session import HttpSession
from erlen.security.encryption import is_available
from erlen.security.settings import SecuritySettings
from erlen.security.signing import BadSignature, Signer

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
        settings: of which these count. `session_cookie`: the cookie's name, without prefix. `session_max_age`: how long after its last
            saving a session ends, in seconds. `session_samesite`: `lax` keeps the cookie out of cross-site sub-requests, `strict` out
            of links too; `none` needs TLS, and is `lax` without. `session_domain`: also send it to the sub-domains of this one: they
            then can set it, too (the prefix becomes `__Secure-`).
        encrypt: by default where `cryptography` is installed; with False the visitor can read their session. Both forms are read in
            each case, so that switching signs nobody out.
    """

    def __init__(self, signer: Signer | None, settings: SecuritySettings, *, encrypt: bool | None = None) -> None:
        self._signer = signer
        self._settings = settings
        self._encrypt = is_available() if encrypt is None else encrypt

    def open(self, request: Request) -> HttpSession:
        """Return the session in the request's cookie, or a new one where there is none or it is not genuine.

        It is saved when the request ends.

        Raises:
            ConfigurationError: without a signer.
        """
        signer = self._signer
        if signer is None:
            fix = "run `erlen secret` and set SECRET_KEY to what it prints"
            raise ConfigurationError(Mistake("Sessions are signed with SECRET_KEY, and there is none.", fix=fix))
        settings, secure = self._settings, request.is_secure
        name = ("" if not secure else "__Secure-" if settings.session_domain else "__Host-") + settings.session_cookie
        session, renew = HttpSession(), False
        try:
            verified = signer.verify(request.cookies.get(name, ""), _PURPOSE + name, max_age=settings.session_max_age)
            session, renew = HttpSession.load(verified.data), verified.age > settings.session_max_age // 2
        except (BadSignature, ValueError):
            pass  # There is none, the key was changed, the cookie is old, or someone played with it: all begin anew.

        def save(request: Request, response: Response) -> None:
            if session.accessed:
                self._save(session, response, signer, name, secure=secure, renew=renew)

        if not request.ignores_cookies:
            request.finish_with(save)
        return session

    def _save(self, session: HttpSession, response: Response, signer: Signer, name: str, *, secure: bool, renew: bool) -> None:
        if not (session.modified or renew) or (session.is_empty and session.new):
            protect_from_caches(response, sets_cookie=False)
            return
        settings = self._settings
        cookie = "" if session.is_empty else signer.sign(session.dump(), _PURPOSE + name, encrypt=self._encrypt)
        if len(name) + len(cookie) > _COOKIE_LIMIT:
            raise SessionTooLarge(
                f"the session takes {len(name) + len(cookie)} bytes as a cookie, and browsers drop one of more than {_COOKIE_LIMIT}: keep "
                "less in it (an id instead of an object), or keep sessions on the server with `app.use(Sessions())` from erlen.sessions"
            )
        response.set_cookie(
            name,
            cookie,
            max_age=0 if not cookie else settings.session_max_age if session.permanent else None,
            domain=settings.session_domain or None,
            secure=secure,
            httponly=True,
            samesite=settings.session_samesite if secure or settings.session_samesite != "none" else "lax",
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
