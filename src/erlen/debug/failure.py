"""The application that answers while the user's own does not load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from erlen.app.application import App
from erlen.app.plugin import Setup
from erlen.app.routes import Policy
from erlen.app.settings import Settings
from erlen.app.sources import read_settings
from erlen.debug.pages import Pages
from erlen.debug.reload import Reload
from erlen.debug.report import make_report
from erlen.debug.tried import OWN_PREFIX
from erlen.errors import ConfigurationError
from erlen.http.request import Request
from erlen.http.response import TEXT, Response, encode_json
from erlen.security.hosts import HostPolicy

__all__ = ["failure_app"]


def failure_app(error: BaseException, root: str | os.PathLike[str] = ".") -> App:
    """Return an application that answers every request with the page of an error (500), and reloads the page with the next save.

    Args:
        error: what the import or the freeze of the user's application raised: a SyntaxError, an ImportError, a ConfigurationError.
        root: the folder of the user's application.
    """
    app = _FailureApp()
    # Not beside templates or static files: this application has none, whatever is wrong with the other's.
    app.file = os.fspath(Path(root).resolve() / ".erlen" / "failure.py")
    app.use(_Failure(error))
    return app


class _FailureApp(App):
    def read_settings(self, overrides: Mapping[str, Any] | None = None) -> tuple[Settings, dict[str, str]]:
        """Return settings of its own, as the mistake may be in the others; only the hosts are taken from those, if they fit."""
        root = os.path.dirname(os.path.dirname(self.file))
        # settings.toml may have keys of the application's own settings, which are not known here: then the environment alone counts.
        hosts = next((found for folder in (root, None) if (found := _hosts(folder)) is not None), ())
        own = Settings(allowed_hosts=hosts, csrf_protection=False, compression=False, hsts_seconds=0)
        return msgspec.structs.replace(own, **(overrides or {})), {}


def _hosts(folder: str | None) -> tuple[str, ...] | None:
    """Return the hosts that the settings allow, or None where those do not fit."""
    try:
        hosts = read_settings(Settings(), folder=folder)[0].allowed_hosts
        HostPolicy(hosts)
    except ConfigurationError:
        return None
    return hosts


class _Failure(Policy):
    """A plugin, and the policy that it adds, which answers in place of every handler."""

    name = "failure"
    requires = ()

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._reload = Reload.from_environment()
        self._pages = Pages(str if self._reload is None else self._reload.tag)

    def setup(self, setup: Setup) -> None:
        setup.add_middleware(self)
        if self._reload is not None:
            self._reload.add_routes(setup.routes)

    def before(self, request: Request) -> Response | None:
        """Return the page, or what a program reads in its place."""
        if self._reload is not None and request.path.startswith(OWN_PREFIX):
            return None
        report = make_report(self._error, 500, None)
        asked = request.accept
        if asked.prefers_html:
            answer = self._pages.error(report)
        elif asked.media_type("application/json", "text/plain") == "text/plain":
            answer = Response(report.text, 500, None, TEXT)
        else:
            document = {"type": "about:blank", "title": "The application does not start", "status": 500, "detail": report.text}
            answer = Response(encode_json(document), 500, None, "application/problem+json")
        answer.headers["cache-control"] = "no-store"
        answer.vary("Accept")
        return answer
