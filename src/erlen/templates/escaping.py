"""How a compiled template writes a value into HTML: the text of `markupsafe.escape`, without the `Markup` that it makes of each.

PERF: a page joins these texts at once, and marking each as safe before that was most of the time of a table: for a short text `escape`
takes 0.5 µs, `escape_text` 0.03.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any

import markupsafe
from markupsafe import Markup, escape

__all__ = ["PlainMessage", "choose_escape", "plain_message", "writer_of"]


def choose_escape(candidate: Callable[[str], str] | None) -> Callable[[str], str]:
    """Return a function if it makes the plain text of what MarkupSafe's `escape` makes of a `str`, or else `escape`."""
    if candidate is None:
        return escape
    narrow = "".join(map(chr, range(0x100)))
    # Python keeps texts in one of three widths, each of which has code of its own in MarkupSafe.
    samples = ["", "plain", "<&>\"'", narrow, narrow + "\u03a9<\ud800\uffff", narrow + "\U0001f9ea>"]
    try:
        made = [candidate(sample) for sample in samples]
    except Exception:  # noqa: BLE001 - whatever it raises, it is not the function that we know
        return escape
    same = all(type(text) is str and text == str(escape(sample)) for text, sample in zip(made, samples, strict=True))
    return candidate if same else escape


# What `escape` itself calls. It is private, and asking for MarkupSafe's version would load the metadata of packages: so it is tried.
escape_text: Callable[[str], str] = choose_escape(getattr(markupsafe, "_escape_inner", None))
"""Escape a text whose class is `str` itself. Like `writer_of`, it is for what `LiveCodeGenerator` writes."""

_WRITERS: dict[type, Callable[[Any], str]] = dict.fromkeys((int, float, bool, NoneType, Markup), str)

writer_of = _WRITERS.get
"""Return what writes values of a class, but not of its subclasses, where that is less than `escape`: `writer_of(type(value), escape)`."""


class PlainMessage(str):
    """A text to translate that is not written out in the template.

    Jinja takes what translations return for HTML; where that is this text again, it is escaped.
    """

    __slots__ = ()

    def __html__(self) -> str:
        return escape(str(self))


def plain_message(value: object) -> object:
    """Return a value that is to be translated such that it is escaped, unless it is HTML."""
    return value if hasattr(value, "__html__") else PlainMessage(value)
