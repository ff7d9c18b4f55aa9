"""What the applications without a validator of their own share: the body's type, and how many routes to register."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["MESSAGE", "ROUTE_PAIRS", "Created", "Item"]

MESSAGE = "Hello, World!"

# Pairs of one static and one dynamic route, registered after the ordinary ones: 150 of them make the 300 routes.
ROUTE_PAIRS = int(os.environ.get("BENCH_ROUTES", "0")) // 2


class Item(Struct):
    """The validated body."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    price: Annotated[float, Meta(ge=0)]
    tags: list[str]


class Created(Struct):
    """The answer to a posted item."""

    id: int
    name: str
    price: float
    tags: list[str]
