"""The pages of development: of an error, and the first one of a new application."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from erlen.debug.frames import Frame, shown_path
from erlen.debug.report import Report
from erlen.debug.tried import RouteRow
from erlen.http.response import HTML, Response

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Pages", "editor_link"]

FOLDER = Path(__file__).parent / "templates"
EDITORS = {
    "cursor": "cursor://file/{path}:{line}",
    "idea": "idea://open?file={path}&line={line}",
    "pycharm": "pycharm://open?file={path}&line={line}",
    "sublime": "subl://open?url=file://{path}&line={line}",
    "vscode": "vscode://file/{path}:{line}",
    "vscodium": "vscodium://file/{path}:{line}",
    "zed": "zed://file/{path}:{line}",
}


class Pages:
    """Makes the pages; each is whole in itself, and asks nothing of other places.

    Args:
        reload: the tag that loads the script for live reload, or nothing.
    """

    def __init__(self, reload: Callable[[], str] = str) -> None:
        self._reload = reload

    def error(self, report: Report, *, console: str = "", console_key: Callable[[Frame], str] = lambda frame: "") -> Response:
        """Return the page of an error.

        Args:
            report: what it shows.
            console: where the console's requests go, or nothing without one.
            console_key: what names a frame to the console.
        """
        return self._page("error.html", report.status, report=report, console=console, console_key=console_key, editor=editor_link)

    def welcome(self, status: int, file: str, routes: list[RouteRow]) -> Response:
        """Return the first page of an application that has no route for `/` yet; `file` is the one that makes it."""
        return self._page("welcome.html", status, root_file=shown_path(file), routes=routes)

    def _page(self, template: str, status: int, **values: object) -> Response:
        from markupsafe import Markup

        import erlen

        nonce = secrets.token_urlsafe(16)
        page = self._environment.get_template(template).render(
            nonce=nonce,
            version=erlen.__version__,
            reload=Markup(self._reload()),  # noqa: S704 - the tag escapes what it is made of
            **values,
        )
        # The page's own policy, so that it looks the same whatever the site's says; nothing from elsewhere, and no frame around it.
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'self' 'nonce-{nonce}'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "same-origin"}
        return Response(page, status, headers, HTML)

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        return Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )


def editor_link(file: str, line: int) -> str:
    """Return the link that opens a line in the editor that `ERLEN_EDITOR` names, or nothing.

    `ERLEN_EDITOR` (or `EDITOR_URL`) is a name such as `vscode` or `pycharm`, or a URL with `{path}` and `{line}`.
    """
    said = os.environ.get("ERLEN_EDITOR") or os.environ.get("EDITOR_URL") or ""
    url = EDITORS.get(said.lower(), said)
    if "://" not in url or "{path}" not in url or file.startswith("<"):
        return ""
    path = "/" + os.path.abspath(file).replace("\\", "/").lstrip("/")
    return url.replace("://file/{path}", "://file{path}").replace("{path}", quote(path, safe="/:")).replace("{line}", str(line))
