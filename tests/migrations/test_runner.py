"""Migrations run: planned, recorded, in transactions, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, inspect, text

from erlen.db import Database, Model, Package
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.records import read_records
from erlen.migrations.runner import MigrationError, migrate, rollback
from erlen.migrations.status import status_of
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


def test_one_that_was_slipped_in_before_is_run(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep, tmp_path: Path
) -> None:
    target = target_of(url_of("sqlite"), base)
    first, last = book(write_step), pages(write_step)
    migrate(target)
    # Somebody else's, which a merge put between: the last one follows it now.
    between = write_step("add author", 'op.add_column("book", sa.Column("author", sa.Integer))')
    source = last.path.read_text().replace(f'down_revision = "{first.revision}"', f'down_revision = "{between.revision}"')
    last.path.write_text(source)
    between.path.write_text(between.path.read_text().replace(f'down_revision = "{last.revision}"', f'down_revision = "{first.revision}"'))
    (tmp_path / "migrations" / "head").write_text(f"{last.name}\n")
    assert [each.revision for each in migrate(target)] == [between.revision]


def test_a_migration_that_fails_is_not_kept_where_schemas_have_transactions(
    backend: str, database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    book(write_step)
    step = write_step(
        "fail", 'op.create_table("author", sa.Column("id", sa.Integer, primary_key=True))\nop.execute("SELECT * FROM nothing")'
    )
    with pytest.raises(MigrationError) as caught:
        migrate(target)
    line = next(number for number, text in enumerate(step.path.read_text().splitlines(), 1) if "nothing" in text)
    assert str(caught.value).startswith(f"{step.path}:{line}\n  the database says: ")
    assert "SELECT * FROM nothing" in str(caught.value)
    tables = set(inspect(connect_to(database_url)).get_table_names())
    if backend == "mariadb":
        assert "kept 1 statement of it" in str(caught.value)
        assert tables == {"book", "author", "erlen_migrations"}
    else:
        assert "kept nothing" in str(caught.value)
        assert tables == {"book", "erlen_migrations"}
    step.path.write_text(step.path.read_text().replace("nothing", "book"))
    assert [each.revision for each in migrate(target)] == [step.revision]


def test_what_a_file_raises_is_told_with_its_line(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep
) -> None:
    target = target_of(url_of("sqlite"), base)
    step = write_step("fail", 'raise ValueError("there is no author")')
    with pytest.raises(MigrationError) as caught:
        migrate(target)
    assert str(caught.value) == f"{step.path}:10\n  ValueError: there is no author\n  kept nothing of it"


def test_without_a_way_back_a_rollback_is_refused_before_anything_is_done(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep
) -> None:
    target = target_of(url_of("sqlite"), base)
    one_way = write_step("create author", 'op.create_table("author", sa.Column("id", sa.Integer))')
    book(write_step)
    migrate(target)
    with pytest.raises(HistoryError) as caught:
        rollback(target, "zero")
    assert str(one_way.path) in str(caught.value)
    assert migrate(target) == []
    assert [each.name for each in rollback(target)] == ["0002_create_book"]


def test_faked_migrations_are_recorded_only(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    first, second = book(write_step), pages(write_step)
    assert migrate(target, "1", fake=True) == [first]
    connection = connect_to(database_url)
    assert inspect(connection).get_table_names() == ["erlen_migrations"]
    assert rollback(target, fake=True) == [first]
    migrate(target)
    assert rollback(target, "zero", fake=True) == [second, first]
    assert columns(connection) == {"id", "title", "pages"}
    assert migrate(target, fake=True) == [first, second]


def test_blocks_without_a_transaction(
    backend: str, database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    alone = {"sqlite": "VACUUM", "postgresql": "VACUUM book", "mariadb": "OPTIMIZE TABLE book"}[backend]
    step = write_step(
        "create book",
        'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))\n'
        "with op.get_context().autocommit_block():\n"
        f'    op.execute("{alone}")\n'
        'op.execute("INSERT INTO book (id) VALUES (1)")',
    )
    assert migrate(target) == [step]
    connection = connect_to(database_url)
    assert connection.scalar(text("SELECT count(*) FROM book")) == 1
    assert read_records(connection)[step.revision].state == "applied"


def test_squashed_migrations(base: type[Model], target_of: TargetOf, write_step: WriteStep, tmp_path: Path, connect_to: ConnectTo) -> None:
    old = [book(write_step), pages(write_step), write_step("add price", 'op.add_column("book", sa.Column("price", sa.Integer))')]
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("all", "some", "none")}
    targets = {name: target_of(url, base) for name, url in urls.items()}
    migrate(targets["all"])
    migrate(targets["some"], "1")
    folder = tmp_path / "migrations"
    (folder / "replaced").mkdir()
    for each in old:
        each.path.rename(folder / "replaced" / each.path.name)
    (folder / "head").unlink()
    squashed = write_step(
        "squashed",
        'op.create_table("book", *(sa.Column(name, sa.Integer) for name in ("id", "title", "pages", "price")))',
        'op.drop_table("book")',
        replaces=tuple(each.revision for each in old),
    )
    assert [each.name for each in migrate(targets["all"])] == ["0001_squashed"]
    assert [each.name for each in migrate(targets["some"])] == ["0002_add_pages", "0003_add_price", "0001_squashed"]
    assert [each.name for each in migrate(targets["none"])] == ["0001_squashed"]
    for name, target in targets.items():
        connection = connect_to(urls[name])
        assert columns(connection) == {"id", "title", "pages", "price"}
        assert read_records(connection).keys() == {squashed.revision, *(step.revision for step in old)}
        status = status_of(target)
        assert [(line.name, line.standing) for line in status.migrations] == [("0001_squashed", "applied")]
        assert rollback(target) == [squashed]
        assert read_records(connection) == {}
    # Without the old files, a database that has only some of them cannot be brought on.
    migrate(targets["none"])
    connection = connect_to(urls["none"])
    connection.execute(text("DELETE FROM erlen_migrations WHERE revision IN (:a, :b)"), {"a": squashed.revision, "b": old[2].revision})
    (folder / "replaced" / old[2].path.name).unlink()
    with pytest.raises(HistoryError, match="bring it back from git"):
        migrate(targets["none"])


def test_a_database_made_by_the_models_is_adopted(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    first, second = book(write_step), pages(write_step)
    data = write_step("change rows", 'op.execute("UPDATE book SET pages = 1")', "pass")
    connection = connect_to(database_url)
    connection.exec_driver_sql("CREATE TABLE book (id INTEGER PRIMARY KEY, title VARCHAR(50) NOT NULL, pages INTEGER)")
    if database_url.startswith("mariadb"):
        connection.exec_driver_sql("ALTER TABLE book MODIFY id INTEGER NOT NULL AUTO_INCREMENT")
    elif database_url.startswith("postgresql"):
        connection.exec_driver_sql("DROP TABLE book; CREATE TABLE book (id SERIAL PRIMARY KEY, title VARCHAR(50) NOT NULL, pages INTEGER)")
    connection.exec_driver_sql("CREATE TABLE another (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO book (id, title) VALUES (1, 'a')")
    assert "as 0002_add_pages leaves them" in status_of(target).note
    assert migrate(target) == [data]
    assert read_records(connection).keys() == {first.revision, second.revision, data.revision}
    assert connection.scalar(text("SELECT pages FROM book")) == 1


def test_a_database_that_is_like_no_migration_is_not_guessed_at(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    url = url_of("sqlite")
    target = target_of(url, base)
    book(write_step)
    connection = connect_to(url)
    connection.exec_driver_sql("CREATE TABLE book (id INTEGER NOT NULL PRIMARY KEY, heading VARCHAR(50))")
    with pytest.raises(HistoryError) as caught:
        migrate(target)
    for part in ("column book.title is missing", "column book.heading is extra", "`erlen db migrate --fake NAME`", "`erlen db reset`"):
        assert part in str(caught.value)
    assert "differs in" in status_of(target).note
    assert migrate(target, "1", fake=True)
    assert migrate(target) == []


ALEMBIC = '''"""{message}

