"""A reading list: typed JSON, a form, file upload and download, a live stream. Run it with `make demo`, or `erlen run` in this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from markupsafe import Markup

from erlen import (
    App,
    Event,
    File,
    FileResponse,
    Form,
    Meta,
    NotFound,
    Request,
    Response,
    Struct,
    UnsupportedMediaType,
    UploadFile,
    flash,
    redirect,
    url_for,
)

app = App()

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
        book = Book(id=len(self.books) + 1, title=new.title, author=new.author, state=new.state)
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


# -- a page and its forms ---------------------------------------------------------------------------------------------------


@app.get("/")
def home(request: Request, shelf: Shelf) -> Markup:
    """Show the list, with a form for each book."""
    rows = Markup("").join(_row(book, request.csrf_token) for book in shelf.books.values())
    notes = Markup("").join(Markup('<p role="status">{}</p>').format(note.message) for note in request.session.take_flashes())
    return PAGE.format(notes=notes, rows=rows, token=request.csrf_token, nonce=request.csp_nonce, add=url_for("add_from_form"))


@app.post("/books")
def add_from_form(data: Annotated[NewBook, Form()], shelf: Shelf) -> Response:
    """Add a book from the page's form."""
    book = shelf.add(data)
    flash(f"{book.title} is on the list.")
    return redirect(url_for("home"), 303)


@app.post("/books/{id}/review")
def review(id: int, data: Annotated[Review, Form()], shelf: Shelf) -> Response:
    """Give a book its stars."""
    book = shelf.get(id)
    book.stars, book.state = data.stars, "read"
    flash(f"{book.title}: {'★' * data.stars}")
    return redirect(url_for("home"), 303)


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


def _row(book: Book, token: str) -> Markup:
    stars = Markup("").join(Markup("<option>{}</option>").format(number) for number in range(1, 6))
    cover = url_for("download_cover", id=book.id)
    link = Markup('<a href="{}">see it</a>').format(cover) if (COVERS / str(book.id)).exists() else ""
    review = url_for("review", id=book.id)
    return ROW.format(book=book, shown="★" * (book.stars or 0), stars=stars, token=token, review=review, cover=cover, link=link)


ROW = Markup("""<li><cite>{book.title}</cite> {book.author} <small>{book.state} {shown}</small>
<form method="post" action="{review}"><input type="hidden" name="csrf_token" value="{token}">
<label>Stars <select name="stars">{stars}</select></label> <button>Done</button></form>
<form method="post" action="{cover}" enctype="multipart/form-data"><input type="hidden" name="csrf_token" value="{token}">
<label>Cover <input type="file" name="cover" accept="image/png,image/jpeg,image/webp" required></label> <button>Upload</button>
{link}</form></li>
""")

PAGE = Markup("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reading list</title>
<style nonce="{nonce}">
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }}
ul {{ list-style: none; padding: 0; }}
li {{ display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; padding: .75rem 0; border-bottom: 1px solid #8886; }}
li form {{ flex-basis: 100%; }}
input, select, button {{ font: inherit; padding: .2rem .5rem; max-width: 100%; }}
</style>
<main>
<h1>Reading list</h1>
{notes}
<p><output id="count" aria-live="polite"></output></p>
<ul>
{rows}
</ul>
<h2>Add a book</h2>
<form method="post" action="{add}">
<input type="hidden" name="csrf_token" value="{token}">
<p><label>Title <input name="title" required maxlength="200"></label></p>
<p><label>Author <input name="author" maxlength="200"></label></p>
<button>Add</button>
</form>
</main>
<script nonce="{nonce}">
new EventSource("/events").addEventListener("count", event => {{
  document.getElementById("count").textContent = JSON.parse(event.data).books + " books";
}});
</script>
</html>
""")
