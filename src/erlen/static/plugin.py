"""The battery of static files: folders served in development and in production, and built frontends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from erlen.app.routes import IncludeRecord, MountRecord, RouteRecord, caller
from erlen.errors import ConfigurationError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.static.collection import Collection
from erlen.static.fallback import Frontend, RootFiles
from erlen.static.source import Source

if TYPE_CHECKING:
    from erlen.app.plugin import Setup

__all__ = ["Static"]


class Static:
    """Serves static files.

    An application with a folder `static/`, or a build of it, has one already, which serves that and the folders of its blueprints.

    The application's files are at `/static/…` (the setting `static_url`; the route `static`), a blueprint's at
    `/static/<blueprint>/…`; a file of the application stands before a blueprint's of the same name. An application that answers
    everything there itself, with a mount or `/static/{rest:path}`, is left to it. `favicon.ico`, `robots.txt`,
    `apple-touch-icon.png` and `.well-known/…` in the application's folder also answer at the root, where no route does.

    In production only what is there at the start is served: the build that `erlen static build` made, or the folders. `static(name)`
    links to names with the hash of their content, which browsers keep for a year; under their plain names they are asked for anew
    each time (ETag). In debug, files are found at each request under their plain names.

    `app.use(Static("dist", prefix="/", spa=True))` serves a built frontend where no route answers. Its files keep their names.

    Args:
        folder: relative to the file that makes the application. Without `prefix`, its files come before the application's others.
        prefix: the path to serve the folder at; without `folder`, in place of the setting `static_url`.
        spa: answer with the folder's `index.html` what browsers navigate to under the prefix, unless it looks like a file. A
            folder's own `index.html` answers for the folder: `/guide/`.
        immutable: a pattern (`fnmatch`) of names that hold a hash of their content, such as `assets/*`, for browsers to keep.

    Raises:
        ConfigurationError: if `spa` or `immutable` is given without folder and prefix, or a prefix is no path; when the application
            freezes, if a folder is not there, or holds the application itself.
    """

    requires: Sequence[str] = ()

    def __init__(self, folder: str | Path | None = None, *, prefix: str | None = None, spa: bool = False, immutable: str = "") -> None:
        self.where = caller()[0]
        self.folder = folder
        self.prefix = None if prefix is None else prefix.rstrip("/")
        self.spa = spa
        self.immutable = immutable
        self.is_own = folder is not None and prefix is not None
        """Whether it serves one folder by itself, apart from the application's static files."""
        self.name = f"static:{prefix}" if self.is_own else "static"
        if (spa or immutable) and not self.is_own:
            fix = 'say both: `Static("dist", prefix="/", spa=True)`'
            raise ConfigurationError(Mistake("`spa` and `immutable` are for a folder with a prefix of its own", self.where, fix))
        if self.prefix and not _PATH(self.prefix):
            raise ConfigurationError(Mistake(f"{prefix!r} is no prefix", self.where, "write a path from the root: `/docs`"))

    def setup(self, setup: Setup) -> None:
        """Serve the files of one site."""
        if self.is_own:
            self._serve_folder(setup)
        else:
            self._serve_application(setup)

    def _serve_application(self, setup: Setup) -> None:
        settings = setup.settings
        url = settings.static_url.rstrip("/") if self.prefix is None else self.prefix
        found = _URL(url)
        if found is None or not url:
            message = f"the static files cannot be at {url!r}"
            where = "the setting STATIC_URL" if self.prefix is None else self.where
            raise ConfigurationError(Mistake(message, where, "write a path such as `/static`, or `https://cdn.example.com/static`"))
        sources = [] if self.folder is None else [Source(_real(setup, self.folder))]
        private = [setup.root]
        for folder in setup.folders("static"):
            if folder.given is not None:
                message = f"`static` is {folder.given!r}, which is no folder"
                raise ConfigurationError(Mistake(message, str(folder.path), "give a folder; for more than that, `app.use(Static(…))`"))
            sources.append(Source(os.path.realpath(folder.path), folder.names.replace(".", "/")))
            private.append(folder.beside)
        _keep_private(private, sources)
        collection = Collection(
            sources,
            url=url,
            prefix=found[1] or "/static",
            output=_real(setup, settings.static_build),
            debug=settings.debug,
            root_path=settings.root_path.rstrip("/"),
        )
        setup.share("static", collection)
        setup.add_check(lambda _: [*collection.mistakes(), *_policy_mistakes(url, settings.content_security_policy)])
        setup.add_fallback(RootFiles(collection))
        own = [record for record in setup._app.records if not isinstance(record, IncludeRecord)]
        if not any(_answers_below(record, collection.prefix) for record in own):
            taken = any(record.name == "static" for record in own)
            _add_route(setup, collection, f"static:{collection.prefix}" if taken else "static")

    def _serve_folder(self, setup: Setup) -> None:
        settings, prefix = setup.settings, self.prefix or ""
        root = _real(setup, self.folder or "")
        if not settings.debug and not Path(root).is_dir():
            fix = "build the frontend before the site starts, or correct the folder's name"
            raise ConfigurationError(Mistake(f"the folder {root} is not there", self.where, fix))
        _keep_private([setup.root], [Source(root)])
        collection = Collection([Source(root)], url=prefix, prefix=prefix, debug=settings.debug, immutable=self.immutable)
        if self.spa or not prefix:
            setup.add_fallback(Frontend(collection, spa=self.spa))
            setup.on_startup(collection.open)
        else:
            _add_route(setup, collection, self.name)

    def __repr__(self) -> str:
        return f"<Static {self.name}>"


