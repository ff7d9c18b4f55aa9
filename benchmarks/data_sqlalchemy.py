"""SQLAlchemy as its documentation has it: declarative classes and a session for each piece of work, in both colours; and Core's rows."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
from sqlalchemy import BigInteger, DateTime, Engine, ForeignKey, Integer, String, Text, create_engine, event, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, sessionmaker

from benchmarks.data_store import ARTICLE, NEW, Place

__all__ = ["WAYS"]

_Key = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254), unique=True)


class Article(Base):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    views: Mapped[int] = mapped_column(BigInteger, default=0)
    published: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    author: Mapped[Author] = relationship()


def _page(after: int, limit: int) -> Any:
    return select(Article).where(Article.id > after).order_by(Article.id).limit(limit)


def _json(articles: Any) -> bytes:
    return msgspec.json.encode([{name: getattr(article, name) for name in ARTICLE} for article in articles])


class _Orm:
    def __init__(self, engine: Engine) -> None:
        self._session = sessionmaker(engine)

    def get(self, key: int) -> Any:
        with self._session() as session:
            return session.get(Article, key)

    def many(self, after: int, limit: int) -> Any:
        with self._session() as session:
            return session.scalars(_page(after, limit)).all()

    def with_authors(self, after: int, limit: int) -> list[Any]:
        with self._session() as session:
            articles = session.scalars(_page(after, limit).options(joinedload(Article.author))).all()
            return [(article, article.author) for article in articles]

    def insert(self, title: str) -> None:
        with self._session() as session:
            session.add(Article(title=title, **NEW))
            session.commit()

    def change(self, key: int, title: str) -> None:
        with self._session() as session:
            article = session.get_one(Article, key)
            article.title = title
            session.commit()

    def update(self, key: int, views: int) -> None:
        with self._session() as session:
            session.execute(update(Article).where(Article.id == key).values(views=views))
            session.commit()

    def as_json(self, after: int, limit: int) -> bytes:
        with self._session() as session:
            return _json(session.scalars(_page(after, limit)))


class _AsyncOrm:
    def __init__(self, engine: AsyncEngine) -> None:
        self._session = async_sessionmaker(engine, expire_on_commit=False)

    async def get(self, key: int) -> Any:
        async with self._session() as session:
            return await session.get(Article, key)

    async def many(self, after: int, limit: int) -> Any:
        async with self._session() as session:
            return (await session.scalars(_page(after, limit))).all()

    async def with_authors(self, after: int, limit: int) -> list[Any]:
        async with self._session() as session:
            articles = (await session.scalars(_page(after, limit).options(joinedload(Article.author)))).all()
            return [(article, article.author) for article in articles]

    async def insert(self, title: str) -> None:
        async with self._session() as session:
            session.add(Article(title=title, **NEW))
            await session.commit()

    async def change(self, key: int, title: str) -> None:
        async with self._session() as session:
            article = await session.get_one(Article, key)
            article.title = title
            await session.commit()

    async def update(self, key: int, views: int) -> None:
        async with self._session() as session:
            await session.execute(update(Article).where(Article.id == key).values(views=views))
            await session.commit()

    async def as_json(self, after: int, limit: int) -> bytes:
        async with self._session() as session:
            return _json(await session.scalars(_page(after, limit)))


_articles: Any = Article.__table__
_authors: Any = Author.__table__


class _Core:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _page(self, after: int, limit: int, *columns: Any) -> Any:
        return select(_articles, *columns).where(_articles.c.id > after).order_by(_articles.c.id).limit(limit)

    def get(self, key: int) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(select(_articles).where(_articles.c.id == key)).one()

    def many(self, after: int, limit: int) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(self._page(after, limit)).all()

    def with_authors(self, after: int, limit: int) -> list[Any]:
        with self._engine.connect() as connection:
            rows = connection.execute(self._page(after, limit, _authors).join_from(_articles, _authors)).all()
            return [(row[:7], row[7:]) for row in rows]

    def insert(self, title: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(_articles).values(title=title, **NEW))

    def update(self, key: int, views: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(_articles).where(_articles.c.id == key).values(views=views))

    def as_json(self, after: int, limit: int) -> bytes:
        with self._engine.connect() as connection:
            rows = connection.execute(self._page(after, limit)).mappings()
            return msgspec.json.encode([dict(row) for row in rows])


def _prepare(engine: Engine) -> None:
    """Let SQLite check foreign keys, and keep what every contestant keeps."""

    def connect(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", connect)


@contextmanager
def _sync_engine(place: Place, **options: Any) -> Iterator[Engine]:
    engine = create_engine(place.url("sqlite" if place.kind == "sqlite" else "postgresql+psycopg"), **options)
    _prepare(engine)
    yield engine
    engine.dispose()


@asynccontextmanager
async def _async_engine(place: Place, **options: Any) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(place.url("sqlite+aiosqlite" if place.kind == "sqlite" else "postgresql+asyncpg"), **options)
    _prepare(engine.sync_engine)
    yield engine
    await engine.dispose()


@contextmanager
def _core(place: Place) -> Iterator[_Core]:
    with _sync_engine(place) as engine:
        yield _Core(engine)


@contextmanager
def _orm(place: Place) -> Iterator[_Orm]:
    with _sync_engine(place) as engine:
        yield _Orm(engine)


@contextmanager
def _autocommit(place: Place) -> Iterator[_Orm]:
    with _sync_engine(place, isolation_level="AUTOCOMMIT") as engine:
        yield _Orm(engine)


@asynccontextmanager
async def _async_orm(place: Place) -> AsyncIterator[_AsyncOrm]:
    async with _async_engine(place) as engine:
        yield _AsyncOrm(engine)


@asynccontextmanager
async def _async_autocommit(place: Place) -> AsyncIterator[_AsyncOrm]:
    async with _async_engine(place, isolation_level="AUTOCOMMIT") as engine:
        yield _AsyncOrm(engine)


WAYS = {"core": _core, "orm": _orm, "autocommit": _autocommit, "async_orm": _async_orm, "async_autocommit": _async_autocommit}
