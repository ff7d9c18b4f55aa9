"""One migration in place of many: new databases, and those with all or some of the old ones, come to the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Connection, text

from erlen.migrations.connection import connect
from erlen.migrations.migration import HistoryError, Migration, read_history
from erlen.migrations.runner import migrate, rollback
from erlen.migrations.schema import schema_of
from erlen.migrations.squash import Squash, plan_squash, prune, write_squash
from erlen.migrations.target import Target

Write = Callable[..., Migration]
BOOKS = 'op.create_table("books", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50), nullable=False))'
PRICE = 'with op.batch_alter_table("books") as batch:\n    batch.add_column(sa.Column("price", sa.Integer))'
NO_PRICE = 'with op.batch_alter_table("books") as batch:\n    batch.drop_column("price")'
TITLE = 'op.create_index("ix_books_title", "books", ["title"])'
FILL = """op.execute("INSERT INTO books (id, title) VALUES (1, 'Ü')")"""
EMPTY = 'op.execute("DELETE FROM books")'


@pytest.fixture
def history(write_step: Write) -> None:
    """Three migrations of the schema."""
    write_step("create books", BOOKS, 'op.drop_table("books")')
    write_step("add price", PRICE, NO_PRICE)
    write_step("index title", TITLE, 'op.drop_index("ix_books_title", "books")')


@pytest.fixture
def target(database_url: str, base: Any, target_of: Callable[..., Target]) -> Target:
    return target_of(database_url, base)


@pytest.fixture
def lite(url_of: Callable[[str], str], base: Any, target_of: Callable[..., Target]) -> Target:
    """A target on SQLite."""
    return target_of(url_of("sqlite"), base)


def squash(target: Target, chosen: str = ":", name: str = "squashed", **options: Any) -> Squash:
    made = plan_squash(target, chosen, name, **options)
    write_squash(target, made)
    return made


def schema(target: Target) -> dict[str, str]:
    with connect(target) as connection:
        return schema_of(connection)


def names(target: Target) -> list[str]:
    return [each.name for each in target.migrations()]


def rows(target: Target) -> list[tuple[Any, ...]]:
    with connect(target) as connection:
        return [tuple(row) for row in connection.execute(text("SELECT id, title FROM books ORDER BY id"))]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("before", ["0001", "0002", "0003", None])
@pytest.mark.parametrize("keep_steps", [False, True])
def test_databases_with_all_some_or_none_come_to_the_same(target: Target, before: str | None, keep_steps: bool) -> None:
    migrate(target, "0003")
    goal = schema(target)
    rollback(target, to="zero")
    if before is not None:
        migrate(target, before)
    made = squash(target, keep_steps=keep_steps)
    assert made.is_made_anew is not keep_steps
    assert names(target) == ["0003_squashed"]
    migrate(target)
    assert schema(target) == goal
    assert not migrate(target)
    rollback(target, to="zero")
    assert not [part for part in schema(target) if part.startswith("table")]


@pytest.mark.usefixtures("history")
def test_a_schema_is_made_at_once(lite: Target, tmp_path: Path) -> None:
    squash(lite, name="create the shop")
    path = tmp_path / "migrations" / "0003_create_the_shop.py"
    source = path.read_text()
    assert source.startswith('"""Create the shop."""\n')
    assert "batch_alter_table" not in source.partition("def downgrade")[0]
    assert source.count("create_table") == 1
    assert (path.parent / "head").read_text() == "0003_create_the_shop\n"
    assert sorted(each.name for each in (path.parent / "replaced").iterdir()) == [
        "0001_create_books.py",
        "0002_add_price.py",
        "0003_index_title.py",
    ]


@pytest.mark.usefixtures("history")
def test_data_steps_are_carried_over(target: Target, write_step: Write) -> None:
    write_step("fill", FILL, EMPTY)
    made = squash(target)
    assert not made.is_made_anew
    migrate(target)
    assert rows(target) == [(1, "Ü")]


def test_helpers_and_texts_of_several_files_stay_apart(lite: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"000{number}_part.py").write_text(
            f'''"""Part {number}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r{number}"
down_revision = {"None" if number == 1 else '"r1"'}
lock_timeout = {number}.5

NAME = "part_{number}"
NOTE = f"""one
  {{NAME}}
three"""


def _make() -> None:
    op.create_table(NAME, sa.Column("note", sa.Text))
    op.execute(sa.text(f"INSERT INTO {{NAME}} VALUES (:note)").bindparams(note=NOTE))


def upgrade() -> None:
    # a comment
    _make()
