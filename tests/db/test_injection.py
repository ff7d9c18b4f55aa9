"""Names that come from outside, in every public function that takes one: none reaches SQL as text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import func, literal_column, select
from sqlalchemy.exc import ArgumentError

from erlen import App
from erlen.db import Database, Mapped, Model, Session, record_queries
from erlen.db.columns import Choices
from erlen.db.factory import factory
from erlen.db.ordering import ordering
from erlen.db.violations import InvalidValue
from erlen.errors import BadRequest, InvalidRequest

MARK = "DROP TABLE"
HOSTILE = [
    f"id; {MARK} notes",
    f"id) {MARK} notes --",
    f'id" {MARK} notes --',
    f"id` {MARK} notes --",
    f"id' {MARK} notes --",
    f"id\\' {MARK} notes --",
    f"%s {MARK}",
    f"%(id)s {MARK}",
    f":id {MARK}",
    f"id\0 {MARK}",
    f"\ud800 {MARK}",
    f"id desc, (select '{MARK}')",
]
# What Python or SQLAlchemy knows by these names is no field.
ATTRIBUTES = [
    "__class__",
    "__table__",
    "__dict__",
    "_sa_registry",
    "metadata",
    "registry",
    "query",
    "__erlen__",
    "validate",
    "notes.id",
    "*",
]


class Base(Model, isolated=True):
    pass


class Kind(Choices):
    new = "new"
    done = "done"


class Note(Base):
    name: Mapped[str]
    kind: Mapped[Kind | None]
    data: Mapped[dict[str, Any] | None]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, base=Base, create=True)
    database.create_all()
    with database.session() as db:
        db.add_all([Note(id=number, name=f"n{number}", data={"a": 1, "it's": 2}) for number in (1, 2, 3)])
    yield database
    with database.session() as db:
        assert db.count(Note) >= 3
    database.dispose()


def nowhere_in(log: Any) -> bool:
    return not any(MARK in query.statement for query in log)


TAKE_NAMES: dict[str, Callable[[Session, Any], Any]] = {
    "get_or_create": lambda db, name: db.get_or_create(Note, **cast(Any, {name: "x"})),
    "get_or_create defaults": lambda db, name: db.get_or_create(Note, {name: "x"}, name="new"),
    "update_or_create": lambda db, name: db.update_or_create(Note, values={}, **cast(Any, {name: "x"})),
    "update_or_create values": lambda db, name: db.update_or_create(Note, values={name: "x"}, name="n1"),
    "update_or_create new": lambda db, name: db.update_or_create(Note, values={name: "x"}, name="n9"),
    "update_or_create defaults": lambda db, name: db.update_or_create(Note, values={}, defaults={name: "x"}, name="n9"),
    "upsert rows": lambda db, name: db.upsert(Note, [{"id": 1, "name": "x", name: "x"}]),
    "upsert key": lambda db, name: db.upsert(Note, [{"id": 1, "name": "x"}], key=name),
    "upsert update": lambda db, name: db.upsert(Note, [{"id": 1, "name": "x"}], update=[name]),
    "upsert expressions": lambda db, name: db.upsert(Note, [{"id": 1, "name": "x"}], update={name: "x"}),
    "bulk_insert": lambda db, name: db.bulk_insert(Note, [{"name": "x", name: "x"}]),
    "bulk_update": lambda db, name: db.bulk_update(Note, [{"id": 1, name: "x"}]),
    "ordering of a program": lambda db, name: ordering(Note, None, allowed=[name]),
    "factory": lambda db, name: factory(Note).build(**{name: "x"}),
}


@pytest.mark.parametrize("way", TAKE_NAMES)
def test_functions_that_take_names_know_only_fields(database: Database, way: str) -> None:
    makes = way in (
        "get_or_create defaults",
        "update_or_create defaults",
        "factory",
    )  # SQLAlchemy's constructor takes any attribute of the class
    for name in HOSTILE + ([] if makes else ATTRIBUTES):
        with record_queries() as log, database.session() as db:
            with pytest.raises((TypeError, InvalidRequest)):
                TAKE_NAMES[way](db, name)
            db.rollback()
        assert nowhere_in(log), name


@pytest.mark.parametrize("sign", ["", "-", " -", "--"])
def test_orders_from_outside_are_those_that_are_allowed(database: Database, make_client: Callable[..., Any], sign: str) -> None:
    app = App()
    app.use(database)

    @app.get("/")
    def listed(db: Session, order: str = "") -> list[int]:
        return db.all(select(Note.id).order_by(*ordering(Note, order, allowed=["name", "id"])))

    client = make_client(app)
    for name in [*HOSTILE[:-2], HOSTILE[-1], *ATTRIBUTES, "kind", "NAME", "name desc", "name;", "name,,id", "1", "name COLLATE x"]:
        with record_queries() as log:
            answer = client.get("/", params={"order": f"{sign}{name}"})
        assert answer.status == 422, name
        assert "Must be one of" in answer.text or "Choose" in answer.text or "name" in answer.text
        assert nowhere_in(log)
    assert client.get("/", params={"order": "-id"}).json() == [3, 2, 1]


def test_cursors_from_outside_are_those_that_were_given(database: Database) -> None:
    """Forged, cut, of another key, of another list and of other types; what a cursor holds is bound, never text."""
    statement = select(Note).order_by(Note.name)
    with database.session() as db:
        cursor = db.keyset(statement, size=1).next
        assert cursor
        other_list = db.keyset(select(Note).order_by(Note.id), size=1).next
        with Database("sqlite://", base=Base).session() as foreign:
            foreign.database.create_all()
            foreign.add_all([Note(name="a"), Note(name="b")])
            foreign.flush()
            other_key = foreign.keyset(statement, size=1).next
        forged = [
            *HOSTILE,
            cursor[:-1],
            cursor[1:],
            cursor + "A",
            cursor.swapcase(),
            cursor * 2,
            other_list,
            other_key,
            ".",
            "..",
            "A" * 100_000,
        ]
        for token in forged:
            for side in ("after", "before"):
                with record_queries() as log, pytest.raises(BadRequest):
                    db.keyset(statement, size=1, **cast(Any, {side: token}))
                assert nowhere_in(log)
        # Names in a row that a cursor stands at are values.
        db.add_all([Note(id=number, name=name) for number, name in enumerate(HOSTILE[:9], 10)])
        db.flush()
        place, seen = None, 0
        with record_queries() as log:
            while seen == 0 or place:
                page = db.keyset(statement, size=1, after=place)
                place, seen = page.next, seen + 1
        assert seen == 12
        assert nowhere_in(log)


@pytest.mark.parametrize("wait", [True, False])
def test_names_of_locks_are_values(database: Database, wait: bool) -> None:
    with record_queries() as log, database.session() as db:
        for name in [*HOSTILE, "", "x" * 10_000]:
            with db.advisory_lock(name, wait=wait):
                pass
    assert nowhere_in(log)


def test_isolation_levels_are_those_that_there_are(database: Database) -> None:
    for level in HOSTILE:
        with record_queries() as log, database.session() as db:
            if database.url().get_backend_name() == "sqlite":
                db.use_isolation(cast(Any, level))  # it has one, and is told none
            else:
                with pytest.raises(ArgumentError):
                    db.use_isolation(cast(Any, level))
        assert nowhere_in(log)


def test_keys_of_json_are_values(database: Database) -> None:
    data: Any = Note.data
    with record_queries() as log, database.session(reading=True) as db:
        for name in HOSTILE[:9]:
            assert db.all(select(Note.id).where(data[name].as_string() == "x")) == []
        for name in HOSTILE[:9]:
            with contextlib.suppress(InvalidValue):  # PostgreSQL takes a path as one text, which such a key may break
                assert db.all(select(Note.id).where(data[("a", name)].as_string() == "x")) == []
        assert db.all(select(Note.id).where(data["it's"].as_integer() == 2)) == [1, 2, 3]
    assert nowhere_in(log)


def test_labels_are_quoted(database: Database) -> None:
    """SQLAlchemy's own: what comes from outside should still not be one."""
    with database.session(reading=True) as db:
        for name in [f'a" {MARK} notes --', f"a` {MARK} notes --", f"a; {MARK} notes", "a b"]:
            rows = db.execute(select(Note.id.label(name)).order_by(Note.id)).all()
            assert [row[0] for row in rows] == [1, 2, 3]


