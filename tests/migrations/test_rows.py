"""Rows, dumped and loaded: exactly, in any order, all or none, with what is wrong said line by line."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from click.testing import Result
from msgspec import Meta
from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from erlen.db import Encrypted, Model
from erlen.migrations.target import Target
from erlen.rows import Loaded, RowsError, dump, load

Make = Callable[..., Target]
KEY = "a secret key of thirty-two letters"


def lines_of(target: Target, *models: str, **options: Any) -> list[Any]:
    """Dump, and return the rows as (model, fields)."""
    rows = [json.loads(line) for line in dumped(target, *models, **options).splitlines()]
    assert rows[0] == {"erlen": "rows", "version": 1}
    assert rows[-1] == {"rows": len(rows) - 2}
    return [(row["model"], row["fields"]) for row in rows[1:-1]]


def dumped(target: Target, *models: str, **options: Any) -> bytes:
    out = io.BytesIO()
    dump(target, out.write, models=models, **options)
    return out.getvalue()


def store(target: Target, *instances: object) -> None:
    target.database.create_all()
    with target.database.session() as db:
        db.add_all(instances)


def written(folder: Path, *rows: Any, name: str = "rows.jsonl") -> str:
    """Write rows, given as (model, fields) or as text, into a file."""
    lines = [row if isinstance(row, str) else json.dumps({"model": row[0], "fields": row[1]}) for row in rows]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return str(folder / name)


def faults(target: Target, *files: str, **options: Any) -> list[str]:
    """Load, and return what is wrong, without the folder of the files."""
    with pytest.raises(RowsError) as raised:
        load(target, files, **options)
    first, *rest = str(raised.value).splitlines()
    assert first == "nothing was loaded:"
    return [line.strip().rpartition("/")[2] if ".jsonl" in line else line.strip() for line in rest]


def library(base: Any) -> tuple[Any, Any, Any]:
    """Authors, books and tags: with a foreign key, a table between two models, and a reference to the same table."""

    class Author(base):  # type: ignore[misc]
        name: Mapped[str]
        email: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)

    links = sa.Table(
        "book_tags",
        base.metadata,
        sa.Column("book_id", ForeignKey("books.id"), primary_key=True),
        sa.Column("tag_id", ForeignKey("tags.id"), primary_key=True),
    )

    class Book(base):  # type: ignore[misc]
        title: Mapped[Annotated[str, Meta(min_length=1, max_length=20)]]
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
        sequel_to_id: Mapped[int | None] = mapped_column(ForeignKey("books.id"))
        tags: Mapped[list[Tag]] = relationship(secondary=links)
        __table_args__ = (UniqueConstraint("author_id", "title"),)

    class Tag(base):  # type: ignore[misc]
        name: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)

    type.__setattr__(base, "kept", (Author, Book, Tag))  # or they might be gone
    return Author, Book, Tag


def filled(target: Target, base: Any) -> None:
    author, book, tag = library(base)
    first, second = tag(name="new"), tag(name="old")
    ada, bob = author(id=7, name="Ada", email="ada@example.com"), author(id=3, name="Bob", email="bob@example.com")
    store(target, ada, bob, first, second)
    with target.database.session() as db:
        db.add(book(id=10, title="One", author_id=7, tags=[first]))
        db.add(book(id=5, title="Two", author_id=7, tags=[first, second]))
        db.add(book(id=6, title="Other", author_id=3))
        db.flush()
        db.get_one(book, 5).sequel_to_id = 10


@pytest.fixture
def second(base: type[Model], tmp_path: Path, target_of: Make) -> Target:
    """Another, empty database, on SQLite."""
    return target_of(f"sqlite:///{tmp_path / 'second.db'}", base)


# -- dump -------------------------------------------------------------------------------------------------------------------------


def test_rows_come_after_what_they_refer_to_by_the_order_of_their_keys(database_url: str, base: Any, target_of: Make) -> None:
    target = target_of(database_url, base)
    filled(target, base)
    assert lines_of(target) == [
        ("Author", {"id": 3, "name": "Bob", "email": "bob@example.com"}),
        ("Author", {"id": 7, "name": "Ada", "email": "ada@example.com"}),
        ("Tag", {"id": 1, "name": "new"}),
        ("Tag", {"id": 2, "name": "old"}),
        ("Book", {"id": 5, "title": "Two", "author_id": 7, "sequel_to_id": 10}),
        ("Book", {"id": 6, "title": "Other", "author_id": 3, "sequel_to_id": None}),
        ("Book", {"id": 10, "title": "One", "author_id": 7, "sequel_to_id": None}),
        ("book_tags", {"book_id": 5, "tag_id": 1}),
        ("book_tags", {"book_id": 5, "tag_id": 2}),
        ("book_tags", {"book_id": 10, "tag_id": 1}),
    ]


def test_a_dump_loads_into_any_database_and_is_the_same_again(database_url: str, base: Any, target_of: Make, second: Target) -> None:
    target = target_of(database_url, base)
    filled(second, base)
    original = dumped(second)
    target.database.create_all()
    (target.root.parent / "a.jsonl").write_bytes(original)
    done = load(target, [str(target.root.parent / "a.jsonl")])
    assert done.inserted == {"Author": 2, "Book": 3, "Tag": 2, "book_tags": 3}
    assert dumped(target) == original


def test_models_are_chosen_with_the_tables_between_them(base: Any, second: Target) -> None:
    filled(second, base)

    def models(*names: str, exclude: Sequence[str] = ()) -> set[str]:
        return {model for model, _ in lines_of(second, *names, exclude=exclude)}

    assert models("Author") == {"Author"}
    assert models("Book", "Tag") == {"Book", "Tag", "book_tags"}
    assert models(exclude=["Tag"]) == {"Author", "Book"}
    assert models(exclude=["book_tags"]) == {"Author", "Book", "Tag"}
    assert models("book_tags") == {"book_tags"}
    with pytest.raises(RowsError, match="there is no model 'Bok': did you mean 'Book'"):
        models("Bok")


def test_only_some_rows(base: Any, second: Target) -> None:
    filled(second, base)
    assert [fields["id"] for _, fields in lines_of(second, "Book", where={"Book": "author_id = 7 or title = 'x'"})] == [5, 10]


def test_a_dump_sees_one_moment(database_url: str, base: Any, target_of: Make) -> None:
    target = target_of(database_url, base)
    filled(target, base)
    tag = next(mapper.class_ for mapper in base.registry.mappers if mapper.class_.__name__ == "Tag")
    pieces: list[bytes] = []

    def write(piece: bytes) -> None:
        if len(pieces) == 1:  # between the header and the first rows
            with target.database.session() as db:
                db.add(tag(name="late"))
        pieces.append(piece)

    dump(target, write)
    assert b"late" not in b"".join(pieces)
    assert b"late" in dumped(target)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_memory_does_not_grow_with_the_rows(kind: str, base: Any, target_of: Make, url_of: Callable[[str], str]) -> None:
    class Point(base):  # type: ignore[misc]
        number: Mapped[int]
        text: Mapped[str]

    count = 200_000 if kind == "postgresql" else 60_000
    target = target_of(url_of(kind), base)
    target.database.create_all()
    generate = {
        "postgresql": f"INSERT INTO points (number, text) SELECT n, repeat('x', 100) FROM generate_series(1, {count}) n",
        "mariadb": f"INSERT INTO points (number, text) SELECT seq, repeat('x', 100) FROM seq_1_to_{count}",
        "sqlite": f"WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {count}) "
        "INSERT INTO points (number, text) SELECT n, printf('%.100c', 'x') FROM c",
    }
    with target.database.session() as db:
        db.connection().exec_driver_sql(generate[kind])
    path = target.root.parent / "points.jsonl"
    with path.open("wb") as file:
        tracemalloc.start()
        try:
            done = dump(target, file.write)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert done.rows == {"Point": count}
    assert path.stat().st_size > count * 100
    assert peak < 6_000_000


def test_encrypted_values_stay_encrypted_and_load_where_the_key_is(base: Any, second: Target, tmp_path: Path) -> None:
    class Account(base):  # type: ignore[misc]
        iban: Mapped[Encrypted[str]]

    second.database.use_keys((KEY,))
    store(second, Account(iban="DE02100100100006820101"))
    path = tmp_path / "accounts.jsonl"
    path.write_bytes(dumped(second))
    assert b"DE02" not in path.read_bytes()
    assert load(second, [str(path)], existing="update").updated == 1
    with second.database.session() as db:
        assert db.scalar(select(Account.iban)) == "DE02100100100006820101"
    load(second, [written(tmp_path, ("Account", {"id": 2, "iban": "plain"}))])
    with second.database.session() as db:
        assert db.scalar(select(Account.iban).where(Account.id == 2)) == "plain"
        assert "plain" not in db.connection().exec_driver_sql("SELECT iban FROM accounts WHERE id = 2").scalar_one()
    second.database.use_keys(("another secret key of many letters",))
    assert faults(second, str(path), existing="update") == [
        "accounts.jsonl:2: Account 1: iban: It was encrypted with a key that is not among `secret_key` and `secret_key_fallbacks`."
    ]


# -- load -------------------------------------------------------------------------------------------------------------------------


def test_every_fault_is_told_with_its_line_row_field_and_value(base: Any, second: Target, tmp_path: Path) -> None:
    library(base)
    second.database.create_all()
    file = written(
        tmp_path,
        ("Author", {"id": 1, "name": "Ada", "email": "a@example.com"}),
        ("Book", {"id": 3, "title": "A title that is too long", "author_id": 1}),
        ("Book", {"id": 4, "titel": "One", "author_id": "1"}),
        ("Bok", {"id": 4}),
        '{"model": "Book"}',
        ("Book", {"id": 5, "title": "", "author_id": True}),
    )
    assert faults(second, file) == [
        'rows.jsonl:2: Book 3: title "A title that is too long": Must have at most 20 characters.',
        "rows.jsonl:3: Book 4: titel: no such field: did you mean 'title'?",
        'rows.jsonl:3: Book 4: author_id "1": Expected an integer.',
        "rows.jsonl:3: Book 4: title: This field is required.",
        "rows.jsonl:4: there is no model 'Bok': did you mean 'Book'?",
        'rows.jsonl:5: this is no row: a line is `{"model": "Book", "fields": {"title": "…"}}`',
        'rows.jsonl:6: Book 5: title "": Must have at least 1 character.',
        "rows.jsonl:6: Book 5: author_id true: Expected an integer.",
    ]
    with second.database.session() as db:
        assert db.connection().exec_driver_sql("SELECT count(*) FROM authors").scalar_one() == 0
    assert len(faults(second, written(tmp_path, *[("Nothing", {})] * 50))) == 21


def test_what_the_database_refuses_is_told_in_the_same_way(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    target = target_of(database_url, base)
    library(base)
    target.database.create_all()
    file = written(
        tmp_path,
        *[("Author", {"id": number, "name": "Ada", "email": f"{number}@example.com"}) for number in range(1, 6)],
        ("Author", {"id": 8, "name": "Bob", "email": "2@example.com"}),
        ("Author", {"id": 9, "name": "Bob", "email": "3@example.com"}),
        ("Book", {"id": 3, "title": "One", "author_id": 99}),
    )
    assert faults(target, file) == [
        "rows.jsonl:6: Author 8: email: This is already taken.",
        "rows.jsonl:7: Author 9: email: This is already taken.",
    ]
    refers = [
        ("Author", {"id": 1, "name": "Ada", "email": "a@example.com"}),
        ("Book", {"id": 3, "title": "One", "author_id": 99}),
        ("Book", {"id": 4, "title": "Two", "author_id": 1, "sequel_to_id": 5}),
        ("Book", {"id": 7, "title": "Three", "author_id": {"email": "nobody@example.com"}}),
    ]
    assert faults(target, written(tmp_path, *refers)) == [
        "rows.jsonl:2: Book 3: author_id: Author 99 is not there",
        "rows.jsonl:3: Book 4: sequel_to_id: Book 5 is not there",
        'rows.jsonl:4: Book 7: author_id: Author email "nobody@example.com" is not there',
    ]
    assert faults(target, written(tmp_path, refers[0], refers[2])) == ["rows.jsonl:2: Book 4: sequel_to_id: Book 5 is not there"]
    with target.database.session() as db:
        assert db.connection().exec_driver_sql("SELECT count(*) FROM authors").scalar_one() == 0


def test_rows_stand_in_any_order(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    target = target_of(database_url, base)
    library(base)
    target.database.create_all()
    done = load(
        target,
        [
            written(
                tmp_path,
                ("book_tags", {"book_id": 5, "tag_id": 1}),
                ("Book", {"id": 5, "title": "Two", "author_id": 7, "sequel_to_id": 10}),
                ("Book", {"id": 10, "title": "One", "author_id": 7, "sequel_to_id": None}),
                ("Author", {"id": 7, "name": "Ada", "email": "a@example.com"}),
                ("Tag", {"id": 1, "name": "new"}),
            )
        ],
    )
    assert done.inserted == {"Author": 1, "Tag": 1, "Book": 2, "book_tags": 1}
    assert ("Book", {"id": 5, "title": "Two", "author_id": 7, "sequel_to_id": 10}) in lines_of(target)


def test_rows_that_refer_to_each_other_in_a_circle(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    class Team(base):  # type: ignore[misc]
        lead_id: Mapped[int] = mapped_column(ForeignKey("players.id", deferrable="mariadb" not in database_url or None, use_alter=True))

    class Player(base):  # type: ignore[misc]
        team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
        captain_id: Mapped[int] = mapped_column(ForeignKey("players.id"))

    target = target_of(database_url, base)
    target.database.create_all()
    rows: list[Any] = [("Team", {"id": 1, "lead_id": 2}), ("Player", {"id": 2, "team_id": 1, "captain_id": 2})]
    load(target, [written(tmp_path, *rows)])
    assert sorted(lines_of(target), key=str) == sorted(rows, key=str)
    wrong = written(tmp_path, ("Team", {"id": 3, "lead_id": 4}), ("Player", {"id": 4, "team_id": 5, "captain_id": 4}))
    assert faults(target, wrong)[-1] == "rows.jsonl:2: Player 4: team_id: Team 5 is not there"


def test_rows_that_are_there_are_refused_skipped_or_changed(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    target = target_of(database_url, base)
    filled(target, base)
    file = written(
        tmp_path,
        ("Author", {"id": 7, "name": "Eve", "email": "eve@example.com"}),
        ("Author", {"id": 8, "name": "Fay", "email": "fay@example.com"}),
        ("book_tags", {"book_id": 5, "tag_id": 1}),
        ("Author", {"id": 8, "name": "Gus", "email": "gus@example.com"}),
    )
    there = "it is there already: `--skip` leaves such rows as they are, `--update` changes them"
    assert faults(target, file) == [f"rows.jsonl:1: Author 7: {there}"]
    assert load(target, [file], existing="skip") == Loaded(inserted={"Author": 1}, skipped=3)
    assert lines_of(target, "Author")[1:] == [
        ("Author", {"id": 7, "name": "Ada", "email": "ada@example.com"}),
        ("Author", {"id": 8, "name": "Fay", "email": "fay@example.com"}),
    ]
    assert load(target, [file], existing="update") == Loaded(updated=4)
    assert lines_of(target, "Author")[1:] == [
        ("Author", {"id": 7, "name": "Eve", "email": "eve@example.com"}),
        ("Author", {"id": 8, "name": "Gus", "email": "gus@example.com"}),
    ]


def test_skipped_rows_keep_their_references(base: Any, second: Target, tmp_path: Path) -> None:
    filled(second, base)
    before = dumped(second)
    load(second, [written(tmp_path, ("Book", {"id": 6, "title": "Other", "author_id": 3, "sequel_to_id": 99}))], existing="skip")
    assert dumped(second) == before


def test_the_database_counts_on_after_loaded_keys(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    class Point(base):  # type: ignore[misc]
        number: Mapped[int]

    target = target_of(database_url, base)
    target.database.create_all()
    load(
        target,
        [written(tmp_path, ("Point", {"id": 0, "number": 1}), ("Point", {"id": 41, "number": 1}), ("Point", {"number": 2}))],
    )
    with target.database.session() as db:
        point = Point(number=3)
        db.add(point)
        db.flush()
        assert point.id > 41
        assert db.get(Point, 0) is not None


def test_rows_of_another_version_of_the_application(base: Any, second: Target, tmp_path: Path) -> None:
    library(base)
    second.database.create_all()
    file = written(tmp_path, ("Gone", {"id": 1}), ("Author", {"id": 1, "name": "Ada", "email": "a", "age": 3}))
    assert faults(second, file) == [
        "rows.jsonl:1: there is no model 'Gone', only Author, Book, Tag, authors, book_tags, books, tags",
        "rows.jsonl:2: Author 1: age: no such field, only email, id, name",
    ]
    assert load(second, [file], ignore_unknown=True) == Loaded(inserted={"Author": 1}, ignored=1)


def test_rows_that_todays_rules_refuse(base: Any, second: Target, tmp_path: Path) -> None:
    library(base)
    second.database.create_all()
    rows: list[Any] = [("Author", {"id": 1, "name": "Ada", "email": "a"}), ("Book", {"id": 1, "title": "x" * 30, "author_id": 1})]
    assert len(faults(second, written(tmp_path, *rows))) == 1
    load(second, [written(tmp_path, *rows)], validate=False)
    assert lines_of(second, "Book")[0][1]["title"] == "x" * 30


def test_files_that_are_cut_off_or_no_rows(base: Any, second: Target, tmp_path: Path) -> None:
    filled(second, base)
    whole = dumped(second)
    path = tmp_path / "cut.jsonl"

    def refusal(content: bytes, name: str = "cut.jsonl") -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RowsError) as raised:
            load(second, [str(tmp_path / name)], existing="update")
        return str(raised.value).removeprefix(f"{tmp_path}/")

    lines = whole.splitlines(keepends=True)
    assert refusal(b"".join(lines[:4])) == "cut.jsonl is cut off after 3 rows: the last line of a dump says how many there are"
    assert "cut.jsonl:3: this is no JSON" in refusal(b"".join(lines[:2]) + lines[2][:-9])
    assert "4 rows came before this line, and the dump had 10" in refusal(b"".join([*lines[:5], lines[-1]]))
    assert "this is no row" in refusal(b"[1, 2]\n")
    assert "a file of rows has one row on each line" in refusal(b"[\n{}\n]\n")
    assert "made by another version of Erlen (2)" in refusal(b'{"erlen":"rows","version":2}\n')
    assert "NaN is no number of JSON" in refusal(b'{"model":"Author","fields":{"id":NaN}}\n')
    assert "it is cut off or damaged" in refusal(gzip.compress(whole)[:-20], "cut.jsonl.gz")
    path.unlink()
    with pytest.raises(RowsError, match="cannot be read: No such file"):
        load(second, [str(path)])


def test_dumps_may_be_joined(base: Any, second: Target, tmp_path: Path) -> None:
    filled(second, base)
    both = tmp_path / "both.jsonl"
    both.write_bytes(dumped(second, "Author") + b"\n" + dumped(second, "Tag"))
    assert load(second, [str(both)], existing="update").updated == 4


def test_in_a_tests_transaction_nothing_stays_of_a_load_that_fails(base: Any, second: Target, tmp_path: Path) -> None:
    author, *_ = library(base)
    second.database.create_all()
    with second.database.engines().writer.connect() as connection, connection.begin():
        second.database.bound = {"default": connection}
        fine = [("Author", {"id": number, "name": "Ada", "email": str(number)}) for number in range(600)]
        assert faults(second, written(tmp_path, *fine, ("Author", {"id": 1}))) != []
        assert connection.scalar(select(func.count()).select_from(author)) == 0
        assert load(second, [written(tmp_path, *fine)]).inserted == {"Author": 600}
        second.database.bound = {}


# -- inheritance, keys ------------------------------------------------------------------------------------------------------------


def test_inherited_classes(database_url: str, base: Any, target_of: Make, second: Target, tmp_path: Path) -> None:
    class Person(base):  # type: ignore[misc]
        kind: Mapped[Annotated[str, Meta(max_length=20)]]
        name: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    class Manager(Person):
        __tablename__ = "managers"
        level: Mapped[Annotated[int, Meta(le=9)]]
        __mapper_args__ = {"polymorphic_identity": "manager"}

    class Guest(Person):
        host_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
        __mapper_args__ = {"polymorphic_identity": "guest"}

    target = target_of(database_url, base)
    store(target, Manager(id=4, name="Ada", level=3))
    with target.database.session() as db:
        db.add(Guest(id=2, name="Bob", host_id=4))
    rows = lines_of(target)
    assert rows == [
        ("Person", {"id": 2, "kind": "guest", "name": "Bob", "host_id": 4}),
        ("Person", {"id": 4, "kind": "manager", "name": "Ada", "host_id": None}),
        ("Manager", {"id": 4, "level": 3}),
    ]
    assert lines_of(target, "Manager") == rows
    assert lines_of(target, natural=True) == [
        ("Person", {"kind": "guest", "name": "Bob", "host_id": {"name": "Ada"}}),
        ("Person", {"kind": "manager", "name": "Ada", "host_id": None}),
        ("Manager", {"id": {"name": "Ada"}, "level": 3}),
    ]
    second.database.create_all()
    for natural in (False, True):
        (tmp_path / "a.jsonl").write_bytes(dumped(target, natural=natural))
        load(second, [str(tmp_path / "a.jsonl")], existing="update")
        assert dumped(second) == dumped(target)
    load(second, [written(tmp_path, ("Guest", {"name": "Cid"}))])
    with second.database.session() as db:
        assert db.scalars(select(Guest.name).order_by(Guest.name)).all() == ["Bob", "Cid"]
        assert db.scalars(select(Manager.level)).one() == 3
    assert "Must be at most 9." in faults(second, written(tmp_path, ("Manager", {"id": 2, "level": 10})))[0]


def test_composite_keys_and_keys_of_text(database_url: str, base: Any, target_of: Make, tmp_path: Path) -> None:
    class Country(base):  # type: ignore[misc]
        id = None
        code: Mapped[Annotated[str, Meta(max_length=3)]] = mapped_column(primary_key=True)

    class City(base):  # type: ignore[misc]
        id = None
        country_code: Mapped[str] = mapped_column(sa.String(3), ForeignKey("countries.code"), primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        ref: Mapped[UUID] = mapped_column(default=uuid4)

    class Street(base):  # type: ignore[misc]
        country_code: Mapped[str] = mapped_column(sa.String(3))
        number: Mapped[int]
        __table_args__ = (sa.ForeignKeyConstraint(["country_code", "number"], ["cities.country_code", "cities.number"]),)

    target = target_of(database_url, base)
    target.database.create_all()
    rows: list[Any] = [
        ("Country", {"code": "B"}),
        ("Country", {"code": "a"}),
        ("Country", {"code": "z"}),
        ("City", {"country_code": "a", "number": 2, "ref": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}),
        ("City", {"country_code": "z", "number": 1, "ref": "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}),
        ("Street", {"id": 3, "country_code": "a", "number": 2}),
    ]
    load(target, [written(tmp_path, *rows)])
    assert lines_of(target) == rows
    assert faults(target, written(tmp_path, ("Street", {"id": 4, "country_code": "a", "number": 9}))) == [
        'rows.jsonl:1: Street 4: country_code, number: City "a", 9 is not there'
    ]
    assert lines_of(target, natural=True)[-1] == rows[-1]


# -- natural keys -----------------------------------------------------------------------------------------------------------------


def test_natural_keys_load_into_a_database_with_other_ids(
    database_url: str, base: Any, target_of: Make, second: Target, tmp_path: Path
) -> None:
    filled(second, base)
    author, book, tag = (next(m.class_ for m in base.registry.mappers if m.class_.__name__ == name) for name in ("Author", "Book", "Tag"))
    named = lines_of(second, natural=True)
    assert ("Author", {"name": "Bob", "email": "bob@example.com"}) in named
    one = {"author_id": {"email": "ada@example.com"}, "title": "One"}
    assert ("Book", {"title": "Two", "author_id": {"email": "ada@example.com"}, "sequel_to_id": one}) in named
    assert ("book_tags", {"book_id": one, "tag_id": {"name": "new"}}) in named
    target = target_of(database_url, base)
    store(target, author(id=3, name="Zoe", email="zoe@example.com"), author(id=50, name="Old", email="ada@example.com"), tag(name="old"))
    path = tmp_path / "named.jsonl"
    path.write_bytes(dumped(second, natural=True))
    done = load(target, [str(path)], existing="update")
    assert (done.inserted, done.updated) == ({"Author": 1, "Book": 3, "Tag": 1, "book_tags": 3}, 2)
    with target.database.session() as db:
        two = db.one(book, book.title == "Two")
        assert {each.name for each in two.tags} == {"new", "old"}
        assert db.get_one(author, two.author_id).name == "Ada"
        assert two.author_id == 50
        assert db.get_one(book, two.sequel_to_id).title == "One"
        assert db.scalar(select(func.count()).select_from(author)) == 3
    assert load(target, [str(path)], existing="skip") == Loaded(skipped=10)
    assert sorted(map(str, lines_of(target, natural=True, exclude=["Author"]))) == sorted(
        map(str, lines_of(second, natural=True, exclude=["Author"]))
    )


def test_a_model_says_its_natural_key(base: Any, second: Target, tmp_path: Path) -> None:
    class Page(base):  # type: ignore[misc]
        __natural_key__: tuple[str, ...] = ("slug",)
        code: Mapped[str] = mapped_column(unique=True)
        slug: Mapped[str]

    class Note(base):  # type: ignore[misc]
        page_id: Mapped[int] = mapped_column(ForeignKey("pages.id"))

    store(second, Page(id=5, code="a", slug="home"))
    with second.database.session() as db:
        db.add(Note(id=9, page_id=5))
    assert lines_of(second, natural=True) == [("Page", {"code": "a", "slug": "home"}), ("Note", {"id": 9, "page_id": {"slug": "home"}})]
    assert dump(second, io.BytesIO().write, natural=True).unnamed == ["Note"]
    assert faults(second, written(tmp_path, ("Note", {"page_id": {"code": "a"}}))) == [
        'rows.jsonl:1: Note: page_id {"code":"a"}: Page is named by slug, not by code'
    ]
    Page.__natural_key__ = ("slugg",)
    with pytest.raises(Exception, match=r"`__natural_key__` names 'slugg'[^?]*did you mean 'slug'"):
        lines_of(second)


def test_natural_keys_of_trees(base: Any, second: Target, tmp_path: Path) -> None:
    class Folder(base):  # type: ignore[misc]
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id"))
        name: Mapped[str]
        path: Mapped[str] = mapped_column(unique=True)
        __table_args__ = (UniqueConstraint("parent_id", "name"),)

    store(second, Folder(id=2, name="a", path="/a"))
    with second.database.session() as db:
        db.add(Folder(id=1, name="b", path="/a/b", parent_id=2))
    assert lines_of(second, natural=True) == [
        ("Folder", {"parent_id": {"path": "/a"}, "name": "b", "path": "/a/b"}),
        ("Folder", {"parent_id": None, "name": "a", "path": "/a"}),
    ]
    content = dumped(second, natural=True)
    with second.database.session() as db:
        db.execute(sa.update(Folder).values(parent_id=None))
        db.execute(sa.delete(Folder))
    (tmp_path / "a.jsonl").write_bytes(content)
    assert load(second, [str(tmp_path / "a.jsonl")]).inserted == {"Folder": 2}
    with second.database.session() as db:
        assert db.one(Folder, Folder.path == "/a/b").parent_id == db.one(Folder, Folder.path == "/a").id


# -- types of SQLAlchemy's own ----------------------------------------------------------------------------------------------------


class Colour(Enum):
    red = "r"
    green = "g"


class Reversed(sa.types.TypeDecorator[str]):
    """Somebody's own type."""

    impl = sa.String(50)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value and value[::-1]