Revision ID: {revision}
"""
from alembic import op
import sqlalchemy as sa

revision: str = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None

def upgrade():
    {code}

def downgrade():
    pass
'''


def test_a_database_of_alembic_goes_on_with_its_files(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, tmp_path: Path, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    create = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))'
    add = 'op.add_column("book", sa.Column("title", sa.String(50)))'
    (versions / "1975ea83b712_create_book.py").write_text(ALEMBIC.format(message="create", revision="1975ea83b712", down=None, code=create))
    (versions / "0ae1027a6acf_add.py").write_text(ALEMBIC.format(message="add", revision="0ae1027a6acf", down='"1975ea83b712"', code=add))
    connection = connect_to(database_url)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('1975ea83b712')")
    connection.exec_driver_sql("CREATE TABLE book (id INTEGER NOT NULL PRIMARY KEY)")
    assert [each.standing for each in status_of(target).migrations] == ["applied", "pending"]
    assert [each.revision for each in migrate(target)] == ["0ae1027a6acf"]
    new = write_step("add pages", 'op.add_column("book", sa.Column("pages", sa.Integer))')
    assert (new.name, new.down_revision) == ("0001_add_pages", "0ae1027a6acf")
    assert migrate(target) == [new]
    assert columns(connection) == {"id", "title", "pages"}


def test_a_revision_of_alembic_without_a_file_is_told(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    url = url_of("sqlite")
    target = target_of(url, base)
    book(write_step)
    connection = connect_to(url)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('abc')")
    with pytest.raises(HistoryError, match=r"revision 'abc', of which there is no file"):
        migrate(target)


def test_packages_have_branches_of_their_own(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    target = replace(target_of(url_of("sqlite"), base), packages=(Package("shop", shop, "shop"),))
    order = write_step("create order", 'op.create_table("order", sa.Column("id", sa.Integer))', 'op.drop_table("order")', folder=shop)
    more = write_step("more", 'op.add_column("order", sa.Column("more", sa.Integer))', 'op.drop_column("order", "more")', folder=shop)
    first = book(write_step)
    second = write_step(
        "see order", 'op.add_column("book", sa.Column("o", sa.Integer))', 'op.drop_column("book", "o")', depends_on=(order.revision,)
    )
    assert [each.revision for each in migrate(target, "2")] == [order.revision, first.revision, second.revision]
    assert [each.revision for each in migrate(target)] == [more.revision]
    assert [each.revision for each in rollback(target, "shop/1")] == [more.revision]
    # What depends on a package's migration goes before it.
    assert [each.revision for each in rollback(target, "shop/zero")] == [second.revision, order.revision]


def test_programs_migrate_a_database(url_of: Callable[[str], str], base: type[Model], write_step: WriteStep, folder: Path) -> None:
    book(write_step)
    database = Database(url_of("sqlite"), base=base)
    assert [each.name for each in migrate(database)] == ["0001_create_book"]
    memory = Database("sqlite://", base=base)
    assert len(migrate(memory)) == 1
    assert inspect(memory.engine).get_table_names() == ["book", "erlen_migrations"]


def test_a_block_within_another_is_the_same_block(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    write_step("create book", 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("pages", sa.Integer))')
    write_step(
        "fill",
        """
        from erlen.migrations.batches import update_in_batches
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO book (id) VALUES (1), (2), (3)")
            update_in_batches(op, "book", "pages = 1", where="pages IS NULL", size=2)
            op.execute("UPDATE book SET pages = pages + 1")
        op.execute("UPDATE book SET pages = pages + 1")
        """,
    )
    assert len(migrate(target_of(database_url, base))) == 2
    assert connect_to(database_url).scalars(text("SELECT pages FROM book")).all() == [3, 3, 3]
