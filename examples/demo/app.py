"""A reading list in a database: typed JSON, pages and forms, file upload and download, a live stream.

Run it with `make demo`, or in this folder with `erlen dev` (reload, errors that explain themselves) or `erlen run` (as in production).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from erlen import (
    App,
    Blueprint,
    Event,
    File,
    FileResponse,
    Form,
    InvalidRequest,
    Meta,
    Page,
    Request,
    Response,
    Struct,
    UnsupportedMediaType,
    UploadFile,
    flash,
    redirect,
    render,
    url_for,
)
from erlen.db import AsyncSession, Create, Database, Line, Mapped, Model, Session, Timestamps, mapped_column, select

app = App()
database = app.use(Database("sqlite:///reading.db", create=True))  # the file, and its tables, are made at the first start
adding = Blueprint("adding", prefix="/books")

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Stars = Annotated[int, Meta(ge=1, le=5)]
State = Literal["unread", "reading", "read"]


class Book(Timestamps, Model):
    """A book on the list."""

    title: Mapped[Title]
    author: Mapped[Line] = mapped_column(default="")
    state: Mapped[State] = mapped_column(default="unread")
    stars: Mapped[Stars | None]
    cover_type: Mapped[Line] = mapped_column(default="application/octet-stream")


class NewBook(Create[Book], include=("title", "author", "state"), forbid_unknown_fields=True):
    """What a client sends to add a book."""


class Review(Struct):
    """The fields of the review form."""

    stars: Stars


COVERS = Path(__file__).with_name("covers")
PICTURES = ("image/png", "image/jpeg", "image/webp")


@app.on_startup
def fill() -> None:
    """Put two books on an empty list."""
    with database.session() as db:
        if not db.exists(Book):
            db.add(Book(title="The Left Hand of Darkness", author="Ursula K. Le Guin"))
            db.add(Book(title="Middlemarch", author="George Eliot"))


# -- an API -----------------------------------------------------------------------------------------------------------------


@app.get("/api/books")
async def list_books(db: AsyncSession, state: State | None = None, limit: Annotated[int, Meta(ge=1, le=100)] = 20) -> list[Book]:
    """List the books, those in one state when asked."""
    books = select(Book).order_by(Book.id).limit(limit)
    return await db.all(books if state is None else books.where(Book.state == state))


@app.post("/api/books", status=201)
async def add_book(data: NewBook, db: AsyncSession) -> Book:
    """Add a book."""
    book = data.build()
    db.add(book)
    return book


@app.get("/api/books/{book.id}")
async def show_book(book: Book) -> Book:
    """Show one book."""
    return book


# -- pages and their forms --------------------------------------------------------------------------------------------------


@app.get("/")
def home(db: Session, state: State | None = None) -> Page:
    """Show the list."""
    books = db.all(Book) if state is None else db.all(Book, Book.state == state)
    covers = {book.id for book in books if (COVERS / str(book.id)).exists()}
    return render("home.html", books=books, total=db.count(Book), state=state, covers=covers)


@adding.get("/new")
def form() -> Page:
    """Show the form for a book."""
    return render("new.html", values={}, faults={})


@adding.post("")
def add(data: Annotated[NewBook, Form()], db: Session) -> Response:
    """Add a book from the form."""
    book = data.build()
    db.add(book)
    flash(f"“{book.title}” is on the list.")
    return redirect(url_for("home"), 303)


@adding.error_handler(InvalidRequest)
def show_again(request: Request, error: InvalidRequest) -> tuple[Page, int]:
    """Show a form again, with what was typed and what is wrong with it."""
    faults = {str(fault.location[-1]): fault.message for fault in error.faults}
    return render("new.html", values=request.read_form(), faults=faults), error.status


@app.post("/books/{book.id}/review")
def review(book: Book, data: Annotated[Review, Form()]) -> Response:
    """Give a book its stars."""
    book.stars, book.state = data.stars, "read"
    flash(f"“{book.title}” has {data.stars} of 5 stars.")
    return redirect(url_for("home"), 303)


@app.get("/trouble")
def trouble(db: Session) -> str:
    """Fail, to show the page that explains it: `erlen dev` shows the cause, `erlen run` says only that it is sorry."""
    api_token = "not shown: its name says that it is secret"
    best = max(db.all(Book), key=lambda book: book.stars or 0)
    return f"{best.title}: {'★' * best.stars}{api_token}"  # type: ignore[operator]  # the mistake: a book without stars


# -- files ------------------------------------------------------------------------------------------------------------------


@app.post("/books/{book.id}/cover", max_body_size=2 * 1024 * 1024)
def upload_cover(book: Book, cover: Annotated[UploadFile, File()]) -> Response:
    """Keep a cover picture."""
    if cover.content_type not in PICTURES:
        raise UnsupportedMediaType("A cover is a PNG, JPEG or WebP picture.")
    COVERS.mkdir(exist_ok=True)
    cover.save(COVERS / str(book.id), overwrite=True)
    book.cover_type = cover.content_type
    return redirect(url_for("home"), 303)


@app.get("/books/{book.id}/cover")
def download_cover(book: Book) -> Response:
    """Send the cover picture, with ETag and ranges."""
    return FileResponse(COVERS / str(book.id), content_type=book.cover_type, max_age=60)


# -- a stream ---------------------------------------------------------------------------------------------------------------


@app.get("/events")
async def events(seconds: Annotated[float, Meta(gt=0, le=60)] = 2.0) -> AsyncIterator[Event]:
    """Tell a browser how many books there are, again and again; in between, no connection is held."""
    while True:
        async with database.async_session(reading=True) as db:
            books = await db.count(Book)
        yield Event(data={"books": books}, event="count")
        await asyncio.sleep(seconds)


app.include(adding)
