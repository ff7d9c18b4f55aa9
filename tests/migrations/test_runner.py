"""Migrations run: planned, recorded, in transactions, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from erlen.db import Model
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.records import read_records
from erlen.migrations.runner import MigrationError, migrate, rollback
from erlen.migrations.target import Target

ConnectTo = Callable[[str], Connection]
TargetOf = Callable[..., Target]
WriteStep = Callable[..., Migration]


def book(write_step: WriteStep) -> Migration:
    return write_step(
        "create book",
        'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50), nullable=False))',
        'op.drop_table("book")',
    )


def pages(write_step: WriteStep) -> Migration:
    return write_step(
        "add pages",
        'op.add_column("book", sa.Column("pages", sa.Integer))',
        'with op.batch_alter_table("book") as batch:\n    batch.drop_column("pages")',
    )


def columns(connection: Connection, table: str = "book") -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def test_migrations_are_run_once_in_their_order_and_recorded(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    first, second = book(write_step), pages(write_step)
    assert migrate(target) == [first, second]
    assert migrate(target) == []
    connection = connect_to(database_url)
    assert columns(connection) == {"id", "title", "pages"}
    records = read_records(connection)
    assert {name: (each.state, each.name) for name, each in records.items()} == {
        first.revision: ("applied", "0001_create_book"),
        second.revision: ("applied", "0002_add_pages"),
    }


def test_a_migration_is_named_by_number_name_and_revision(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep
) -> None:
    target = target_of(url_of("sqlite"), base)
    first, second = book(write_step), pages(write_step)
    for name in ("1", "0001", first.name, first.revision, first.revision[:7]):
        assert migrate(target, name) == [first]
        assert rollback(target) == [first]
    assert migrate(target, "0002_add") == [first, second]
    with pytest.raises(HistoryError, match=r"no migration '0003'"):
        migrate(target, "0003")
    with pytest.raises(HistoryError, match="did you mean 0002_add_pages"):
        migrate(target, "0002_ad_pages")


def test_migrations_are_rolled_back_by_steps_and_to_one_that_stays(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    first, second = book(write_step), pages(write_step)
    migrate(target)
    assert rollback(target) == [second]
    connection = connect_to(database_url)
    assert columns(connection) == {"id", "title"}
    migrate(target)
    assert rollback(target, "1") == [second]
    migrate(target)
    assert rollback(target, steps=5) == [second, first]
    assert rollback(target) == []
    migrate(target)
    assert rollback(target, "zero") == [second, first]
    assert inspect(connection).get_table_names() == ["erlen_migrations"]
    assert read_records(connection) == {}
