"""Relations and deferred columns: how many statements they cost, and what is said where they cannot be loaded."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, String, Table, and_, delete, event, func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    aliased,
    attribute_keyed_dict,
    defer,
    foreign,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    object_session,
    relationship,
    remote,
    selectinload,
)
from sqlalchemy.orm.exc import ObjectDeletedError

from erlen.db import Base, Database, Session, relations
from erlen.db.mixins import SoftDelete, soft_delete
from erlen.db.not_loaded import NotLoaded
from erlen.db.query_log import QueryLog, assert_queries, record_queries
from erlen.errors import ErlenError


class Root(Base, isolated=True):
    """The models of this file."""


class WithId(Root):
    __abstract__ = True
    id: Mapped[int] = mapped_column(primary_key=True)


SHARED: dict[Any, Any] = {}
"""Two relations may have been given the same `info`."""


class Company(WithId):
    name: Mapped[str] = mapped_column(String(50))
    authors: Mapped[list[Author]] = relationship(back_populates="company")


class Author(WithId):
    name: Mapped[str] = mapped_column(String(50))
    biography: Mapped[str] = mapped_column(default="", deferred=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id"))
    company: Mapped[Company | None] = relationship(back_populates="authors")
    articles: Mapped[list[Article]] = relationship(back_populates="author")
    profile: Mapped[Profile | None] = relationship(back_populates="author", cascade="all, delete-orphan")


class Profile(WithId):
    text: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="profile")


article_tags = Table(
    "article_tags",
    Root.metadata,
    Column("article_id", ForeignKey("articles.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
    Column("place", String(10), nullable=False, default=""),
)


class Article(WithId):
    title: Mapped[str] = mapped_column(String(50))
    body: Mapped[str] = mapped_column(default="", deferred=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="articles")
    comments: Mapped[list[Comment]] = relationship(back_populates="article", order_by="Comment.text.desc()", cascade="all, delete-orphan")
    approved: Mapped[list[Comment]] = relationship(
        primaryjoin=lambda: and_(Article.id == foreign(Comment.article_id), Comment.is_approved.is_(True), Comment.text != "b"),
        viewonly=True,
    )
    # Says more of its owner than that a column is equal to another.
    namesakes: Mapped[list[Comment]] = relationship(
        primaryjoin=lambda: func.lower(remote(foreign(Comment.text))) == func.lower(Article.title), viewonly=True, order_by="Comment.id"
    )
    tags: Mapped[list[Tag]] = relationship(secondary=article_tags, order_by=article_tags.c.place, back_populates="articles")
    by_text: Mapped[dict[str, Comment]] = relationship(collection_class=attribute_keyed_dict("text"), viewonly=True)
    comment_set: Mapped[set[Comment]] = relationship(viewonly=True)
    written: WriteOnlyMapped[Comment] = relationship(viewonly=True)
    dynamic: DynamicMapped[Comment] = relationship(viewonly=True)


class Comment(WithId):
    text: Mapped[str] = mapped_column(String(50))
    is_approved: Mapped[bool] = mapped_column(default=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    article: Mapped[Article] = relationship(back_populates="comments")
    author: Mapped[Author | None] = relationship()


class Tag(WithId):
    name: Mapped[str] = mapped_column(String(50))
    articles: Mapped[list[Article]] = relationship(secondary=article_tags, back_populates="tags")


class Node(WithId):
    name: Mapped[str] = mapped_column(String(50))
    path: Mapped[str] = mapped_column(String(50), default="")
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side="Node.id")
    children: Mapped[list[Node]] = relationship(back_populates="parent", order_by="Node.name")
    descendants: Mapped[list[Node]] = relationship(
        primaryjoin=lambda: remote(foreign(Node.path)).like(Node.path + "/%"), viewonly=True, order_by="Node.path"
    )


class Shelf(Root):
    house: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    books: Mapped[list[Book]] = relationship(back_populates="shelf", order_by="Book.title")


class Book(WithId):
    title: Mapped[str] = mapped_column(String(50))
    house: Mapped[int | None]
    number: Mapped[int | None]
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")
    __table_args__ = (ForeignKeyConstraint(["house", "number"], ["shelves.house", "shelves.number"]),)


class Employee(WithId):
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(50))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id", use_alter=True, name="employee_manager"))
    manager: Mapped[Manager | None] = relationship(foreign_keys=manager_id, back_populates="team")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}


class Manager(Employee, table="managers"):
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    budget: Mapped[int] = mapped_column(default=0)
    team: Mapped[list[Employee]] = relationship(foreign_keys=Employee.manager_id, back_populates="manager", order_by="Employee.name")
    __mapper_args__ = {"polymorphic_identity": "manager", "inherit_condition": id == Employee.id}


class Clerk(Employee):
    desk: Mapped[str | None] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_identity": "clerk"}


class Country(Root):
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    cities: Mapped[list[City]] = relationship(back_populates="country", order_by="City.id")


class City(WithId):
    country_code: Mapped[str] = mapped_column(String(10), ForeignKey("countries.code"))
    country: Mapped[Country] = relationship(back_populates="cities")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, City)

    __hash__ = None  # type: ignore[assignment]


class Remark(SoftDelete, WithId):
    text: Mapped[str] = mapped_column(String(50), deferred=True)
    answer_to_id: Mapped[int | None] = mapped_column(ForeignKey("remarks.id"))
    answer_to: Mapped[Remark | None] = relationship(back_populates="answers", remote_side="Remark.id")
    answers: Mapped[list[Remark]] = relationship(back_populates="answer_to", order_by="Remark.id")
    quietly: Mapped[list[Remark]] = relationship(viewonly=True, lazy="raise", info=SHARED)
    loudly: Mapped[Remark | None] = relationship(remote_side="Remark.id", viewonly=True, info=SHARED)


latest = aliased(Comment, name="latest")
Article.approved_again = relationship(
    latest, primaryjoin=and_(Article.id == latest.article_id, latest.is_approved.is_(True)), viewonly=True
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, base=Root)
    database.create_all()
    yield database
    database.dispose()


@pytest.fixture
def lite(url_of: Callable[[str], str]) -> Iterator[Database]:
    """A SQLite database, for what does not depend on the engine."""
    database = Database(url_of("sqlite"), base=Root)
    database.create_all()
    yield database
    database.dispose()


def fill(database: Database, count: int = 6) -> None:
    """Store articles, each with an author of its own, three comments, and two tags out of four."""
    with database.session() as db:
        companies = [Company(name=f"company {number}") for number in range(3)]
        tags = [Tag(name=f"tag {number}") for number in range(4)]
        db.add_all(companies)
        db.flush()
        articles = []
        for number in range(count):
            author = Author(name=f"author {number}", company_id=companies[number % 3].id, biography=f"life {number}")
            author.profile = Profile(text=f"profile {number}") if number % 2 == 0 else None
            article = Article(title=f"B{number}", body=f"body {number}", author=author)
            article.comments = [Comment(text=text, is_approved=text != "c", author=author) for text in "abc"]
            articles.append(article)
        db.add_all(articles)
        db.add_all(tags)
        db.flush()
        rows = [{"article_id": article.id, "tag_id": tags[number % 4].id, "place": "2"} for number, article in enumerate(articles)] + [
            {"article_id": article.id, "tag_id": tags[(number + 1) % 4].id, "place": "1"} for number, article in enumerate(articles)
        ]
        db.execute(article_tags.insert(), rows)


def all_of(db: Session, model: type[Any]) -> list[Any]:
    return list(db.scalars(select(model).order_by(*model.__table__.primary_key)))


def run(database: Database, coroutine: Coroutine[Any, Any, Any]) -> Any:
    async def main() -> Any:
        try:
            return await coroutine
        finally:
            await database.dispose_async()

    return asyncio.run(main())


# -- every kind of relation -----------------------------------------------------------------------------------------------------


def test_many_to_one(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [article.author.name for article in articles] == [f"author {number}" for number in range(6)]


def test_many_to_one_that_is_there_already(database: Database) -> None:
    fill(database)
    with database.session() as db:
        authors = all_of(db, Author)[:4]
        articles = all_of(db, Article)
        with assert_queries(0):
            assert articles[0].author is authors[0]
        with assert_queries(1) as log:
            assert articles[5].author.name == "author 5"
        assert [article.id for article in articles if "author" in vars(article)] == [article.id for article in articles]
        assert "company" in log.queries[0].statement
        parameters = log.queries[0].parameters
        values = parameters.values() if isinstance(parameters, dict) else parameters
        assert sorted(values) == sorted([articles[4].author_id, articles[5].author_id])


def test_many_to_one_without_one(database: Database) -> None:
    fill(database, 2)
    with database.session() as db:
        db.add_all([Article(title="x"), Article(title="y")])
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [article.author and article.author.name for article in articles] == ["author 0", "author 1", None, None]


def test_one_to_many(database: Database) -> None:
    fill(database)
    with database.session() as db:
        db.add(Article(title="without"))
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [[comment.text for comment in article.comments] for article in articles] == [["c", "b", "a"]] * 6 + [[]]
        with assert_queries(0):
            assert articles[0].comments[0].article is articles[0]


def test_one_to_one(database: Database) -> None:
    fill(database)
    with database.session() as db:
        authors = all_of(db, Author)
        with assert_queries(1):
            found = [author.profile and author.profile.text for author in authors]
        assert found == ["profile 0", None, "profile 2", None, "profile 4", None]


def test_many_to_many_ordered_by_its_own_table(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            found = [[tag.name for tag in article.tags] for article in articles]
        assert found == [[f"tag {(number + 1) % 4}", f"tag {number % 4}"] for number in range(6)]
        with assert_queries(1):
            assert sorted(len(tag.articles) for tag in articles[0].tags + articles[2].tags) == [2, 3, 3, 4]


def test_a_relation_to_itself(database: Database) -> None:
    with database.session() as db:
        db.add_all(
            [Node(name=f"{name}", children=[Node(name=f"{name}{deep}", children=[Node(name="leaf")]) for deep in "yx"]) for name in "ab"]
        )
    with database.session() as db:
        roots = db.scalars(select(Node).where(Node.parent_id.is_(None)).order_by(Node.name)).all()
        with assert_queries(2):
            names = [[(child.name, [leaf.name for leaf in child.children]) for child in root.children] for root in roots]
        assert names == [[(f"{name}{deep}", ["leaf"]) for deep in "xy"] for name in "ab"]
    with database.session() as db:
        leaves = db.scalars(select(Node).where(Node.name == "leaf")).all()
        with assert_queries(2):
            assert sorted(leaf.parent.parent.name for leaf in leaves) == ["a", "a", "b", "b"]  # type: ignore[union-attr]


def test_composite_keys(database: Database) -> None:
    with database.session() as db:
        db.add_all([Shelf(house=house, number=number) for house in (1, 2) for number in (1, 2)])
        db.add_all(
            [Book(title=f"{house}{number}{letter}", house=house, number=number) for house in (1, 2) for number in (1, 2) for letter in "ba"]
        )
        db.add_all([Book(title="none"), Book(title="half", house=1)])
    with database.session() as db:
        shelves = all_of(db, Shelf)
        with assert_queries(1):
            assert [[book.title for book in shelf.books] for shelf in shelves] == [
                ["11a", "11b"],
                ["12a", "12b"],
                ["21a", "21b"],
                ["22a", "22b"],
            ]
    with database.session() as db:
        books = all_of(db, Book)
        with record_queries() as log:
            found = [book.shelf and (book.shelf.house, book.shelf.number) for book in books]
        assert found == [(house, number) for house in (1, 2) for number in (1, 2) for _ in "ba"] + [None, None]
        # The shelf of half a key is asked for by itself, as SQLAlchemy does.
        assert len(log) <= 2


def test_inheritance(database: Database) -> None:
    with database.session() as db:
        bosses = [Manager(name=f"boss {number}", budget=number) for number in range(3)]
        db.add_all(bosses)
        db.flush()
        db.add_all([Clerk(name=f"clerk {number}", desk=str(number), manager_id=bosses[number % 3].id) for number in range(6)])
        db.add_all([Manager(name=f"sub {number}", manager_id=bosses[number].id) for number in range(3)])
    with database.session() as db:
        employees = db.scalars(select(Employee).order_by(Employee.name)).all()
        with assert_queries(0):  # all of them are there
            assert [one.manager and one.manager.name for one in employees] == [
                None, None, None, *["boss 0", "boss 1", "boss 2"] * 2, "boss 0", "boss 1", "boss 2",
            ]  # fmt: skip
        managers = [one for one in employees if isinstance(one, Manager)]
        with assert_queries(1):
            assert [len(one.team) for one in managers] == [3, 3, 3, 0, 0, 0]
        with record_queries() as log:
            assert [one.budget for one in managers] == [0, 1, 2, 0, 0, 0]
        assert len(log) <= 1
    with database.session() as db:
        managers = [one for one in db.scalars(select(Employee).order_by(Employee.id)) if isinstance(one, Manager)]
        with assert_queries(1):
            assert [one.budget for one in managers] == [0, 1, 2, 0, 0, 0]


def test_a_criterion_of_ones_own(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [[comment.text for comment in article.approved] for article in articles] == [["a"]] * 6


def test_a_criterion_that_is_no_equation_of_columns(database: Database) -> None:
    fill(database)
    with database.session() as db:
        article = db.scalars(select(Article).order_by(Article.id)).all()[1]
        db.add_all([Comment(text="b2", article=article), Comment(text="B2", article=article), Comment(text="b5", article=article)])
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [[comment.text for comment in article.namesakes] for article in articles] == [[], [], ["b2", "B2"], [], [], ["b5"]]


def test_descendants_by_their_path(database: Database) -> None:
    with database.session() as db:
        db.add_all([Node(name="n", path=path) for path in ("a", "a/b", "a/b/c", "ab", "d", "d/e")])
    with database.session() as db:
        nodes = db.scalars(select(Node).order_by(Node.path)).all()
        with assert_queries(1):
            found = {node.path: [below.path for below in node.descendants] for node in nodes}
        assert found == {"a": ["a/b", "a/b/c"], "a/b": ["a/b/c"], "a/b/c": [], "ab": [], "d": ["d/e"], "d/e": []}


def test_a_relation_to_an_alias(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [sorted(comment.text for comment in article.approved_again) for article in articles] == [["a", "b"]] * 6


def test_other_collections(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        with assert_queries(2):
            assert [sorted(article.by_text) for article in articles] == [["a", "b", "c"]] * 6
            assert {type(article.comment_set) for article in articles} <= {type(articles[0].comment_set)}
            assert [len(article.comment_set) for article in articles] == [3] * 6


def test_what_cannot_be_hashed(lite: Database) -> None:
    with lite.session() as db:
        db.add_all([Country(code=code, cities=[City(), City()]) for code in ("no", "se")])
    with lite.session() as db:
        with assert_queries(2):
            assert [len(country.cities) for country in all_of(db, Country)] == [2, 2]
        db.expunge_all()
        with assert_queries(2):
            assert [city.country.code for city in all_of(db, City)] == ["no", "no", "se", "se"]


def test_write_only_and_dynamic_relations_stay_what_they_are(lite: Database) -> None:
    fill(lite, 2)
    with lite.session() as db:
        articles = all_of(db, Article)
        with assert_queries(0):
            written = [article.written.select() for article in articles]
        with assert_queries(2):
            assert [len(db.scalars(one).all()) for one in written] == [3, 3]
        with assert_queries(2):
            assert [article.dynamic.count() for article in articles] == [3, 3]


def test_keys_that_the_database_finds_equal(url_of: Callable[[str], str]) -> None:
    """MariaDB compares texts without their case: what Python cannot match is left to SQLAlchemy, one by one."""
    database = Database(url_of("mariadb"), base=Root)
    database.create_all()
    with database.session() as db:
        db.add_all([Country(code="NO"), Country(code="se")])
        db.flush()
        db.add_all([City(country_code="no"), City(country_code="NO"), City(country_code="se")])
    with database.session() as db:
        assert [len(country.cities) for country in db.scalars(select(Country).order_by(Country.code))] == [2, 1]
        db.expunge_all()
        assert [city.country.code for city in all_of(db, City)] == ["NO", "NO", "se"]
    database.dispose()


# -- whose relations are loaded, and how --------------------------------------------------------------------------------------------


def load_three_levels(count: int, database: Database) -> None:
    with database.session() as db:
        companies = [Company(name=f"company {number}") for number in range(count // 10)]
        authors = [Author(name=f"author {number}", company=companies[number // 10]) for number in range(count)]
        db.add_all([Article(title="t", author=author) for author in authors])


def test_three_levels_of_a_thousand_objects(database: Database) -> None:
    load_three_levels(1000, database)
    with database.session() as db:
        with assert_queries(1 + 2 + 2):
            names = {article.author.company.name for article in all_of(db, Article)}
        assert len(names) == 100
    with database.session() as db:
        with assert_queries(1 + 1 + 2):
            companies = all_of(db, Company)
            found = [article.id for company in companies for author in company.authors for article in author.articles]
        assert len(found) == 1000


def test_three_levels_of_a_thousand_objects_asynchronously(database: Database) -> None:
    load_three_levels(1000, database)

    async def main() -> None:
        async with database.async_session() as db:
            with assert_queries(1 + 2 + 2):
                articles = (await db.scalars(select(Article))).all()
                await db.load(articles, Article.author, Author.company)
            with assert_queries(0):
                assert len({article.author.company.name for article in articles}) == 100  # type: ignore[union-attr]
            db.expunge_all()
            with assert_queries(1 + 2 + 2):
                names = set()
                for article in (await db.scalars(select(Article))).all():
                    author = await article.awaitable_attrs.author
                    names.add((await author.awaitable_attrs.company).name)
            assert len(names) == 100

    run(database, main())


def test_immediate_loading_is_for_all(lite: Database) -> None:
    fill(lite)
    with lite.session(strict=True) as db, assert_queries(2):
        articles = db.scalars(select(Article).options(immediateload(Article.comments))).all()
        assert [len(article.comments) for article in articles] == [3] * 6


def test_options_of_the_query_hold_for_what_is_loaded_later(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        option = lazyload(Article.comments).joinedload(Comment.author).joinedload(Author.company)
        articles = db.scalars(select(Article).options(option)).all()
        with assert_queries(1):
            assert {comment.author.company.name for article in articles for comment in article.comments} == {  # type: ignore[union-attr]
                "company 0",
                "company 1",
                "company 2",
            }
        db.expunge_all()
        articles = db.scalars(select(Article).options(lazyload(Article.comments).selectinload(Comment.author))).all()
        with assert_queries(2):
            assert all(comment.author for article in articles for comment in article.comments)
        db.expunge_all()
        articles = db.scalars(select(Article).options(lazyload(Article.comments.and_(Comment.text != "a")))).all()
        with assert_queries(1):
            assert [[comment.text for comment in article.comments] for article in articles] == [["c", "b"]] * 6


def test_objects_of_other_queries_are_no_peers(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        first = db.scalars(select(Article).where(Article.id <= 2)).all()
        second = db.scalars(select(Article).where(Article.id > 2).options(lazyload(Article.author))).all()
        with assert_queries(1):
            assert first[0].author is not None
        assert ["author" in vars(article) for article in (*first, *second)] == [True, True, False, False, False, False]
        with assert_queries(1):
            assert second[0].author is not None


def test_stored_objects_are_peers(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        authors = all_of(db, Author)
        ids = [author.id for author in authors]
        db.expunge_all()
        articles = [Article(title="new", author_id=id) for id in ids]
        db.add_all(articles)
        db.commit()
        with assert_queries(1):
            assert [article.author.id for article in articles] == ids  # type: ignore[union-attr]


def test_changes_that_are_not_stored_yet_stay(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
        other = Author(name="other")
        with db.no_autoflush:
            articles[1].author = other
            added = Comment(text="d", article=articles[2])
            articles[3].author_id = None
            with assert_queries(2):
                assert articles[0].author.name == "author 0"
                assert len(articles[0].comments) == 3
        with assert_queries(0):
            assert articles[1].author is other
            assert articles[2].comments[-1] is added
            assert articles[3].author is None
            assert articles[4].author.name == "author 4"
        db.rollback()


def test_a_stream_loads_for_each_batch(database: Database) -> None:
    if database.url().get_backend_name() in ("mysql", "mariadb"):
        pytest.skip("its drivers lose the rest of a stream when another statement is sent: there, load with the query's joins")
    fill(database, 20)
    with database.session() as db, record_queries() as log:
        names = [article.author.name for article in db.scalars(select(Article).execution_options(yield_per=5))]  # type: ignore[union-attr]
    assert len(names) == 20
    assert len(log) == 1 + 20 // 5


def test_objects_that_nobody_holds_are_no_trouble(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        article = all_of(db, Article)[0]
        gc.collect()
        with assert_queries(1) as log:
            assert article.author.name == "author 0"
        assert log.queries[0].parameters == (article.author_id,)


def test_hundreds_are_loaded_in_chunks(lite: Database) -> None:
    with lite.session() as db:
        db.add_all([Article(title="t", comments=[Comment(text="c")]) for _ in range(1100)])
    with lite.session() as db:
        articles = all_of(db, Article)
        with assert_queries(3):
            assert sum(len(article.comments) for article in articles) == 1100


def test_criteria_hold_for_what_is_loaded(lite: Database) -> None:
    from sqlalchemy.orm import with_loader_criteria

    fill(lite)
    with lite.session() as db:
        visible = with_loader_criteria(Comment, Comment.is_approved.is_(True))
        articles = db.scalars(select(Article).options(visible)).all()
        with assert_queries(1):
            assert [len(article.comments) for article in articles] == [2] * 6
        with assert_queries(1):
            assert [len(article.namesakes) for article in articles] == [0] * 6


def test_soft_deletion(database: Database) -> None:
    with database.session() as db:
        first, second, third = (Remark(text=f"text {number}") for number in range(3))
        db.add_all([first, second, third])
        db.flush()
        answers = [Remark(text="answer", answer_to=remark) for remark in (first, second, third) for _ in "ab"]
        db.add_all(answers)
        db.flush()
        soft_delete(answers[0])
        soft_delete(third)
    with database.session() as db:
        remarks = db.scalars(select(Remark).where(Remark.answer_to_id.is_(None)).order_by(Remark.id)).all()
        with assert_queries(1):
            assert [len(remark.answers) for remark in remarks] == [1, 2]
        db.expunge_all()
        answers = list(db.scalars(select(Remark).where(Remark.answer_to_id.is_not(None)).order_by(Remark.id)))
        with assert_queries(1):
            assert [answer.answer_to and answer.answer_to.id for answer in answers] == [1, 2, 2, None, None]
        db.expunge_all()
        everything = db.scalars(select(Remark).order_by(Remark.id).execution_options(with_deleted=True)).all()
        with assert_queries(1):
            assert [remark.text for remark in everything] == ["text 0", "text 1", "text 2", *["answer"] * 6]


def test_deleting_loads_what_belongs_to_all(lite: Database) -> None:
    fill(lite)
    with lite.session(strict=True) as db:
        articles = all_of(db, Article)
        with record_queries() as log:
            for article in articles:
                db.delete(article)
            db.flush()
        assert sum(query.statement.startswith("SELECT") for query in log) == 2  # comments, tags
        assert all_of(db, Comment) == []


# -- columns ------------------------------------------------------------------------------------------------------------------


def test_deferred_columns(database: Database) -> None:
    fill(database)
    with database.session() as db:
        articles = all_of(db, Article)
        articles[1].title = "changed"
        with db.no_autoflush, assert_queries(1):
            assert [article.body for article in articles] == [f"body {number}" for number in range(6)]
        assert articles[1].title == "changed"
        assert articles[1] in db.dirty
        db.expunge_all()
        shelves = db.scalars(select(Book).options(defer(Book.title))).all()
        assert shelves == []
        articles = list(db.scalars(select(Article).options(defer(Article.title)).order_by(Article.id)))
        with assert_queries(1):
            assert [article.title for article in articles] == [f"B{number}" for number in range(6)]


def test_expired_objects(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
        db.expire_all()
        with assert_queries(1):
            assert [article.title for article in articles] == [f"B{number}" for number in range(6)]
        db.expire_all()
        with assert_queries(2):
            assert [article.author.name for article in articles] == [f"author {number}" for number in range(6)]
        db.expire(articles[0], ["title"])
        with assert_queries(1):
            assert articles[0].title == "B0"


def test_an_expired_object_whose_row_is_gone(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
        db.execute(article_tags.delete())
        db.execute(delete(Comment))
        db.execute(delete(Article).where(Article.id == articles[0].id), execution_options={"synchronize_session": False})
        db.expire_all()
        with pytest.raises(ObjectDeletedError):
            assert articles[0].title
        with assert_queries(0):
            assert articles[1].title == "B1"


def test_refresh_is_for_one(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
        with assert_queries(1):
            db.refresh(articles[0], ["body"])
        assert ["body" in vars(article) for article in articles] == [True, False, False, False, False, False]


# -- load ---------------------------------------------------------------------------------------------------------------------


def test_load(database: Database) -> None:
    fill(database)
    with database.session(strict=True) as db:
        articles = [db.get_one(Article, article_id) for article_id in db.scalars(select(Article.id))]
        with assert_queries(3):
            db.load(articles, Article.comments, Comment.author, Article.body)
        with assert_queries(0):
            names = {comment.author and comment.author.name for article in articles for comment in article.comments}
            assert names == {f"author {number}" for number in range(6)}
            assert {article.body for article in articles} == {f"body {number}" for number in range(6)}
            db.load(articles, Article.comments)
        with assert_queries(1):
            db.load(articles[0], Article.tags)
        with assert_queries(1):
            db.load((article for article in articles), Article.tags)


def test_load_of_relations_that_raise(lite: Database) -> None:
    with lite.session() as db:
        db.add_all([Remark(text="a", answers=[Remark(text="b"), Remark(text="c")]) for _ in range(3)])
    with lite.session() as db:
        remarks = db.scalars(select(Remark).where(Remark.answer_to_id.is_(None))).all()
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            assert remarks[0].quietly
        with assert_queries(1):
            db.load(remarks, Remark.quietly, Remark.loudly)
        with assert_queries(0):
            assert [[one.loudly for one in remark.quietly] for remark in remarks] == [[remark, remark] for remark in remarks]


def test_looking_for_peers_in_vain_has_an_end(lite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that holds very many objects of as many queries is not looked through again and again."""
    fill(lite, 20)
    with lite.session() as db:
        monkeypatch.setattr(relations, "CREDIT_FOR_EACH", 5)
        db._credit = 100
        ids = list(db.scalars(select(Article.id)))
        held = [db.get_one(Article, id) for id in ids]
        with assert_queries(20):
            assert all(article.author for article in held)
        assert 0 <= db._credit < 40
        others = all_of(db, Profile)
        with record_queries() as log:
            assert all(profile.author for profile in others)
        assert len(log) == 0  # they are there
        comments = all_of(db, Comment)
        with record_queries() as log:
            assert len({comment.article.id for comment in comments}) == 20
            assert len({tag.id for article in held for tag in article.tags}) == 4
        assert len(log) == 20  # the same as without peers