def test_columns_of_other_types(database_url: str, base: Any, target_of: Make, second: Target, tmp_path: Path) -> None:
    class Thing(base):  # type: ignore[misc]
        colour: Mapped[Any] = mapped_column(sa.Enum(Colour, native_enum=False, length=10))
        local: Mapped[Any] = mapped_column(sa.DateTime())
        own: Mapped[Any] = mapped_column(Reversed())
        number: Mapped[Any] = mapped_column(sa.Numeric(10, 2, asdecimal=False))
        data: Mapped[Any] = mapped_column(sa.JSON(), nullable=True)
        pickled: Mapped[Any] = mapped_column(sa.PickleType())
        twice: Mapped[Any] = mapped_column(sa.Integer, sa.Computed("number * 2", persisted=True))

    local = datetime.datetime(2026, 3, 1, 2, 3, 4)
    values: dict[str, Any] = {
        "colour": Colour.green,
        "local": local,
        "own": "abc",
        "number": 1.5,
        "data": {"b": 1, "a": 1e23},
        "pickled": (1, 2),
    }
    target = target_of(database_url, base)
    store(target, Thing(id=1, **values), Thing(id=2, **values | {"data": None}))
    rows = lines_of(target)
    assert rows[0][1] | {"pickled": ""} == {
        "id": 1,
        "colour": "green",
        "local": "2026-03-01T02:03:04",
        "own": "cba",
        "number": 1.5,
        "data": {"a": 10**23, "b": 1},
        "pickled": "",
    }
    second.database.create_all()
    (tmp_path / "a.jsonl").write_bytes(dumped(target))
    load(second, [str(tmp_path / "a.jsonl")])
    assert dumped(second) == dumped(target)
    with second.database.session() as db:
        thing = db.get_one(Thing, 1)
        assert (thing.colour, thing.local, thing.own, thing.pickled, thing.twice) == (Colour.green, local, "abc", (1, 2), 3)
    assert faults(second, written(tmp_path, ("Thing", {"id": 3, "twice": 6, "colour": "blue"})))[:2] == [
        "rows.jsonl:1: Thing 3: twice: the database computes it",
        'rows.jsonl:1: Thing 3: colour "blue": Must be one of red, green.',
    ]


