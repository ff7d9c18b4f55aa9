"""SQL taken apart as far as the linter needs it: tokens, and the statements of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

__all__ = ["Token", "split", "tokens"]

Kind = Literal["word", "name", "string", "number", "symbol"]


class Token(Struct, frozen=True):
    """A word, a quoted name, a string, a number, or a character; comments and white space are none."""

    kind: Kind
    text: str
    """As it is written; of a name without its quotes, of a word in small letters."""
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, which are in small letters."""
        return self.kind == "word" and self.text in words

    def is_symbol(self, symbol: str) -> bool:
        return self.kind == "symbol" and self.text == symbol


def tokens(sql: str, dialect: str) -> Iterator[Token]:
    """Take SQL apart; what is not closed goes to the end."""
    is_mysql = dialect in ("mysql", "mariadb")
    for found in (_MYSQL if is_mysql else _STANDARD).finditer(sql):
        kind, text = found.lastgroup or "", found[0]
        match kind:
            case "word":
                yield Token("word", text.lower(), *found.span())
            case "name":
                yield Token("name", text[1:-1].replace(text[0] * 2, text[0]), *found.span())
            case "string" | "number" | "symbol":
                yield Token(kind, text, *found.span())
            case _:  # a comment
                pass


def split(sql: str, dialect: str) -> list[str]:
    """Return the statements of a text, without their semicolons. Comments before a statement belong to it.

    What stands between BEGIN and END in a trigger or a function is one statement with it.
    """
    found: list[str] = []
    start = depth = 0
    head: list[str] = []
    before = ""
    for token in tokens(sql, dialect):
        if token.is_symbol(";") and depth == 0:
            if head:
                found.append(sql[start : token.start].strip())
            start, head = token.end, []
            continue
        if token.kind == "word":
            if len(head) < _HEAD:
                head.append(token.text)
            if head[0] == "create" and not _ROUTINES.isdisjoint(head):
                if token.text in ("begin", "case") and before != "end":
                    depth += 1
                elif token.text in _BLOCKS and before == "end":
                    depth += 1  # `END IF` ends what was not counted
                elif token.text == "end":
                    depth = max(0, depth - 1)
            before = token.text
        else:
            before = ""
            head = head or [""]
    if head:
        found.append(sql[start:].strip())
    return found


_HEAD = 8
"""How many words of a statement may come before what it creates: `CREATE OR REPLACE TEMPORARY TRIGGER`, with a DEFINER."""
_ROUTINES = {"trigger", "function", "procedure", "event"}
_BLOCKS = {"if", "loop", "while", "repeat", "for"}
_COMMENT = r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"
_DOLLAR = r"\$(?P<tag>[A-Za-z_]?\w*)\$.*?(?:\$(?P=tag)\$|\Z)"
_REST = r"(?P<word>[^\W\d][\w$]*)|(?P<number>\d[\w.]*)|(?P<symbol>\S)"
_STANDARD = re.compile(
    rf"""{_COMMENT}|(?P<string>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)|{_DOLLAR})"""
    rf"""|(?P<name>"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[A-Za-z_][\w ]*\])|{_REST}""",
    re.DOTALL,
)
_MYSQL = re.compile(
    rf"""{_COMMENT}|(?P<mysql_comment>\#[^\n]*)|(?P<string>'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"\\]|""|\\.)*(?:"|\Z))"""
    rf"""|(?P<name>`(?:[^`]|``)*(?:`|\Z))|{_REST}""",
    re.DOTALL,
)
