"""Hash collisions: members that a client makes collide cost no more than others (CWE-407)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

from erlen.errors import BadRequest, InvalidRequest
from erlen.schema.crowds import MAX_MEMBERS
from erlen.schema.decode import json_decoder

MANY = 20_000
PRIME = 2**61 - 1


class Sort(Enum):
    A = "a"


class Tree(Struct):
    ids: set[int] = set()
    below: list[Tree] = []


class Pair(Struct, array_like=True):
    name: str
    weights: dict[int, str]


COLLIDING: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "integers": (set[int], lambda n: [PRIME * i for i in range(n)]),
    "a frozen set": (frozenset[int], lambda n: [PRIME * i for i in range(n)]),
    "identifiers": (set[UUID], lambda n: [str(UUID(int=PRIME * i)) for i in range(n)]),
    "decimals": (set[Decimal], lambda n: [str(PRIME * i) for i in range(n)]),
    "names of a mapping": (dict[int, str], lambda n: {str(PRIME * i): "" for i in range(n)}),
    "tuples": (set[tuple[int, int]], lambda n: [[PRIME * i, 0] for i in range(n)]),
    "within a model": (Tree, lambda n: {"below": [{"ids": [PRIME * i for i in range(n)]}]}),
    "within an array": (Pair, lambda n: ["a", {str(PRIME * i): "" for i in range(n)}]),
    "within a union": (list[set[int]] | None, lambda n: [[PRIME * i for i in range(n)]]),
}


@pytest.mark.parametrize("case", COLLIDING)
def test_many_members_are_refused_before_they_are_hashed(case: str) -> None:
    annotation, members = COLLIDING[case]
    decode = json_decoder(annotation, depth=64)
    with pytest.raises(InvalidRequest) as caught:
        decode(json.dumps(members(MANY)).encode())
    (fault,) = caught.value.faults
    assert (fault.location, str(MAX_MEMBERS) in fault.message) == (("body",), True)


@pytest.mark.parametrize("case", COLLIDING)
def test_as_many_as_are_allowed_pass(case: str) -> None:
    annotation, members = COLLIDING[case]
    json_decoder(annotation, depth=64)(json.dumps(members(10)).encode())


HARMLESS: dict[str, tuple[Any, Any]] = {
    "a list": (list[int], [PRIME * i for i in range(MANY)]),
    "text": (set[str], [str(i) for i in range(MANY)]),
    "choices": (set[Literal["a", "b"]], ["a", "b"] * MANY),
    "members of an enumeration": (set[Sort], ["a"] * MANY),
    "names": (dict[str, int], {str(i): i for i in range(MANY)}),
    "another list of the model": (Tree, {"ids": [1], "below": [{}] * MANY}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_cannot_collide_may_be_long(case: str) -> None:
    annotation, value = HARMLESS[case]
    json_decoder(annotation, depth=64)(msgspec.json.encode(value))


def test_malformed_json_is_still_malformed() -> None:
    with pytest.raises(BadRequest, match="not valid JSON"):
        json_decoder(set[int], depth=64)(b"[" + b"1," * MANY)
