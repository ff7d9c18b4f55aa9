"""The parameters of a query string or URL-encoded form (WHATWG URL, section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from erlen.errors import BadRequest

__all__ = ["MultiDict", "QueryParams", "parse_pairs"]

Value = TypeVar("Value")


class MultiDict(Mapping[str, Value]):
    """An immutable map that may hold a name more than once; `data["name"]` is the last value, `getlist` gives all."""

    __slots__ = ("_last", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, Value]] = ()) -> None:
        self.pairs = list(pairs)
        self._last = dict(self.pairs)

    def __getitem__(self, name: str) -> Value:
        return self._last[name]

    def getlist(self, name: str) -> list[Value]:
        """Return every value of `name`, in order; an empty list when there is none."""
        return [value for key, value in self.pairs if key == name]

    def multi_items(self) -> list[tuple[str, Value]]:
        """Return every pair, repeated names included."""
        return list(self.pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs!r})"

    def __eq__(self, other: object) -> bool:
        return self.pairs == other.pairs if isinstance(other, MultiDict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


class QueryParams(MultiDict[str]):
    """The parameters of a query string."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, limit: int) -> QueryParams:
        """Parse a query string of at most `limit` parameters.

        Raises:
            BadRequest: if there are more.
        """
        return cls(parse_pairs(text, limit))

    def __or__(self, changes: Mapping[str, object]) -> QueryParams:
        """Return a copy with some parameters replaced, and those set to None removed; a list or tuple repeats its name."""
        pairs = [(key, value) for key, value in self.pairs if key not in changes]
        for key, value in changes.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            pairs += [(str(key), str(item)) for item in values if item is not None]
        return QueryParams(pairs)

    def __str__(self) -> str:
        from urllib.parse import urlencode

        return urlencode(self.pairs)


def parse_pairs(text: str, limit: int) -> list[tuple[str, str]]:
    """Split URL-encoded text into decoded pairs; a name without `=` has an empty value, an empty piece is skipped.

    Raises:
        BadRequest: if there are more than `limit` pairs.
    """
    if not text:
        return []
    # PERF: counting is one C call; only text that may be over the limit is split to know.
    if text.count("&") >= limit and sum(map(bool, text.split("&"))) > limit:
        raise BadRequest(f"More than {limit} parameters.")
    pairs = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((name, value))
    if "%" in text or "+" in text:
        from urllib.parse import unquote_plus

        return [(unquote_plus(name), unquote_plus(value)) for name, value in pairs]
    return pairs
