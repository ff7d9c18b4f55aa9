from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, event, inspect, select
from sqlalchemy.orm import Mapped, WriteOnlyMapped, mapped_column, relationship

from erlen.db.changes import changes, is_changed, previous
from erlen.db.database import Database
from erlen.db.model import Model
from erlen.types import MISSING


class Own(Model, isolated=True):
    pass


class Author(Own):
    name: Mapped[str]
    articles: Mapped[list[Article]] = relationship(back_populates="author")
    notes: WriteOnlyMapped[Note] = relationship()


class Article(Own):
    title: Mapped[str]
    body: Mapped[str] = mapped_column(default="")
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="articles")


class Note(Own):
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))


@pytest.fixture
def database(url_of: Any) -> Iterator[Database]:
    database = Database(url_of("sqlite"))
    Own.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Author(name="Ada", articles=[Article(title="a"), Article(title="b")]))
    yield database
    database.dispose()


def test_a_new_object_has_what_was_set() -> None:
    article = Article(title="t")
    assert changes(article) == {"title": (None, "t")}
    article.title = "u"
    assert changes(article) == {"title": (None, "u")}
    assert is_changed(article, "title")
    assert not is_changed(article, "body")
    assert previous(article, "title") is None


def test_a_loaded_object_has_what_differs(database: Database) -> None:
    with database.session() as db:
        article = db.scalars(select(Article).order_by(Article.id)).first()
        assert article is not None
        assert changes(article) == {}
        article.title = "a"
        assert changes(article) == {}
        article.title = "z"
        article.body = "x"
        article.body = ""
        assert changes(article) == {"title": ("a", "z")}
        assert (previous(article, "title"), previous(article, "body")) == ("a", "")
        db.flush()
        assert changes(article) == {}
        assert previous(article, "title") == "z"


def test_relations_are_among_the_changes(database: Database) -> None:
    with database.session() as db:
        author = db.scalars(select(Author)).one()
        first, second = author.articles
        added = Article(title="c")
        author.articles.remove(first)
        author.articles.append(added)
        assert changes(author) == {"articles": ([second, first], [second, added])}
        assert changes(first) == {"author": (author, None)}
        assert changes(added)["author"] == (None, author)


def test_nothing_is_loaded(database: Database) -> None:
    with database.session() as db:
        author = db.scalars(select(Author)).one()
        article = db.scalars(select(Article).order_by(Article.id)).first()
        assert article is not None
        db.expire(article)
        statements: list[str] = []
        event.listen(db.connection(), "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        assert (changes(author), changes(article)) == ({}, {})
        article.title = "z"
        assert changes(article) == {"title": (MISSING, "z")}
        assert previous(article, "title") is MISSING
        assert previous(article, "body") is MISSING
        author.notes.add(Note())
        assert set(changes(author)) == {"notes"}
        assert statements == []
        assert "articles" in inspect(author).unloaded


def test_what_is_no_attribute_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"^Article has no mapped attribute 'titel'$"):
        is_changed(Article(), "titel")
    with pytest.raises(AttributeError):
        previous(Article(), "titel")
