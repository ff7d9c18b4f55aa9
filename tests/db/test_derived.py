from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET
from sqlalchemy import Computed, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from erlen import App, Form
from erlen.db.columns import Choices, Email, Encrypted
from erlen.db.database import Database
from erlen.db.derived import Create, Read, Update
from erlen.db.info import private, read_only
from erlen.db.mixins import SoftDelete, Timestamps, Versioned
from erlen.db.model import Model
from erlen.db.validation import ValidationError
from erlen.errors import ConfigurationError, Conflict
from erlen.testing import Client


class Own(Model, isolated=True):
    pass


class Status(Choices):
    draft = "draft"
    done = "done"


Title = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class Article(Timestamps, SoftDelete, Versioned, Own):
    title: Mapped[Title]
    body: Mapped[str] = mapped_column(default="")
    status: Mapped[Status] = mapped_column(default=Status.draft)
    note: Mapped[str | None]
    rank: Mapped[int] = mapped_column(default=lambda: 7)
    seen: Mapped[int | None] = mapped_column(server_default="3")
    tags: Mapped[list[str]] = mapped_column(default=[])
    loud: Mapped[str | None] = mapped_column(Computed("title", persisted=True))
    key: Mapped[Annotated[str, private]] = mapped_column(default="k")
    views: Mapped[Annotated[int, read_only]] = mapped_column(default=0)
    iban: Mapped[Encrypted[str] | None]
    long: Mapped[str] = mapped_column(default="", deferred=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")


class Author(Own):
    name: Mapped[str]
    email: Mapped[Email | None]
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Country(Own):
    id: Mapped[Annotated[str, msgspec.Meta(max_length=2)]] = mapped_column(primary_key=True)  # type: ignore[assignment]
    name: Mapped[str]


class NewArticle(Create[Article], exclude={"author_id", "status"}, optional={"title"}):
    tag: str = "t"


class Brief(Read[Author], include={"name"}):
    pass


class Row(Read[Article], exclude={"created", "updated", "deleted_at", "version"}):
    author: Read[Author]


def fields(struct: Any) -> str:
    return " ".join(struct.__struct_fields__)


# -- the types ---------------------------------------------------------------------------------------------------------------


def test_create_has_what_clients_may_set() -> None:
    assert fields(Create[Article]) == "title body status note rank seen tags iban long author_id"
    made = msgspec.json.decode(b'{"title": "t", "author_id": 1}', type=Create[Article])
    assert (made.body, made.status, made.note, made.rank, made.seen, made.tags) == ("", Status.draft, None, UNSET, UNSET, [])
    assert fields(Create[Country]) == "id name"
    for wrong in (b'{"title": "t"}', b'{"title": "", "author_id": 1}', b'{"title": "t", "author_id": 1, "status": "gone"}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=Create[Article])


def test_update_has_the_same_and_needs_nothing() -> None:
    assert fields(Update[Article]) == "title body status note rank seen tags iban long author_id version"
    empty = msgspec.json.decode(b"{}", type=Update[Article])
    assert {getattr(empty, name) for name in empty.__struct_fields__} == {UNSET}
    assert fields(Update[Country]) == "name"


def test_read_has_what_clients_may_see() -> None:
    assert fields(Read[Article]) == "id title body status note rank seen tags loud views author_id created updated deleted_at version"


def test_each_type_is_made_once_and_says_its_name() -> None:
    first: Any = Create[Article]
    assert Create[Article] is first
    assert Create[Author] is not first
    assert (first.__qualname__, first.__name__, first.__module__) == ("Create[Article]", "ArticleCreate", __name__)


def test_types_are_made_before_the_models_that_they_refer_to() -> None:
    class Other(Model, isolated=True):
        pass

    class Book(Other):
        title: Mapped[str]
        shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
        shelf: Mapped[Shelf] = relationship()

    class Place(Other):
        id: Mapped[int] = mapped_column(ForeignKey("shelves.id"), primary_key=True)
        shelf: Mapped[Shelf] = relationship()

    assert fields(Create[Book]) == "title shelf_id"
    assert fields(Create[Place]) == "id"

    class Shelf(Other):
        pass

    assert Create[Book](title="t", shelf_id=1).build(shelf=Shelf()).shelf_id == 1


def test_fields_can_be_chosen() -> None:
    assert fields(NewArticle) == "tag title body note rank seen tags iban long"
    assert issubclass(NewArticle, Create)
    made = msgspec.json.decode(b'{"tag": "x"}', type=NewArticle)
    assert (made.tag, made.title) == ("x", UNSET)
    assert fields(Brief) == "name"

    class WithKey(Create[Article], include=["title", "key"]):
        pass

    assert fields(WithKey) == "title key"


def test_a_field_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"Create\[Article\] has no field 'titel': did you mean 'title'\?"):

        class Wrong(Create[Article], exclude={"titel"}):
            pass


def test_a_generic_handler_may_name_a_type_variable() -> None:
    from typing import TypeVar

    Kind = TypeVar("Kind", bound=Model)
    assert Create[Kind].__args__ == (Kind,)  # type: ignore[attr-defined, valid-type]
    with pytest.raises(TypeError, match=r"Create is of no model: write `Create\[Article\]`"):
        Create[Any]().build()


# -- what they do ------------------------------------------------------------------------------------------------------------


def test_build_makes_an_object() -> None:
    article = Create[Article](title="t", author_id=1, tags=["x"]).build(key="secret")
    assert isinstance(article, Article)
    assert (article.title, article.body, article.key, article.tags) == ("t", "", "secret", ["x"])
    assert article.rank is None
    author = Author(name="n")
    assert NewArticle(title="t").build(author=author).author is author


def test_two_objects_share_no_default() -> None:
    first, second = Create[Article](title="t", author_id=1), Create[Article](title="t", author_id=1)
    first.tags.append("x")
    assert second.tags == []
    assert Article(title="t").tags == []


def test_build_finds_every_fault_of_the_model() -> None:
    data = Create[Author](name="n", email="no address")
    with pytest.raises(ValidationError) as caught:
        data.build(name=3)
    assert [fault.location for fault in caught.value.faults] == [("body", "name"), ("body", "email")]


def test_apply_sets_what_was_sent() -> None:
    article = Article(title="t", note="n", author_id=1)
    data = msgspec.json.decode(b'{"title": "u", "note": null}', type=Update[Article])
    assert data.apply(article, key="new") is article
    assert (article.title, article.note, article.author_id, article.key) == ("u", None, 1, "new")


def test_apply_refuses_a_version_that_is_over() -> None:
    article = Article(title="t", author_id=1)
    msgspec.json.decode(b'{"title": "u", "version": 1}', type=Update[Article]).apply(article)
    assert (article.title, article.version) == ("u", 1)
    with pytest.raises(Conflict, match="Somebody else has changed this"):
        msgspec.json.decode(b'{"title": "v", "version": 2}', type=Update[Article]).apply(article)
    assert article.title == "u"


def test_read_is_made_of_an_object() -> None:
    article = Article(id=3, title="t", author_id=1, author=Author(id=1, name="n"))
    read = Read[Article].of(article)
    assert (read.id, read.title, read.status) == (3, "t", Status.draft)
    assert type(Read.of(article)) is Read[Article]
    row = Row.of(article)
    assert type(row) is Row
    assert type(row.author) is Read[Author]
    assert row.author.name == "n"


def test_what_is_stored_is_read_though_it_is_not_valid_today() -> None:
    article = Article(id=3, title="t", author_id=1)
    vars(article)["title"] = "much longer than is valid today"
    assert Read.of(article).title == "much longer than is valid today"


# -- in handlers -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[Client]:
    app = App()

    @app.post("/articles")
    def create(data: Create[Article]) -> tuple[Article, int]:
        return data.build(id=1), 201

    @app.post("/form")
    def form(data: Annotated[NewArticle, Form()]) -> dict[str, Any]:
        return {"tag": data.tag, "title": data.build().title}

    @app.patch("/articles")
    def update(data: Update[Article]) -> Read[Article]:
        return Read.of(data.apply(Article(id=1, title="old", author_id=1, rank=1)))

    @app.get("/articles")
    def listed() -> list[Read[Author]]:
        return [Author(id=1, name="n")]  # type: ignore[list-item]  # the core reads its attributes

    with Client(app) as client:
        yield client


def test_a_handler_takes_and_gives_them(client: Client) -> None:
    answer = client.post("/articles", json={"title": "t", "author_id": 4, "key": "mine", "id": 9, "version": 9})
    assert answer.status == 201
    body = answer.json()
    assert (body["id"], body["title"], body["author_id"], body["version"]) == (1, "t", 4, 1)
    assert body.keys().isdisjoint({"key", "iban", "author"})
    changed = client.patch("/articles", json={"title": "new"}).json()
    assert (changed["title"], "key" in changed) == ("new", False)
    assert client.get("/articles").json() == [{"id": 1, "name": "n", "email": None}]


def test_every_fault_is_reported_beside_its_field(client: Client) -> None:
    answer = client.post("/articles", json={"title": "", "author_id": "x"})
    assert answer.status == 422
    assert sorted(tuple(fault["location"]) for fault in answer.json()["errors"]) == [("body", "author_id"), ("body", "title")]


def test_a_form_fills_them(client: Client) -> None:
    assert client.post("/form", data={"title": "t", "tag": "x"}).json() == {"tag": "x", "title": "t"}


def test_they_store_rows(database_url: str) -> None:
    database = Database(database_url)
    Own.metadata.create_all(database.engine)
    with database.session() as db:
        author = Create[Author](name="n").build()
        db.add(author)
        db.flush()
        article = Create[Article](title="t", author_id=author.id).build()
        db.add(article)
        db.flush()
        assert (article.rank, article.seen, article.loud) == (7, 3, "t")
        assert isinstance(Read.of(article).created, datetime)
        assert db.scalar(func.now()) is not None
    database.dispose()
