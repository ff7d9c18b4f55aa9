"""The references in a style sheet (CSS Syntax Level 3): `url(…)`, `@import "…"` and the source map."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erlen.static.reference import Reference

__all__ = ["css_references"]


def css_references(text: str) -> Iterator[Reference]:
    """Yield the references in a style sheet, in order; none from comments (but the source map) and other strings."""
    for found in _TOKEN(text):
        if found["comment"] is not None:
            source_map = _MAP(text, *found.span("comment"))
            if source_map is not None:
                yield Reference(*source_map.span(1), source_map[1], is_map=True)
            continue
        for group in ("quoted", "quoted_once", "bare", "imported", "imported_once"):
            if found[group] is not None:
                yield Reference(*found.span(group), _unescape(found[group].strip()))


_DOUBLE, _SINGLE = r'(?:[^"\\\n]|\\.)*+', r"(?:[^'\\\n]|\\.)*+"
# Whatever begins is taken to its end, also where that is missing: nothing is read twice, so the time is linear.
_TOKEN = re.compile(
    rf"""
      (?P<comment>/\*.*?(?:\*/|\Z))
    | (?<![\w-])url\(\s*+(?:
          "(?P<quoted>{_DOUBLE})"
        | '(?P<quoted_once>{_SINGLE})'
        | (?P<bare>(?:[^\s"'()\\]|\\.)++)(?=\s*+\))
      )
    | @import\s*+(?:"(?P<imported>{_DOUBLE})"|'(?P<imported_once>{_SINGLE})')
    | "{_DOUBLE}"?
    | '{_SINGLE}'?
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
).finditer
_MAP = re.compile(r"/\*[#@]\s*+sourceMappingURL=([^\s*]++)\s*+\*/").match
_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})\s?|(.))", re.DOTALL)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: found[2] or chr(min(int(found[1], 16), 0x10FFFF)), text)
