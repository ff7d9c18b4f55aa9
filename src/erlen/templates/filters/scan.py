"""HTML taken apart into tags and text, in one pass whose work is linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

__all__ = ["Piece", "scan_html"]


class Piece(NamedTuple):
    """A stretch of HTML."""

    kind: Literal["text", "open", "close", "other"]
    """`other`: comments, declarations, tags of elements that have no end, and what stands in scripts and the like."""
    source: str
    name: str = ""
    """Of a tag, the element's in lower case."""


def scan_html(html: str) -> Iterator[Piece]:
    """Yield the pieces of HTML, which joined give it again; a tag or comment that does not end is left out with all after it.

    The parser of the standard library is quadratic in unfinished tags on some of the Pythons that Erlen runs on (CVE-2025-6069).
    """
    position = 0
    while (start := html.find("<", position)) >= 0:
        end, kind, name = _end_of_tag(html, start)
        if kind is None:
            # A bare "<" is text.
            yield Piece("text", html[position:end])
            position = end
            continue
        if start > position:
            yield Piece("text", html[position:start])
        if end < 0:
            return
        yield Piece(kind, html[start:end], name)
        position = end
        if kind == "open" and name in _RAW:
            close = re.compile(f"</{name}", re.IGNORECASE).search(html, position)
            if close is None:
                return
            yield Piece("other", html[position : close.start()])
            position = close.start()
    if position < len(html):
        yield Piece("text", html[position:])


def _end_of_tag(html: str, start: int) -> tuple[int, Literal["open", "close", "other"] | None, str]:
    """Return where what begins at `<` ends (-1: nowhere), its kind (None for text) and its name."""
    if html.startswith("<!--", start):
        return _after(html, "-->", start + 2), "other", ""
    if html.startswith(("<!", "<?"), start):
        return _after(html, ">", start), "other", ""
    tag = _TAG(html, start)
    if tag is None:
        return start + 1, None, ""
    name = tag[2].lower()
    end = _end_of_attributes(html, tag.end())
    if tag[1]:
        return end, "close", name
    return end, "other" if name in _VOID or html.endswith("/>", start, max(end, start)) else "open", name


def _end_of_attributes(html: str, position: int) -> int:
    while (mark := _MARK(html, position)) is not None:
        if mark[0] == ">":
            return mark.end()
        close = html.find(mark[0][-1], mark.end())
        if close < 0:
            return -1
        position = close + 1
    return -1


def _after(html: str, what: str, position: int) -> int:
    found = html.find(what, position)
    return found if found < 0 else found + len(what)


_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)").match
# A quote begins a value only after "="; elsewhere it is part of a name.
_MARK = re.compile(r">|=\s*[\"']").search
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"])
_RAW = frozenset(("script", "style", "textarea", "title"))
