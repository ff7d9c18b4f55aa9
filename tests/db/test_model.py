from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest
from sqlalchemy import CheckConstraint, Column, Computed, ForeignKey, Index, String, Table, UniqueConstraint, func, inspect, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, WriteOnlyMapped, column_property, composite, mapped_column, relationship, synonym

from erlen.db.columns import UUID7, Choices, Encrypted, uuid7
from erlen.db.database import Database
from erlen.db.info import describe, private, read_only
from erlen.db.model import Base, Model, metadata_for
from erlen.errors import ConfigurationError
from erlen.schema.encode import json_encoder
from erlen.types import MISSING

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

Title = Annotated[str, msgspec.Meta(max_length=20, title="Headline", description="Shown in lists.")]


@pytest.fixture
def database(database_url: str) -> Any:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def base() -> Any:
    class Own(Model, isolated=True):
        pass

    return Own


# -- names -------------------------------------------------------------------------------------------------------------------


def test_a_table_is_named_for_its_class_in_the_plural(base: Any) -> None:
    class HTTPLog(base):  # type: ignore[misc]
        pass

    class Category(base, table="kinds"):  # type: ignore[misc, call-arg]
        pass

    class Person(base):  # type: ignore[misc]
        __tablename__ = "folk"

    class Day(base):  # type: ignore[misc]
        __table__ = Table("calendar", base.metadata, Column("id", primary_key=True))

    assert [each.__table__.name for each in (HTTPLog, Category, Person, Day)] == ["http_logs", "kinds", "folk", "calendar"]


