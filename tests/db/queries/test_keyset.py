"""Lists that are read on from a cursor, on each engine and in both colours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Double, Float, ForeignKey, LargeBinary, Numeric, String, func, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, aliased, joinedload, mapped_column, relationship

from erlen.db import Database, Model, Session
from erlen.db.keyset import Keyset, _pack, _unpack
from erlen.errors import BadRequest
from erlen.security.signing import random_key


class Base(Model, isolated=True):
    pass


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Owner(Base):
    name: Mapped[str] = mapped_column(String(20), unique=True)


class Item(Base, ordering=("-rank", "name")):
    name: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int]
    weight: Mapped[int | None]
    shade: Mapped[str | None] = mapped_column(String(20))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship()
    parts: Mapped[list[Part]] = relationship()


class Part(Base):
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))


class Value(Base):
    """One field of each type that a list may be ordered by."""

    moment: Mapped[datetime]
    day: Mapped[date]
    hour: Mapped[time]
    span: Mapped[timedelta]
    price: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    ratio: Mapped[float] = mapped_column(Float)
    double: Mapped[float] = mapped_column(Double)
    code: Mapped[UUID]
    text: Mapped[str] = mapped_column(String(50))
    big: Mapped[int]
    flag: Mapped[bool]
    colour: Mapped[Colour]
    data: Mapped[bytes] = mapped_column(LargeBinary(20))


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    return make_database(Base)


@pytest.fixture
def items(database: Database) -> Database:
    """Items with all combinations of a few values, NULL among them, so that everything ties."""
    with database.session() as db:
        owners = [Owner(name="ann"), Owner(name="bob")]
        for number, (rank, weight, shade) in enumerate(product((1, 2), (None, 1, 2), (None, "a", "b"))):
            owner = [None, *owners][number % 3]
            db.add(Item(name=f"item {number % 4}", rank=rank, weight=weight, shade=shade, owner=owner, parts=[Part(), Part()]))
    return database


@pytest.fixture
def db(items: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(items)


def read_forward(db: Session, statement: Any, size: int) -> list[Keyset[Any]]:
    pages = [db.keyset(statement, size=size)]
    while pages[-1].has_next:
        pages.append(db.keyset(statement, size=size, after=pages[-1].next))
        assert len(pages) < 50
    return pages


def read_backward(db: Session, statement: Any, size: int, last: Keyset[Any]) -> list[Keyset[Any]]:
    pages = [last]
    while pages[0].has_previous:
        pages.insert(0, db.keyset(statement, size=size, before=pages[0].previous))
        assert len(pages) < 50
    return pages


def flat(pages: list[Keyset[Any]]) -> list[Any]:
    return [item for page in pages for item in page]


def rows_of(db: Session) -> list[dict[str, Any]]:
    return [{name: getattr(item, name) for name in ("id", "name", "rank", "weight", "shade")} for item in db.all(select(Item))]


def expected_order(rows: list[dict[str, Any]], order: list[tuple[str, bool, bool]]) -> list[int]:
    """Sort as SQL should: by (name, descending, NULLs first) each, the last first."""
    descending_key = bool(order) and order[-1][1]
    rows = sorted(rows, key=lambda row: row["id"], reverse=descending_key)
    for name, descending, nulls_first in reversed(order):
        present = sorted((row for row in rows if row[name] is not None), key=lambda row: row[name], reverse=descending)
        if descending:  # `reverse` keeps equal ones in their order too
            present = sorted((row for row in rows if row[name] is not None), key=lambda row: _negated(row[name]))
        absent = [row for row in rows if row[name] is None]
        rows = absent + present if nulls_first else present + absent
    return [row["id"] for row in rows]


def _negated(value: Any) -> Any:
    return -value if isinstance(value, int) else [-ord(letter) for letter in value]


ORDERS: list[list[tuple[str, bool, bool]]] = [
    [],
    [("rank", False, False)],
    [("rank", True, False)],
    [("weight", False, False)],
    [("weight", True, False)],
    [("weight", False, True)],
    [("weight", True, True)],
    [("rank", True, False), ("name", True, False)],
    [("rank", True, False), ("name", False, False)],
    [("shade", True, False), ("weight", False, True), ("rank", True, False)],
    [("weight", True, True), ("shade", False, False), ("name", True, False)],
]


def test_every_order_is_read_through_in_both_directions(db: Session) -> None:
    rows = rows_of(db)
    for order in ORDERS:
        clauses = []
        for name, descending, nulls_first in order:
            attribute: InstrumentedAttribute[Any] = getattr(Item, name)
            clause = attribute.desc() if descending else attribute.asc()
            clauses.append(clause.nulls_first() if nulls_first else clause)
        statement = select(Item).order_by(*clauses)
        for size in (1, 5, 18, 50) if len(order) == 3 else (5,):
            forward = read_forward(db, statement, size)
            assert [item.id for item in flat(forward)] == expected_order(rows, order), order
            assert not forward[0].has_previous
            assert all(page.has_previous for page in forward[1:])
            backward = read_backward(db, statement, size, forward[-1])
            assert [item.id for item in flat(backward)] == [item.id for item in flat(forward)], order
            assert not backward[0].has_previous


def test_a_model_is_read_in_its_default_order(db: Session) -> None:
    pages = read_forward(db, Item, 4)
    expected = db.all(select(Item).order_by(Item.rank.desc(), Item.name, Item.id))
    assert flat(pages) == expected


def test_rows_of_several_columns_have_only_those(db: Session) -> None:
    statement = select(Item.id, Item.name.label("title")).order_by(Item.name.desc())
    pages = read_forward(db, statement, 7)
    identity, title = pages[0].items[0]
    assert pages[0].items[0].title == title
    assert len(pages[0].items[0]) == 2
    assert [row.id for row in flat(pages)] == db.all(select(Item.id).order_by(Item.name.desc(), Item.id.desc()))
    assert flat(read_forward(db, select(Item.name).order_by(Item.id), 5)) == db.all(select(Item.name).order_by(Item.id))
    assert isinstance(identity, int)


def test_joins_aliases_expressions_and_distinct(db: Session) -> None:
    joined = select(Item).outerjoin(Item.owner).order_by(Owner.name)
    pages = read_forward(db, joined, 4)
    assert [item.owner_id is None for item in flat(pages)] == [False] * 12 + [True] * 6
    assert len({item.id for item in flat(pages)}) == 18
    assert flat(read_backward(db, joined, 4, pages[-1])) == flat(pages)
    other = aliased(Item)
    assert len(flat(read_forward(db, select(other).order_by(other.weight.desc()), 5))) == 18
    upper = select(Item).order_by(func.upper(Item.name).desc(), Item.rank + Item.id)
    assert flat(read_forward(db, upper, 5)) == db.all(upper)
    assert flat(read_forward(db, select(Item.name).distinct().order_by(Item.name), 3)) == ["item 0", "item 1", "item 2", "item 3"]
    assert flat(read_forward(db, select(Item.name.label("title")).order_by("title"), 3)) == sorted(item["name"] for item in rows_of(db))
    pairs = select(Item, Owner).join(Item.owner).order_by(Owner.name.desc())
    assert [owner.name for _, owner in flat(read_forward(db, pairs, 5))] == ["bob"] * 6 + ["ann"] * 6


def test_eager_joins_neither_repeat_nor_shorten_pages(db: Session) -> None:
    pages = read_forward(db, select(Item).options(joinedload(Item.parts)).order_by(Item.name), 5)
    assert [len(page) for page in pages] == [5, 5, 5, 3]
    assert all(len(item.parts) == 2 for item in flat(pages))


def test_criteria_may_change_between_pages(db: Session) -> None:
    first = db.keyset(select(Item).order_by(Item.id), size=3)
    further = db.keyset(select(Item).order_by(Item.id), Item.rank == 2, size=3, after=first.next)
    assert [item.rank for item in further] == [2, 2, 2]


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(db: Session) -> None:
    statement = select(Item).order_by(Item.name, Item.id)
    first = db.keyset(statement, size=5)
    rest = [item.id for item in db.all(statement)][5:]
    for gone in (*db.all(Part, Part.item_id == first.items[-1].id), first.items[-1]):  # the row of the cursor
        db.delete(gone)
    db.add(Item(name="a", rank=1, weight=1, shade=None))
    db.flush()
    assert [item.id for item in db.keyset(statement, size=50, after=first.next)] == rest


def test_an_empty_list_and_an_end_that_went_away(db: Session) -> None:
    empty = db.keyset(Item, Item.name == "none")
    assert (list(empty), empty.next, empty.previous, bool(empty)) == ([], None, None, False)
    last = db.keyset(select(Item).order_by(Item.id), size=17)
    beyond = db.keyset(select(Item).order_by(Item.id), Item.id < 0, size=5, after=last.next)
    assert (list(beyond), beyond.next) == ([], None)


def value(number: int) -> Value:
    return Value(
        moment=datetime(2024, 1, 1, 12, 30, 15, tzinfo=UTC) + timedelta(seconds=number // 3),
        day=date(2024, 1, 1) + timedelta(days=number // 3),
        hour=time(10, number // 3),
        span=timedelta(days=3, seconds=number // 3),
        price=Decimal(number // 3) / 7,
        ratio=0.1 * (number // 3),
        double=0.1 * (number // 3),
        code=UUID(int=number // 3 << 100),
        text=f"Ünïcode ' \" % _ {number // 3}",
        big=2**31 - 1 - number // 3,
        flag=number % 2 == 0,
        colour=list(Colour)[number % 3],
        data=bytes([200, number // 3]),
    )


def test_every_type_comes_back_as_it_was(database: Database, open_session: Callable[..., Session]) -> None:
    with database.session() as writing:
        writing.add_all(value(number) for number in range(9))
    db = open_session(database)
    for name in ("moment", "day", "hour", "span", "price", "ratio", "double", "code", "text", "big", "flag", "colour", "data"):
        attribute = getattr(Value, name)
        for clause in (attribute.asc(), attribute.desc()):
            statement = select(Value).order_by(clause)
            pages = read_forward(db, statement, 2)
            assert [len(page) for page in pages] == [2, 2, 2, 2, 1], name
            assert len({one.id for one in flat(pages)}) == 9, name
            assert flat(read_backward(db, statement, 2, pages[-1])) == flat(pages), name


# -- cursors ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_db(url_of: Callable[[str], str]) -> Any:
    database = Database(url_of("sqlite"), base=Base)
    database.create_all()
    with database.session() as db:
        db.add_all(Item(name=f"item {number}", rank=number % 3, weight=None, shade=None) for number in range(9))
        db.flush()
        yield db
    database.dispose()


REFUSED = "Begin at the first page."


def test_a_cursor_fits_its_own_list_only(sqlite_db: Session) -> None:
    db = sqlite_db
    cursor = db.keyset(select(Item).order_by(Item.rank), size=2).next
    assert cursor is not None
    others: list[Any] = [
        select(Item).order_by(Item.rank.desc()),
        select(Item).order_by(Item.id),
        select(Item).order_by(Item.rank, Item.name),
        select(Item).order_by(Item.weight),
        select(Item.id).order_by(Item.rank),
        select(Item, Owner).join(Item.owner).order_by(Item.rank),
        select(Value).order_by(Value.big),
        select(Item).order_by(func.abs(Item.rank)),
    ]
    for other in others:
        with pytest.raises(BadRequest, match="belongs to another list"):
            db.keyset(other, after=cursor)
    nulls_last = db.keyset(select(Item).order_by(Item.weight), size=2).next
    with pytest.raises(BadRequest, match="belongs to another list"):
        db.keyset(select(Item).order_by(Item.weight.nulls_first()), after=nulls_last)


def test_a_cursor_that_was_changed_is_refused(sqlite_db: Session) -> None:
    db = sqlite_db
    statement = select(Item).order_by(Item.rank)
    cursor = db.keyset(statement, size=2).next
    assert cursor is not None
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    middle = len(cursor) // 3
    changed = cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]
    for wrong in (changed, cursor[:-1], cursor + "x", "x", "1", "' OR 1=1 --", "\0", "é", "." * 5000):
        for keywords in ({"after": wrong}, {"before": wrong}):
            with pytest.raises(BadRequest, match=REFUSED):
                db.keyset(statement, after=keywords.get("after"), before=keywords.get("before"))
    with pytest.raises(BadRequest, match="not both"):
        db.keyset(statement, after=cursor, before=cursor)
    assert len(db.keyset(statement, after="", before="")) == 9


def test_a_signed_value_of_another_kind_is_refused(sqlite_db: Session) -> None:
    """As after a release that changed a column's type."""
    from erlen.db.keyset import _PURPOSE, _Cursors, _signer, terms_for

    statement = select(Item).order_by(Item.rank)
    keys = sqlite_db.database.keys
    cursors = _Cursors(statement, terms_for(statement, ""), keys)
    for place in ([], [1], [1, 2, 3], [["enum", "RED"], 1], [["datetime", "x"], 1], [["nothing", "x"], 1], 7, None):
        token = _signer(keys).dumps([cursors._list, place], _PURPOSE)
        with pytest.raises(BadRequest, match=REFUSED):
            sqlite_db.keyset(statement, after=token)


