"""What to mend before a site goes into production, and what to mind: `erlen check --deploy`, and the notes of `erlen run`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erlen.app.door import Door, needs_loop
from erlen.app.settings import Settings
from erlen.app.site import Site
from erlen.errors import Mistake

if TYPE_CHECKING:
    from erlen.static.collection import Collection

__all__ = ["deployment_mistakes", "deployment_notes", "start_notes"]

FEW = 5
FORGED = (
    "the proxies in TRUSTED_PROXIES must drop header names with underscores, as nginx does unless told otherwise: "
    "WSGI cannot tell a client's X_Forwarded_For from X-Forwarded-For"
)


def deployment_mistakes(site: Site) -> list[Mistake]:
    """Return what is unsafe in production about a site's settings, each with its fix."""
    return [Mistake(message, f"setting {setting.upper()}", fix) for setting, message, fix in _look(site.settings)]


def deployment_notes(site: Site) -> list[str]:
    """Return what is safe only as long as something outside of the settings is as it should be."""
    if not _takes_forged_headers(site.settings) or needs_loop(site):
        return []
    return [f"with `erlen run --door wsgi`, or another WSGI server, {FORGED}"]


def start_notes(site: Site, door: Door) -> Iterator[str]:
    """Yield what whoever starts a server should know.

    Raises:
        ConfigurationError: if there is a build of the static files that cannot be read.
    """
    settings = site.settings
    if settings.debug:
        yield "debug mode is on: visitors see the code and its data; unset DEBUG"
    elif not settings.secret_key:
        yield "no SECRET_KEY: sessions and flash messages fail until there is one; `erlen secret` makes it"
    if door == "wsgi" and _takes_forged_headers(settings):
        yield FORGED
    static: Collection | None = site.extensions.get("static")
    if static is not None and (changed := static.outdated(quick=True)):
        from erlen.static.collection import listed

        yield f"the static files have changed since they were built ({listed(changed)}): run `erlen static build`"


def _takes_forged_headers(settings: Settings) -> bool:
    """Whether headers are believed whose names a client can write in another way on WSGI; `Forwarded` has no hyphen."""
    return bool(settings.trusted_proxies) and settings.proxy_header == "x-forwarded"


def _look(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.debug:
        yield "debug", "Debug mode shows visitors the code and its data.", "unset DEBUG"
    if not settings.secret_key:
        yield (
            "secret_key",
            "There is no secret key: sessions, flash messages and signed values fail.",
            "run `erlen secret` and set SECRET_KEY to what it prints",
        )
    elif len(settings.secret_key) < 32 or len(set(settings.secret_key)) < FEW:
        yield (
            "secret_key",
            "The secret key is short or simple enough to be guessed.",
            "run `erlen secret` and set SECRET_KEY to what it prints",
        )
    for key in settings.secret_key_fallbacks:
        if len(key) < 32 or len(set(key)) < FEW:
            yield "secret_key_fallbacks", "A former secret key is weak, and still accepted.", "remove it from SECRET_KEY_FALLBACKS"
    if not settings.allowed_hosts:
        yield "allowed_hosts", "Only loopback names are answered.", "set ALLOWED_HOSTS to the names of this site, such as example.com"
    elif "*" in settings.allowed_hosts:
        yield (
            "allowed_hosts",
            "Every Host is believed, so links that are built from it can be poisoned.",
            "list the names of this site in ALLOWED_HOSTS",
        )
    if "*" in settings.trusted_proxies:
        yield "trusted_proxies", "Everyone may say which client they are.", "list the proxies' addresses in TRUSTED_PROXIES"
    if not settings.csrf_protection:
        yield (
            "csrf_protection",
            "Other sites can make a visitor's browser act here.",
            "remove CSRF_PROTECTION; exempt single routes with csrf=False",
        )
    if not settings.content_security_policy:
        yield "content_security_policy", "Injected scripts would run.", "remove CONTENT_SECURITY_POLICY, or write a policy into it"
    elif "'unsafe-inline'" in settings.content_security_policy:
        yield (
            "content_security_policy",
            "The policy allows inline scripts or styles, which is what injections are.",
            "use nonces: `request.csp_nonce`",
        )
    if not settings.content_type_nosniff:
        yield "content_type_nosniff", "Browsers may take an upload for a script.", "remove CONTENT_TYPE_NOSNIFF"
    if settings.frame_options.upper() not in ("DENY", "SAMEORIGIN"):
        yield "frame_options", "Other sites can frame this one and catch clicks.", "remove FRAME_OPTIONS"
    if not settings.referrer_policy or settings.referrer_policy in ("unsafe-url", "no-referrer-when-downgrade"):
        yield "referrer_policy", "Other sites learn the addresses of pages here.", "remove REFERRER_POLICY"
    if not settings.cross_origin_opener_policy or settings.cross_origin_opener_policy == "unsafe-none":
        yield "cross_origin_opener_policy", "A page that opens this one can reach into it.", "remove CROSS_ORIGIN_OPENER_POLICY"
    if settings.hsts_seconds < 31_536_000:
        yield "hsts_seconds", "Browsers do not insist on TLS for a year.", "remove HSTS_SECONDS once the whole site is served over TLS"