# -- files and commands -----------------------------------------------------------------------------------------------------------

BOOKS = """
class Author(Base):
    name: Mapped[Annotated[str, Meta(max_length=20)]] = mapped_column(unique=True)


class Book(Base):
    title: Mapped[str]
    price: Mapped[Money]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
"""
HEAD = """
from typing import Annotated
from msgspec import Meta
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
"""


@pytest.fixture
def books(write_app: Callable[..., Path], run: Callable[..., Result], folder: Path) -> Callable[..., Result]:
    """The command line in a folder with an application, its tables and two rows."""
    write_app("sqlite:///books.db", HEAD + BOOKS)
    result = run("shell", "-c", "app.site.extensions['db'].create_all()")
    assert result.exit_code == 0, result.output
    written(folder, ("Author", {"id": 1, "name": "Ada"}), ("Book", {"id": 2, "title": "One", "price": "9.5", "author_id": 1}))
    result = run("db", "load", "rows.jsonl")
    assert result.output == "loaded 2 rows (Author 1, Book 1)\n", result.output
    return run


def test_dump_writes_to_standard_output(books: Callable[..., Result]) -> None:
    result = books("db", "dump")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        '{"erlen":"rows","version":1}',
        '{"model":"Author","fields":{"id":1,"name":"Ada"}}',
        '{"model":"Book","fields":{"id":2,"title":"One","price":"9.5000","author_id":1}}',
        '{"rows":2}',
    ]
    natural = books("db", "dump", "--natural", "Book")
    assert '{"title":"One","price":"9.5000","author_id":{"name":"Ada"}}' not in natural.stdout
    assert '{"id":2,"title":"One","price":"9.5000","author_id":{"name":"Ada"}}' in natural.stdout
    assert natural.stderr == "no natural key, so rows keep their ids: Book (a model says its own: `__natural_key__ = (…)`)\n"


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_files_are_compressed_by_their_names(books: Callable[..., Result], folder: Path, ending: str) -> None:
    name = f"out.jsonl{ending}"
    result = books("db", "dump", "--output", name)
    assert result.output == f"{name}: 2 rows (Author 1, Book 1)\n"
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    unpack: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    content = (folder / name).read_bytes()
    if ending in unpack:
        assert unpack[ending](content).count(b"\n") == 4
    first = content
    books("db", "dump", "--output", name)
    assert (folder / name).read_bytes() == first
    assert books("db", "load", "--update", name).output == "loaded 0 rows; 2 changed\n"
    if ending:
        (folder / name).write_bytes(content[:-12])
        broken = books("db", "load", "--update", name)
        assert broken.exit_code == 1
        assert "cut off" in broken.output