def test_constraints_have_names_that_migrations_can_rely_on(base: Any) -> None:
    class Author(base):  # type: ignore[misc]
        name: Mapped[str] = mapped_column(unique=True)

    class Article(base):  # type: ignore[misc]
        slug: Mapped[str]
        words: Mapped[int] = mapped_column(index=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
        __table_args__ = (
            UniqueConstraint("slug", "author_id"),
            CheckConstraint("words >= 0", name="counted"),
            CheckConstraint("words < 10"),
            Index(None, "slug", "words"),
        )

    table = Article.__table__
    assert {str(each.name) for each in table.constraints | table.indexes} == {
        "pk_articles",
        "uq_articles_slug_author_id",
        "fk_articles_author_id_authors",
        "ck_articles_counted",
        "ck_articles_2c04e194",
        "ix_articles_words",
        "ix_articles_slug_words",
    }
    assert {each.name for each in Author.__table__.constraints} == {"pk_authors", "uq_authors_name"}


def test_the_key_is_an_integer_of_64_bits_that_each_database_counts(database: Database, base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        title: Mapped[str]

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add_all([Article(id=2**40, title="a"), Article(title="b")])
        db.flush()
        assert db.scalars(select(Article.id).order_by(Article.id)).all()[-1] > 2**32
        assert next(iter(Article.__table__.c)).name == "id"


def test_base_has_no_key_and_takes_any(database: Database) -> None:
    class Own(Base, isolated=True):
        pass

    class Pair(Own):
        left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        right: Mapped[Annotated[str, msgspec.Meta(max_length=10)]] = mapped_column(primary_key=True)

    class Token(Own):
        id: Mapped[UUID7] = mapped_column(primary_key=True, default=uuid7)

    Own.metadata.create_all(database.engine)
    with database.session() as db:
        db.add_all([Pair(left=1, right="a"), Pair(left=1, right="b"), token := Token()])
        db.flush()
        assert db.get(Pair, (1, "b")) is not None
        assert db.get(Token, token.id) is token
    assert describe(Pair).key == ("left", "right")
    assert repr(Pair(left=1, right="a")) == "<Pair left=1 right='a'>"


# -- options -----------------------------------------------------------------------------------------------------------------


def test_each_database_has_tables_of_its_own(base: Any) -> None:
    class Log(base, database="logs"):  # type: ignore[misc, call-arg]
        pass

    class Detail(Log):
        pass

    class Kept(base, database="logs"):  # type: ignore[misc, call-arg]
        __abstract__ = True

    class Visit(Kept):
        pass

    class Article(base):  # type: ignore[misc]
        pass

    assert list(base.metadata.tables) == ["articles"]
    assert list(metadata_for("logs", base=base).tables) == ["logs", "visits"]
    assert Log.metadata.info["database"] == Log.__database__ == Detail.__database__ == describe(Detail).database == "logs"
    assert Article.metadata.info["database"] == Article.__database__ == "default"
    assert metadata_for() is Base.metadata is Model.metadata
    assert metadata_for("logs") is not metadata_for("logs", base=base)


def test_models_of_several_databases_find_each_other_by_name(base: Any) -> None:
    class Log(base, database="logs"):  # type: ignore[misc, call-arg]
        article_id: Mapped[int]
        article: Mapped[Any] = relationship("Article", primaryjoin="foreign(Log.article_id) == Article.id")

    class Article(base):  # type: ignore[misc]
        pass

    assert describe(Log).relations[0].target is Article


def test_isolated_models_share_no_names(recwarn: pytest.WarningsRecorder) -> None:
    def make() -> type[Model]:
        class Own(Model, isolated=True):
            pass

        class Article(Own):
            author: Mapped[Any] = relationship("Author")
            author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

        class Author(Own):
            pass

        assert describe(Article).relations[0].target is Author
        return Own

    first, second = make(), make()
    assert first.metadata is not second.metadata
    assert "articles" not in Model.metadata.tables


def test_a_model_says_its_ordering_and_what_it_is_called(base: Any) -> None:
    class LogEntry(base, ordering=("-written", "id"), label="Line", plural="All lines"):  # type: ignore[misc, call-arg]
        written: Mapped[datetime]

    class Special(LogEntry):
        pass

    class Person(base, ordering="id"):  # type: ignore[misc, call-arg]
        pass

    entry, special, person = describe(LogEntry), describe(Special), describe(Person)
    assert (entry.label, entry.plural, entry.ordering) == ("Line", "All lines", ("-written", "id"))
    assert (special.label, special.plural, special.ordering) == ("Special", "Specials", ("-written", "id"))
    assert (person.label, person.plural, person.ordering) == ("Person", "People", ("id",))


def test_an_ordering_by_what_is_no_field_is_a_mistake(base: Any) -> None:
    class Article(base, ordering="-titel"):  # type: ignore[misc, call-arg]
        title: Mapped[str]

    with pytest.raises(ConfigurationError, match=r"Article is ordered by 'titel', which is no field of it") as caught:
        describe(Article)
    assert "test_model.py:" in caught.value.mistakes[0].where


# -- construction --------------------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    GREEN = "green"


def test_scalar_defaults_exist_before_the_flush(base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        body: Mapped[str] = mapped_column(default="")
        words: Mapped[int] = mapped_column(default=0)
        colour: Mapped[Colour] = mapped_column(default=Colour.RED)
        note: Mapped[str | None] = mapped_column(default=None)
        made: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
        counted: Mapped[int] = mapped_column(default=func.random())

    article = Article(words=3)
    assert (article.body, article.words, article.colour, article.note) == ("", 3, Colour.RED, None)
    assert article.made is None
    assert article.counted is None


def test_defaults_that_change_belong_to_one_object(database: Database, base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        tags: Mapped[list[str]] = mapped_column(default=list)
        notes: Mapped[dict[str, int]] = mapped_column(default={"a": 1})

    first, second = Article(), Article()
    first.tags.append("x")
    first.notes["b"] = 2
    assert (second.tags, second.notes) == ([], {"a": 1})
    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(first)
        db.flush()
        first.tags.append("y")
        db.flush()
        db.expunge_all()
        found = db.scalars(select(Article)).one()
        assert (found.tags, found.notes) == (["x", "y"], {"a": 1, "b": 2})


def test_defaults_are_stored(database: Database, base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        body: Mapped[str] = mapped_column(default="none yet")
        colour: Mapped[Colour] = mapped_column(default=Colour.GREEN)

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Article())
        db.flush()
        assert db.execute(select(Article.body, Article.colour)).all() == [("none yet", Colour.GREEN)]


def test_a_subclass_has_defaults_of_its_own(base: Any) -> None:
    class Animal(base):  # type: ignore[misc]
        kind: Mapped[str]
        legs: Mapped[int] = mapped_column(default=4)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    Animal()

    class Bird(Animal):
        wings: Mapped[int] = mapped_column(default=2, nullable=True)
        __mapper_args__ = {"polymorphic_identity": "bird"}

    bird = Bird()
    assert (bird.kind, bird.legs, bird.wings) == ("bird", 4, 2)


def test_an_unknown_name_says_which_is_nearest(base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))
        parent: Mapped[Article] = relationship(remote_side="Article.id")

        @hybrid_property
        def loud(self) -> str:
            return self.title.upper()

        @loud.inplace.setter
        def _set_loud(self, value: str) -> None:
            self.title = value.lower()

    with pytest.raises(TypeError, match=r"^Article has no field 'titel': did you mean 'title'\?$"):
        Article(titel="x")
    with pytest.raises(TypeError, match=r"did you mean 'parent'\?"):
        Article(parents=None)
    with pytest.raises(TypeError, match=r"^Article has no field 'zzz'$"):
        Article(zzz=1)
    assert Article(loud="ABC").title == "abc"


def test_a_constructor_of_the_models_own(base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        title: Mapped[str]
        body: Mapped[str] = mapped_column(default="")

        def __init__(self, title: str) -> None:
            super().__init__(title=title.strip())

    assert (Article(" a ").title, Article("b").body) == ("a", "")


# -- repr and JSON -----------------------------------------------------------------------------------------------------------


def test_repr_shows_the_key_and_the_first_text(database: Database, base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        words: Mapped[int]
        key: Mapped[Annotated[str, private]] = mapped_column(default="k")
        api_token: Mapped[str] = mapped_column(default="t")
        iban: Mapped[Encrypted[str] | None]
        title: Mapped[str]
        body: Mapped[str]

    article = Article(words=1, title="x" * 50, body="b")
    assert repr(article) == f"<Article new title='{'x' * 39}…'>"
    assert repr(Article()) == "<Article new>"
    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(article)
        db.flush()
        assert repr(article) == f"<Article id={article.id} title='{'x' * 39}…'>"
        db.expire(article)
        assert repr(article) == f"<Article id={inspect(article).identity[0]}>"
        assert "title" in inspect(article).unloaded


def test_repr_never_fails_because_of_a_mapping_with_a_mistake(base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        title: Mapped[str]

    article = Article(title="a")

    class Broken(base):  # type: ignore[misc]
        other: Mapped[Any] = relationship("Nothing")

    assert repr(article) == "<Article new title='a'>"


def test_json_has_the_public_fields_that_are_loaded(database: Database, base: Any) -> None:
    class Author(base):  # type: ignore[misc]
        name: Mapped[str]
        articles: Mapped[list[Article]] = relationship(back_populates="author")

    class Article(base):  # type: ignore[misc]
        title: Mapped[str]
        key: Mapped[Annotated[str, private]] = mapped_column(default="k")
        other: Mapped[str] = mapped_column(default="o", info={"private": True})
        iban: Mapped[Encrypted[str] | None] = mapped_column(default=None)
        body: Mapped[str] = mapped_column(default="long", deferred=True)
        made: Mapped[datetime]
        loud: Mapped[str] = column_property(func.upper("abc"))
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
        author: Mapped[Author] = relationship(back_populates="articles")

    made = datetime(2026, 11, 30, 12, tzinfo=UTC)
    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Article(title="a", made=made, author=Author(name="n")))
        db.flush()
        db.expunge_all()
        article = db.scalars(select(Article)).one()
        assert article.author.name == "n"
        wanted: dict[str, Any] = {
            "id": article.id,
            "title": "a",
            "made": "2026-11-30T12:00:00Z",
            "loud": "ABC",
            "author_id": article.author_id,
        }
        assert msgspec.json.decode(json_encoder()(article)) == wanted
        assert msgspec.json.decode(json_encoder(list[Article])([article])) == [wanted]
        assert article.body == "long"
        assert msgspec.json.decode(json_encoder()({"it": article})) == {"it": {**wanted, "body": "long"}}


# -- annotations ------------------------------------------------------------------------------------------------------------


def test_annotations_of_a_closure_keep_their_constraints(base: Any) -> None:
    Short = Annotated[str, msgspec.Meta(max_length=7)]  # noqa: N806

    class Mixin:
        code: Mapped[Short]

    class Article(Mixin, base):  # type: ignore[misc]
        title: Mapped[Short | None]
        kind: Mapped[Literal["a", "b"]]

    columns = Article.__table__.c
    assert (columns.title.type.length, columns.title.nullable, columns.code.type.length) == (7, True, 7)
    assert describe(Article).field("title").annotation == Short | None


def test_a_local_name_hides_one_of_the_module(base: Any) -> None:
    Title = Annotated[str, msgspec.Meta(max_length=5)]  # noqa: F841, N806 - the annotation names it

    class Article(base):  # type: ignore[misc]
        title: Mapped[Title]

    assert Article.__table__.c.title.type.length == 5


def test_what_cannot_be_resolved_is_a_mistake_that_names_its_line(base: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:

        class Article(base):  # type: ignore[misc]
            title: Mapped[str]
            price: Mapped[OnlyForCheckers]
            #
            weight: Mapped[Annotated[int, Unknown(3)]]  # noqa: F821

    first, second = caught.value.mistakes
    assert first.message.endswith("Article.price` cannot be evaluated: name 'OnlyForCheckers' is not defined")
    assert "`OnlyForCheckers`" in first.fix
    line = test_what_cannot_be_resolved_is_a_mistake_that_names_its_line.__code__.co_firstlineno
    assert re.search(rf"test_model\.py:{line + 5}$", first.where)
    assert re.search(rf"test_model\.py:{line + 7}$", second.where)


def test_relations_may_name_what_comes_later(base: Any) -> None:
    class Author(base):  # type: ignore[misc]
        articles: Mapped[list[Article]] = relationship(back_populates="author")
        quiet: Mapped["Article"] = relationship(viewonly=True, uselist=False)  # noqa: UP037
        many: WriteOnlyMapped[Article] = relationship(viewonly=True)

    class Article(base):  # type: ignore[misc]
        author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
        author: Mapped[Author | None] = relationship(back_populates="articles")

    relations = {each.name: each for each in describe(Author).relations}
    assert {name: (each.target, each.many, each.fields) for name, each in relations.items()} == {
        "articles": (Article, True, ()),
        "quiet": (Article, False, ()),
        "many": (Article, True, ()),
    }
    author = describe(Article).relations[0]
    assert (author.target, author.many, author.fields, author.required) == (Author, False, ("author_id",), False)


# -- what SQLAlchemy offers --------------------------------------------------------------------------------------------------


def test_single_table_inheritance_shares_the_table(database: Database, base: Any) -> None:
    class Employee(base):  # type: ignore[misc]
        name: Mapped[str]
        type: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "employee"}

    class Manager(Employee):
        budget: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "manager"}

    assert Manager.__table__ is Employee.__table__
    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add_all([Employee(name="e"), Manager(name="m", budget=3)])
        db.flush()
        db.expunge_all()
        assert [type(each) for each in db.scalars(select(Employee).order_by(Employee.id))] == [Employee, Manager]
        assert db.scalars(select(Manager)).one().budget == 3


@pytest.mark.parametrize("own_key", [False, True, "other"])
def test_joined_table_inheritance(database: Database, base: Any, own_key: bool | str) -> None:
    class Employee(base):  # type: ignore[misc]
        name: Mapped[str]
        type: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "employee"}

    if own_key == "other":

        class Manager(Employee, table="managers"):  # type: ignore[call-arg]
            employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
            budget: Mapped[int] = mapped_column(default=1)
            __mapper_args__ = {"polymorphic_identity": "manager"}

    elif own_key:

        class Manager(Employee):  # type: ignore[no-redef]
            __tablename__ = "managers"
            id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
            budget: Mapped[int] = mapped_column(default=1)
            __mapper_args__ = {"polymorphic_identity": "manager"}

    else:

        class Manager(Employee, table="managers"):  # type: ignore[no-redef, call-arg]
            budget: Mapped[int] = mapped_column(default=1)
            __mapper_args__ = {"polymorphic_identity": "manager"}

    assert [column.name for column in Manager.__table__.c] == ["employee_id" if own_key == "other" else "id", "budget"]
    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add_all([Employee(name="e"), Manager(name="m", budget=3)])
        db.flush()
        db.expunge_all()
        found = db.scalars(select(Employee).order_by(Employee.id)).all()
        assert [(type(each), each.name) for each in found] == [(Employee, "e"), (Manager, "m")]
        assert found[1].budget == 3
        db.delete(found[1])
        db.flush()
        assert db.scalar(select(func.count()).select_from(Manager.__table__)) == 0
    info = describe(Manager)
    assert (info.table, info.key) == ("managers", ("id",))
    assert {field.name for field in info.fields if field.required} == {"name"}


def test_joined_tables_of_three_generations(database: Database, base: Any) -> None:
    class Person(base):  # type: ignore[misc]
        type: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "person"}

    class Employee(Person, table="employees"):  # type: ignore[call-arg]
        name: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "employee"}

    class Manager(Employee, table="managers"):  # type: ignore[call-arg]
        budget: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "manager"}

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Manager(name="m", budget=3))
        db.flush()
        db.expunge_all()
        manager: Any = db.scalars(select(Person)).one()
        assert (manager.type, manager.name, manager.budget) == ("manager", "m", 3)
    assert {key.target_fullname for column in Manager.__table__.c for key in column.foreign_keys} == {"employees.id"}


