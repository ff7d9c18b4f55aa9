"""Names made of a class's name: its table's, and what people call one or several of it."""

from __future__ import annotations

import re

__all__ = ["label_of", "plural_of", "snake_case"]


def snake_case(name: str) -> str:
    """Return a class's name in snake_case: `HTTPLogEntry` → `http_log_entry`."""
    return _WORD_START.sub("_", name).lower()


def label_of(name: str) -> str:
    """Return a name in words, for people: `LogEntry` and `log_entry` → `Log entry`, `HTTPLog` → `HTTP log`."""
    words = [word for word in _WORD_START.sub("_", name).split("_") if word]
    text = " ".join(_LETTERS.get(word.lower()) or (word if word.isupper() and len(word) > 1 else word.lower()) for word in words)
    return text[:1].upper() + text[1:]


def plural_of(name: str) -> str:
    """Return the English plural of a name's last word; a word that ends in a single `s` is taken for one already (`settings`, `news`)."""
    head, last = _LAST_WORD.fullmatch(name).groups()  # type: ignore[union-attr]  # it matches every text
    word = last.lower()
    if word in _IRREGULAR:
        plural = _IRREGULAR[word]
        return head + (last[:1] + plural[1:] if plural[:1] == word[:1] else plural)
    if word.endswith(("ss", "us", "is", "as", "x", "z", "ch", "sh")):
        return head + (last[:-2] + "es" if word.endswith("sis") else last + "es")
    if word.endswith("s"):
        return name
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


# Before a capital after a small letter or digit, and before the last capital of several that begins a word.
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LAST_WORD = re.compile(r"(.*?)([^_ ]*)", re.DOTALL)
_LETTERS = {word.lower(): word for word in ("HTML", "HTTP", "ID", "IP", "ISBN", "JSON", "SQL", "URL", "UUID", "XML")}
_IRREGULAR = {
    "child": "children",
    "data": "data",
    "equipment": "equipment",
    "fish": "fish",
    "foot": "feet",
    "half": "halves",
    "hero": "heroes",
    "information": "information",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "man": "men",
    "media": "media",
    "metadata": "metadata",
    "mouse": "mice",
    "person": "people",
    "quiz": "quizzes",
    "sheep": "sheep",
    "shelf": "shelves",
    "software": "software",
    "staff": "staff",
    "tooth": "teeth",
    "wife": "wives",
    "woman": "women",
}
