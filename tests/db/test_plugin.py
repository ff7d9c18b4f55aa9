"""How the settings of an application reach the sessions of its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from erlen import App, Settings
from erlen.db import (
    AsyncSession,
    Database,
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

MakeClient = Callable[..., Any]


class Own(Model, isolated=True):
    pass


class Author(Own):
    name: Mapped[str]


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