def test_concrete_inheritance(database: Database, base: Any) -> None:
    class Employee(ConcreteBase, base):  # type: ignore[misc]
        name: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "employee", "concrete": True}

    class Manager(Employee, table="managers"):  # type: ignore[call-arg]
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        budget: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "manager", "concrete": True}

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add_all([Employee(name="e"), Manager(name="m", budget=3)])
        db.flush()
        db.expunge_all()
        assert sorted((type(each).__name__, each.name) for each in db.scalars(select(Employee))) == [("Employee", "e"), ("Manager", "m")]


def test_generated_columns_are_known_after_the_flush(database: Database, base: Any) -> None:
    class Line(base):  # type: ignore[misc]
        price: Mapped[int]
        amount: Mapped[int]
        total: Mapped[int] = mapped_column(Computed("price * amount", persisted=True))

    base.metadata.create_all(database.engine)
    with database.session() as db:
        line = Line(price=2, amount=3)
        db.add(line)
        db.flush()
        assert vars(line)["total"] == 6
        line.amount = 5
        db.flush()
        assert vars(line)["total"] == 10
    total = describe(Line).field("total")
    assert (total.computed, total.editable, total.required) == (True, False, False)


def test_many_to_many_self_references_and_association_proxies(database: Database, base: Any) -> None:
    article_tags = Table(
        "article_tags",
        base.metadata,
        Column("article_id", ForeignKey("articles.id"), primary_key=True),
        Column("tag_id", ForeignKey("tags.id"), primary_key=True),
    )

    class Tag(base):  # type: ignore[misc]
        name: Mapped[str]

    class Article(base):  # type: ignore[misc]
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id"))
        parent: Mapped[Article | None] = relationship(back_populates="children", remote_side="Article.id")
        children: Mapped[list[Article]] = relationship(back_populates="parent")
        tags: Mapped[list[Tag]] = relationship(secondary=article_tags)
        tag_names: AssociationProxy[list[str]] = association_proxy("tags", "name", creator=lambda name: Tag(name=name))

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Article(children=[Article(tag_names=["x", "y"])]))
        db.flush()
        db.expunge_all()
        child: Any = db.scalars(select(Article).where(Article.parent_id.is_not(None))).one()
        assert child.parent.parent is None
        assert sorted(child.tag_names) == ["x", "y"]


