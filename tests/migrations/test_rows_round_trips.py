"""Rows of all types of columns go from one database to the next and stay the same, to the byte."""

from __future__ import annotations

import datetime
import io
import ipaddress
import string
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Meta
from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Choices, Encrypted, IntegerChoices, Money
from erlen.migrations.target import Target
from erlen.rows import dump, load


class Status(Choices):
    draft = "draft"
    published = "published"


class Level(IntegerChoices):
    low = 1
    high = 2


class Point(msgspec.Struct, frozen=True):
    x: float
    at: datetime.date | None = None


UTC = datetime.UTC
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
INTEGER = st.integers(-(2**31), 2**31 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
# MariaDB keeps only UUIDs of the versions that there are. SQLite keeps numbers of 15 digits.
SHORT = st.decimals(-(10**8), 10**8, places=4)
# The databases' own limits: MySQL's years begin at 1000, PostgreSQL takes no time zone's offset outside of years 1 to 9999.
MOMENTS = st.datetimes(datetime.datetime(1001, 1, 1), datetime.datetime(9999, 12, 30), timezones=st.just(UTC))
DATES = st.dates(datetime.date(1001, 1, 1), datetime.date(9999, 12, 31))
KINDS: dict[str, tuple[Any, SearchStrategy[Any]]] = {
    "text": (str, TEXT),
    "line": (Annotated[str, Meta(max_length=30)], TEXT),
    "number": (int, INTEGER),
    "big": (Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)], st.integers(-(2**63), 2**63 - 1)),
    "ratio": (float, st.floats(allow_nan=False, allow_infinity=False)),
    "flag": (bool, st.booleans()),
    "exact": (Decimal, SHORT),
    "money": (Money, SHORT),
    "moment": (datetime.datetime, MOMENTS),
    "day": (datetime.date, DATES),
    "clock": (datetime.time, st.times()),
    "length": (datetime.timedelta, st.timedeltas(datetime.timedelta(days=-999_999), datetime.timedelta(days=999_999))),
    "uuid": (UUID, st.uuids(version=4)),
    "raw": (bytes, st.binary(max_size=50)),
    "address": (ipaddress.IPv6Address, st.ip_addresses(v=6)),
    "status": (Status, st.sampled_from(Status)),
    "level": (Level, st.sampled_from(Level)),
    "letter": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "point": (Point, st.builds(Point, st.floats(-1e9, 1e9), st.none() | DATES)),
    "data": (dict[str, Any], st.dictionaries(TEXT, JSON, max_size=3)),
    "items": (list[Any], st.lists(JSON, max_size=3)),
    "secret": (Encrypted[str], TEXT),
    "ref": (Annotated[str, Meta(max_length=20)], st.text(string.ascii_letters, min_size=1, max_size=20)),
}
mapped: Any = Mapped
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | strategy for name, (_, strategy) in KINDS.items()}), min_size=1, max_size=4)


@pytest.fixture
def targets(url_of: Callable[[str], str], target_of: Callable[..., Target], base: Any, tmp_path: Path) -> tuple[Any, list[Target]]:
    """A model with a column of each type, and its tables in the three databases, and once more in SQLite."""
    annotations = {name: mapped[annotation | None] for name, (annotation, _) in KINDS.items()}
    body = {"__annotations__": annotations, **{name: mapped_column(nullable=True) for name in KINDS}}
    thing = type("Thing", (base,), body)
    urls = [url_of("sqlite"), url_of("postgresql"), url_of("mariadb"), f"sqlite:///{tmp_path / 'last.db'}"]
    made = [target_of(url, base) for url in urls]
    for target in made:
        target.database.use_keys(("a secret key of thirty-two letters",))
        target.database.create_all()
    return thing, made


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rows=ROWS)
def test_rows_go_through_all_databases(targets: tuple[Any, list[Target]], tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    thing, every = targets
    for target in every:
        with target.database.session() as db:
            db.execute(delete(thing))
    first = every[0]
    with first.database.session() as db:
        db.add_all(thing(**row) for row in rows)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(dumped(first))
    original = path.read_bytes()
    for target in every[1:]:
        assert load(target, [str(path)]).inserted == {"Thing": len(rows)}
        path.write_bytes(dumped(target))
        assert path.read_bytes() == original
    with every[-1].database.session() as db:
        for row, instance in zip(rows, db.all(select(thing).order_by(thing.id)), strict=True):
            for name, value in row.items():
                # Of numbers in JSON, PostgreSQL keeps the digits: 3.602879701896397e+16 is 36028797018963970 there, and its double is not.
                assert name in ("data", "items") or getattr(instance, name) == value, name


def dumped(target: Target) -> bytes:
    out = io.BytesIO()
    dump(target, out.write)
    return out.getvalue()
