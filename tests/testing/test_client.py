"""The client, on every door."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from erlen import App, ConfigurationError, Depends, Headers, Settings, StreamResponse
from erlen.errors import ErlenError
from erlen.testing import Client, TestResponse

KEY = "3d1f9bd6c4a84b6e8f2a7c5e9b0d4f6a"


def test_answers_json_with_status_type_and_length(client: Any) -> None:
    response = client.get("/")
    assert (response.status, response.reason, response.ok) == (200, "OK", True)
    assert response.json() == {"hello": "world"}
    assert (response.media_type, response.headers["content-length"]) == ("application/json", "17")
    assert str(response.url) == "http://localhost/"
    assert response.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_every_verb_arrives(client: Any, method: str) -> None:
    assert getattr(client, method)("/echo").json()["method"] == method.upper()


def test_head_has_the_fields_of_get_and_no_body(client: Any) -> None:
    response = client.head("/")
    assert (response.status, response.content) == (200, b"")
    assert response.media_type == "application/json"


def test_path_query_and_parameters_arrive(client: Any) -> None:
    seen = client.get("/echo?a=1&a=%26", params={"b": ["x y", "ü"], "c": True, "d": None, "e": 2.5}).json()
    assert seen["query"] == [["a", "1"], ["a", "&"], ["b", "x y"], ["b", "ü"], ["c", "true"], ["e", "2.5"]]


def test_absolute_url_says_scheme_and_host(client: Any) -> None:
    seen = client.get("https://shop.localhost:8443/echo").json()
    assert (seen["scheme"], seen["host"]) == ("https", "shop.localhost:8443")


def test_headers_of_the_request_win_over_those_of_the_client(make_client: Any) -> None:
    client = make_client(headers={"X-One": "1", "X-Two": "2", "User-Agent": "mine"})
    headers = Headers.trusted([tuple(pair) for pair in client.get("/echo", headers={"x-two": "other", "accept": None}).json()["headers"]])
    assert (headers["x-one"], headers["x-two"], headers["user-agent"]) == ("1", "other", "mine")
    assert "accept" not in headers


def test_json_text_bytes_and_pieces_arrive(client: Any) -> None:
    assert client.post("/echo", json={"a": [1, None]}).json()["body"] == '{"a":[1,null]}'
    assert client.post("/echo", json=None).json()["body"] == "null"
    assert client.post("/echo", content="text").json()["body"] == "text"
    assert client.post("/echo", content=b"\x00\xff").json()["body"] == "\x00\xff"
    seen = client.post("/echo", content=(str(number).encode() for number in range(5))).json()
    assert seen["body"] == "01234"
    assert ["transfer-encoding", "chunked"] in seen["headers"]


def test_body_may_wait_for_what_the_application_does(client: Any) -> None:
    """Pieces are made in a thread, so that one that waits does not stop the loop that answers."""

    def pieces() -> Any:
        yield b"one"
        assert client.get("/").ok
        yield b"two"

    assert client.post("/pour", content=pieces()).text == "onetwo"


def test_wrong_content_length_is_refused_as_on_a_server(client: Any) -> None:
    assert client.post("/echo", content=b"abc", headers={"content-length": "9"}).status == 400


def test_form_and_files_arrive(client: Any) -> None:
    assert client.post("/form", data={"name": "Zoë & co", "tags": ["a", "b"]}).json()["fields"] == [
        ["name", "Zoë & co"],
        ["tags", "a"],
        ["tags", "b"],
    ]
    answer = client.post(
        "/form", data={"title": "x"}, files={"one": b"raw", "many": [("ä.txt", "text"), ("b.bin", b"b", "image/png")]}
    ).json()
    assert answer == {
        "fields": [["title", "x"]],
        "files": [
            ["one", "one", "application/octet-stream", "raw"],
            ["many", "ä.txt", "text/plain", "text"],
            ["many", "b.bin", "image/png", "b"],
        ],
    }


def test_file_is_sent_whole_in_part_and_not_found(client: Any) -> None:
    whole = client.get("/files/letter.txt")
    assert (whole.text, whole.headers["content-length"], whole.media_type) == ("0123456789", "10", "text/plain")
    part = client.get("/files/letter.txt", headers={"range": "bytes=2-4"})
    assert (part.status, part.text) == (206, "234")
    assert client.get("/files/letter.txt", headers={"if-none-match": whole.headers["etag"]}).status == 304
    assert client.head("/files/letter.txt").headers["content-length"] == "10"
    assert client.get("/files/none").status == 404


def test_protections_stay_on(client: Any) -> None:
    assert client.get("http://evil.example/").status == 400
    assert client.post("/echo", headers={"sec-fetch-site": "cross-site"}).status == 403
    assert client.post("/echo", headers={"origin": "https://evil.example"}).status == 403
    assert client.post("/echo").status == 200
    # A client that says nothing of where it comes from, and has cookies, needs the token.
    assert client.post("/echo", headers={"sec-fetch-site": None}, cookies={"a": "1"}).status == 403


def test_unexpected_error_of_a_handler_is_raised_in_the_test(client: Any) -> None:
    for path in ("/boom", "/async-boom"):
        with pytest.raises(LookupError, match="this handler breaks") as raised:
            client.get(path)
        assert any("boom" in str(entry.name) for entry in raised.traceback)
    assert client.get("/").ok


def test_unexpected_error_is_a_response_where_wanted(make_client: Any) -> None:
    response = make_client(raise_errors=False).get("/boom")
    assert (response.status, response.json()["title"]) == (500, "Internal Server Error")


def test_intended_error_is_a_response(client: Any) -> None:
    assert client.get("/unavailable").json()["detail"] == "later"
    assert client.get("/nowhere").status == 404


def test_exit_of_a_handler_is_raised_in_the_test_and_ends_nothing_else(make_client: Any) -> None:
    client = make_client(raise_errors=False)
    with pytest.raises(SystemExit):
        client.get("/exit")
    assert client.get("/").ok


def test_work_after_the_response_is_done_and_its_failure_raised(make_client: Any, room: Any) -> None:
    client = make_client()
    assert client.get("/after").text == "answered"
    assert "work" in room.happened
    with pytest.raises(LookupError, match="work breaks"):
        client.get("/after-boom")


def test_site_starts_and_stops_with_the_block(app: App, door: Any, room: Any, no_threads_left: None) -> None:
    with Client(app, door=door) as client:
        assert room.happened == ["start"]
        client.get("/")
        client.get("/")
    assert room.happened == ["start", "stop"]
    with pytest.raises(RuntimeError, match="closed"):
        client.get("/")
    client.close()
    assert room.happened == ["start", "stop"]


def test_site_starts_at_the_first_request_without_a_block(app: App, door: Any, room: Any, no_threads_left: None) -> None:
    client = Client(app, door=door)
    assert room.happened == []
    client.get("/")
    assert room.happened == ["start"]
    client.close()
    assert room.happened == ["start", "stop"]


def test_dropped_client_leaves_nothing_behind(app: App, door: Any, room: Any, no_threads_left: None) -> None:
    client = Client(app, door=door)
    client.get("/")
    del client
    gc.collect()
    room.wait_for("stop")


def test_failing_start_and_stop_are_raised(door: Any, no_threads_left: None) -> None:
    starting, stopping = App(), App()

    @starting.on_startup
    def start() -> None:
        raise LookupError("cannot start")

    @stopping.on_shutdown
    async def stop() -> None:
        raise LookupError("cannot stop")

    with pytest.raises(LookupError, match="cannot start"), Client(starting, door=door):
        pass
    with pytest.raises(LookupError, match="cannot stop"), Client(stopping, door=door):
        pass


def test_overrides_replace_settings_and_dependencies(app: App, make_client: Any) -> None:
    def clock() -> str:
        return "real"

    @app.get("/clock")
    def show(now: str = Depends(clock)) -> str:
        return now

    client = make_client(overrides={clock: lambda: "stopped", "allowed_hosts": ("example.com",)}, base_url="http://example.com")
    assert client.get("/clock").text == "stopped"
    assert make_client().get("/clock").text == "real"


def test_application_without_secret_key_gets_one_and_its_own_is_kept(app: App) -> None:
    with Client(app) as one, Client(app) as other:
        assert len(one.site.settings.secret_key) >= 32
        assert one.site.settings.secret_key != other.site.settings.secret_key
    own = App(Settings(secret_key=KEY))
    with Client(own) as client:
        assert client.site.settings.secret_key == KEY


def test_default_door_is_the_one_that_would_serve() -> None:
    plain, streaming = App(), App()

    @plain.get("/")
    def home() -> str:
        return "x"

    @streaming.get("/")
    def stream() -> StreamResponse:
        return StreamResponse(iter([b"x"]))

    with Client(plain) as one, Client(streaming) as other:
        assert (one.door, other.door) == ("rsgi", "asgi")
        assert one.get("/").text == other.get("/").text == "x"


def test_session_is_read_and_changed(client: Any) -> None:
    with client.session() as session:
        session["seen"] = 40
    client.get("/session")
    assert client.get("/session").json() == {"seen": 42}
    with client.session() as session:
        assert session["seen"] == 42
        session.clear()
    assert client.get("/session").json() == {"seen": 1}


def test_session_over_tls_has_the_protected_cookie(make_client: Any) -> None:
    client = make_client(base_url="https://localhost")
    with client.session() as session:
        session["seen"] = 1
    assert list(client.cookies) == ["__Host-session"]
    assert client.get("/session").json() == {"seen": 2}


def test_failing_block_leaves_the_session_as_it_was(client: Any) -> None:
    def change() -> None:
        with client.session() as session:
            session["seen"] = 1
            raise LookupError

    with pytest.raises(LookupError):
        change()
    assert dict(client.cookies) == {}


def test_many_clients_at_once(app: App, door: Any, no_threads_left: None) -> None:
    clients = [Client(app, door=door) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda client: [client.get("/").status for _ in range(5)], clients))
    assert answers == [[200] * 5] * 6
    for client in clients:
        client.close()


def test_one_client_in_many_threads(make_client: Any, room: Any) -> None:
    client = make_client()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(client.get, "/wait") for _ in range(7)]
        assert client.get("/").ok
        room.gate.set()
        assert {one.result().text for one in waiting} == {"waited"}


def test_client_works_inside_a_running_loop(client: Any) -> None:
    async def test() -> int:
        status: int = client.get("/").status
        return status

    assert asyncio.run(test()) == 200


def test_handler_that_calls_its_own_client_is_told_why_not() -> None:
    app = App()

    @app.get("/")
    async def home() -> str:
        return client.get("/").text

    with Client(app, door="asgi") as client, pytest.raises(RuntimeError, match="use AsyncClient"):
        client.get("/")


def test_context_of_the_test_is_seen_and_not_changed(door: Any) -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    app = App()

    @app.get("/")
    def home() -> str:
        before = variable.get()
        variable.set("changed")
        return before

    variable.set("of the test")
    with Client(app, door=door) as client:
        assert [client.get("/").text for _ in range(3)] == ["of the test"] * 3
    assert variable.get() == "of the test"


def test_mistakes_of_the_application_are_reported_at_once() -> None:
    app = App()

    @app.get("/{a}")
    def handler() -> None: ...

    with pytest.raises(ConfigurationError):
        Client(app)


def test_what_is_no_application_is_refused(app: App) -> None:
    with pytest.raises(TypeError, match=r"takes an erlen\.App, not str"):
        Client("app")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="frozen already"):
        Client(app.freeze(), overrides={"debug": True})


def test_frozen_site_is_taken_as_it_is(app: App, door: Any) -> None:
    site = app.freeze({"secret_key": KEY})
    with Client(site, door=door) as client:
        assert client.site is site
        assert client.get("/").ok
    assert site.failure_observers == []


def test_redirects_are_followed_where_wanted(client: Any) -> None:
    first = client.get("/hop/2")
    assert (first.status, first.headers["location"], first.history) == (302, "/hop/1", [])
    last = client.get("/hop/2", follow_redirects=True)
    assert [response.headers["location"] for response in last.history] == ["/hop/1", "/hop/0", "/echo?from=hop"]
    assert str(last.url) == "http://localhost/echo?from=hop"
    assert last.json()["cookies"] == {"hop2": "yes", "hop1": "yes", "hop0": "yes"}


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", ""), (303, "GET", ""), (307, "POST", "x=1"), (308, "POST", "x=1")])
def test_redirect_keeps_or_drops_method_and_body(make_client: Any, status: int, method: str, body: str) -> None:
    seen = make_client(follow_redirects=True).post(f"/moved/{status}", data={"x": 1}).json()
    assert (seen["method"], seen["body"]) == (method, body)


def test_redirect_to_another_host_takes_no_secrets_along(client: Any) -> None:
    client.cookies["own"] = "1"
    response = client.post("/away", headers={"authorization": "Basic eDp5"}, cookies={"more": "2"}, follow_redirects=True)
    assert (response.status, response.url.host) == (403, "other.localhost")
    response = client.post("/away", headers={"authorization": "Bearer x"}, follow_redirects=True)
    assert response.status == 403, "a bearer token that went along would exempt from the check"


def test_endless_redirects_and_a_body_that_is_gone_end_in_an_error(client: Any) -> None:
    with pytest.raises(ErlenError, match="more than 20 times"):
        client.get("/loop", follow_redirects=True)
    with pytest.raises(ValueError, match="give it as bytes"):
        client.post("/moved/307", content=[b"x"], follow_redirects=True)


def test_response_shows_itself(client: Any) -> None:
    assert repr(client.get("/")) == """<TestResponse 200 application/json '{"hello":"world"}'>"""
    assert repr(client.get("/hop/0")) == "<TestResponse 302 → /echo?from=hop without body>"
    assert isinstance(client.get("/"), TestResponse)
    assert repr(client).startswith("<Client of <Site with")


def test_keyboard_interrupt_while_waiting_cancels_the_request() -> None:
    import signal

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals arrive in the main thread")
    main = threading.main_thread().ident
    assert main is not None
    app = App()
    seen: list[str] = []

    @app.get("/")
    async def home() -> str:
        try:
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return "never"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background with it ignored
    try:
        with Client(app, door="asgi") as client, pytest.raises(KeyboardInterrupt):
            client.get("/")
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["cancelled"]