def test_a_dump_that_fails_leaves_the_file_as_it_was(books: Callable[..., Result], folder: Path) -> None:
    assert books("db", "dump", "Nothing").stdout == ""
    (folder / "out.jsonl").write_text("before")
    assert books("db", "dump", "Nothing", "-o", "out.jsonl").exit_code == 1
    assert (folder / "out.jsonl").read_text() == "before"
    assert not [path for path in folder.iterdir() if path.name.startswith(".out")]
    assert "cannot be written" in books("db", "dump", "-o", "no/such/folder.jsonl").output


def test_load_says_what_is_wrong(books: Callable[..., Result], folder: Path) -> None:
    again = books("db", "load", "rows.jsonl")
    assert again.exit_code == 1
    assert "rows.jsonl:1: Author 1: it is there already: `--skip` leaves" in again.output
    assert books("db", "load", "--skip", "rows.jsonl").output == "loaded 0 rows; 2 left as they were\n"
    assert books("db", "load").exit_code == 2
    assert books("db", "load", "--database", "logs", "rows.jsonl").exit_code == 1


def test_dump_and_load_in_processes_of_their_own(books: Callable[..., Result], folder: Path) -> None:
    command = [sys.executable, "-m", "erlen", "db"]
    dumping = subprocess.run([*command, "dump"], cwd=folder, capture_output=True, check=True)
    loading = subprocess.run([*command, "load", "--update", "-"], cwd=folder, input=dumping.stdout, capture_output=True, check=True)
    assert loading.stdout == b"loaded 0 rows; 2 changed\n"
    assert dumping.stderr == loading.stderr == b""


