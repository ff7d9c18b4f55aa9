"""`erlen db make`: what it writes, asks and refuses."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy as sa
from click.testing import Result
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from erlen.cli.db import make as command

Run = Callable[..., Result]
WriteApp = Callable[..., Path]

BOOK = """
    class Book(Base, table="book"):
        title: Mapped[Annotated[str, Meta(max_length=50)]]
"""


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]) -> None:
    """What models of these tests import."""
    write(
        "words.py",
        """
        import datetime
        from decimal import Decimal
        from typing import Annotated, Literal
        from msgspec import Meta
        from sqlalchemy.orm import Mapped, mapped_column
        """,
    )


def models(source: str) -> str:
    from textwrap import dedent

    return "from words import *\n" + dedent(source)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "migrations").glob("*.py"))


def text_of(folder: Path, number: int) -> str:
    return next((folder / "migrations").glob(f"{number:04}_*.py")).read_text()


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_the_first_migration_is_typed_and_readable(folder: Path, run: Run, write_app: WriteApp, database_url: str) -> None:
    write_app(database_url, models(BOOK))
    output = ok(run("db", "make"))
    assert "+ table book with id, title" in output
    assert "CREATE TABLE book" in output
    assert "wrote migrations/0001_create_book.py" in output
    text = text_of(folder, 1)
    assert (
        text
        == f'''"""Create book."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{re.findall('revision = "(.*)"', text)[0]}"
down_revision = None

key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("id", key),
        sa.Column("title", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_book"),
    )


def downgrade() -> None:
    # What is in table book is lost.
    op.drop_table("book")