def test_another_key_makes_other_cursors_and_a_former_one_still_fits(sqlite_db: Session) -> None:
    statement = select(Item).order_by(Item.rank)
    cursor = sqlite_db.keyset(statement, size=2).next
    former, new = sqlite_db.database.keys, (random_key(),)
    sqlite_db.database.keys = new
    with pytest.raises(BadRequest, match=REFUSED):
        sqlite_db.keyset(statement, after=cursor)
    sqlite_db.database.keys = new + former
    assert len(sqlite_db.keyset(statement, after=cursor)) == 7


def test_a_cursor_is_the_same_list_in_every_process() -> None:
    """What tells lists apart must not depend on the process: there are several workers."""
    program = f"""
import importlib.util, sys
from sqlalchemy import func, select
spec = importlib.util.spec_from_file_location("lists", {__file__!r})
lists = importlib.util.module_from_spec(spec)
sys.modules["lists"] = lists
spec.loader.exec_module(lists)
from sqlalchemy.orm import aliased
from erlen.db.keyset import _identify, terms_for
other = aliased(lists.Item)
statement = select(other, lists.Owner).join(other.owner).order_by(func.lower(other.name), other.weight.desc())
print(_identify(statement, terms_for(statement, "")))
"""
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


@given(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.binary()
    | st.ip_addresses()
)
def test_values_survive_a_cursor(given_value: Any) -> None:
    import msgspec

    made = _unpack(msgspec.json.decode(msgspec.json.encode(_pack(given_value))), None)
    assert made == given_value
    assert type(made) is type(given_value)