def test_composites_synonyms_hybrids_and_deferred_columns(database: Database, base: Any) -> None:
    class Point(msgspec.Struct, frozen=True):
        x: int
        y: int

        def __composite_values__(self) -> tuple[int, int]:
            return self.x, self.y

    class Place(base):  # type: ignore[misc]
        x: Mapped[int]
        y: Mapped[int]
        point: Mapped[Point] = composite(Point, "x", "y")
        breadth: Mapped[int] = synonym("x")
        note: Mapped[str] = mapped_column(default="n", deferred=True)

        @hybrid_property
        def sum(self) -> int:
            return self.x + self.y

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Place(point=Point(1, 2)))
        db.flush()
        db.expunge_all()
        place = db.scalars(select(Place).where(Place.sum == 3, Place.breadth == 1)).one()
        assert (place.point, place.note) == (Point(1, 2), "n")


def test_the_arguments_of_mixins_base_and_class_hold_together(base: Any) -> None:
    class Numbered:
        number: Mapped[int] = mapped_column(default=1)
        __mapper_args__: Any = {"version_id_col": number}

    class Article(Numbered, base):  # type: ignore[misc]
        kind: Mapped[str]
        __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "article"}

    class Special(Article):
        __mapper_args__: Any = {"polymorphic_identity": "special"}

    for each in (Article, Special):
        mapper = each.__mapper__
        assert (mapper.version_id_col.name, mapper.polymorphic_on.name, mapper.eager_defaults) == ("number", "kind", True)
    assert Special.__mapper__.polymorphic_identity == "special"