def _add_route(setup: Setup, collection: Collection, route: str) -> None:
    def serve(request: Request, filename: str) -> Response:
        return collection.serve(request, filename)

    # Not in a thread: a look-up in a dictionary, and the server sends the file.
    setup.routes.add_route(f"{collection.prefix}/{{filename:path}}", serve, name=route, threaded=False, slashes="strict")
    setup.on_startup(collection.open)


def _answers_below(record: RouteRecord | MountRecord, prefix: str) -> bool:
    """Return whether an application answers everything under a prefix itself."""
    if isinstance(record, MountRecord):
        return record.path.rstrip("/") == prefix
    return "GET" in record.methods and _REST(record.path.removeprefix(prefix)) is not None and record.path.startswith(prefix)


def _policy_mistakes(url: str, policy: str) -> list[Mistake]:
    """Return that browsers load nothing from the host that links lead to, where the Content-Security-Policy does not name it."""
    host = url.partition("//")[2].partition("/")[0]
    if not host or not policy or host in policy:
        return []
    message = f"STATIC_URL leads to {host}, and the Content-Security-Policy keeps browsers from loading anything there"
    return [Mistake(message, fix=f"name {host} in CONTENT_SECURITY_POLICY: in default-src, img-src and whatever else it restricts")]


def _keep_private(private: Iterable[Path], sources: Iterable[Source]) -> None:
    """Refuse folders that the application or a blueprint lies in: its code and settings would be served (CWE-552)."""
    roots = [Path(os.path.realpath(folder)) for folder in private]
    mistakes = [
        Mistake("the static files lie around the application, whose code would be public", source.root, "give a folder of their own")
        for source in sources
        if any(root.is_relative_to(source.root) for root in roots)
    ]
    if mistakes:
        raise ConfigurationError(mistakes)


def _real(setup: Setup, folder: str | Path) -> str:
    return os.path.realpath(setup.root / folder)


_REST = re.compile(r"/\{\w+:path[^/]*").fullmatch
_SEGMENT = r"/(?!\.\.?(?:/|$))[A-Za-z0-9\-._~]+"
_PATH = re.compile(f"(?:{_SEGMENT})+").fullmatch
_URL = re.compile(rf"(?:(?:https?:)?//[^/\s?#]+)?((?:{_SEGMENT})*)").fullmatch
