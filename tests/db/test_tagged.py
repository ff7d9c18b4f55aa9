from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Uuid, event, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db.database import Database
from erlen.db.info import describe
from erlen.db.model import Base, Model
from erlen.db.not_loaded import NotLoaded
from erlen.db.tagged import Tagged, tagged
from erlen.db.validation import ValidationError
from erlen.errors import ConfigurationError, Conflict, ErlenError


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


class Models:
    """Models of their own for each test: what deletes what is different in each."""

    def __init__(self, on_delete: Any = "keep") -> None:
        class Own(Model, isolated=True):
            pass

        class Article(Own):
            title: Mapped[str]

        class Photo(Own):
            place: Mapped[str]

        class Special(Article):
            pass

        class Person(Own):
            pass

        class Comment(Own):
            text: Mapped[str]
            subject: Tagged[Article | Photo] = tagged(on_delete=on_delete)

        self.Own: Any = Own
        self.Article: Any = Article
        self.Photo: Any = Photo
        self.Special: Any = Special
        self.Person: Any = Person
        self.Comment: Any = Comment

    def fill(self, db: Any) -> tuple[Any, Any, list[Any]]:
        self.Own.metadata.create_all(db.database.engine)
        article, photo = self.Article(title="a"), self.Photo(place="p")
        db.add_all([article, photo])
        db.flush()
        comments = [self.Comment(text=str(number), subject=(article, photo)[number % 2]) for number in range(10)]
        db.add_all(comments)
        db.flush()
        return article, photo, comments


def test_it_has_two_columns_and_an_index() -> None:
    models = Models()
    table = models.Comment.__table__
    assert [column.name for column in table.c] == ["id", "text", "subject_type", "subject_id"]
    assert [[column.name for column in index.columns] for index in table.indexes] == [["subject_type", "subject_id"]]
    assert not table.c.subject_type.nullable
    assert [relation.name for relation in describe(models.Comment).relations] == []


def test_it_refers_to_objects_of_several_models(database: Database) -> None:
    models = Models()
    with database.session() as db:
        article, photo, comments = models.fill(db)
        assert comments[0].subject is article
        assert (comments[1].subject_type, comments[1].subject_id) == ("photos", photo.id)
        assert len(db.scalars(select(models.Comment).where(models.Comment.subject.is_(article))).all()) == 5
        assert len(db.scalars(select(models.Comment).where(models.Comment.subject.of_type(models.Photo))).all()) == 5
        comments[0].subject = photo
        db.flush()
        db.expunge_all()
        found: Any = db.get(models.Comment, comments[0].id)
        assert type(found.subject) is models.Photo
        found.subject_type, found.subject_id = "articles", article.id
        assert type(found.subject) is models.Article


def test_reading_one_loads_all_in_one_statement_for_each_model(database: Database) -> None:
    models = Models()
    with database.session() as db:
        models.fill(db)
        db.expunge_all()
        comments = db.scalars(select(models.Comment).order_by(models.Comment.id)).all()
        statements: list[str] = []
        event.listen(db.connection(), "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        assert [type(comment.subject).__name__ for comment in comments] == ["Article", "Photo"] * 5
        assert len(statements) == 2


def test_a_subclass_is_found_through_the_table_of_its_parent(database: Database) -> None:
    class Own(Model, isolated=True):
        pass

    class Animal(Own):
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Bird(Animal, table="birds"):
        wings: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "bird"}

    class Note(Own):
        about: Tagged[Animal] = tagged()

    Own.metadata.create_all(database.engine)
    with database.session() as db:
        bird = Bird(wings=2)
        db.add(bird)
        db.flush()
        note = Note(about=bird)
        db.add(note)
        db.flush()
        db.expunge_all()
        found: Any = db.scalars(select(Note)).one()
        assert found.about_type == "animals"
        assert isinstance(found.about, Bird)
        assert found.about.wings == 2


def test_any_model_optional_and_with_another_key(database: Database) -> None:
    class Own(Base, isolated=True):
        pass

    class Token(Own):
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)

    class Event(Own):
        id: Mapped[int] = mapped_column(primary_key=True)
        of: Tagged[Base | None] = tagged(key=Uuid())

    Own.metadata.create_all(database.engine)
    with database.session() as db:
        token = Token()
        db.add(token)
        db.flush()
        db.add_all([Event(id=1, of=token), Event(id=2), Event(id=3, of=None)])
        db.flush()
        db.expunge_all()
        events: Any = db.scalars(select(Event).order_by(Event.id)).all()
        assert [None if each.of is None else each.of.id for each in events] == [token.id, None, None]


