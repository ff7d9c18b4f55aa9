"""What `Client` and `AsyncClient` have in common: everything but how they wait."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from erlen.app.application import App
from erlen.app.door import Door
from erlen.app.site import Site
from erlen.http.session import HttpSession
from erlen.testing.connection import Connection
from erlen.testing.cookies import CookieJar
from erlen.testing.outgoing import RequestHeaders
from erlen.testing.verbs import Answer, Verbs

__all__ = ["Connected"]


class Connected(Verbs[Answer]):
    """A client with a `Connection`; see `Client` for the arguments.

    Raises:
        ConfigurationError: listing the application's mistakes.
    """

    def __init__(
        self,
        app: App | Site,
        *,
        door: Door | None = None,
        overrides: Mapping[Any, Any] | None = None,
        base_url: str = "http://localhost",
        headers: RequestHeaders = None,
        follow_redirects: bool = False,
        raise_errors: bool = True,
    ) -> None:
        self._connection = Connection(
            app,
            door=door,
            overrides=overrides,
            base=base_url,
            headers=headers,
            follow_redirects=follow_redirects,
            raise_errors=raise_errors,
        )
        self._prepare()

    def _prepare(self) -> None:
        """Make what this kind of client has besides; called once."""

    @property
    def site(self) -> Site:
        """The frozen application: its settings, routes, `url_for`."""
        return self._connection.site

    @property
    def door(self) -> Door:
        """The interface that requests go through."""
        return self._connection.door

    @property
    def cookies(self) -> CookieJar:
        """The cookies that the client keeps between requests: name -> value."""
        return self._connection.cookies

    def session(self) -> AbstractContextManager[HttpSession]:
        """Read and change the session of this client's cookies; it is saved when the block ends without an exception."""
        return self._connection.session()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.site!r} through {self.door}>"
