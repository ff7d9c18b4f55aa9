"""Sets and mappings whose hashes a client can choose: numbers, UUIDs and times hash alike in every process, unlike text.

Members that share a hash take time in the square of their number (CWE-407), so that there may not be many.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import Any

from erlen.errors import Fault, InvalidRequest
from erlen.http.request import decode_json
from erlen.schema.model import Shape, choices_of

__all__ = ["MAX_MEMBERS", "crowd_guard"]

MAX_MEMBERS = 1000


def crowd_guard(shape: Shape, depth: int) -> Callable[[bytes], None] | None:
    """Return what refuses a JSON body before it is decoded, if such a set or mapping in it has over `MAX_MEMBERS`; None if none can.

    It raises `InvalidRequest`, and `BadRequest` for malformed JSON and what nests deeper than `depth`.
    """
    if not any(map(_is_choosable, shape.reachable())):
        return None

    def guard(body: bytes) -> None:
        if body.count(b",") >= MAX_MEMBERS and _is_crowded(shape, decode_json(body, depth=depth)):
            raise InvalidRequest([Fault(("body",), f"A set or mapping of numbers or the like has over {MAX_MEMBERS} members.")])

    return guard


def _is_choosable(shape: Shape) -> bool:
    hashes = shape.kind == "mapping" or (shape.kind == "collection" and issubclass(shape.cls, abc.Set))
    return hashes and any(part.bare not in (str, bytes, bool) and not choices_of(part.bare) for part in shape.parts[:1])


def _is_crowded(shape: Shape, value: Any) -> bool:
    if isinstance(value, (list, dict)) and len(value) > MAX_MEMBERS and _is_choosable(shape):
        return True
    if shape.kind == "union":
        inner = [(part, value) for part in shape.parts]
    elif isinstance(value, dict) and shape.fields:
        inner = [(part, value.get(field.encoded_name)) for field, part in zip(shape.fields, shape.parts, strict=True)]
    else:
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        inner = [(part, item) for part in shape.parts for item in items]
    return any(_is_crowded(part, item) for part, item in inner if part.kind != "scalar")
