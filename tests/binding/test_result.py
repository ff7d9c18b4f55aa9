"""What a returned value means (DESIGN 4)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import attrs
import pydantic
import pytest
from markupsafe import Markup

from erlen import App, ConfigurationError, Event, JSONResponse, Response, Struct
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Public(Struct):
    name: str


class Private(Public):
    password: str = "hunter2"


@dataclasses.dataclass
class Data:
    name: str


@dataclasses.dataclass
class SecretData(Data):
    password: str = "hunter2"


@attrs.define
class Attrs:
    name: str


class Person(pydantic.BaseModel):
    name: str


class SecretPerson(Person):
    password: str = "hunter2"


class Keys(TypedDict):
    name: str


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Shade(str, Enum):  # noqa: UP042 - what is older than StrEnum has a name for its text
    DARK = "dark"


class Number(int):
    pass


@dataclasses.dataclass
class Badge:
    text: str

    def __html__(self) -> str:
        return f"<b>{Markup.escape(self.text)}</b>"


JSON, TEXT, HTML, OCTETS = "application/json", "text/plain", "text/html", "application/octet-stream"

RESULTS: dict[str, tuple[Any, Any, int, str | None, bytes]] = {
    "nothing": (None, None, 204, None, b""),
    "a response": (Response, Response("x", 418), 418, TEXT, b"x"),
    "a response of a subclass": (Response, JSONResponse({"a": 1}), 200, JSON, b'{"a":1}'),
    "text": (str, "<b>Grüße</b>", 200, TEXT, "<b>Grüße</b>".encode()),
    "empty text": (str, "", 200, TEXT, b""),
    "markup": (str, Markup("<b>x</b>"), 200, HTML, b"<b>x</b>"),
    "markup, annotated": (Markup, Markup("<b>x</b>"), 200, HTML, b"<b>x</b>"),
    "anything with __html__": (Badge, Badge("<x>"), 200, HTML, b"<b>&lt;x&gt;</b>"),
    "a text enumeration": (str, Shade.DARK, 200, TEXT, b"dark"),
    "bytes": (bytes, b"\xff", 200, OCTETS, b"\xff"),
    "a bytearray": (Any, bytearray(b"\xff"), 200, OCTETS, b"\xff"),
    "a dict": (dict[str, int], {"a": 1}, 200, JSON, b'{"a":1}'),
    "a list": (list[int], [1, 2], 200, JSON, b"[1,2]"),
    "a set": (set[int], {1}, 200, JSON, b"[1]"),
    "a plain tuple": (tuple[str, str], ("a", "b"), 200, JSON, b'["a","b"]'),
    "an integer": (int, 3, 200, JSON, b"3"),
    "an integer of a subclass": (int, Number(3), 200, JSON, b"3"),
    "a boolean": (bool, True, 200, JSON, b"true"),
    "no number": (float, float("nan"), 200, JSON, b"null"),
    "a date": (datetime.date, datetime.date(2024, 1, 2), 200, JSON, b'"2024-01-02"'),
    "a uuid": (uuid.UUID, uuid.UUID(int=0), 200, JSON, b'"00000000-0000-0000-0000-000000000000"'),
    "a decimal": (decimal.Decimal, decimal.Decimal("1.20"), 200, JSON, b'"1.20"'),
    "an enumeration": (Colour, Colour.RED, 200, JSON, b'"red"'),
    "a literal": (Literal["a"], "a", 200, TEXT, b"a"),
    "a struct": (Public, Public("a"), 200, JSON, b'{"name":"a"}'),
    "a dataclass": (Data, Data("a"), 200, JSON, b'{"name":"a"}'),
    "an attrs class": (Attrs, Attrs("a"), 200, JSON, b'{"name":"a"}'),
    "a pydantic model": (Person, Person(name="a"), 200, JSON, b'{"name":"a"}'),
    "a typed dict": (Keys, {"name": "a"}, 200, JSON, b'{"name":"a"}'),
    "a status": (tuple[dict[str, int], int], ({"a": 1}, 201), 201, JSON, b'{"a":1}'),
    "a status of the library": (tuple[str, HTTPStatus], ("x", HTTPStatus.CREATED), 201, TEXT, b"x"),
    "nothing and a status": (Any, (None, 202), 202, None, b""),
    "a response and a status": (Any, (Response("x"), 202), 202, TEXT, b"x"),
    "no status: too small": (Any, (1, 99), 200, JSON, b"[1,99]"),
    "no status: a boolean": (Any, (1, True), 200, JSON, b"[1,true]"),
    "no status: a named tuple": (Point, Point(1, 200), 200, JSON, b"[1,200]"),
    "no status: three integers": (Any, (1, 2, 3), 200, JSON, b"[1,2,3]"),
    "either, the first": (Public | Data, Public("a"), 200, JSON, b'{"name":"a"}'),
    "either, a dict": (Public | dict[str, int], {"a": 1}, 200, JSON, b'{"a":1}'),
    "either, text": (Public | str, "x", 200, TEXT, b"x"),
    "either, nothing": (Public | None, None, 204, None, b""),
    "either, a response": (Public | Response, Response("x"), 200, TEXT, b"x"),
}


def constant(annotation: Any, value: Any, colour: str) -> Callable[[], Any]:
    """A handler that returns a value."""

    def in_thread() -> Any:
        return value

    async def on_loop() -> Any:
        return value

    handler = in_thread if colour == "thread" else on_loop
    handler.__annotations__["return"] = annotation
    return handler


def returning(annotation: Any, value: Any, colour: str) -> App:
    app = App()
    app.get("/")(constant(annotation, value, colour))
    return app


def test_each_kind_of_result_annotated_or_not(client_for: MakeClient) -> None:
    app = App()
    expected: dict[str, tuple[int, bytes, str]] = {}
    for case, (annotation, value, status, media_type, body) in RESULTS.items():
        for colour in ("loop", "thread"):
            for annotated in (annotation, Any) if value is not None else (annotation,):
                path = f"/{len(expected)}"
                app.get(path, name=f"{path} {case}")(constant(annotated, value, colour))
                expected[path] = (status, body, media_type or "")
    client = client_for(app)
    for route in client.site.routes:
        answer, head = client.get(route.path), client.head(route.path)
        shown = (answer.headers.get("content-type") or "").partition(";")[0]
        assert (answer.status, answer.content, shown) == expected[route.path], route.name
        assert (head.status, head.content, head.headers.get("content-type")) == (
            answer.status,
            b"",
            answer.headers.get("content-type"),
        ), route.name


LEAKS: dict[str, tuple[Any, Any]] = {
    "a struct": (Public, Private("a")),
    "a dataclass": (Data, SecretData("a")),
    "a pydantic model": (Person, SecretPerson(name="a")),
    "in a list": (list[Public], [Private("a")]),
    "in a dict": (dict[str, Public], {"x": Private("a")}),
    "with a status": (tuple[Public, int], (Private("a"), 201)),
    "with a status of the library": (tuple[Public, HTTPStatus], (Private("a"), HTTPStatus.CREATED)),
    "with status and headers": (tuple[Public, int, dict[str, str]], (Private("a"), 201, {"x-a": "b"})),
    "a list with a status": (tuple[list[Public], int], ([Private("a")], 201)),
    "or nothing": (Public | None, Private("a")),
    "or a response": (Public | Response, Private("a")),
    "or another": (Public | dict[str, int], Private("a")),
    "or a status": (Public | tuple[Public, int], (Private("a"), 201)),
    "in a plain tuple": (tuple[Public, str], (Private("a"), "x")),
    "another class": (Public, SecretData("a")),
    "another class, or nothing": (Public | None, SecretData("a")),
    "a dict with more": (Public, {"name": "a", "password": "hunter2"}),
    "a typed dict with more": (Keys, {"name": "a", "password": "hunter2"}),
}


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_excessive_data_exposure_only_the_fields_of_the_annotation_leave(make_client: MakeClient, colour: str) -> None:
    app = App()
    for case, (annotation, value) in LEAKS.items():
        app.get(f"/{len(app.records)}", name=case)(constant(annotation, value, colour))
    client = make_client(app)
    for route in client.site.routes:
        answer = client.get(route.path)
        assert answer.status in (200, 201), route.name
        assert b"hunter2" not in answer.content, route.name
        assert b'"name":"a"' in answer.content, route.name


def test_excessive_data_exposure_in_streams(client_for: MakeClient) -> None:
    app = App()

    @app.get("/def")
    def in_thread() -> Iterator[Public]:
        yield Private("a")

    @app.get("/async")
    async def on_loop() -> AsyncIterator[Public]:
        yield Private("a")

    @app.get("/returned")
    def returned() -> Iterator[Public]:
        return iter([Private("a")])

    client = client_for(app)
    for path in ("/def", "/async", "/returned"):
        assert client.get(path).content == b'{"name":"a"}\n'


def test_headers_of_a_result(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def show() -> tuple[str, int, dict[str, str]]:
        return "x", 201, {"x-a": "b", "content-language": "de"}

    @app.get("/response")
    async def response() -> tuple[Response, int, dict[str, str]]:
        return Response("x", headers={"x-a": "a"}), 202, {"x-a": "b"}

    client = client_for(app)
    assert (client.get("/").headers["x-a"], client.get("/").headers["content-language"]) == ("b", "de")
    assert (client.get("/response").status, client.get("/response").headers.getlist("x-a")) == (202, ["b"])


def test_response_splitting_through_the_headers_of_a_result(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def show(v: str) -> tuple[str, int, dict[str, str]]:
        return "x", 200, {"x-a": v}

    answer = client_for(app, raise_errors=False).get("/", params={"v": "a\r\nset-cookie: b=c"})
    assert (answer.status, "set-cookie" in answer.headers) == (500, False)


def test_a_path_is_a_file_with_etag_and_ranges(client_for: MakeClient, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_bytes(b"0123456789")
    app = App()

    @app.get("/")
    def report() -> Path:
        return file

    @app.get("/missing")
    async def missing() -> Path:
        return tmp_path / "missing"

    client = client_for(app)
    whole = client.get("/")
    assert (whole.content, whole.media_type, whole.headers["accept-ranges"]) == (b"0123456789", "text/csv", "bytes")
    part = client.get("/", headers={"range": "bytes=2-4"})
    assert (part.status, part.content) == (206, b"234")
    assert client.get("/", headers={"if-none-match": whole.headers["etag"]}).status == 304
    assert client.head("/").headers["content-length"] == "10"
    assert client.get("/missing").status == 404


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_a_forgotten_return_is_an_error_in_debug_and_no_content_in_production(make_client: MakeClient, colour: str) -> None:
    app = App()
    if colour == "thread":

        @app.get("/")
        def forgetful():  # type: ignore[no-untyped-def]
            {"a": 1}  # noqa: B018
    else:

        @app.get("/")
        async def forgetful():  # type: ignore[no-untyped-def]
            {"a": 1}  # noqa: B018

    with pytest.raises(Exception, match=r"forgetful\(\) returned None: is a `return` missing"):
        make_client(app, debug=True).get("/")
    assert make_client(app).get("/").status == 204


UNANSWERABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "an object": (object, "cannot become a response"),
    "an exception": (lambda: ValueError("x"), "raise it"),
    "a class": (lambda: Public, "cannot become a response"),
    "something deep": (lambda: {"a": [1, object()]}, r"\['a'\]\[1\]"),
}


@pytest.mark.parametrize("case", UNANSWERABLE)
def test_what_cannot_be_answered_says_so_with_the_handler(make_client: MakeClient, case: str) -> None:
    make, message = UNANSWERABLE[case]
    for annotation in (Any, dict[str, Any]):
        with pytest.raises(Exception, match=rf"in_thread\(\) returned .*{message}"):
            make_client(returning(annotation, make(), "thread")).get("/")


def test_a_forgotten_await_says_so(make_client: MakeClient) -> None:
    async def load() -> int:
        return 1

    app = App()

    @app.get("/")
    def handler() -> Any:
        coroutine = load()
        try:
            return coroutine
        finally:
            coroutine.close()

    with pytest.raises(Exception, match="await it first"):
        make_client(app).get("/")


def test_secret_types_never_leave() -> None:
    class Key(Struct):
        __secret__ = True

    app = App()

    @app.get("/")
    def show() -> Key:
        return Key()

    with pytest.raises(ConfigurationError, match="secret"):
        app.freeze()


def test_events_and_other_streams_by_annotation_or_first_item(client_for: MakeClient) -> None:
    app = App()

    @app.get("/events")
    async def events() -> AsyncIterator[Event]:
        yield Event({"n": 1}, event="tick")

    @app.get("/text")
    def text() -> Iterator[str]:
        yield "a"
        yield "b"

    @app.get("/bytes")
    def raw() -> Iterator[bytes]:
        yield b"\xff"

    @app.get("/lines")
    async def lines() -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}
        yield {"a": 2}

    streams: dict[str, list[Any]] = {"e": [Event("x")], "t": ["a", "b"], "b": [b"\xff"], "l": [{"a": 1}], "n": []}
    for name, items in streams.items():

        def make(items: list[Any]) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
            async def on_loop():  # type: ignore[no-untyped-def]
                for item in items:
                    yield item

            def in_thread():  # type: ignore[no-untyped-def]
                yield from items

            def returned():  # type: ignore[no-untyped-def]
                return (item for item in items)

            return on_loop, in_thread, returned

        for handler in make(items):
            app.get(f"/{handler.__name__}/{name}", name=f"{handler.__name__}{name}")(handler)

    client = client_for(app)
    assert (client.get("/events").media_type, client.get("/events").content) == ("text/event-stream", b'event: tick\ndata: {"n":1}\n\n')
    assert (client.get("/text").media_type, client.get("/text").text) == (TEXT, "ab")
    assert (client.get("/bytes").media_type, client.get("/bytes").content) == (OCTETS, b"\xff")
    assert (client.get("/lines").media_type, client.get("/lines").text) == ("application/jsonl", '{"a":1}\n{"a":2}\n')
    for kind in ("on_loop", "in_thread", "returned"):
        shown = {name: (client.get(f"/{kind}/{name}").media_type, client.get(f"/{kind}/{name}").content) for name in "etbln"}
        assert shown == {
            "e": ("text/event-stream", b"data: x\n\n"),
            "t": (TEXT, b"ab"),
            "b": (OCTETS, b"\xff"),
            "l": ("application/jsonl", b'{"a":1}\n'),
            "n": (TEXT, b""),
        }, kind
