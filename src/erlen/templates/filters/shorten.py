"""Filters that shorten text and HTML to so many words or characters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from markupsafe import Markup, escape

from erlen.templates.filters.scan import scan_html
from erlen.templates.filters.text import text_of

__all__ = ["truncate_html", "truncate_words"]


def truncate_words(value: object, count: int, end: str = "…") -> str:
    """Keep the first words: `{{ article.body|truncate_words(30) }}`.

    Args:
        value: text; of HTML (`Markup`), what `truncate_html` makes.
        count: how many words, separated by white space.
        end: what follows where something was left out.
    """
    text = text_of(value)
    if isinstance(text, Markup):
        return truncate_html(text, count, end=end)
    cut = _end_of(text, count)
    return text if cut is None else text[:cut] + end


def truncate_html(value: object, count: int, by: Literal["words", "characters"] = "words", end: str = "…") -> Markup:
    """Keep the first words or characters of HTML and close the elements that are open there.

    `{{ page.html|truncate_html(50) }}` shortens `Markup`; text that is not marked as safe is shortened as text and escaped. Tags,
    comments, and what stands in scripts and styles count nothing; a character reference such as `&amp;` counts as one character.

    Args:
        value: HTML.
        count: how many words, or characters, are kept.
        by: what is counted.
        end: what follows where something was left out; escaped unless it is `Markup`.

    Raises:
        ValueError: if `by` is something else.
    """
    if by not in _UNITS:
        raise ValueError(f"HTML is shortened by words or by characters, not by {by!r}")
    text = text_of(value)
    if not isinstance(text, Markup):
        cut = _end_of(text, count) if by == "words" else max(count, 0) if len(text) > count else None
        return escape(text) if cut is None else escape(text[:cut]) + escape(end)
    unit = _UNITS[by]
    kept: list[str] = []
    open_names: list[str] = []
    how_often: Counter[str] = Counter()
    left = max(count, 0)
    for piece in scan_html(str(text)):
        source = piece.source
        if piece.kind == "text":
            end_of_last = 0
            for match in unit.finditer(source):
                if not left:
                    kept.append(source[:end_of_last])
                    closing = "".join(f"</{name}>" for name in reversed(open_names))
                    return Markup("".join(kept)) + escape(end) + Markup(closing)
                left -= 1
                end_of_last = match.end()
            if not left:
                source = source[:end_of_last]
        elif not left:
            # What follows the last word is only looked through for another one.
            continue
        elif piece.kind == "open":
            open_names.append(piece.name)
            how_often[piece.name] += 1
        elif piece.kind == "close" and how_often[piece.name]:
            # Each name is taken off once, and a name that is not there is known by its count: linear (CVE-2024-27351).
            while True:
                name = open_names.pop()
                how_often[name] -= 1
                if name == piece.name:
                    break
        kept.append(source)
    return text


def _end_of(text: str, count: int) -> int | None:
    """Return where the first `count` words end; None if there are no more than that."""
    end = 0
    for number, match in enumerate(_WORD.finditer(text)):
        if number >= count:
            return end
        end = match.end()
    return None


_WORD = re.compile(r"\S+")
# A character reference (WHATWG HTML, section 13.5) is one character; the longest name has 32.
_CHARACTER = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|.", re.DOTALL)
_UNITS = {"words": _WORD, "characters": _CHARACTER}
