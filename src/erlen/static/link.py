"""Links to static files."""

from __future__ import annotations

from erlen.app.site import Site
from erlen.errors import ErlenError
from erlen.http.request import active_request
from erlen.static.collection import Collection

__all__ = ["static"]


def static(name: str) -> str:
    """Return the URL of a static file: `static("css/site.css")`; in production it has the hash of the content in it.

    Args:
        name: as in the folder, with slashes; a blueprint's files begin with its name: `blog/post.css`.

    Raises:
        ErlenError: outside a request (use `site.extensions["static"].url(name)` there), or if this site has no static files.
        LookupError: in debug, for a name that no file has, naming those near it.
    """
    request = active_request.get(None)
    site = None if request is None else request.context
    if not isinstance(site, Site):
        raise ErlenError('static needs a request; outside one, use `app.site.extensions["static"].url(name)`')
    collection = site.extensions.get("static")
    if not isinstance(collection, Collection):
        raise ErlenError(f"there is no static file {name!r}: make a folder `static` beside the file that makes the application")
    return collection.url(name)