def test_table_arguments_stay(base: Any) -> None:
    class Article(base):  # type: ignore[misc]
        __table_args__ = {"schema": "shop", "comment": "what we sell"}

    assert (Article.__table__.fullname, Article.__table__.comment, describe(Article).table) == (
        "shop.articles",
        "what we sell",
        "shop.articles",
    )


# -- describe ----------------------------------------------------------------------------------------------------------------


class Status(Choices):
    draft = "draft", "A draft"
    done = "done"


def test_describe_says_what_forms_and_apis_need(base: Any) -> None:
    class Author(base):  # type: ignore[misc]
        name: Mapped[str]

    class Article(base):  # type: ignore[misc]
        title: Mapped[Title]
        slug: Mapped[Annotated[str, msgspec.Meta(max_length=9)]] = mapped_column(unique=True)
        status: Mapped[Status] = mapped_column(default=Status.draft)
        size: Mapped[Literal[1, 2] | None]
        views: Mapped[Annotated[int, read_only]] = mapped_column(default=0)
        key: Mapped[Annotated[str, private]] = mapped_column(default="k")
        iban: Mapped[Encrypted[str]]
        published: Mapped[datetime] = mapped_column(server_default=func.now())
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
        author: Mapped[Author] = relationship()
        plain = mapped_column(String(9), nullable=True)

    info = describe(Article)
    fields = {field.name: field for field in info.fields}
    assert describe(Article) is info
    assert (fields["title"].label, fields["title"].help, fields["title"].annotation) == ("Headline", "Shown in lists.", Title)
    assert fields["author_id"].label == "Author"
    assert fields["author_id"].relation == "author"
    assert fields["status"].choices == ((Status.draft, "A draft"), (Status.done, "Done"))
    assert fields["size"].choices == ((1, "1"), (2, "2"))
    assert [name for name, field in fields.items() if field.required] == ["title", "slug", "iban", "author_id"]
    assert [name for name, field in fields.items() if field.unique] == ["id", "slug"]
    assert [name for name, field in fields.items() if field.nullable] == ["size", "plain"]
    assert [name for name, field in fields.items() if field.private] == ["key", "iban"]
    assert [name for name, field in fields.items() if not field.editable] == ["id", "views", "key"]
    assert (fields["status"].default, fields["views"].default, fields["title"].default) == (Status.draft, 0, MISSING)
    assert info.field("title") is fields["title"]
    with pytest.raises(KeyError):
        info.field("nothing")


