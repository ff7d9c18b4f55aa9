"""An application: sessions and models as parameters, derived types as bodies and answers."""

from __future__ import annotations

from typing import Annotated, Any, assert_type

from erlen import App, Form, render
from erlen.db import AsyncSession, Database, ForeignKey, Mapped, Meta, Model, Session, mapped_column, relationship, select
from erlen.db.columns import Line
from erlen.db.derived import Create, Read, Update
from erlen.db.info import read_only
from erlen.db.keyset import Keyset
from erlen.db.page import Page


class Author(Model):
    name: Mapped[Line]
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Article(Model):
    title: Mapped[Annotated[str, Meta(max_length=200)]]
    views: Mapped[Annotated[int, read_only]] = mapped_column(default=0)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")


class NewArticle(Create[Article], exclude={"author_id"}):
    notify: bool = False


class ArticleRow(Read[Article]):
    author: Read[Author]


app = App()
app.use(Database("sqlite://"))


@app.get("/articles")
def index(db: Session, page: int = 1) -> list[Article]:
    found = db.page(Article, number=page)
    assert_type(found, Page[Article])
    return list(found)


@app.get("/articles/page")
async def pages(db: AsyncSession, number: int = 1) -> str:
    return render("articles.html", page=await db.page(select(Article), number=number))


@app.get("/articles/after")
async def after(db: AsyncSession, cursor: str | None = None) -> dict[str, Any]:
    found = await db.keyset(select(Article).order_by(Article.title), after=cursor)
    assert_type(found, Keyset[Article])
    return {"items": found.items, "next": found.next}


@app.get("/articles/{article.id}")
def show(article: Article) -> Read[Article]:
    answer = Read[Article].of(article)
    assert_type(answer, Read[Article])
    assert_type(Read.of(article), Read[Article])
    assert_type([Read.of(author) for author in (article.author,)], list[Read[Author]])
    assert_type(ArticleRow.of(article), ArticleRow)
    assert_type(answer.title, Any)  # no type checker can derive the fields of one class from those of another
    return answer


@app.get("/articles/{article.id}/row")
def row(article: Article) -> ArticleRow:
    answer = ArticleRow.of(article)
    assert_type(answer, ArticleRow)
    assert_type(answer.author, Read[Author])
    return answer


@app.get("/articles/{article.id}/author")
async def author_of(db: AsyncSession, article: Article) -> Author:
    await db.load(article, Article.author)
    return article.author


@app.post("/articles")
def create(db: Session, data: Create[Article]) -> Article:
    article = data.build()
    assert_type(article, Article)
    db.add(article)
    return article


@app.post("/authors/{author.id}/articles")
def create_of(db: Session, author: Author, data: NewArticle) -> Article:
    article = data.build(author=author)
    assert_type(article, Article)
    assert_type(data.notify, bool)
    db.add(article)
    return article


@app.post("/articles/form")
async def create_async(db: AsyncSession, data: Annotated[Create[Article], Form()]) -> Article:
    article = data.build()
    db.add(article)
    await db.flush()
    return article


@app.patch("/articles/{article.id}")
def change(article: Article, data: Update[Article]) -> Article:
    changed = data.apply(article)
    assert_type(changed, Article)
    return changed


@app.delete("/articles/{article.id}")
async def remove(db: AsyncSession, article: Article) -> None:
    await db.delete(article)


app.freeze()
