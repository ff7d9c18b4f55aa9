"""Regular expressions that match in linear time, so that no path can hang a worker (ReDoS, SECURITY class N).

A backtracking engine is slow where a text can be read in several ways: `(a+)+`, `(a|a)*`, `a*a*`. The expression is read as a
position automaton (Glushkov), and refused when that automaton can be in two places after the same text and come back to both
(the criterion of Weber and Seidl for more than finitely many readings).
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["compile_linear"]

_LONGEST = 256
_POSITIONS = 256
_WORK = 100_000
_NON_ASCII = 1 << 128


def compile_linear(source: str) -> re.Pattern[str]:
    r"""Compile a regular expression that is used with `fullmatch`, if it is sure to match in linear time.

    Args:
        source: at most 256 characters of literals, `.`, classes, `\d \w \s` (ASCII only) and their opposites, groups, `|`, and
            `* + ? {m} {m,} {m,n}`. There are no anchors (the whole text is matched), look-arounds, back references or flags.

    Raises:
        ValueError: if it is malformed, uses something else, or is ambiguous.
    """
    if not source:
        raise ValueError("the regular expression is empty")
    if len(source) > _LONGEST:
        raise ValueError(f"the regular expression is longer than {_LONGEST} characters")
    try:
        compiled = re.compile(source, re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression {source!r} is malformed: {error}") from None
    automaton = _Automaton(source)
    if automaton.is_ambiguous():
        raise ValueError(
            f"the regular expression {source!r} can read one text in several ways, which may take very long: "
            "let no repetition hold another that begins with the same characters, nor follow one"
        )
    return compiled


class _Fragment(NamedTuple):
    """A part of the expression: may it be empty, and which positions can begin and end it (bit sets)."""

    nullable: bool
    first: int
    last: int


_EMPTY = _Fragment(nullable=True, first=0, last=0)


class _Automaton:
    """The position automaton of an expression, built while it is parsed."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.sets: list[int] = []  # by position: the characters it takes; bit 128 stands for all that are not ASCII
        self.follow: list[int] = []  # by position: the positions that may come next
        self.doubled = False  # an edge, or the empty text, has two origins: the same positions are read in two ways
        try:
            self.whole = self._alternatives()
        except RecursionError:
            raise ValueError("the regular expression nests too deep") from None
        if self.at < len(source):
            raise ValueError(f"the regular expression {source!r} is malformed at {source[self.at :]!r}")

    # -- parsing ------------------------------------------------------------------------------------------------------------

    def _alternatives(self) -> _Fragment:
        found = self._sequence()
        while self._peek() == "|":
            self.at += 1
            other = self._sequence()
            if found.nullable and other.nullable:
                self.doubled = True
            found = _Fragment(found.nullable or other.nullable, found.first | other.first, found.last | other.last)
        return found

    def _sequence(self) -> _Fragment:
        found = _EMPTY
        while self._peek() not in ("", "|", ")"):
            found = self._join(found, self._repetition())
        return found

    def _repetition(self) -> _Fragment:
        start = self.at
        item = self._item()
        least, most = self._quantifier()
        if (least, most) == (1, 1):
            return item
        if item.nullable:
            self.doubled = True
            return item
        if (least, most) == (0, 1):
            return item._replace(nullable=True)
        if most == 0:
            return _EMPTY
        # A range such as {2,5} counts as {2,}: that has every ambiguity which the range has, and maybe more.
        resume = self.at
        found = item
        for _ in range(1, least):
            self.at = start
            item = self._item()
            found = self._join(found, item)
        self.at = resume
        if most != least:
            self._link(item.last, item.first)
        return found if least else found._replace(nullable=True)

    def _quantifier(self) -> tuple[int, int]:
        char = self._peek()
        if char == "{":
            counts = re.compile(r"\{([0-9]{0,4})(,?)([0-9]{0,4})\}").match(self.source, self.at)
            if counts is None or counts[0] in ("{}", "{,}"):
                raise ValueError(f"in the regular expression {self.source!r} write a literal brace as '\\{{'")
            self.at = counts.end()
            least = int(counts[1] or 0)
            most = least if not counts[2] else int(counts[3]) if counts[3] else -1
        elif char and char in "*+?":
            self.at += 1
            least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[char]
        else:
            return 1, 1
        if self._peek() == "?":
            self.at += 1  # a lazy quantifier matches the same texts
        elif self._peek() == "+":
            raise ValueError(f"possessive quantifiers are not supported in {self.source!r}")
        return least, most

    def _item(self) -> _Fragment:
        source, start = self.source, self.at
        char = source[start]
        if char == "(":
            return self._group()
        if char in "^$":
            raise ValueError(f"leave {char!r} out of {source!r}: the whole text is matched anyway")
        self.at += 1
        if char == "\\":
            escaped = source[self.at]
            if escaped.isalnum() and escaped not in "dDwWsS":
                raise ValueError(f"'\\{escaped}' is not supported in the regular expression {source!r}")
            self.at += 1
        elif char == "[":
            if self._peek() == "^":
                self.at += 1
            if self._peek() == "]":
                self.at += 1
            while source[self.at] != "]":
                self.at += 2 if source[self.at] == "\\" else 1
            self.at += 1
        return self._position(source[start : self.at])

    def _group(self) -> _Fragment:
        opening = re.compile(r"\((?:\?:|\?P<\w+>|(?!\?))").match(self.source, self.at)
        if opening is None:
            raise ValueError(f"'(?' is supported only as '(?:' and '(?P<' in the regular expression {self.source!r}")
        self.at = opening.end()
        inner = self._alternatives()
        self.at += 1
        return inner

    def _peek(self) -> str:
        return self.source[self.at : self.at + 1]

    # -- building -----------------------------------------------------------------------------------------------------------

    def _position(self, atom: str) -> _Fragment:
        if len(self.sets) == _POSITIONS:
            raise ValueError(f"the regular expression {self.source!r} is too long when its counts are written out")
        matches = re.compile(atom, re.ASCII).fullmatch
        characters = sum(1 << code for code in range(128) if matches(chr(code)))
        if atom == "." or atom.startswith("[^") or not atom.isascii() or re.search(r"\\[DWS]", atom):
            characters |= _NON_ASCII
        self.sets.append(characters)
        self.follow.append(0)
        position = 1 << (len(self.sets) - 1)
        return _Fragment(nullable=False, first=position, last=position)

    def _join(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self._link(left.last, right.first)
        return _Fragment(
            left.nullable and right.nullable,
            left.first | right.first if left.nullable else left.first,
            left.last | right.last if right.nullable else right.last,
        )

    def _link(self, sources: int, targets: int) -> None:
        for position in _members(sources):
            if self.follow[position] & targets:
                self.doubled = True
            self.follow[position] |= targets

    # -- judging ------------------------------------------------------------------------------------------------------------

    def is_ambiguous(self) -> bool:
        """Return whether the number of readings of a text may grow with its length."""
        if self.doubled:
            return True
        if all(self._is_deterministic(targets) for targets in (self.whole.first, *self.follow)):
            return False
        reachable = self._closure()
        looping = [position for position, targets in enumerate(reachable) if targets >> position & 1]
        self.work = 0
        return any(p != q and reachable[p] >> q & 1 and self._meets((p, p, q), (p, q, q)) for p in looping for q in looping)

    def _is_deterministic(self, targets: int) -> bool:
        seen = 0
        for position in _members(targets):
            if seen & self.sets[position]:
                return False
            seen |= self.sets[position]
        return True

    def _closure(self) -> list[int]:
        reachable = list(self.follow)
        for middle, _ in enumerate(reachable):
            for position, targets in enumerate(reachable):
                if targets >> middle & 1:
                    reachable[position] |= reachable[middle]
        return reachable

    def _meets(self, start: tuple[int, int, int], goal: tuple[int, int, int]) -> bool:
        """Return whether one text leads from each place of `start` to the same place of `goal`."""
        seen = {start}
        waiting = [start]
        while waiting:
            one, two, three = waiting.pop()
            for a in _members(self.follow[one]):
                for b in _members(self.follow[two]):
                    common = self.sets[a] & self.sets[b]
                    if not common:
                        continue
                    for c in _members(self.follow[three]):
                        self.work += 1
                        if self.work > _WORK:
                            raise ValueError(f"the regular expression {self.source!r} is too involved to be sure that it is fast")
                        if common & self.sets[c] and (a, b, c) not in seen:
                            if (a, b, c) == goal:
                                return True
                            seen.add((a, b, c))
                            waiting.append((a, b, c))
        return False


def _members(positions: int) -> list[int]:
    found = []
    while positions:
        lowest = positions & -positions
        found.append(lowest.bit_length() - 1)
        positions ^= lowest
    return found
