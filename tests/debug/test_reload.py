from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erlen import App, Event, EventStreamResponse, HTMLResponse, Response, StreamResponse
from erlen.testing import Client

MakeClient = Callable[..., Client]
TAG = 'src="/__erlen__/reload.js"'
PAGE = "<!doctype html><html><body><h1>Hällo</h1></body></html>"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `erlen dev` writes."""
    path = tmp_path / "reload"
    path.touch()
    monkeypatch.setenv("ERLEN_RELOAD_FILE", str(path))
    return path


def site() -> App:
    app = App()
    kept = HTMLResponse(PAGE, headers={"etag": '"1"', "content-length": str(len(PAGE.encode())), "x-own": "kept"})
    app.get("/")(lambda: HTMLResponse(PAGE))
    app.get("/kept", name="kept")(lambda: kept)
    app.get("/bytes", name="bytes")(lambda: Response(PAGE.upper().encode(), 201, None, "text/html"))
    app.get("/fragment", name="fragment")(lambda: HTMLResponse("<p>only a part</p>"))
    app.get("/text", name="text")(lambda: PAGE)
    app.get("/json", name="json")(lambda: {"page": PAGE})
    app.get("/packed", name="packed")(lambda: HTMLResponse(PAGE, headers={"content-encoding": "br"}))
    app.get("/stream", name="stream")(lambda: StreamResponse(iter([PAGE]), 200, None, "text/html"))

    @app.get("/fail")
    def fail() -> None:
        raise ValueError

    return app


def test_pages_get_the_script_and_nothing_else_does(debug_client: MakeClient, file: Path) -> None:
    client = debug_client(site())
    page = client.get("/")
    assert page.text.endswith("defer></script>\n</body></html>")
    assert page.text.count(TAG) == 1
    assert page.headers["content-length"] == str(len(page.content))
    assert TAG.encode() in client.get("/bytes").content
    for path in ("/fragment", "/text", "/json", "/packed", "/stream"):
        assert TAG not in client.get(path, headers={"accept-encoding": "identity"}).content.decode("latin-1"), path


def test_a_response_that_is_used_again_is_left_as_it_is(debug_client: MakeClient, file: Path) -> None:
    client = debug_client(site())
    for _ in range(3):
        answer = client.get("/kept")
        assert answer.text.count(TAG) == 1
        assert answer.headers["content-length"] == str(len(answer.content))
        assert "etag" not in answer.headers
        assert answer.headers["x-own"] == "kept"
    assert client.head("/kept").headers["content-length"] == str(len(client.get("/kept").content))


def test_pages_of_errors_have_the_script_once(debug_client: MakeClient, file: Path) -> None:
    client = debug_client(site())
    for path, status in (("/fail", 500), ("/nowhere", 404)):
        answer = client.get(path, headers={"accept": "text/html"})
        assert (answer.status, answer.text.count(TAG)) == (status, 1)


def test_a_page_for_a_host_that_is_refused_asks_for_no_script(debug_client: MakeClient, file: Path) -> None:
    answer = debug_client(site()).get("/", headers={"accept": "text/html", "host": "other.example"})
    assert answer.status == 400
    assert "ALLOWED_HOSTS" in answer.text
    assert "reload.js" not in answer.text


def test_without_the_variable_nothing_is_there(debug_client: MakeClient) -> None:
    client = debug_client(site())
    assert client.get("/").text == PAGE
    assert client.get("/__erlen__/reload").status == 404
    assert client.get("/__erlen__/reload.js").status == 404


def test_under_a_prefix_the_script_is_there_too(debug_client: MakeClient, file: Path) -> None:
    assert 'src="/under/__erlen__/reload.js"' in debug_client(site(), root_path="/under").get("/").text


def test_the_script_is_served(debug_client: MakeClient, file: Path) -> None:
    script = debug_client(site()).get("/__erlen__/reload.js")
    assert (script.status, script.media_type, script.headers["cache-control"]) == (200, "text/javascript", "no-store")
    assert "EventSource" in script.text


def version_in(page: str) -> str:
    return page.partition('data-version="')[2].partition('"')[0]


def events(chunks: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    buffer = ""
    for chunk in chunks:
        buffer += chunk.decode()
        *whole, buffer = buffer.split("\n\n")
        for one in whole:
            fields = dict(line.split(": ", 1) for line in one.splitlines() if ": " in line)
            if "event" in fields:
                yield fields["event"], fields["data"]


@pytest.mark.parametrize("kind", ["asgi", "rsgi"])
def test_the_stream_tells_what_changed(make_client: MakeClient, file: Path, kind: str) -> None:
    client = make_client(site(), door=kind, debug=True)
    with client.stream("GET", "/__erlen__/reload") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer.iter_bytes())
        first = version_in(client.get("/").text)
        assert next(told) == ("version", first)
        write(file, "templates/home.html\nstatic/site.css\n")
        event, second = next(told)
        assert (event, second != first) == ("version", True)
        assert version_in(client.get("/").text) == second
        write(file, "static/site.css\nstatic/more.css\n")
        event, third = next(told)
        assert (event, third != second) == ("styles", True)


def write(file: Path, changed: str) -> None:
    # In one go, as `erlen dev` does: a time that is set after the text would be a second change.
    whole = file.with_suffix(".new")
    whole.write_text(changed)
    # Two writes within the clock's resolution must differ.
    stamp = time.time_ns() + len(changed) * 1_000_000
    os.utime(whole, ns=(stamp, stamp))
    whole.replace(file)


def test_a_thread_is_not_held_on_the_wsgi_door(make_client: MakeClient, file: Path) -> None:
    client = make_client(site(), door="wsgi", debug=True)
    answer = client.get("/__erlen__/reload")
    assert answer.media_type == "text/event-stream"
    assert "retry: 1000\n" in answer.text
    assert f"data: {version_in(client.get('/').text)}\n" in answer.text


def test_a_new_process_is_another_version(make_client: MakeClient, file: Path) -> None:
    versions = [version_in(make_client(site(), debug=True).get("/").text) for _ in range(2)]
    assert versions[0] != versions[1]
    assert versions[0].partition(".")[2] == versions[1].partition(".")[2]
    file.unlink()
    assert version_in(make_client(site(), debug=True).get("/").text).endswith(".0")


@pytest.mark.parametrize("kind", ["asgi", "rsgi"])
def test_streams_end_when_the_worker_stops_and_clients_come_back_to_the_next(make_client: MakeClient, file: Path, kind: str) -> None:
    app = App()

    @app.get("/events")
    async def own() -> Response:
        from asyncio import sleep

        async def numbers() -> object:
            number = 0
            while True:
                yield Event(str(number), event="number")
                number += 1
                await sleep(0.01)

        return EventStreamResponse(numbers())  # type: ignore[arg-type]

    first = make_client(app, door=kind, debug=True)
    for path in ("/events", "/__erlen__/reload"):
        with first.stream("GET", path) as answer:
            told = events(answer.iter_bytes())
            next(told)
            first.site.draining.start()
            assert len(list(told)) < 1000  # it ends, without an error: EventSource connects again
        second = make_client(app, door=kind, debug=True)
        with second.stream("GET", path) as answer:
            assert next(events(answer.iter_bytes()))
        first = make_client(app, door=kind, debug=True)


def test_the_reload_addresses_do_not_change_the_choice_of_the_door(make_client: MakeClient, file: Path) -> None:
    from erlen.app.door import choose_door

    frozen = site().freeze({"debug": True})
    assert choose_door(frozen).door == "rsgi"
    assert choose_door(frozen, "wsgi").door == "wsgi"
