"""The protections of a site (DESIGN 7), made from its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from erlen.app.secret import signing_keys
from erlen.app.settings import Settings
from erlen.errors import ConfigurationError, Mistake
from erlen.http.limits import Limits
from erlen.security.cookie_session import CookieSessions
from erlen.security.csrf import CsrfPolicy
from erlen.security.headers import ProtectiveHeaders
from erlen.security.hosts import HostPolicy
from erlen.security.proxies import Proxies
from erlen.security.signing import Signer

__all__ = ["Protections", "protect"]

Made = TypeVar("Made")

NO_KEY = Mistake("There is no key to sign with.", "setting SECRET_KEY", "run `erlen secret` and set SECRET_KEY to what it prints")


class Protections(Struct, frozen=True, eq=False):
    """What guards a site."""

    hosts: HostPolicy
    proxies: Proxies
    csrf: CsrfPolicy
    headers: ProtectiveHeaders
    sessions: CookieSessions
    signer: Signer | None
    limits: Limits

    def require_signer(self) -> Signer:
        """Return the signer.

        Raises:
            ConfigurationError: in production without `SECRET_KEY`.
        """
        if self.signer is None:
            raise ConfigurationError(NO_KEY)
        return self.signer


def protect(settings: Settings, file: str, mistakes: list[Mistake]) -> Protections:
    """Make the protections; settings that do not fit are added to `mistakes`, and their defaults used."""

    def made(make: Callable[[], Made], otherwise: Callable[[], Made]) -> Made:
        try:
            return make()
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
            return otherwise()

    keys = signing_keys(settings, file)
    signer = made(lambda: Signer(keys, debug=settings.debug) if keys else None, lambda: None)
    return Protections(
        hosts=made(lambda: HostPolicy(settings.allowed_hosts), HostPolicy),
        proxies=made(lambda: Proxies(settings.trusted_proxies, header=settings.proxy_header), Proxies),
        csrf=made(lambda: CsrfPolicy(settings.trusted_origins), CsrfPolicy),
        headers=made(lambda: ProtectiveHeaders(settings), lambda: ProtectiveHeaders(Settings())),
        sessions=CookieSessions(signer, settings),
        signer=signer,
        limits=msgspec.convert(settings, Limits, from_attributes=True),
    )
