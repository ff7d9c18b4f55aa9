"""What the servers in these tests serve: an application with a way in for each attack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from erlen import App, Body, FileResponse, HTTPError, JSONResponse, NotFound, Request, Response, Settings, Struct, redirect, safe_redirect
from erlen.errors import Unauthorized
from erlen.http.file import safe_join

FILES = Path(__file__).parent

app = App(Settings(allowed_hosts=("example.com",), max_body_size=2_000_000))


class Item(Struct):
    name: str


@app.get("/tell")
def tell(request: Request) -> dict[str, Any]:
    return {
        "client": request.client,
        "cookies": dict(request.cookies),
        "path": request.path,
        "secure": request.is_secure,
        "url": str(request.url),
        "version": request.http_version,
    }


@app.get("/echo/{text}")
def echo(text: str) -> dict[str, str]:
    return {"text": text}


@app.post("/size")
def size(request: Request) -> int:
    return len(request.read_body())


@app.post("/form")
def form(request: Request) -> int:
    return len(request.read_form().pairs)


@app.post("/item")
def item(item: Item) -> Item:
    return item


@app.post("/any")
def anything(value: Annotated[Any, Body()]) -> str:
    return type(value).__name__


@app.get("/files/{path:path}")
def files(path: str) -> FileResponse:
    found = safe_join(FILES / "public", path)
    if found is None:
        raise NotFound
    return FileResponse(found)


@app.get("/sign-in")
def sign_in(request: Request) -> str:
    request.session["user"] = "ada"
    return "signed in"


@app.get("/who")
def who(request: Request) -> str:
    return str(request.session.get("user", "nobody"))


@app.get("/next")
def go_on(to: str = "") -> Response:
    return safe_redirect(to)


# -- each way in which a text gets into the header fields of a response -------------------------------------------------------


def by_item(text: str) -> Response:
    response = Response("")
    response.headers["x-text"] = text
    return response


def by_name(text: str) -> Response:
    response = Response("")
    response.headers[text] = "1"
    return response


def by_add(text: str) -> Response:
    response = Response("")
    response.headers.add("x-text", text)
    return response


def by_vary(text: str) -> Response:
    response = Response("")
    response.vary(text)
    return response


def by_cookie(**parts: str) -> Response:
    response = Response("")
    response.set_cookie(**({"name": "a", "value": "b"} | parts))  # type: ignore[arg-type]
    return response


def by_error(text: str) -> Response:
    raise HTTPError("no", status=400, headers={"x-text": text})


def by_challenge(text: str) -> Response:
    raise Unauthorized("no", challenge=text)


SETTERS: dict[str, Callable[[str], Response]] = {
    "item": by_item,
    "name": by_name,
    "add": by_add,
    "vary": by_vary,
    "constructor": lambda text: Response("", headers={"x-text": text}),
    "content-type": lambda text: Response("x", content_type=text),
    "json-content-type": lambda text: JSONResponse({}, content_type=text),
    "cookie-name": lambda text: by_cookie(name=text),
    "cookie-value": lambda text: by_cookie(value=text),
    "cookie-path": lambda text: by_cookie(path="/" + text),
    "cookie-domain": lambda text: by_cookie(domain=text),
    "location": redirect,
    "safe-location": safe_redirect,
    "file-name": lambda text: FileResponse(__file__, filename=text, attachment=True),
    "file-type": lambda text: FileResponse(__file__, content_type=text),
    "file-tag": lambda text: FileResponse(__file__, headers={"etag": text}),
    "error": by_error,
    "challenge": by_challenge,
}


@app.get("/set/{setter}")
def set_field(setter: str, text: str) -> Response:
    return SETTERS[setter](text)


@app.get("/result")
def result(text: str) -> tuple[str, int, dict[str, str]]:
    return "", 200, {"x-text": text}