def test_load_of_what_belongs_to_no_session(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
    with lite.session() as db, pytest.raises(NotLoaded, match=r"Article\.author is not loaded"):
        db.load(articles, Article.author)
    with lite.session() as db:
        db.load(Article(title="new"), Article.author)


# -- async -----------------------------------------------------------------------------------------------------------------------


def line_of(marker: str) -> str:
    """Return `:number` of the one line of this file that ends with a marker."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()  # type: ignore[arg-type]
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {marker}")]
    return f"test_relations.py:{number}"


def test_touching_asynchronously_says_what_to_do(database: Database) -> None:
    fill(database)

    async def main() -> None:
        async with database.async_session() as db:
            article = (await db.scalars(select(Article).order_by(Article.id))).all()[0]
            with assert_queries(0), pytest.raises(NotLoaded) as caught:
                assert article.author  # async touch
            message = str(caught.value)
            assert message.startswith("Article.author is not loaded")
            assert line_of("async touch") in message
            assert ".options(selectinload(Article.author))" in message
            assert "await db.load(articles, Article.author)" in message
            assert "await article.awaitable_attrs.author" in message
            with pytest.raises(NotLoaded, match=r"undefer\(Article\.body\)"):
                assert article.body
            with pytest.raises(NotLoaded, match=r"Article\.comments"):
                assert article.comments
            # The session works on.
            assert (await article.awaitable_attrs.author).name == "author 0"
            assert await article.awaitable_attrs.body == "body 0"
            db.expire(article)
            with pytest.raises(NotLoaded, match=r"await db\.refresh\(article\)"):
                assert article.title
            await db.refresh(article)
            assert article.title == "B0"

    run(database, main())


def test_awaitable_attributes_load_for_all(database: Database) -> None:
    fill(database)

    async def main() -> None:
        async with database.async_session(strict=True) as db:
            articles = (await db.scalars(select(Article).order_by(Article.id))).all()
            with assert_queries(3):
                for number, article in enumerate(articles):
                    assert (await article.awaitable_attrs.author).name == f"author {number}"
                    assert len(await article.awaitable_attrs.comments) == 3
                    assert await article.awaitable_attrs.body == f"body {number}"
            with assert_queries(1):
                await db.load(articles, Article.tags)

    run(database, main())


# -- strict ------------------------------------------------------------------------------------------------------------------------


def test_a_strict_session(lite: Database) -> None:
    fill(lite)
    with lite.session(strict=True) as db:
        article = all_of(db, Article)[0]
        with assert_queries(0), pytest.raises(NotLoaded) as caught:
            assert article.author  # strict touch
        assert line_of("strict touch") in str(caught.value)
        assert "db.load(articles, Article.author)" in str(caught.value)
        assert "await" not in str(caught.value)
        with pytest.raises(NotLoaded, match=r"Article\.body"):
            assert article.body
        db.add(Comment(text="d", article=article))  # reverse sides are kept without loading
        article = db.scalars(select(Article).options(selectinload(Article.author), joinedload(Article.comments))).unique().all()[0]
        assert article.author is not None
        db.expire(article)
        assert article.title == "B0"


def test_strict_for_one_query(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        article = db.scalars(select(Article).execution_options(strict=True)).all()[0]
        with pytest.raises(NotLoaded):
            assert article.author
    with lite.session(strict=True) as db:
        articles = db.scalars(select(Article).execution_options(strict=False)).all()
        with assert_queries(2):
            assert {article.author.company.name for article in articles} == {f"company {number}" for number in range(3)}  # type: ignore[union-attr]


def test_strict_through_a_template(lite: Database) -> None:
    from jinja2 import DictLoader, Environment

    fill(lite)
    page = Environment(loader=DictLoader({"page.html": "\n\n{{ article.author.name }}"}), autoescape=True).get_template("page.html")
    with lite.session(strict=True) as db:
        article = all_of(db, Article)[0]
        with pytest.raises(NotLoaded) as caught:
            page.render(article=article)
        assert caught.value.where.endswith(":3")


# -- detached -------------------------------------------------------------------------------------------------------------------------


def test_after_the_session(lite: Database) -> None:
    fill(lite)
    with lite.session() as db:
        articles = all_of(db, Article)
        manager = Manager(name="m")
        db.add(manager)
        db.flush()
        db.expire(articles[2])
    with pytest.raises(NotLoaded) as caught:
        assert articles[0].author  # detached touch
    assert "Article.author is not loaded, and the session of its object has ended" in str(caught.value)
    assert line_of("detached touch") in str(caught.value)
    assert ".options(selectinload(Article.author))" in str(caught.value)
    assert isinstance(caught.value, ErlenError)
    assert isinstance(caught.value, InvalidRequestError)
    for touch in ("body", "comments", "tags"):
        with pytest.raises(NotLoaded, match=rf"Article\.{touch} "):
            getattr(articles[1], touch)
    with pytest.raises(NotLoaded, match=r"Article\.title "):
        assert articles[2].title
    with pytest.raises(NotLoaded, match=r"Manager\.team "):
        assert manager.team
    assert articles[0].title == "B0"
    assert pickle.loads(pickle.dumps(articles[0])).title == "B0"
    assert object_session(articles[0]) is None


# -- listeners of others ------------------------------------------------------------------------------------------------------------


def test_listeners_see_the_statement_and_can_change_it(lite: Database) -> None:
    from sqlalchemy.orm import with_loader_criteria

    fill(lite)
    with lite.session() as db:

        def hide(execution: Any) -> None:
            if execution.is_select and not execution.is_column_load:
                execution.statement = execution.statement.options(with_loader_criteria(Comment, Comment.text != "a"))

        event.listen(db, "do_orm_execute", hide)
        articles = all_of(db, Article)
        with assert_queries(1):
            assert [len(article.comments) for article in articles] == [2] * 6


def test_the_log_says_which_line_touched(lite: Database) -> None:
    fill(lite)
    with lite.session() as db, record_queries() as log:
        assert isinstance(log, QueryLog)
        articles = all_of(db, Article)
        assert articles[0].author  # logged touch
    assert log.queries[-1].where.endswith(line_of("logged touch"))
