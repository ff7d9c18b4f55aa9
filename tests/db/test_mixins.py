from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ForeignKey, event, func, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship, selectinload

from erlen.db.database import Database
from erlen.db.info import describe
from erlen.db.mixins import Ordered, SoftDelete, Timestamps, Versioned, criteria, move_down, move_to, move_up, restore, soft_delete
from erlen.db.model import Model
from erlen.errors import Conflict


class Own(Model, isolated=True):
    pass


class Author(SoftDelete, Own):
    name: Mapped[str]
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Article(Timestamps, SoftDelete, Versioned, Own):
    title: Mapped[str]
    kind: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="articles")
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "article"}


class Review(Article):
    __mapper_args__: Any = {"polymorphic_identity": "review"}


class Row(Ordered, Own, within="sheet_id"):
    name: Mapped[str]
    sheet_id: Mapped[int | None] = mapped_column(ForeignKey("sheets.id"))


class Sheet(Own):
    rows: Mapped[list[Row]] = relationship(order_by="Row.position")


class Chapter(Ordered, Own):
    name: Mapped[str]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    Own.metadata.create_all(database.engine)
    yield database
    database.dispose()


# -- time stamps ------------------------------------------------------------------------------------------------------------


def test_time_stamps_are_set_when_an_object_is_stored_and_changed(database: Database) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with database.session() as db:
        article = Article(title="a")
        assert article.created is None
        db.add(article)
        db.flush()
        assert article.created > past
        assert article.updated > past
        article.created = article.updated = past
        db.flush()
        article.title = "a"
        db.flush()
        assert article.updated == past
        article.title = "b"
        db.flush()
        assert (article.created, article.updated > past) == (past, True)
        article.updated = past
        db.flush()
        db.execute(update(Article).values(title="c"))
        assert db.execute(select(Article.created, Article.updated > past)).one() == (past, True)


def test_time_stamps_are_in_utc(database: Database) -> None:
    before = datetime.now(UTC)
    with database.session() as db:
        db.add(Article(title="a"))
        db.flush()
        created = db.scalar(select(Article.created))
        assert created is not None
        assert created.tzinfo is UTC
        assert before - timedelta(seconds=1) <= created <= datetime.now(UTC)


def test_clients_set_nothing_of_what_mixins_add() -> None:
    assert {field.name for field in describe(Article).fields if not field.editable} == {
        *("id", "kind", "created", "updated", "deleted_at", "version"),
    }
    assert not describe(Row).field("position").editable


# -- soft deletion ------------------------------------------------------------------------------------------------------------


def test_what_is_softly_deleted_is_seen_no_more(database: Database) -> None:
    with database.session() as db:
        kept, gone, review = Article(title="kept"), Article(title="gone"), Review(title="review")
        db.add_all([kept, gone, review])
        db.flush()
        soft_delete(gone)
        soft_delete(review)
        db.flush()
        assert gone.is_deleted
        assert not kept.is_deleted
        assert db.scalars(select(Article.title)).all() == ["kept"]
        assert db.scalar(select(func.count()).select_from(Article)) == 1
        assert db.scalars(select(Review)).all() == []
        assert len(db.scalars(select(Article).execution_options(with_deleted=True)).all()) == 3
        db.refresh(gone)
        key = gone.id
        db.expunge_all()
        assert db.get(Article, key) is None
        found = db.get(Article, key, execution_options={"with_deleted": True})
        assert found is not None
        restore(found)
        db.flush()
        db.expunge_all()
        assert db.get(Article, key) is not None


def test_relations_leave_out_what_is_deleted(database: Database) -> None:
    with database.session() as db:
        author = Author(name="n", articles=[Article(title="a"), Article(title="b")])
        other = Author(name="o", articles=[Article(title="c")])
        db.add_all([author, other])
        db.flush()
        soft_delete(author.articles[1])
        soft_delete(other)
        db.flush()
        db.expire_all()
        assert [article.title for article in author.articles] == ["a"]
        db.expunge_all()
        for option in (selectinload(Author.articles), joinedload(Author.articles)):
            found = db.scalars(select(Author).options(option)).unique().one()
            assert [article.title for article in found.articles] == ["a"]
            db.expunge_all()
        orphan = db.scalars(select(Article).where(Article.title == "c")).one()
        assert orphan.author is None
        assert db.scalars(select(Article.title).join(Article.author).order_by(Article.title)).all() == ["a"]
        db.expunge_all()
        everyone = select(Author).options(selectinload(Author.articles)).order_by(Author.name).execution_options(with_deleted=True)
        assert [len(found.articles) for found in db.scalars(everyone)] == [2, 1]


