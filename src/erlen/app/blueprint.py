"""A part of an application in a module of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from erlen.app.routes import Middleware, Routes, SlashPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from erlen.app.plugin import Plugin

__all__ = ["Blueprint"]


class Blueprint(Routes):
    """Routes with a common prefix, name, hooks, error handlers, templates, static files and commands.

    Args:
        name: for `url_for("name.handler")`; nested names are joined with dots.
        prefix: before the path of every route; may have parameters: `/shelves/{shelf}`.
        host: only for this host.
        middleware: around every handler here, inside the application's.
        dependencies: `Depends(…)` called before every handler here.
        slashes: the slash policy of the routes here, the application's by default.
        templates: a folder of templates, found after the application's own, or a `Templates`; relative to the file that makes the
            blueprint.
        static: a folder of static files, likewise.
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str = "",
        host: str | None = None,
        middleware: Iterable[Middleware] = (),
        dependencies: Iterable[Any] = (),
        slashes: SlashPolicy | None = None,
        templates: str | Path | Plugin | None = None,
        static: str | Path | None = None,
    ) -> None:
        if not name or "." in name:
            raise ValueError(f"a blueprint's name is a word without dots, not {name!r}")
        super().__init__(middleware=middleware, dependencies=dependencies, slashes=slashes, templates=templates, static=static)
        self.file = sys._getframe(1).f_code.co_filename
        self.name = name
        self.prefix = prefix
        self.host = host

    def __repr__(self) -> str:
        return f"<Blueprint {self.name} {self.prefix or '/'}>"