def test_a_field_of_a_mixin_belongs_to_each_class(database: Database) -> None:
    class Own(Model, isolated=True):
        pass

    class Article(Own):
        pass

    class About:
        subject: Tagged[Article | None] = tagged()

    class Note(About, Own):
        pass

    class Mark(About, Own):
        pass

    assert Note.subject.class_ is Note
    assert Mark.subject.class_ is Mark
    Own.metadata.create_all(database.engine)
    with database.session() as db:
        article = Article()
        db.add(article)
        db.flush()
        db.add_all([Note(subject=article), Mark(subject=article)])
        db.flush()
        assert db.scalars(select(Mark).where(Mark.subject.is_(article))).one().subject is article


def test_what_it_cannot_refer_to() -> None:
    models = Models()
    with pytest.raises(TypeError, match=r"^Comment.subject refers to Article or Photo, not to a Person$"):
        models.Comment(subject=models.Person(id=1))
    with pytest.raises(ErlenError, match=r"Comment\.subject cannot refer to Article objects without a key"):
        models.Comment(subject=models.Article(title="a"))


def test_the_name_of_a_table_that_a_client_sent_is_checked() -> None:
    models = Models()
    with pytest.raises(ValidationError) as caught:
        models.Comment(text="t", subject_type="people", subject_id=1)
    assert [(fault.location, fault.message) for fault in caught.value.faults] == [
        (("body", "subject_type"), "Must be one of articles, photos.")
    ]


@pytest.mark.parametrize("annotation", ["Tagged[Nothing]", "Tagged[int]", "Mapped[int]"])
def test_a_declaration_that_says_no_models_is_a_mistake(annotation: str) -> None:
    class Own(Model, isolated=True):
        pass

    with pytest.raises(ConfigurationError, match=r"Comment\.subject`"):
        type("Comment", (Own,), {"__annotations__": {"subject": annotation}, "__module__": __name__, "subject": tagged()})


def test_kept_references_read_as_none(database: Database) -> None:
    models = Models("keep")
    with database.session() as db:
        article, _, comments = models.fill(db)
        db.delete(article)
        db.flush()
        db.expunge_all()
        found: Any = db.get(models.Comment, comments[0].id)
        assert (found.subject, found.subject_id) == (None, article.id)


def test_references_are_deleted_with_their_object(database: Database) -> None:
    models = Models("delete")
    with database.session() as db:
        article, *_ = models.fill(db)
        db.delete(article)
        db.flush()
        assert {comment.subject_type for comment in db.scalars(select(models.Comment))} == {"photos"}


def test_an_object_that_is_referred_to_is_not_deleted(database: Database) -> None:
    models = Models("refuse")
    with database.session() as db:
        article, photo, comments = models.fill(db)
        savepoint = db.begin_nested()
        db.delete(article)
        with pytest.raises(Conflict, match=r"^This is still referred to by 5 comments\.$"):
            db.flush()
        savepoint.rollback()
        assert not inspect(article).deleted
        for comment in comments[1::2]:
            db.delete(comment)
        db.delete(photo)
        db.flush()


def test_in_async_code_it_is_loaded_first(database: Database) -> None:
    models = Models()
    with database.session() as db:
        models.fill(db)

    async def read() -> list[str]:
        async with database.async_session() as db:
            comments = (await db.scalars(select(models.Comment).order_by(models.Comment.id))).all()
            with pytest.raises(NotLoaded, match=r"Comment\.subject is not loaded"):
                _ = comments[0].subject
            await db.load(comments, models.Comment.subject)
            names = [type(comment.subject).__name__ for comment in comments]
        await database.dispose_async()
        return names

    assert asyncio.run(read()) == ["Article", "Photo"] * 5


def test_without_a_session_it_says_so(database: Database) -> None:
    models = Models()
    with database.session() as db:
        models.fill(db)
        db.expunge_all()
        comment: Any = db.scalars(select(models.Comment)).first()
        db.expunge(comment)
    with pytest.raises(NotLoaded, match="belongs to no session"):
        _ = comment.subject