# -- both colours ------------------------------------------------------------------------------------------------------------


async def _read_awaitable(database: Database, author: type[Any], article: type[Any]) -> list[str]:
    async with database.async_session() as db:
        found = (await db.scalars(select(author))).one()
        titles = [each.title for each in await found.awaitable_attrs.articles]
    await database.dispose_async()
    return titles


def test_relations_can_be_awaited(database: Database, base: Any) -> None:
    class Author(base):  # type: ignore[misc]
        articles: Mapped[list[Article]] = relationship()

    class Article(base):  # type: ignore[misc]
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

    import asyncio

    base.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(Author(articles=[Article(title="a")]))
    assert asyncio.run(_read_awaitable(database, Author, Article)) == ["a"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements came with Python 3.12")
def test_type_aliases_keep_their_constraints(base: Any) -> None:
    source = """
type Short = Annotated[str, msgspec.Meta(max_length=7)]

class Article(base):
    title: Mapped[Short]
    note: Mapped[Short | None]
"""
    names: dict[str, Any] = {**globals(), "base": base}
    exec(source, names)
    columns = names["Article"].__table__.c
    assert (columns.title.type.length, columns.note.type.length, columns.note.nullable) == (7, 7, True)


def test_what_may_be_nothing_is_none_from_the_beginning() -> None:
    class Own(Model, isolated=True):
        pass

    class Parcel(Own):
        weight: Mapped[int | None]
        note: Mapped[str | None] = mapped_column(server_default="fragile")

    parcel = Parcel()
    assert parcel.__json__() == {"weight": None}
    assert "weight" not in inspect(parcel).committed_state
