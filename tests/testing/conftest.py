"""One application with a bit of everything, and clients for it on every door."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from erlen import (
    App,
    Event,
    EventStreamResponse,
    FileResponse,
    Request,
    Response,
    StreamResponse,
    TextResponse,
    abort,
    redirect,
)
from erlen.app.door import Door
from erlen.testing import Client

DOORS: tuple[Door, ...] = ("asgi", "rsgi", "wsgi")


class Room:
    """What handlers and a test share: things that have happened, and gates that the test opens."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.gate = threading.Event()

    def wait_for(self, what: str) -> None:
        end = time.monotonic() + 30
        while what not in self.happened:
            assert time.monotonic() < end, f"{what} has not happened, only {self.happened}"
            time.sleep(0.005)


class MakeClient(Protocol):
    def __call__(self, **options: Any) -> Client: ...


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def app(room: Room, tmp_path: Path) -> App:
    return make_app(room, tmp_path)


@pytest.fixture
def streaming_app(room: Room) -> App:
    return make_streaming_app(room)


@pytest.fixture
def make_client(door: Any, app: App) -> Iterator[MakeClient]:
    """Make clients on the door at hand, and close them after the test."""
    made: list[Client] = []

    def make(**options: Any) -> Client:
        client = Client(app, door=door, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def shared_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """One client for each door, as freezing takes longer than most tests."""
    app = make_app(Room(), tmp_path_factory.mktemp("files"))
    clients: dict[str, Client] = {door: Client(app, door=door) for door in DOORS}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture
def client(door: Any, shared_clients: dict[str, Client]) -> Client:
    """A client on the door at hand, for tests that leave the application as it is."""
    client = shared_clients[door]
    client.cookies.clear()
    return client


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Fail when a test leaves threads behind that Erlen has started."""
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + 30
    while left := [one for one in threading.enumerate() if one not in before and one.name.startswith("erlen")]:
        assert time.monotonic() < end, left
        time.sleep(0.005)


def make_app(room: Room, folder: Path) -> App:
    app = App()
    (folder / "letter.txt").write_text("0123456789")

    @app.on_startup
    def start() -> None:
        room.happened.append("start")

    @app.on_shutdown
    def stop() -> None:
        room.happened.append("stop")

    @app.get("/")
    def home() -> dict[str, str]:
        return {"hello": "world"}

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def echo(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "path": request.path,
            "query": request.query.multi_items(),
            "headers": request.headers.multi_items(),
            "cookies": dict(request.cookies),
            "scheme": request.scheme,
            "host": request.host,
            "body": request.read_body().decode("latin-1"),
        }

    @app.post("/form")
    def form(request: Request) -> dict[str, Any]:
        data = request.read_form()
        return {
            "fields": data.fields.multi_items(),
            "files": [(name, file.filename, file.content_type, file.read().decode()) for name, file in data.files.multi_items()],
        }

    @app.get("/files/{name}")
    def file(name: str) -> Response:
        return FileResponse(folder / name)

    @app.get("/set")
    def set_cookies() -> Response:
        response = TextResponse("set")
        response.set_cookie("plain", "a b")
        response.set_cookie("narrow", "1", path="/echo")
        return response

    @app.get("/unset")
    def unset() -> Response:
        response = TextResponse("unset")
        response.delete_cookie("plain")
        return response

    @app.get("/hop/{count}")
    def hop(count: int) -> Response:
        response = redirect(f"/hop/{count - 1}" if count else "/echo?from=hop")
        response.set_cookie(f"hop{count}", "yes")
        return response

    @app.post("/moved/{status}")
    def moved(status: int) -> Response:
        return redirect("/echo", status)

    @app.post("/away")
    def away() -> Response:
        return redirect("http://other.localhost/echo", 307)

    @app.get("/loop")
    def loop() -> Response:
        return redirect("/loop")

    @app.get("/session")
    def session(request: Request) -> dict[str, Any]:
        request.session["seen"] = request.session.get("seen", 0) + 1
        return dict(request.session)

    @app.get("/boom")
    def boom() -> str:
        raise LookupError("this handler breaks")

    @app.get("/async-boom")
    async def async_boom() -> str:
        raise LookupError("this handler breaks")

    @app.get("/exit")
    def leave() -> str:
        raise SystemExit(3)

    @app.get("/unavailable")
    def unavailable() -> str:
        abort(503, "later")

    @app.get("/after")
    def after(request: Request) -> str:
        def work() -> None:
            time.sleep(0.02)
            room.happened.append("work")

        request.after_response(work)
        return "answered"

    @app.get("/after-boom")
    def after_boom(request: Request) -> str:
        def work() -> None:
            raise LookupError("work breaks")

        request.after_response(work)
        return "answered"

    @app.get("/wait")
    def wait() -> str:
        assert room.gate.wait(30)
        return "waited"

    @app.post("/pour")
    def pour(request: Request) -> str:
        body = request.read_body().decode()
        room.happened.append("poured")
        return body

    return app


def make_streaming_app(room: Room) -> App:
    app = App()

    @app.get("/")
    def home() -> str:
        return "home"

    @app.get("/hop")
    def hop() -> Response:
        return redirect("/gated")

    @app.get("/boom")
    def boom() -> Response:
        raise LookupError("this handler breaks")

    @app.get("/gated")
    def gated() -> Response:
        def chunks() -> Iterator[str]:
            yield "first\n"
            assert room.gate.wait(30)
            yield "second\nthird"

        return StreamResponse(chunks(), content_type="text/plain")

    @app.get("/events")
    async def events() -> Response:
        async def items() -> AsyncIterator[Event]:
            number = 0
            try:
                while True:
                    yield Event({"number": number}, event="count", id=str(number), retry=1000)
                    number += 1
                    room.happened.append(f"made {number}")
            finally:
                room.happened.append("closed")

        return EventStreamResponse(items(), heartbeat=None)

    @app.get("/endless")
    def endless() -> Response:
        def chunks() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 10
                    time.sleep(0.005)
            finally:
                room.happened.append("closed")

        return StreamResponse(chunks())

    @app.get("/breaking")
    def breaking() -> Response:
        def chunks() -> Iterator[bytes]:
            yield b"first"
            raise LookupError("in the middle")

        return StreamResponse(chunks())

    @app.get("/short")
    def short() -> Response:
        return StreamResponse(iter([b"first"]), headers={"content-length": "30"})

    return app