def test_the_criterion_is_there_once(database: Database) -> None:
    with database.session() as db:
        db.add(Author(name="n", articles=[Article(title="a")]))
        db.flush()
        db.expunge_all()
        statements: list[str] = []
        event.listen(db.connection(), "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        author = db.scalars(criteria(select(Author))).one()
        assert len(author.articles) == 1
        assert [statement.count("deleted_at IS NULL") for statement in statements] == [1, 1]


def test_statements_of_other_models_stay_as_they_are(database: Database) -> None:
    with database.session() as db:
        db.add(Chapter(name="c"))
        db.flush()
        assert db.scalars(select(Chapter)).one().name == "c"
        assert db.execute(select(1)).scalar() == 1


def test_deleting_removes_the_row(database: Database) -> None:
    with database.session() as db:
        article = Article(title="a")
        db.add(article)
        db.flush()
        soft_delete(article)
        db.flush()
        db.delete(article)
        db.flush()
        assert db.scalars(select(Article).execution_options(with_deleted=True)).all() == []


# -- versions ----------------------------------------------------------------------------------------------------------------


def test_a_change_that_was_not_seen_is_not_overwritten(database: Database) -> None:
    with database.session() as db:
        article = Article(title="a")
        assert article.version == 1
        db.add(article)
    with database.session() as db:
        mine = db.get(Article, article.id)
        assert mine is not None
        db.expunge(mine)
        db.commit()
        with database.session() as other:
            theirs = other.get(Article, article.id)
            assert theirs is not None
            theirs.title = "theirs"
            other.flush()
            assert theirs.version == 2
        db.add(mine)
        mine.title = "mine"
        with pytest.raises(Conflict, match="Somebody else has changed or deleted this") as caught:
            db.flush()
        assert caught.value.status == 409
        db.rollback()
        assert db.scalar(select(Article.title)) == "theirs"


# -- places in a list --------------------------------------------------------------------------------------------------------


def names(db: Any, model: Any = Row, **where: Any) -> str:
    db.flush()
    return "".join(db.scalars(select(model.name).filter_by(**where).order_by(model.position, model.id)))


def test_new_objects_come_last_in_their_list(database: Database) -> None:
    with database.session() as db:
        first, second = Sheet(rows=[Row(name=name) for name in "abc"]), Sheet(rows=[Row(name="x")])
        db.add_all([first, second])
        db.flush()
        db.add(Row(name="d", sheet_id=first.id))
        db.add_all([Row(name="p"), Row(name="q")])
        assert [names(db, sheet_id=each) for each in (first.id, second.id, None)] == ["abcd", "x", "pq"]
        assert sorted(row.position for row in db.scalars(select(Row).where(Row.sheet_id == first.id))) == [1, 2, 3, 4]
    with database.session() as db:
        db.add(Row(name="e", sheet_id=first.id))
        assert names(db, sheet_id=first.id) == "abcde"


def test_a_position_that_is_said_stays(database: Database) -> None:
    with database.session() as db:
        db.add_all([Chapter(name="b", position=20), Chapter(name="a", position=10)])
        assert names(db, Chapter) == "ab"
        db.add(Chapter(name="c"))
        assert names(db, Chapter) == "abc"


def test_moving_up_and_down(database: Database) -> None:
    with database.session() as db:
        sheet = Sheet(rows=[Row(name=name) for name in "abc"])
        other = Sheet(rows=[Row(name=name) for name in "xyz"])
        db.add_all([sheet, other])
        db.flush()
        row = sheet.rows[1]
        seen = []
        for move in (move_up, move_up, move_down, move_down, move_down):
            move(db, row)
            seen.append(names(db, sheet_id=sheet.id))
        assert seen == ["bac", "bac", "abc", "acb", "acb"]
        assert names(db, sheet_id=other.id) == "xyz"


def test_moving_asynchronously(database: Database) -> None:
    async def main() -> None:
        try:
            async with database.async_session() as db:
                rows = [Chapter(name=name) for name in "abc"]
                db.add_all(rows)
                await db.flush()
                seen = []
                for move in (move_up(db, rows[1]), move_down(db, rows[1]), move_to(db, rows[1], 2), move_to(db, rows[2], 0)):
                    await move
                    seen.append(await db.run_sync(lambda session: names(session, Chapter)))
                assert seen == ["bac", "abc", "acb", "cab"]
        finally:
            await database.dispose_async()

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["sqlite"])
def test_moving_to_a_place(url_of: Any, backend: str) -> None:
    database = Database(url_of(backend))
    Own.metadata.create_all(database.engine)
    with database.session() as db:
        for place in range(7):
            sheet = Sheet(rows=[Row(name=name) for name in "abcde"])
            db.add(sheet)
            db.flush()
            for index in range(5):
                row = next(row for row in sheet.rows if row.name == "abcde"[index])
                before = list(names(db, sheet_id=sheet.id))
                before.remove(row.name)
                before.insert(place, row.name)
                move_to(db, row, place)
                assert names(db, sheet_id=sheet.id) == "".join(before)
    database.dispose()


def test_equal_positions_are_told_apart_by_the_key(database: Database) -> None:
    with database.session() as db:
        rows = [Chapter(name=name, position=1) for name in "abcd"]
        for row in rows:
            db.add(row)
            db.flush()
        move_up(db, rows[2])
        assert names(db, Chapter) == "acbd"
        move_down(db, rows[0])
        assert names(db, Chapter) == "cabd"
        db.execute(update(Chapter).values(position=5))
        assert names(db, Chapter) == "abcd"
        move_to(db, rows[3], 1)
        assert names(db, Chapter) == "adbc"


def test_what_changes_its_list_comes_last_there(database: Database) -> None:
    with database.session() as db:
        first, second = Sheet(rows=[Row(name=name) for name in "abc"]), Sheet(rows=[Row(name="x")])
        db.add_all([first, second])
        db.flush()
        first.rows[0].sheet_id = second.id
        db.flush()
        assert [names(db, sheet_id=each) for each in (first.id, second.id)] == ["bc", "xa"]


def test_lists_are_ordered_by_position() -> None:
    assert describe(Row).ordering == ("sheet_id", "position")
    assert describe(Chapter).ordering == ("position",)


def test_what_was_given_in_one_transaction_is_forgotten_after_it(database: Database) -> None:
    with database.session() as db:
        db.add(Chapter(name="a"))
        db.flush()
        db.rollback()
        chapter = Chapter(name="b")
        db.add(chapter)
        db.flush()
        assert chapter.position == 1
