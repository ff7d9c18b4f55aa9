"""Files where no route answers: those with a place at the root, and the pages of a built frontend."""

from __future__ import annotations

from erlen.http.media import OCTETS, guess_media_type
from erlen.http.request import Request
from erlen.http.response import RedirectResponse, Response
from erlen.http.url import encode_path
from erlen.static.collection import Collection

__all__ = ["Frontend", "RootFiles"]


class RootFiles:
    """Answers `/favicon.ico` and the like with the files of these names at the top of a collection."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def __call__(self, request: Request) -> Response | None:
        name = request.path[1:]
        if request.method not in ("GET", "HEAD") or not (name in _AT_ROOT or name.startswith(".well-known/")):
            return None
        return self.collection.respond(request, name)


class Frontend:
    """Answers the paths under a collection's prefix.

    Args:
        collection: the files.
        spa: whether `index.html` answers for its folder, and the one at the top for every page there is no file of.
    """

    def __init__(self, collection: Collection, *, spa: bool) -> None:
        self.collection = collection
        self.spa = spa

    def __call__(self, request: Request) -> Response | None:
        prefix = self.collection.prefix
        path = request.path
        if request.method not in ("GET", "HEAD") or not f"{path}/".startswith(f"{prefix}/"):
            return None
        name = path[len(prefix) + 1 :]
        return self.collection.respond(request, name) or (self._page(request, name) if self.spa else None)

    def _page(self, request: Request, name: str) -> Response | None:
        respond = self.collection.respond
        if not request.path.endswith("/"):
            if self.collection.index.find(f"{name}/index.html" if name else "index.html") is not None:
                # Without the slash, relative links in the page would lead to the folder above.
                query = f"?{request.query_string}" if request.query_string else ""
                return RedirectResponse(encode_path(f"{request.root_path}{request.path}/") + query, 308)
        elif (page := respond(request, f"{name}index.html")) is not None:
            return page
        last = name.rpartition("/")[2]
        if last.startswith(".") or guess_media_type(last) != OCTETS or not request.accept.prefers_html:
            return None
        page = respond(request, "index.html")
        if page is not None:
            page.vary("Accept")
        return page


_AT_ROOT = frozenset({"apple-touch-icon.png", "favicon.ico", "robots.txt"})