'''
        )
    (folder / "head").write_text("0002_part\n")
    made = squash(lite)
    assert "lock_timeout = 2.5" in made.source
    assert "def downgrade" not in made.source
    assert "# a comment" in made.source
    migrate(lite)
    with connect(lite) as connection:
        assert connection.scalar(text("SELECT note FROM part_1")) == "one\n  part_1\nthree"
        assert connection.scalar(text("SELECT note FROM part_2")) == "one\n  part_2\nthree"


def test_changes_of_rows_that_a_new_database_does_not_have_are_left_out(lite: Target, write_step: Write) -> None:
    write_step("create books", BOOKS, 'op.drop_table("books")')
    write_step("fill price", f'{PRICE}\nop.execute("UPDATE books SET price = 0")', NO_PRICE)
    assert squash(lite).is_made_anew


@pytest.mark.parametrize(
    "step",
    ['op.execute("CREATE TABLE own (id INTEGER)")', 'op.get_bind().exec_driver_sql("CREATE TABLE own (id INTEGER)")', FILL, "import json"],
)
def test_what_is_more_than_operations_on_the_schema_is_carried_over(lite: Target, write_step: Write, step: str) -> None:
    write_step("create books", BOOKS)
    write_step("own", step if step != "import json" else "pass")
    if step == "import json":
        path = lite.migrations()[1].path
        path.write_text(f"{step}\n{path.read_text().partition('annotations')[2]}")
    made = squash(lite)
    assert not made.is_made_anew
    migrate(lite)


@pytest.mark.usefixtures("history")
def test_some_in_the_middle(target: Target, write_step: Write) -> None:
    write_step("create authors", 'op.create_table("authors", sa.Column("id", sa.Integer, primary_key=True))', 'op.drop_table("authors")')
    migrate(target)
    goal = schema(target)
    rollback(target, to="0001")
    made = squash(target, "2:3", "price and index")
    assert not made.is_made_anew
    assert names(target) == ["0001_create_books", "0003_price_and_index", "0004_create_authors"]
    migrate(target)
    assert schema(target) == goal


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("before", [None, "0001", "0003", "squashed", "0004"])
def test_a_squashed_one_is_squashed_again(lite: Target, write_step: Write, before: str | None) -> None:
    if before in ("0001", "0003"):
        migrate(lite, before)
    squash(lite)
    if before == "squashed":
        migrate(lite)
    write_step("create authors", 'op.create_table("authors", sa.Column("id", sa.Integer, primary_key=True))', 'op.drop_table("authors")')
    if before == "0004":
        migrate(lite)
    squash(lite, name="again")
    assert names(lite) == ["0004_again"]
    replaced = lite.folder() / "replaced"
    assert sorted(path.name for path in replaced.glob("*.py")) == ["0003_squashed.py", "0004_create_authors.py"]
    assert len(list((replaced / "replaced").glob("*.py"))) == 3
    migrate(lite)
    assert {part for part in schema(lite) if part.startswith("table")} == {"table books", "table authors"}
    assert not migrate(lite)


@pytest.mark.usefixtures("history")
def test_what_depends_on_an_old_one_depends_on_the_new_one(lite: Target, write_step: Write, tmp_path: Path) -> None:
    from erlen.db.package import Package

    revision = lite.migrations()[1].revision
    folder = tmp_path / "shop"
    write_step(
        "create carts", 'op.create_table("carts", sa.Column("id", sa.Integer, primary_key=True))', folder=folder, depends_on=(revision,)
    )
    both = Target(database=lite.database, root=lite.root, packages=(Package("shop", folder, "shop"),))
    made = squash(both)
    assert read_history(folder, "shop").migrations[0].depends_on == (made.revision,)
    migrate(both)
    assert "table carts" in schema(both)


@pytest.mark.usefixtures("history")
def test_replaced_files_are_pruned_once_they_are_not_needed(lite: Target) -> None:
    migrate(lite, "0002")
    squash(lite)
    with pytest.raises(HistoryError, match="does not have 0003_squashed yet"):
        prune(lite)
    migrate(lite)
    assert len(prune(lite, dry_run=True)) == 3
    assert len(prune(lite)) == 3
    assert not (lite.folder() / "replaced").exists()
    assert prune(lite) == []
    assert not migrate(lite)


@pytest.mark.usefixtures("history")
def test_ranges_that_are_none(lite: Target, write_step: Write) -> None:
    for chosen, wrong in (
        ("2", "is no range"),
        ("3:2", "does not come before"),
        ("2:2", "is no range of two"),
        ("9:", "there is no migration '9'"),
    ):
        with pytest.raises(HistoryError, match=wrong):
            plan_squash(lite, chosen, "x")
    write_step("own", "global X\nX = 1\nop.execute('SELECT 1')")
    with pytest.raises(HistoryError, match="`global`, which cannot stand in a function"):
        plan_squash(lite, ":", "x")


def test_the_command(
    run: Callable[..., Result], write_app: Callable[..., Path], write_step: Write, folder: Path, connect_to: Callable[[str], Connection]
) -> None:
    url = f"sqlite:///{folder / 'test.db'}"
    write_app(url)
    assert "there is nothing to squash" in run("db", "squash").output
    write_step("create books", BOOKS, 'op.drop_table("books")')
    write_step("add price", PRICE, NO_PRICE)
    assert run("db", "migrate").exit_code == 0
    dry = run("db", "squash", "--dry-run", "--name", "create shop")
    assert dry.output.startswith('"""Create shop."""')
    assert sorted(path.name for path in (folder / "migrations").iterdir()) == ["0001_create_books.py", "0002_add_price.py", "head"]
    done = subprocess.run(
        [sys.executable, "-m", "erlen", "db", "squash", "--name", "create shop"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "migrations/0002_create_shop.py does what these did, which are in migrations/replaced:\n"
        "  0001_create_books\n"
        "  0002_add_price\n"
        "It makes the tables as they are in the end.\n"
    )
    assert run("db", "migrate", "--check").exit_code == 1
    assert run("db", "migrate").exit_code == 0
    assert "removed migrations/replaced/0001_create_books.py" in run("db", "squash", "--prune").output
    assert run("db", "squash", "--branch", "shop").exit_code == 2
    assert run("db", "squash", "--prune").output == "There is nothing to remove.\n"
    assert run("db", "squash", "9:1").exit_code == 1
