"""The references in a script (ECMAScript): the modules that it imports by a relative name, and the source map.

A script is read token by token, so that nothing in a comment, string, template or regular expression passes for an import. Whether a
slash divides or begins a regular expression is told from what stands before it, as no reader short of a whole parser can do better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from erlen.static.reference import Reference

__all__ = ["javascript_references"]


def javascript_references(text: str) -> Iterator[Reference]:
    """Yield the references in a script, in order.

    They are those of `import "…"`, `import … from "…"`, `export … from "…"`, `import("…")` with nothing but a string for a name,
    where that begins with `/`, `./` or `../`; and that of the last `sourceMappingURL`.
    """
    if _MAY_HAVE(text) is None:
        return
    source_map: Reference | None = None
    before: list[tuple[str, str]] = []  # the last three that count
    waiting: Reference | None = None  # the string of an `import(…)`, until it is clear that nothing is added to it
    for kind, start, end in _tokens(text):
        if kind == "comment":
            found = _MAP(text, start, end)
            source_map = source_map if found is None else Reference(*found.span(1), found[1], is_map=True)
            continue
        word = text[start:end]
        if waiting is not None:
            if word in (")", ","):
                yield waiting
            waiting = None
        if kind == "string" and before and end - start > 2:
            reference = Reference(start + 1, end - 1, word[1:-1])
            if _RELATIVE(reference.url) and "\\" not in reference.url:
                if before[-1] == ("word", "from") or before[-1] == ("word", "import"):
                    if len(before) < 2 or before[-2][1] not in _DOTS:
                        yield reference
                elif before[-2:] == [("word", "import"), ("mark", "(")] and (len(before) < 3 or before[-3][1] not in _DOTS):
                    waiting = reference
        before = [*before[-2:], (kind, word if kind in ("word", "mark") else "")]
    if source_map is not None:
        yield source_map


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each token: `comment`, `string`, `template`, `regex`, `word` or `mark`."""
    position, length = 0, len(text)
    operand = False  # whether a value stands before, so that a slash divides
    last, after_dot = "", False
    # For each open bracket: which it is, and whether its end is a value.
    open_brackets: list[tuple[str, bool]] = []
    no_regex_before = 0
    while (found := _TOKEN(text, position)) is not None and found.end() > position:
        kind = found.lastgroup or ""
        start, position = found.span(kind) if kind else (length, length)
        if not kind:
            return
        word = text[start:position]
        if kind == "mark" and word == "/" and not operand and start >= no_regex_before:
            regex = _REGEX(text, start)
            if regex is None:  # Misjudged: until the end of the line, slashes divide. Looking again at each would not be linear.
                line_end = text.find("\n", start)
                no_regex_before = length if line_end < 0 else line_end
            else:
                kind, position = "regex", regex.end()
        elif kind == "mark" and word == "}" and open_brackets and open_brackets[-1][0] == "${":
            open_brackets.pop()
            kind, word = "template", "`"
        if kind == "template":
            position = _TEMPLATE(text, start + 1).end()  # type: ignore[union-attr]  # it matches nothing, too
            if text.startswith("${", position):
                position += 2
                open_brackets.append(("${", True))
                operand, last = False, "${"
                yield "template", start, position
                continue
            position = min(position + 1, length)
        yield kind, start, position
        if kind == "comment":
            continue
        if kind == "word":
            operand = after_dot or word not in _BEFORE_VALUE
        elif kind == "mark":
            if word == "(":
                open_brackets.append((word, last not in _WITH_CONDITION))
            elif word == "{":
                open_brackets.append((word, not (last in _BEFORE_BLOCK or (last[:1].isidentifier() and last not in _BEFORE_VALUE))))
            elif word in (")", "}"):
                operand = open_brackets.pop()[1] if open_brackets else word == ")"
            if word not in (")", "}"):
                operand = word in ("]", "++", "--")
        else:
            operand = True
        last = word if kind == "mark" or (kind == "word" and not after_dot) else "0"
        after_dot = word in _DOTS


_MAY_HAVE = re.compile(r"\b(?:import|export)\b|sourceMappingURL=").search
_MAP = re.compile(r"/[/*][#@]\s*+sourceMappingURL=([^\s*]++)\s*+(?:\*/)?").fullmatch
_RELATIVE = re.compile(r"\.{0,2}/").match
# Whatever begins is taken to its end, also where that is missing: nothing is read twice.
_TOKEN = re.compile(
    r"""\s*+(?:
      (?P<comment>//[^\n]*+|/\*.*?(?:\*/|\Z))
    | (?P<string>"(?:[^"\\\n]|\\(?:\r\n|.))*+"?|'(?:[^'\\\n]|\\(?:\r\n|.))*+'?)
    | (?P<template>`)
    | (?P<word>[\w$\#@]++)
    | (?P<mark>=>|\?\.|\+\+|--|\\?.)
    )?""",
    re.DOTALL | re.VERBOSE,
).match
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*+\\?", re.DOTALL).match
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*+\])++/\w*+").match
_DOTS = (".", "?.")
# Words after which a value comes, so that a slash begins a regular expression.
_BEFORE_VALUE = frozenset(
    "await case delete do else extends in instanceof new of return throw typeof void yield".split()  # noqa: SIM905 - reads as words
)
_WITH_CONDITION = frozenset({"if", "while", "for", "with"})
# What a block follows, rather than an object, besides names (of classes and labels).
_BEFORE_BLOCK = frozenset({"", ";", "{", "}", ")", "=>", "else", "do", "try", "finally", "catch"})