# -- seeds ------------------------------------------------------------------------------------------------------------------------

SEEDS = """
from app import Author, Book
from erlen.db import AsyncSession, Session


def authors(db: Session) -> None:
    db.upsert(Author, [{"name": "Bob"}], key="name")


def _rows():
    raise AssertionError


async def more_authors(db: AsyncSession) -> None:
    assert await db.count(Author) == 2
    await db.upsert(Author, [{"name": "Cid"}], key="name")
"""


def test_seeds_are_functions_and_files(books: Callable[..., Result], folder: Path, write: Callable[..., Path]) -> None:
    assert "There are no seeds" in books("db", "seed").output
    write("seeds.py", SEEDS)
    (folder / "seeds").mkdir()
    written(folder / "seeds", ("Book", {"id": 3, "title": "Two", "price": "1", "author_id": {"name": "Ada"}}), name="books.jsonl")
    listed = books("db", "seed", "--list").output.split()
    assert listed[::2] == ["books", "authors", "more_authors"]
    for _ in range(2):
        result = books("db", "seed")
        assert result.output == "seed books\nseed authors\nseed more_authors\n", result.output
    assert books("db", "dump").stdout.count('"model"') == 5
    assert books("db", "seed", "authors").output == "seed authors\n"
    assert "there is no seed 'author': did you mean 'authors'?" in books("db", "seed", "author").output
    assert subprocess.run([sys.executable, "-m", "erlen", "db", "seed", "books"], cwd=folder, check=True, capture_output=True).stdout


def test_seeds_are_one_transaction(books: Callable[..., Result], write: Callable[..., Path]) -> None:
    for colour in ("", "async "):
        write("seeds.py", f"{SEEDS}\n{colour}def wrong(db):\n    raise ValueError('wrong seed')\n")
        assert "wrong seed" in str(books("db", "seed").exception)
        assert "Bob" not in books("db", "dump").stdout


def test_seeds_take_a_session(books: Callable[..., Result], folder: Path, write: Callable[..., Path]) -> None:
    write("seeds.py", "def both(db, more):\n    pass\n")
    assert f"the seed 'both' takes 2 arguments, not one: `def both(db: Session)`\n  at  {folder}/seeds.py:1" in books("db", "seed").output
    write("seeds.py", "def rows(db):\n    pass\n")
    (folder / "seeds").mkdir()
    written(folder / "seeds")
    assert "two seeds are called 'rows'" in books("db", "seed").output
