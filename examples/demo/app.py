"""A reading list: typed JSON, pages and forms, file upload and download, a live stream.

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
    NotFound,
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

app = App()
adding = Blueprint("adding", prefix="/books")

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Stars = Annotated[int, Meta(ge=1, le=5)]
State = Literal["unread", "reading", "read"]


class NewBook(Struct, forbid_unknown_fields=True):
    """What a client sends to add a book."""

    title: Title
    author: Annotated[str, Meta(max_length=200)] = ""
    state: State = "unread"


class Book(Struct, kw_only=True):
    """A book on the list."""

    id: int
    title: str
    author: str
    state: State
    stars: Stars | None = None
    cover_type: str = "application/octet-stream"


class Review(Struct):
    """The fields of the review form."""

    stars: Stars


class Shelf:
    """The books, in memory: a database takes its place in a later chapter."""

    def __init__(self) -> None:
        self.books: dict[int, Book] = {}
        self.changed = asyncio.Event()
        for title, author in (("The Left Hand of Darkness", "Ursula K. Le Guin"), ("Middlemarch", "George Eliot")):
            self.add(NewBook(title, author))

    def add(self, new: NewBook) -> Book:
        book = Book(id=max(self.books, default=0) + 1, title=new.title, author=new.author, state=new.state)
        self.books[book.id] = book
        return book

    def get(self, id: int) -> Book:
        try:
            return self.books[id]
        except KeyError:
            raise NotFound(f"There is no book {id}.") from None


app.provide(Shelf, Shelf, scope="app", threaded=False)
COVERS = Path(__file__).with_name("covers")
PICTURES = ("image/png", "image/jpeg", "image/webp")


# -- an API -----------------------------------------------------------------------------------------------------------------


@app.get("/api/books")
async def list_books(shelf: Shelf, state: State | None = None, limit: Annotated[int, Meta(ge=1, le=100)] = 20) -> list[Book]:
    """List the books, those in one state when asked."""
    found = [book for book in shelf.books.values() if state is None or book.state == state]
    return found[:limit]


@app.post("/api/books", status=201)
async def add_book(data: NewBook, shelf: Shelf) -> Book:
    """Add a book."""
    return shelf.add(data)


@app.get("/api/books/{id}")
async def show_book(id: int, shelf: Shelf) -> Book:
    """Show one book."""
    return shelf.get(id)


# -- pages and their forms --------------------------------------------------------------------------------------------------


@app.get("/")
def home(shelf: Shelf, state: State | None = None) -> Page:
    """Show the list."""
    books = [book for book in shelf.books.values() if state is None or book.state == state]
    covers = {book.id for book in books if (COVERS / str(book.id)).exists()}
    return render("home.html", books=books, total=len(shelf.books), state=state, covers=covers)


@adding.get("/new")
def form() -> Page:
    """Show the form for a book."""
    return render("new.html", values={}, faults={})


@adding.post("")
def add(data: Annotated[NewBook, Form()], shelf: Shelf) -> Response:
    """Add a book from the form."""
    book = shelf.add(data)
    flash(f"“{book.title}” is on the list.")
    return redirect(url_for("home"), 303)


@adding.error_handler(InvalidRequest)
def show_again(request: Request, error: InvalidRequest) -> tuple[Page, int]:
    """Show a form again, with what was typed and what is wrong with it."""
    faults = {str(fault.location[-1]): fault.message for fault in error.faults}
    return render("new.html", values=request.read_form(), faults=faults), error.status


@app.post("/books/{id}/review")
def review(id: int, data: Annotated[Review, Form()], shelf: Shelf) -> Response:
    """Give a book its stars."""
    book = shelf.get(id)
    book.stars, book.state = data.stars, "read"
    flash(f"“{book.title}” has {data.stars} of 5 stars.")
    return redirect(url_for("home"), 303)


@app.get("/trouble")
def trouble(shelf: Shelf) -> str:
    """Fail, to show the page that explains it: `erlen dev` shows the cause, `erlen run` says only that it is sorry."""
    api_token = "not shown: its name says that it is secret"
    best = max(shelf.books.values(), key=lambda book: book.stars or 0)
    return f"{best.title}: {'★' * best.stars}{api_token}"  # type: ignore[operator]  # the mistake: a book without stars


# -- files ------------------------------------------------------------------------------------------------------------------


@app.post("/books/{id}/cover", max_body_size=2 * 1024 * 1024)
def upload_cover(id: int, cover: Annotated[UploadFile, File()], shelf: Shelf) -> Response:
    """Keep a cover picture."""
    book = shelf.get(id)
    if cover.content_type not in PICTURES:
        raise UnsupportedMediaType("A cover is a PNG, JPEG or WebP picture.")
    COVERS.mkdir(exist_ok=True)
    cover.save(COVERS / str(id), overwrite=True)
    book.cover_type = cover.content_type
    return redirect(url_for("home"), 303)


@app.get("/books/{id}/cover")
def download_cover(id: int, shelf: Shelf) -> Response:
    """Send the cover picture, with ETag and ranges."""
    book = shelf.get(id)
    return FileResponse(COVERS / str(id), content_type=book.cover_type, max_age=60)


# -- a stream ---------------------------------------------------------------------------------------------------------------


@app.get("/events")
async def events(shelf: Shelf, seconds: Annotated[float, Meta(gt=0, le=60)] = 2.0) -> AsyncIterator[Event]:
    """Tell a browser how many books there are, again and again."""
    while True:
        yield Event(data={"books": len(shelf.books)}, event="count")
        await asyncio.sleep(seconds)


app.include(adding)
