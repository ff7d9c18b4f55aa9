"""The protocols and aliases that the rooms of Erlen share. Nothing here is imported at run time by a request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar

__all__ = ["MISSING", "Colour", "Handler", "HeaderPairs", "HeadersInit", "Missing", "loaded"]


class Missing(Enum):
    """The type of `MISSING`: no value was given, where `None` could be one."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING

HeaderPairs: TypeAlias = list[tuple[str, str]]
HeadersInit: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]] | None

# Any callable: its parameters are bound by name and annotation, so no narrower type says more.
Handler: TypeAlias = Callable[..., Any]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

# "loop": runs on the event loop (`async def`); "thread": runs in a thread (`def`).
Colour: TypeAlias = Literal["loop", "thread"]


def loaded(module: str, name: str) -> type | tuple[()]:
    """Return a class if its module has been loaded, else nothing that anything could be an instance or subclass of."""
    found = sys.modules.get(module)
    return () if found is None else vars(found)[name]
