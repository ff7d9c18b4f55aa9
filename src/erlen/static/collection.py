"""Static files under one URL prefix: answered, and linked to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from erlen.errors import ConfigurationError, Mistake, NotFound
from erlen.http.file import FileResponse
from erlen.http.media import guess_media_type
from erlen.http.request import Request, active_request
from erlen.static.index import BuiltIndex, Found, Index, LiveIndex, StartIndex, StaticFile
from erlen.static.manifest import MANIFEST, read_manifest
from erlen.static.naming import digest_of
from erlen.static.source import Source

__all__ = ["Collection", "listed"]


class Collection:
    """Static files under one URL prefix.

    In debug they are found on disk at each request and keep their names. Otherwise what is there at the start is all there is: the
    build, where there is one, else the folders.

    Args:
        sources: the folders; where a name is in several, the first counts.
        url: what links begin with, without a slash at the end: `/static`, or `https://cdn.example.com/static`.
        prefix: the path that this site serves them at, likewise; empty for the root.
        output: the folder of the build; without one, files keep their names.
        debug: see above.
        root_path: what comes before `url` outside a request.
        immutable: a pattern of names that say their content, as bundlers write them.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        url: str,
        prefix: str,
        output: str = "",
        debug: bool = False,
        root_path: str = "",
        immutable: str = "",
    ) -> None:
        self.sources = sources
        self.base_url = url
        self.prefix = prefix
        self.output = output
        self.debug = debug
        self.root_path = root_path
        self.immutable = immutable
        self._is_elsewhere = url != "" and (url[0] != "/" or url.startswith("//"))
        self._headers = [("access-control-allow-origin", "*")] if self._is_elsewhere else []
        self._paths: dict[str, str] = {}
        self._unknown: set[str] = set()

    @cached_property
    def index(self) -> Index:
        """What is served; made when it is first used, at the latest when a worker starts.

        Raises:
            ConfigurationError: if there is a build whose manifest cannot be read.
        """
        if self.debug:
            return LiveIndex(self.sources)
        manifest = read_manifest(self.output) if self.output else None
        if manifest is not None:
            return BuiltIndex(self.output, manifest)
        return StartIndex(self.sources, hashes=bool(self.output), immutable=self.immutable)

    def open(self) -> None:
        """Find out what is served, where that is fixed at the start."""
        index = self.index
        if isinstance(index, StartIndex):
            _ = index.files

    def collect(self) -> dict[str, StaticFile]:
        """Return the files of all folders, by name, for a build."""
        return StartIndex(self.sources).files

    @property
    def has_folder(self) -> bool:
        """Whether the application's own files are there; an image may have the build alone, beside blueprints of installed packages."""
        return any(not source.base and os.path.isdir(source.root) for source in self.sources)

    def outdated(self, *, quick: bool = False) -> list[str]:
        """Return the names of files that are not what was built; none where there is no build, or no folder to compare it with.

        Args:
            quick: for a server that starts: read only files that were touched since the build, and no large ones.

        Raises:
            ConfigurationError: if the manifest of the build cannot be read.
        """
        manifest = read_manifest(self.output) if self.output else None
        if manifest is None or self.debug:
            return []
        since = _touched(os.path.join(self.output, MANIFEST)) if quick else 0
        built = {name: one.source for name, one in manifest.files.items()}
        found = {name: _digest(file.path, since, built.get(name, "")) for name, file in self.collect().items()}
        names = {*built, *found} if self.has_folder else found
        return sorted(name for name in names if built.get(name) != found.get(name))

    def mistakes(self) -> list[Mistake]:
        """Return what is wrong with the build, for `erlen check`."""
        try:
            changed = self.outdated()
        except ConfigurationError as error:
            return list(error.mistakes)
        if not changed:
            return []
        return [Mistake(f"the build of the static files is not up to date: {listed(changed)}", self.output, "run `erlen static build`")]

    # -- answers ------------------------------------------------------------------------------------------------------------

    def serve(self, request: Request, name: str) -> FileResponse:
        """Answer with a file.

        Raises:
            NotFound: if there is none of this name; in debug it says where it was looked for.
        """
        response = self.respond(request, name)
        if response is None:
            raise NotFound(f"There is no static file {name!r} in {self._searched(name)}." if self.debug else "")
        return response

    def respond(self, request: Request, name: str) -> FileResponse | None:
        """Return the file of a name, plain or hashed, in the coding that suits the client; None where there is none."""
        found = self.index.find(name)
        return None if found is None else self._answer(request, found)

    def _answer(self, request: Request, found: Found) -> FileResponse:
        file, keeps = found
        path, tag = file.path, file.etag
        fields = [("cache-control", _FOR_EVER if keeps else "no-cache"), *self._headers]
        if file.variants:
            fields.append(("vary", "Accept-Encoding"))
            # A part of a compressed file is of no use to most who ask for parts: they get them of the plain one.
            plain = request.header("range") is not None
            coding = None if plain else request.accept.encoding(*(coding for coding, _ in file.variants))
            for offered, path_of_variant in file.variants:
                if offered == coding:
                    path = path_of_variant
                    tag = tag and f"{tag}-{coding}"
                    fields.append(("content-encoding", offered))
        if tag:
            fields.append(("etag", f'"{tag}"'))
        return FileResponse(path, content_type=guess_media_type(file.name), headers=fields)

    def _searched(self, name: str) -> str:
        folders = [source.root for source in self.sources if name.startswith(source.base)]
        return ", ".join(folders) or "any folder"

    # -- links --------------------------------------------------------------------------------------------------------------

    def url(self, name: str) -> str:
        """Return the URL of a file, by its plain name: `css/site.css`, or `blog/post.css` of the blueprint `blog`.

        Raises:
            LookupError: in debug, for a name that no file has, naming those near it. In production the page is not lost for it:
                the name is linked to as it is, and logged once.
        """
        path = self._paths.get(name)
        if path is None:
            path = self._path(name)
        if self._is_elsewhere:
            return path
        request = active_request.get(None)
        return (self.root_path if request is None else request.root_path) + path

    def _path(self, name: str) -> str:
        from erlen.http.url import encode_path

        public = self.index.public_name(name)
        path = f"{self.base_url}/{encode_path(name if public is None else public)}"
        if public is None:
            message = self.missing(name)
            if self.debug:
                raise LookupError(message)
            if name not in self._unknown and len(self._unknown) < _REPORTED:
                self._unknown.add(name)
                import logging

                logging.getLogger("erlen").error("%s", message)
        elif not self.debug:
            self._paths[name] = path
        return path

    def has(self, name: str) -> bool:
        """Return whether there is a file of a plain name; it is taken to be there where the build cannot be read."""
        try:
            return self.index.public_name(name) is not None
        except ConfigurationError:  # which `mistakes` reports
            return True

    def missing(self, name: str) -> str:
        """Return a sentence that says that there is no file of a name, and which names are near."""
        from difflib import get_close_matches

        near = get_close_matches(name.lstrip("/"), list(self.index.names()), 3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        searched = self.output if isinstance(self.index, BuiltIndex) else self._searched(name)
        return f"there is no static file {name!r} in {searched}{hint}"


def listed(names: Sequence[str]) -> str:
    """Return names for a message, with a count of those after the first five."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _digest(path: str, since: int, built: str) -> str:
    """Return the hash of a file, or the one that it was built from, where it was not touched since or is too large to read."""
    try:
        if built and since and (_touched(path) < since or os.path.getsize(path) > _LARGE):
            return built
        return digest_of(path)
    except OSError:  # It is just gone, or closed to us: not as it was built in any case.
        return ""


def _touched(path: str) -> int:
    """Return when a file was written or put in its place: copying keeps the time of the content, but not the other."""
    status = os.stat(path)
    return max(status.st_mtime_ns, status.st_ctime_ns)


_FOR_EVER = "public, max-age=31536000, immutable"
_REPORTED = 100
_LARGE = 4 * 1024 * 1024