'''
    )
    assert (folder / "migrations" / "head").read_text() == "0001_create_book\n"


def test_without_changes_nothing_is_written(folder: Path, run: Run, write_app: WriteApp, database_url: str) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    assert ok(run("db", "make")) == "no changes\n"
    assert "no changes" in ok(run("db", "make", "--check"))
    assert files(folder) == ["0001_create_book.py"]


def test_check_lists_what_is_missing_and_writes_nothing(folder: Path, run: Run, write_app: WriteApp, database_url: str) -> None:
    write_app(database_url, models(BOOK))
    result = run("db", "make", "--check")
    assert (result.exit_code, result.output) == (1, "+ table book with id, title\n")
    assert not (folder / "migrations").exists()


def test_dry_run_shows_the_file(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    output = ok(run("db", "make", "--dry-run", "--no-sql"))
    assert 'op.create_table(\n        "book",' in output
    assert "CREATE TABLE" not in output
    assert not (folder / "migrations").exists()


def test_a_message_names_the_file(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make", "Books, at last"))
    assert files(folder) == ["0001_books_at_last.py"]


def test_a_rename_needs_an_answer(folder: Path, run: Run, write_app: WriteApp, database_url: str) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    write_app(database_url, models(BOOK.replace("title", "name")))
    result = run("db", "make")
    assert result.exit_code == 2
    assert "book.title is gone and book.name is new: renamed, or new?" in result.output
    assert "--rename book.title=name  or  --new book.name" in result.output
    assert "--fill" not in result.output  # only what is new needs a value
    assert "--fill book.name=VALUE" in run("db", "make", "--new", "book.name").output
    assert files(folder) == ["0001_create_book.py"]
    output = ok(run("db", "make", "--rename", "book.title=name"))
    assert "~ column book.title renamed to name" in output
    assert 'batch.alter_column("title", new_column_name="name"' in text_of(folder, 2)
    assert files(folder)[1] == "0002_rename_title_to_name_of_book.py"
    assert ok(run("db", "make")) == "no changes\n"


def test_what_is_new_is_dropped_and_added(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make"))
    write_app("sqlite:///test.db", models(BOOK.replace("title", "name")))
    ok(run("db", "make", "--new", "book.name", "--fill", "book.name=it's"))
    text = text_of(folder, 2)
    assert 'batch.drop_column("title")' in text
    assert "# What is in column book.title is lost." in text
    assert "sa.text(\"'it''s'\")" in text


def test_a_table_is_renamed_with_its_constraints(
    folder: Path, run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    author = """
        class Author(Base, table="author"):
            name: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)

        class Book(Base, table="book"):
            author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"), index=True)
    """
    write_app(database_url, models(author))
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO author (id, name) VALUES (1, 'Ada')"))
    connection.execute(sa.text("INSERT INTO book (id, author_id) VALUES (1, 1)"))
    write_app(database_url, models(author.replace('table="author"', 'table="writer"').replace("author.id", "writer.id")))
    assert "--rename author=writer  or  --new writer" in run("db", "make").output
    output = ok(run("db", "make", "--rename", "author=writer"))
    assert "~ table author renamed to writer" in output
    ok(run("db", "migrate"))
    assert connection.execute(sa.text("SELECT writer.name FROM book JOIN writer ON writer.id = author_id")).scalars().all() == ["Ada"]
    inspector = sa.inspect(connection)
    assert [each["name"] for each in inspector.get_unique_constraints("writer")] == ["uq_writer_name"]
    assert [each["name"] for each in inspector.get_foreign_keys("book")] == ["fk_book_author_id_writer"]
    assert ok(run("db", "make")) == "no changes\n"
    ok(run("db", "rollback", "--yes"))
    assert connection.execute(sa.text("SELECT name FROM author")).scalars().all() == ["Ada"]


def test_a_required_column_asks_for_a_value(
    folder: Path, run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO book (id, title) VALUES (1, 'Emma')"))
    more = "        author: Mapped[str]\n        pages: Mapped[int] = mapped_column(default=100)\n        read: Mapped[bool]\n"
    write_app(database_url, models(BOOK + more))
    result = run("db", "make")
    assert result.exit_code == 2
    assert "book.author is new and must have a value" in result.output
    assert "--fill book.author=VALUE" in result.output
    assert "book.pages" not in result.output  # rows get the model's default
    bad = run("db", "make", "--fill", "book.author=unknown", "--fill", "book.pages=many", "--fill", "book.read=true")
    assert (bad.exit_code, "'many' is no value of book.pages: a number is wanted" in bad.output) == (2, True)
    ok(run("db", "make", "--fill", "book.author=unknown", "--fill", "book.read=true"))
    ok(run("db", "migrate"))
    row = connection.execute(sa.text("SELECT * FROM book")).one()
    assert (row.title, row.author, row.pages, bool(row.read)) == ("Emma", "unknown", 100, True)
    defaults = [column["default"] for column in sa.inspect(connection).get_columns("book")]
    assert [each for each in defaults if each and "nextval" not in each] == []
    ok(run("db", "rollback", "--yes"))
    assert connection.execute(sa.text("SELECT title FROM book")).scalars().all() == ["Emma"]


def test_a_column_that_becomes_required_asks_too(
    folder: Path, run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    source = BOOK + "        author: Mapped[Annotated[str, Meta(max_length=50)] | None]\n"
    write_app(database_url, models(source))
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO book (id, title) VALUES (1, 'Emma')"))
    write_app(database_url, models(source.replace(" | None", "")))
    assert "book.author must have a value now" in run("db", "make").output
    ok(run("db", "make", "--fill", "book.author=Jane"))
    ok(run("db", "migrate"))
    assert connection.execute(sa.text("SELECT author FROM book")).scalar() == "Jane"


def test_a_unique_column_cannot_be_filled_with_one_value(run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make"))
    write_app("sqlite:///test.db", models(BOOK + "        slug: Mapped[Slug] = mapped_column(unique=True)\n"))
    result = run("db", "make", "--fill", "book.slug=x")
    assert (result.exit_code, "book.slug is unique, so rows cannot all get 'x'" in result.output) == (2, True)
    ok(run("db", "make", "--fill", "book.slug=NULL"))


def test_an_option_that_answers_nothing_is_an_error(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    result = run("db", "make", "--rename", "book.titel=name")
    assert result.exit_code == 2
    assert "book.titel" in result.output


@pytest.mark.parametrize("native", [False, True])
def test_values_come_are_renamed_and_go(
    native: bool, folder: Path, run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    def write(values: str, default: str) -> None:
        kind = (
            f"mapped_column(sa.Enum({values}, name='status'), server_default='{default}')"
            if native
            else f"mapped_column(server_default='{default}')"
        )
        write_app(database_url, models(f"class Book(Base, table='book'):\n    status: Mapped[Literal[{values}]] = {kind}\n"))

    write("'draft', 'done'", "draft")
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO book (id, status) VALUES (1, 'draft'), (2, 'done')"))

    write("'draft', 'review', 'done', 'gone'", "draft")
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection.execute(sa.text("INSERT INTO book (id, status) VALUES (3, 'gone')"))

    write("'sketch', 'review', 'done'", "sketch")
    result = run("db", "make")
    assert result.exit_code == 2
    assert "--rename book.status:draft=sketch  or  --map book.status:draft=" in result.output
    assert "--map book.status:gone=" in result.output
    output = ok(run("db", "make", "--rename", "book.status:draft=sketch", "--map", "book.status:gone=done"))
    assert "~ rows with 'gone' in book.status get 'done'" in output
    ok(run("db", "migrate"))
    rows = "SELECT status FROM book ORDER BY id"
    assert connection.execute(sa.text(rows)).scalars().all() == ["sketch", "done", "done"]
    assert ok(run("db", "make")) == "no changes\n"
    connection.execute(sa.text("INSERT INTO book (id) VALUES (4)"))
    ok(run("db", "rollback", "--yes"))
    assert connection.execute(sa.text(rows)).scalars().all() == ["draft", "done", "done", "draft"]


def test_what_sql_of_a_migration_made_is_left_alone(
    folder: Path, run: Run, write_app: WriteApp, write_step: Callable[..., object], database_url: str
) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    write_step("by hand", 'op.execute("CREATE TABLE other (id INTEGER)")\nop.execute("CREATE INDEX ix_own ON book (title)")')
    assert ok(run("db", "make")) == "no changes\n"


def test_what_operations_of_a_migration_made_goes_with_its_model(
    folder: Path, run: Run, write_app: WriteApp, write_step: Callable[..., object], database_url: str
) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    write_step("by hand", 'op.create_index("ix_own", "book", ["title"])', "pass")
    assert "- index ix_own on book (title)" in ok(run("db", "make"))


def test_a_development_database_that_differs_is_not_asked(
    run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    connect_to(database_url).execute(sa.text("CREATE TABLE book (nonsense INTEGER)"))
    write_app(database_url, models(BOOK))
    assert "+ table book with id, title" in ok(run("db", "make"))


def test_what_the_database_cannot_do_is_said(folder: Path, run: Run, write_app: WriteApp, url_of: Callable[[str], str]) -> None:
    url = url_of("postgresql")
    source = "class Book(Base, table='book'):\n    pages: Mapped[int]\n"
    write_app(url, models(source))
    ok(run("db", "make"))
    write_app(url, models(source.replace("int", "datetime.datetime")))
    result = run("db", "make")
    assert result.exit_code == 1
    assert "cannot cast type integer to timestamp with time zone" in result.output
    assert "correct the file by hand" in result.output
    assert len(files(folder)) == 2


def test_migrations_by_hand(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make"))
    assert ok(run("db", "make", "--empty", "Index it")) == "wrote migrations/0002_index_it.py\n"
    ok(run("db", "make", "--data", "Fill it"))
    text = text_of(folder, 3)
    assert "t = tables(op)" in text
    assert "from erlen.migrations import tables" in text
    ok(run("db", "migrate"))


def test_rows_are_changed_with_tables_as_they_were(
    run: Run, write_app: WriteApp, write_step: Callable[..., object], database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    write_app(database_url, models(BOOK))
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO book (id, title) VALUES (1, 'a'), (2, 'b'), (3, 'c')"))
    code = """
        t = tables(op)
        for rows in in_batches(op, sa.select(t.book).where(sa.func.length(t.book.c.title) == 1), size=2):
            for row in rows:
                op.execute(t.book.update().where(t.book.c.id == row.id).values(title=row.title * 3))
    """
    write_step("triple", code, imports=("from erlen.migrations import in_batches, tables",))
    ok(run("db", "migrate"))
    assert connection.execute(sa.text("SELECT title FROM book ORDER BY id")).scalars().all() == ["aaa", "bbb", "ccc"]


def test_rows_that_are_left_again_end_it(
    run: Run, write_app: WriteApp, write_step: Callable[..., object], connect_to: Callable[[str], Connection]
) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connect_to("sqlite:///test.db").execute(sa.text("INSERT INTO book (id, title) VALUES (1, 'a')"))
    code = "t = tables(op)\nfor rows in in_batches(op, sa.select(t.book)):\n    pass\nt.nothing"
    write_step("never", code, imports=("from erlen.migrations import in_batches, tables",))
    result = run("db", "migrate")
    assert result.exit_code == 1
    assert "the same rows are left again" in result.output


def test_files_import_nothing_of_the_application(folder: Path, run: Run, write_app: WriteApp, database_url: str) -> None:
    source = """
        class Book(Base, table="book"):
            text: Mapped[str]
            at: Mapped[datetime.datetime]
            took: Mapped[datetime.timedelta | None]
            price: Mapped[Decimal]
            data: Mapped[dict[str, int]]
            secret: Mapped[Encrypted[str]]
    """
    write_app(database_url, models(source))
    ok(run("db", "make"))
    imported = [node for node in ast.walk(ast.parse(text_of(folder, 1))) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported}
    assert named == {"__future__", "sqlalchemy", "alembic", "sqlalchemy.dialects"}


def test_the_same_models_give_the_same_file_on_each_database(
    folder: Path, run: Run, write_app: WriteApp, url_of: Callable[[str], str]
) -> None:
    source = """
        class Author(Base, table="author"):
            name: Mapped[Line] = mapped_column(unique=True, comment="in full")
            __table_args__ = {"comment": "who writes"}

        class Book(Base, table="book"):
            title: Mapped[Line] = mapped_column(index=True)
            text: Mapped[str]
            at: Mapped[datetime.datetime]
            took: Mapped[datetime.timedelta | None]
            price: Mapped[Decimal] = mapped_column(server_default="0")
            data: Mapped[dict[str, int]]
            status: Mapped[Literal["draft", "done"]]
            mood: Mapped[str] = mapped_column(sa.Enum("good", "bad", name="mood"))
            author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE"))
            __table_args__ = (sa.CheckConstraint("price >= 0"),)
    """
    texts = set()
    for backend in ("sqlite", "postgresql", "mariadb"):
        write_app(url_of(backend), models(source))
        ok(run("db", "make"))
        texts.add(re.sub('revision = ".*"', "", text_of(folder, 1)))
        for file in (folder / "migrations").glob("*"):
            file.unlink()
    assert len(texts) == 1


def test_several_databases_have_a_file_each(folder: Path, run: Run, write: Callable[..., Path]) -> None:
    write(
        "app.py",
        """
        from __future__ import annotations
        from erlen import App
        from erlen.db import *
        from sqlalchemy.orm import Mapped

        class Base(Model, isolated=True):
            pass

        class Book(Base, table="book"):
            title: Mapped[str]

        class Log(Base, table="log", database="logs"):
            line: Mapped[str]

        app = App()
        app.use(Database({"default": "sqlite:///a.db", "logs": "sqlite:///b.db"}, base=Base))
        """,
    )
    output = ok(run("db", "make", "--no-sql"))
    assert output.splitlines() == [
        "default:",
        "+ table book with id, title",
        "wrote migrations/0001_create_book.py",
        "logs:",
        "+ table log with id, line",
        "wrote migrations/logs/0001_create_log.py",
    ]


def test_a_package_has_its_own(folder: Path, run: Run, write: Callable[..., Path]) -> None:
    write(
        "base.py",
        """
        from erlen.db import Model

        class Base(Model, isolated=True):
            pass
        """,
    )
    write("shop/__init__.py", "")
    write("shop/migrations/.keep", "")
    write(
        "shop/pages.py",
        """
        from __future__ import annotations
        from base import Base
        from erlen import Blueprint
        from sqlalchemy.orm import Mapped

        shop = Blueprint("shop")

        class Order(Base, table="shop_order"):
            note: Mapped[str]
        """,
    )
    write(
        "app.py",
        """
        from __future__ import annotations
        import sqlalchemy as sa
        from base import Base
        from erlen import App
        from erlen.db import Database
        from shop.pages import shop
        from sqlalchemy.orm import Mapped, mapped_column

        class Book(Base, table="book"):
            order_id: Mapped[int] = mapped_column(sa.ForeignKey("shop_order.id"))

        app = App()
        app.use(Database("sqlite:///a.db", base=Base))
        app.include(shop)
        """,
    )
    result = run("db", "make", "--package", "shop", "--no-sql")
    output = ok(result)
    assert "+ table shop_order" in output
    assert "the application has 1 change too: `erlen db make`" in output
    assert "wrote shop/migrations/0001_create_shop_order.py" in output
    output = ok(run("db", "make", "--no-sql"))
    assert output.splitlines() == ["+ table book with id, order_id", "wrote migrations/0001_create_book.py"]
    wrong = run("db", "make", "--package", "shoe")
    assert (wrong.exit_code, "there is no package 'shoe': shop" in wrong.output) == (2, True)


def test_questions_are_asked_in_a_terminal(run: Run, write_app: WriteApp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    ok(run("db", "make"))
    write_app("sqlite:///test.db", models(BOOK.replace("title", "name") + "        pages: Mapped[int] = mapped_column(default=3)\n"))
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    output = ok(run("db", "make", input="r\n\nn\n"))
    assert "book.title is gone and book.name is new: renamed, or new? (r, n)" in output
    assert "book.pages is new and must have a value" in output
    assert output.endswith("nothing written\n")
    assert files(folder) == ["0001_create_book.py"]
    ok(run("db", "make", "--yes", input="r\n7\n"))
    assert 'sa.text("7")' in text_of(folder, 2)


def test_a_process_of_its_own(folder: Path, write_app: WriteApp, start: Callable[..., Popen[str]]) -> None:
    write_app("sqlite:///test.db", models(BOOK))
    process = start("db", "make")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.splitlines()[-1]) == (0, "wrote migrations/0001_create_book.py")


def test_a_user_model_gains_fields_and_another_login_field(
    folder: Path, run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    """From `email` to `username`, with users that are there: nullable first, filled, then required and unique."""

    def write(*fields: str) -> None:
        lines = "".join(f"    {each}\n" for each in fields)
        write_app(database_url, models(f'class User(Base, table="users"):\n{lines}'))

    name = "Annotated[str, Meta(max_length=150)]"
    gained = ("is_staff: Mapped[bool] = mapped_column(default=False)", "joined: Mapped[datetime.datetime]")
    write("email: Mapped[Email] = mapped_column(unique=True)")
    ok(run("db", "make"))
    ok(run("db", "migrate"))
    connection = connect_to(database_url)
    connection.execute(sa.text("INSERT INTO users (id, email) VALUES (1, 'ada@example.com'), (2, 'grace@example.com')"))

    write("email: Mapped[Email] = mapped_column(unique=True)", f"username: Mapped[{name} | None]", *gained)
    ok(run("db", "make", "--fill", "users.is_staff=false", "--fill", "users.joined=2020-01-01 00:00:00"))
    ok(run("db", "make", "--data", "Name users"))
    path = folder / "migrations" / "0003_name_users.py"
    update = "    op.execute(t.users.update().values(username=sa.func.replace(t.users.c.email, '@example.com', '')))\n"
    text = path.read_text().replace("from alembic", "import sqlalchemy as sa\nfrom alembic").replace("    # One", f"{update}    # One")
    path.write_text(text)

    write("email: Mapped[Email]", f"username: Mapped[{name}] = mapped_column(unique=True)", *gained)
    output = ok(run("db", "make", "--fill", "users.username=NULL"))
    assert "+ unique uq_users_username on users (username)" in output
    assert "- unique uq_users_email on users (email)" in output
    ok(run("db", "migrate"))
    rows = connection.execute(sa.text("SELECT username, is_staff FROM users ORDER BY id")).all()
    assert [(row.username, bool(row.is_staff)) for row in rows] == [("ada", False), ("grace", False)]
    with pytest.raises(IntegrityError):
        connection.execute(sa.text("UPDATE users SET username = 'ada'"))
    ok(run("db", "make", "--check"))


def test_the_preview_has_percent_signs_as_they_are(database_url: str, write_app: WriteApp, run: Run) -> None:
    write_app(database_url, "class Book(Base):\n    share: Mapped[str] = mapped_column(sa.String(10), server_default='5%')\n")
    shown = run("db", "make", "--yes").output
    assert ("'5%'" in shown, "%%" in shown) == (True, False), shown
