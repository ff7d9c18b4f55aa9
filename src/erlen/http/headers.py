"""Header fields (RFC 9110, section 5): a case-insensitive, ordered map that may hold a name more than once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from operator import itemgetter
from typing import cast

from erlen.types import HeaderPairs, HeadersInit

__all__ = ["Headers", "check_header"]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110, section 5.6.2: token
_VALUE = re.compile(r"[\t\x20-\x7e]*").fullmatch


class Headers(MutableMapping[str, str]):
    """Header fields, by name without regard to case.

    `headers["name"]` is the first value; `getlist` gives all of them; assignment replaces, `add` appends. Names are kept in lower
    case, as HTTP/2 sends them.

    Raises:
        ValueError: on a name that is no token, or a value with a control or non-ASCII character (header injection, OWASP
            ASVS 5.0 V1.2): encode such a value first (RFC 8187).
    """

    __slots__ = ("pairs",)

    def __init__(self, initial: HeadersInit = None) -> None:
        self.pairs: HeaderPairs = []
        if isinstance(initial, Headers):
            # Not by `items`, which would lose all but the first of several `Set-Cookie`.
            self.pairs.extend(initial.pairs)
        elif initial is not None:
            for name, value in cast("Mapping[str, str]", initial).items() if isinstance(initial, Mapping) else initial:
                self.add(name, value)

    @classmethod
    def trusted(cls, pairs: HeaderPairs) -> Headers:
        """Wrap pairs that are known to be well-formed and in lower case, without copying them."""
        headers = cls.__new__(cls)
        headers.pairs = pairs
        return headers

    def __getitem__(self, name: str) -> str:
        name = name.lower()
        for key, value in self.pairs:
            if key == name:
                return value
        raise KeyError(name)

    def getlist(self, name: str) -> list[str]:
        """Return every value of `name`, in order; an empty list when there is none."""
        name = name.lower()
        return [value for key, value in self.pairs if key == name]

    def __setitem__(self, name: str, value: str) -> None:
        pair = check_header(name, value)
        for position, (key, _) in enumerate(self.pairs):
            if key == pair[0]:
                self.pairs[position] = pair
                self.pairs[position + 1 :] = [other for other in self.pairs[position + 1 :] if other[0] != pair[0]]
                return
        self.pairs.append(pair)

    def add(self, name: str, value: str) -> None:
        """Append a field, keeping those of the same name."""
        self.pairs.append(check_header(name, value))

    def add_token(self, name: str, *tokens: str) -> None:
        """Add tokens to a comma-separated list field such as `Vary`, each once (without regard to case)."""
        present = [part for value in self.getlist(name) for part in map(str.strip, value.split(",")) if part]
        for token in tokens:
            if token.lower() not in map(str.lower, present):
                present.append(token)
        if present:
            self[name] = ", ".join(present)

    def __delitem__(self, name: str) -> None:
        name = name.lower()
        kept = [pair for pair in self.pairs if pair[0] != name]
        if len(kept) == len(self.pairs):
            raise KeyError(name)
        self.pairs[:] = kept

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key == name.lower() for key, _ in self.pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, _ in self.pairs))

    def __len__(self) -> int:
        return len({key for key, _ in self.pairs})

    def multi_items(self) -> HeaderPairs:
        """Return every field as a `(name, value)` pair, repeated names included."""
        return list(self.pairs)

    def copy(self) -> Headers:
        """Return an independent copy."""
        return Headers.trusted(list(self.pairs))

    def __eq__(self, other: object) -> bool:
        # The order of fields of different names means nothing, that of one name does (RFC 9110, section 5.3).
        if isinstance(other, Headers):
            return sorted(self.pairs, key=itemgetter(0)) == sorted(other.pairs, key=itemgetter(0))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}: {'***' if key in _SECRET else value}" for key, value in self.pairs)
        return f"<Headers {shown}>"


def check_header(name: str, value: str) -> tuple[str, str]:
    """Return `(name in lower case, value)` when both may be sent.

    Raises:
        ValueError: on a name that is no token or a value that is not printable ASCII.
    """
    if not _NAME(name):
        raise ValueError(f"{name!r} is not a header name: use letters, digits and hyphens")
    if not _VALUE(value):
        raise ValueError(
            f"the value of header {name!r} has a control or non-ASCII character: encode it first, for example with urllib.parse.quote"
        )
    return name.lower(), value


_SECRET = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-csrf-token"})
