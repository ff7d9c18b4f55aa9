"""How the settings of an application reach the sessions of its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import StatementError

from erlen import App, ConfigurationError, Settings
from erlen.db import (
    AsyncSession,
    Database,
    Encrypted,
    ForeignKey,
    Mapped,
    Model,
    NotLoaded,
    Session,
    joinedload,
    mapped_column,
    relationship,
    select,
)
from erlen.db.testing import rolled_back
from erlen.db.testing import test_databases as run_test_databases  # under its own name pytest would take it for a test

MakeClient = Callable[..., Any]


class Own(Model, isolated=True):
    pass


class Author(Own):
    name: Mapped[str]


class Account(Own):
    iban: Mapped[Encrypted[str]]


class Article(Own):
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}", base=Own, create=True)
    database.create_all()
    with database.session() as db:
        db.add(Article(author=Author(name="Ada")))
    yield database
    database.dispose()


def relations_app(database: Database, settings: Settings) -> App:
    """An application that touches a relation of an object, with and without having asked for it."""
    app = App(settings)
    app.use(database)

    @app.get("/touched")
    def touched(db: Session) -> str:
        return db.one(Article).author.name  # touched in def

    @app.get("/touched-in-another")
    def touched_in_another(db: Session) -> str:
        with db.independent() as other:
            return other.one(Article).author.name

    @app.get("/touched-async")
    async def touched_async(db: AsyncSession) -> str:
        article = await db.one(Article)
        return await db.run_sync(lambda _: article.author.name)  # touched in async def

    @app.get("/asked-for")
    def asked_for(db: Session) -> str:
        return db.one(select(Article).options(joinedload(Article.author))).author.name

    @app.get("/asked-for-async")
    async def asked_for_async(db: AsyncSession) -> str:
        article = await db.one(Article)
        await db.load(article, Article.author)
        return article.author.name

    return app


TOUCHING = {"/touched": "# touched in def", "/touched-in-another": "other.one(", "/touched-async": "# touched in async def"}


def test_relations_load_on_touch_in_requests(make_client: MakeClient, database: Database) -> None:
    client = make_client(relations_app(database, Settings()), door="asgi")
    for path in (*TOUCHING, "/asked-for", "/asked-for-async"):
        assert client.get(path).text == "Ada", path


def test_in_strict_requests_they_must_be_asked_for(make_client: MakeClient, database: Database) -> None:
    client = make_client(relations_app(database, Settings(database_strict=True)), door="asgi")
    for path in ("/asked-for", "/asked-for-async"):
        assert client.get(path).text == "Ada", path
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    for path, touch in TOUCHING.items():
        with pytest.raises(NotLoaded, match=r"Article\.author is not loaded, and the session is strict") as caught:
            client.get(path)
        number = next(number for number, line in enumerate(lines, 1) if touch in line)
        assert caught.value.where.endswith(f"test_plugin.py:{number}"), path
        assert ".options(selectinload(Article.author))" in str(caught.value)
    with database.session() as db:  # that of a program is as it was opened
        assert db.one(Article).author.name == "Ada"


def test_in_debug_mode_cursors_and_encrypted_columns_have_the_key_that_is_made(
    make_client: MakeClient, database: Database, tmp_path: Path
) -> None:
    app = App()
    app.file = str(tmp_path / "app.py")
    app.use(database)

    @app.post("/")
    def add(db: Session) -> None:
        db.add_all([Account(iban="DE1"), Account(iban="DE2")])

    @app.get("/")
    def accounts(db: Session, after: str | None = None) -> dict[str, object]:
        found = db.keyset(select(Account).order_by(Account.id), size=1, after=after)
        return {"ibans": [account.iban for account in found], "next": found.next}

    client = make_client(app.freeze({"debug": True}))
    client.post("/")
    first = client.get("/").json()
    assert first["ibans"] == ["DE1"]
    client = make_client(app.freeze({"debug": True}))  # as after a reload
    assert client.get("/", params={"after": first["next"]}).json() == {"ibans": ["DE2"], "next": None}
    assert (tmp_path / ".erlen" / "secret_key").exists()


def test_nothing_is_encrypted_before_the_key_of_the_application_is_known(database: Database) -> None:
    """A key of the process would be gone with it, and what it encrypted too."""
    app = App(Settings(secret_key="a key for tests that is long enough to sign with"))
    app.use(database)
    with pytest.raises(StatementError, match=r"app\.freeze\(\)"), database.session() as db:
        db.add(Account(iban="DE1"))
    app.freeze()
    with database.session() as db:
        db.add(Account(iban="DE1"))
    with database.session() as db:
        assert db.one(Account).iban == "DE1"


def test_in_production_cursors_without_a_key_say_what_to_set(make_client: MakeClient, database: Database) -> None:
    app = App()
    app.use(database)

    @app.get("/")
    def articles(db: Session) -> str | None:
        return db.keyset(select(Article).order_by(Article.id), size=1).next

    with pytest.raises(ConfigurationError, match=r"SECRET_KEY is empty(.|\n)*`erlen secret`"):
        make_client(app.freeze()).get("/")


def test_a_client_that_starts_while_its_test_has_written_waits_for_nothing(make_client: MakeClient) -> None:
    app = App()
    database = app.use(Database("sqlite:///x.db", base=Own, create=True, lock_timeout=0.1))

    @app.get("/")
    def count(db: Session) -> int:
        return db.count(Author)

    with run_test_databases(database), rolled_back(database), database.session() as db:
        db.add(Author(name="Ada"))
        db.commit()
        assert make_client(app).get("/").json() == 1
