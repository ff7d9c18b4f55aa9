"""Templates: Jinja2 with components, fragments and streaming, filters people expect, pagination, sitemaps and feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erlen.templates.feed import Enclosure, Feed, FeedEntry, Person
    from erlen.templates.page import Page, render, render_async, render_string, render_text, render_untrusted, stream_page
    from erlen.templates.pagination import Paginated, Pagination, paginate
    from erlen.templates.plugin import Templates
    from erlen.templates.sitemap import SitemapEntry, sitemap_index_response, sitemap_response

__all__ = [
    "Enclosure",
    "Feed",
    "FeedEntry",
    "Page",
    "Paginated",
    "Pagination",
    "Person",
    "SitemapEntry",
    "Templates",
    "paginate",
    "render",
    "render_async",
    "render_string",
    "render_text",
    "render_untrusted",
    "sitemap_index_response",
    "sitemap_response",
    "stream_page",
]

_ROOMS = {
    "erlen.templates.feed": "Enclosure Feed FeedEntry Person",
    "erlen.templates.page": "Page render render_async render_string render_text render_untrusted stream_page",
    "erlen.templates.pagination": "Paginated Pagination paginate",
    "erlen.templates.plugin": "Templates",
    "erlen.templates.sitemap": "SitemapEntry sitemap_index_response sitemap_response",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> object:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module 'erlen.templates' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(room), name)
    globals()[name] = value
    return value
