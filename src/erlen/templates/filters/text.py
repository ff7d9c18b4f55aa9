"""Filters of plain text."""

from __future__ import annotations

import re
from textwrap import TextWrapper
from typing import Literal
from unicodedata import combining, normalize

from markupsafe import Markup

__all__ = ["capfirst", "slugify", "text_of", "wordwrap"]


def text_of(value: object) -> str:
    """Return a value as text: `Markup` for what is HTML already, nothing for None and for an undefined variable."""
    html = getattr(value, "__html__", None)
    if html is not None:
        return value if isinstance(value, Markup) else Markup(html())
    return "" if value is None else str(value)


def capfirst(value: object) -> str:
    """Write the first letter as a capital and leave the others: `{{ "mcDonald"|capfirst }}` is `McDonald`."""
    text = text_of(value)
    return text[:1].upper() + text[1:]


def slugify(value: object, allow_unicode: bool = False) -> str:
    """Make text fit for a URL: lower case, words joined by hyphens; `{{ "Crème brûlée!"|slugify }}` is `creme-brulee`.

    Accents are dropped and letters such as `ß` spelled out. What remains outside ASCII vanishes, or with `allow_unicode` is kept;
    so the result may be empty.
    """
    text = text_of(value)
    text = text.striptags() if isinstance(text, Markup) else text
    if not text.isascii():
        form: Literal["NFKC", "NFKD"] = "NFKC" if allow_unicode else "NFKD"
        text = normalize(form, _with_few_marks(text.lower().translate(_SPELLED) if not allow_unicode else text))
    text = (text if allow_unicode else text.encode("ascii", "ignore").decode("ascii")).lower()
    return _BETWEEN_WORDS("-", _NOT_IN_SLUG("", text)).strip("-_")


def wordwrap(value: object, width: int = 79, break_long_words: bool = True, wrapstring: str = "\n", break_on_hyphens: bool = True) -> str:
    r"""Break lines at words, so that none is longer than `width` characters; line breaks that are there stay.

    Args:
        value: text; HTML is broken only at white space.
        width: at least 1.
        break_long_words: break also within a word that is longer than a line.
        wrapstring: what stands between the lines (`"\n"`).
        break_on_hyphens: break also after hyphens.

    Raises:
        ValueError: if `width` is not positive.
    """
    text = text_of(value)
    plain = not isinstance(text, Markup)
    wrapper = _Wrapper(
        width=width,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=break_long_words and plain,
        break_on_hyphens=break_on_hyphens and plain,
    )
    lines = [wrapstring.join(wrapper.wrap(line)) for line in str(text).splitlines()]
    wrapped = wrapstring.join(lines)
    return wrapped if plain else Markup(wrapped)


def _with_few_marks(text: str) -> str:
    """Leave out combining marks after the thirtieth in a row (Unicode, annex 15, section 13): normalizing sorts them, in quadratic time."""
    kept: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if combining(letter) else 0
        if marks <= _MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


class _Wrapper(TextWrapper):
    """Linear in a long word: the standard library cuts line by line off its front, and copies the rest each time (CVE-2025-26699)."""

    def _split(self, text: str) -> list[str]:
        chunks = super()._split(text)
        if not self.break_long_words or self.width < 1:
            return chunks
        piece = 2 * self.width
        cut: list[str] = []
        for chunk in chunks:
            # Each piece is longer than a line, so that it is treated as the word would have been.
            ends = list(range(piece, len(chunk) - self.width, piece))
            cut += [chunk[start:end] for start, end in zip([0, *ends], [*ends, len(chunk)], strict=True)]
        return cut


_MOST_MARKS = 30
_NOT_IN_SLUG = re.compile(r"[^\w\s-]").sub
_BETWEEN_WORDS = re.compile(r"[\s-]+").sub
# Letters that Unicode does not take apart.
_SPELLED = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ð": "d", "đ": "d", "þ": "th", "ł": "l", "ı": "i"})