def test_what_cannot_be_continued_is_refused(sqlite_db: Session) -> None:
    db = sqlite_db
    for statement in (
        select(Item).limit(3),
        select(Item).offset(3),
        select(Item.rank, func.count()).group_by(Item.rank),
        select(Item.id).union(select(Owner.id)),
        select(func.count()),
    ):
        with pytest.raises(ValueError, match="keyset"):
            db.keyset(statement)
    with pytest.raises(ValueError, match="size=0"):
        db.keyset(Item, size=0)
    with pytest.raises(TypeError, match="'title', which it does not select"):
        db.keyset(select(Item).order_by("title"))
    with pytest.raises(TypeError, match="cannot be continued by list"):
        _pack([])


def test_rows_are_compared_as_rows_where_an_index_serves_that(sqlite_db: Session, statements: list[str]) -> None:
    statement = select(Item).order_by(Item.rank.desc(), Item.name.desc())
    cursor = sqlite_db.keyset(statement, size=2).next
    sqlite_db.keyset(statement, size=2, after=cursor)
    assert "(items.rank, items.name, items.id) < (" in " ".join(statements[-1].split())


def test_a_unique_field_needs_no_tie_breaker(sqlite_db: Session, statements: list[str]) -> None:
    sqlite_db.keyset(select(Owner).order_by(Owner.name))
    assert "ORDER BY owners.name ASC" in " ".join(statements[-1].split())
    assert "owners.id ASC" not in statements[-1]


def test_as_json(sqlite_db: Session) -> None:
    from erlen.schema.encode import json_encoder

    page = sqlite_db.keyset(select(Item.id).order_by(Item.id), size=2)
    assert json_encoder()(page) == json_encoder()({"items": [1, 2], "next": page.next, "previous": None})
