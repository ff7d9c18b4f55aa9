"""Filters that make HTML. Text is escaped on the way; what is `Markup` already is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from markupsafe import Markup, escape

from erlen.schema.encode import json_encoder
from erlen.templates.filters.text import text_of

__all__ = ["json_script", "linebreaks", "linebreaksbr", "linenumbers", "spaceless", "unordered_list"]


def linebreaks(value: object) -> Markup:
    r"""Make paragraphs of what blank lines separate, and `<br>` of single line breaks: `"a\nb\n\nc"` is two paragraphs."""
    text = _with_line_feeds(value).strip("\n")
    paragraphs = _BLANK_LINES(text) if text else []
    return Markup("\n\n").join(Markup(f"<p>{_broken(paragraph)}</p>") for paragraph in paragraphs)


def linebreaksbr(value: object) -> Markup:
    """Make `<br>` of line breaks."""
    return Markup(_broken(_with_line_feeds(value)))


def linenumbers(value: object) -> Markup:
    """Put its number before each line: `1. one`, `2. two`, as wide as the last one."""
    lines = _with_line_feeds(value).split("\n")
    width = len(str(len(lines)))
    return Markup("\n".join(f"{number:0{width}}. {line}" for number, line in enumerate(lines, 1)))


def spaceless(value: object) -> Markup:
    """Remove white space between tags, but not within text: `{% filter spaceless %}<p> <b>a</b> </p>{% endfilter %}`."""
    return Markup(_BETWEEN_TAGS("><", str(escape(text_of(value))).strip()))


def unordered_list(value: Iterable[Any] | None) -> Markup:
    """Make list items of a nested list: `<ul>{{ ["Europe", ["Austria", "Italy"], "Asia"]|unordered_list }}</ul>`.

    A list within the list holds what stands under the item before it. None is an empty list.

    Raises:
        ValueError: if it nests deeper than 100 levels, or contains itself.
    """
    return Markup("\n".join(_items(value or (), 1)))


def json_script(value: object, element_id: str | None = None) -> Markup:
    """Give scripts a value: `{{ points|json_script("points") }}`.

    A script reads it by `JSON.parse(document.getElementById("points").textContent)`. The element holds data and runs nothing, so a
    strict Content-Security-Policy lets it pass without a nonce. Nothing in the value can end the element (CWE-79). Dates, decimals,
    models and the like become what they become in a JSON response.

    Args:
        value: what can become JSON.
        element_id: the `id` of the element; by default it has none.

    Raises:
        TypeError: for what cannot become JSON, saying where it stands.
    """
    data = _encode_json(value).decode("utf-8").translate(_UNSAFE_IN_SCRIPT)
    named = Markup("") if element_id is None else Markup(' id="{}"').format(element_id)
    return Markup(f'<script{named} type="application/json">{data}</script>')


def _with_line_feeds(value: object) -> str:
    return _LINE_BREAK("\n", str(escape(text_of(value))))


def _broken(html: str) -> str:
    return html.replace("\n", "<br>\n")


def _items(values: Iterable[Any], depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError(f"a list nests deeper than {_DEEPEST} levels, or contains itself")
    item: str | None = None
    for value in values:
        if isinstance(value, Iterable) and not isinstance(value, str) and not hasattr(value, "__html__"):
            # Without indentation, which would make the result grow with the square of the depth.
            yield f"<li>{'' if item is None else item}\n<ul>"
            yield from _items(value, depth + 1)
            yield "</ul>\n</li>"
            item = None
            continue
        if item is not None:
            yield f"<li>{item}</li>"
        item = str(escape(text_of(value)))
    if item is not None:
        yield f"<li>{item}</li>"


_encode_json = json_encoder()
# What could end the element or begin a comment in it, and what is a line break to a script but not to JSON.
_UNSAFE_IN_SCRIPT = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}
_LINE_BREAK = re.compile(r"\r\n|\r").sub
_BLANK_LINES = re.compile(r"\n{2,}").split
_BETWEEN_TAGS = re.compile(r">\s+<").sub
_DEEPEST = 100