def test_values_that_look_like_sql_are_values(database: Database) -> None:
    with record_queries() as log, database.session() as db:
        for name in HOSTILE[:9]:
            assert db.all(Note, Note.name == name) == []
            assert db.all(Note, Note.name.in_([name])) == []
            assert db.all(Note, Note.name.contains(name, autoescape=True)) == []
            assert db.in_bulk(Note, [name], by=Note.name) == {}
            db.upsert(Note, [{"id": 9, "name": name}])
            assert db.one(Note, Note.id == 9).name == name
        assert db.one(select(func.count()).where(literal_column("1") == 1)) == 1
    assert nowhere_in(log)


def test_numbers_of_pages_are_numbers(database: Database) -> None:
    with record_queries() as log, database.session(reading=True) as db:
        for number in HOSTILE:
            for options in ({"number": number}, {"size": number}, {"total": "capped", "cap": number}):
                with pytest.raises((TypeError, ValueError)):
                    db.page(Note, **cast(Any, {"size": 1, **options}))
            with pytest.raises((TypeError, ValueError)):
                db.keyset(Note, size=cast(Any, number))
    assert nowhere_in(log)


def test_tags_name_tables_only_through_models(database: Database, make_client: Callable[..., Any]) -> None:
    """A path is read by the types of the columns, whatever it says."""
    app = App()
    app.use(database)

    @app.get("/notes/{note.name}")
    def show(note: Note) -> Note:
        return note

    client = make_client(app)
    for name in ["n1' OR 1=1 --", f"n1; {MARK} notes", "n1%00", "%"]:
        with record_queries() as log:
            assert client.get(f"/notes/{name}").status == 404
        assert nowhere_in(log)
    assert client.get("/notes/n1").status == 200
