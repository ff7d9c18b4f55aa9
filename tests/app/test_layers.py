from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from erlen import App, BadRequest, Blueprint, Cors, Forbidden, HTTPError, Request, Response, Settings, Struct, Unauthorized, abort
from erlen.testing import Client

MakeClient = Callable[..., Client]
Colour = str
COLOURS = ("loop", "thread")


class Item(Struct):
    number: int


def add_middleware(app: App | Blueprint, colour: Colour, name: str) -> None:
    """Middleware that writes its name around what is inside."""
    if colour == "loop":

        @app.middleware
        async def on_loop(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            response.headers["x-way"] = f"{name}({response.headers.get('x-way', response.status)})"
            return response
    else:

        @app.middleware
        def in_thread(request: Request, call_next: Any) -> Response:
            response: Response = call_next(request)
            response.headers["x-way"] = f"{name}({response.headers.get('x-way', response.status)})"
            return response


def add_handlers(app: App, colour: Colour) -> None:
    """Handlers of one colour: one reads a body, one fails as planned, one fails as nobody foresaw."""
    if colour == "loop":

        @app.post("/item")
        async def take(item: Item) -> Item:
            return item

        @app.get("/refuse")
        async def refuse() -> None:
            raise Forbidden

        @app.get("/fail")
        async def fail() -> None:
            raise ZeroDivisionError
    else:

        @app.post("/item", name="take")
        def take_now(item: Item) -> Item:
            return item

        @app.get("/refuse", name="refuse")
        def refuse_now() -> None:
            raise Forbidden

        @app.get("/fail", name="fail")
        def fail_now() -> None:
            raise ZeroDivisionError


@pytest.mark.parametrize("handler", COLOURS)
@pytest.mark.parametrize("inner", COLOURS)
@pytest.mark.parametrize("outer", COLOURS)
def test_middleware_and_handlers_of_both_colours_combine(client_for: MakeClient, outer: Colour, inner: Colour, handler: Colour) -> None:
    app = App()
    add_middleware(app, outer, "outer")
    add_middleware(app, inner, "inner")
    add_handlers(app, handler)
    client = client_for(app, raise_errors=False)
    taken = client.post("/item", json={"number": 3})
    assert (taken.json(), taken.headers["x-way"]) == ({"number": 3}, "outer(inner(200))")
    wrong = client.post("/item", json={"number": "x"})
    assert (wrong.status, wrong.headers["x-way"]) == (422, "outer(inner(422))")
    assert client.get("/refuse").headers["x-way"] == "outer(inner(403))"
    assert client.get("/fail").headers["x-way"] == "outer(inner(500))"
    assert client.get("/nowhere").headers["x-way"] == "outer(inner(404))"
    assert client.put("/item").headers["x-way"] == "outer(inner(405))"
    assert client.get("/refuse/").headers["x-way"] == "outer(inner(308))"


def test_more_requests_than_threads_do_not_wait_for_each_other_where_colours_alternate(client_for: MakeClient) -> None:
    app = App(Settings(threads=1))
    for number, colour in enumerate(["thread", "loop", "thread", "loop"]):
        add_middleware(app, colour, str(number))
    add_handlers(app, "thread")
    client = client_for(app)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.post("/item", json={"number": 1}).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 8


def test_a_def_middleware_shares_the_thread_of_its_def_handler(make_client: MakeClient) -> None:
    app = App()
    seen: list[int] = []

    @app.middleware
    def middleware(request: Request, call_next: Any) -> Response:
        seen.append(threading.get_ident())
        return call_next(request)  # type: ignore[no-any-return]

    @app.get("/")
    def handler() -> str:
        seen.append(threading.get_ident())
        return ""

    make_client(app).get("/")
    assert len(set(seen)) == 1
    assert app.freeze().routes[0].hops == 1


def test_route_middleware_is_inside_that_of_blueprint_and_application(client_for: MakeClient) -> None:
    app, part = App(), Blueprint("part")
    add_middleware(app, "loop", "app")
    add_middleware(part, "thread", "part")

    def own(request: Request, call_next: Any) -> Response:
        response: Response = call_next(request)
        response.headers["x-way"] = f"own({response.status})"
        return response

    part.get("/", middleware=[own])(lambda: "")
    app.include(part)
    assert client_for(app).get("/").headers["x-way"] == "app(part(own(200)))"


@pytest.mark.parametrize("colour", COLOURS)
def test_middleware_may_answer_instead_of_the_handler(client_for: MakeClient, colour: Colour) -> None:
    app = App()
    add_middleware(app, "loop", "outer")
    if colour == "loop":

        @app.middleware
        async def closed(request: Request, call_next: Any) -> Response:
            return Response("closed", 503)
    else:

        @app.middleware
        def closed_now(request: Request, call_next: Any) -> Response:
            return Response("closed", 503)

    @app.get("/")
    def handler() -> str:
        raise AssertionError("the handler was called")

    answer = client_for(app).get("/")
    assert (answer.status, answer.text, answer.headers["x-way"]) == (503, "closed", "outer(503)")


@pytest.mark.parametrize("colour", COLOURS)
def test_what_middleware_raises_is_a_response_to_those_around_it(client_for: MakeClient, colour: Colour) -> None:
    app = App()
    add_middleware(app, "thread", "outer")
    if colour == "loop":

        @app.middleware
        async def check(request: Request, call_next: Any) -> Response:
            raise Unauthorized("Who are you?")
    else:

        @app.middleware
        def check_now(request: Request, call_next: Any) -> Response:
            raise Unauthorized("Who are you?")

    app.get("/")(lambda: "")
    answer = client_for(app).get("/")
    assert (answer.status, answer.headers["x-way"], answer.headers["www-authenticate"]) == (401, "outer(401)", "Bearer")


def test_cors_fields_are_on_responses_to_errors_of_inner_middleware(client_for: MakeClient) -> None:
    app = App()
    app.add_middleware(Cors(["https://app.example.com"]))

    @app.middleware
    async def check(request: Request, call_next: Any) -> Response:
        raise Unauthorized

    app.get("/")(lambda: "")
    answer = client_for(app).get("/", headers={"origin": "https://app.example.com", "sec-fetch-site": "cross-site"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "https://app.example.com")


def test_a_policy_that_fails_is_answered(client_for: MakeClient) -> None:
    class Failing:
        def before(self, request: Request) -> Response | None:
            raise BadRequest("no")

        def after(self, request: Request, response: Response) -> Response:
            return response

    app = App()
    add_middleware(app, "loop", "outer")
    app.add_middleware(Failing())
    app.get("/")(lambda: "")
    answer = client_for(app).get("/")
    assert (answer.status, answer.headers["x-way"]) == (400, "outer(400)")


@pytest.mark.parametrize("colour", COLOURS)
def test_middleware_that_returns_nothing_is_named(client_for: MakeClient, colour: Colour) -> None:
    app = App()
    if colour == "loop":

        @app.middleware
        async def forgetful(request: Request, call_next: Any) -> None:
            await call_next(request)
    else:

        @app.middleware
        def forgetful_too(request: Request, call_next: Any) -> None:
            call_next(request)

    app.get("/")(lambda: "")
    with pytest.raises(Exception, match=r"forgetful.* returned NoneType, not a Response: is a `return`"):
        client_for(app).get("/")


def test_context_variables_do_not_leak_into_the_next_request_on_a_thread(client_for: MakeClient) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    app = App(Settings(threads=1))

    @app.middleware
    def sign_in(request: Request, call_next: Any) -> Response:
        if name := request.query.get("name"):
            user.set(name)
        return call_next(request)  # type: ignore[no-any-return]

    @app.get("/")
    def handler() -> str:
        before = user.get()
        user.set("somebody")
        return before

    client = client_for(app)
    assert client.get("/?name=ann").text == "ann"
    assert client.get("/").text == "nobody"
    assert user.get() == "nobody"


def test_context_variables_set_on_the_way_in_are_seen_across_colours(client_for: MakeClient) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    app = App()

    @app.middleware
    async def first(request: Request, call_next: Any) -> Response:
        user.set("ann")
        return await call_next(request)  # type: ignore[no-any-return]

    @app.middleware
    def second(request: Request, call_next: Any) -> Response:
        user.set(user.get() + "+")
        return call_next(request)  # type: ignore[no-any-return]

    @app.middleware
    async def third(request: Request, call_next: Any) -> Response:
        user.set(user.get() + "+")
        return await call_next(request)  # type: ignore[no-any-return]

    @app.get("/")
    def handler() -> str:
        return user.get()

    assert client_for(app).get("/").text == "ann++"


# -- hooks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", COLOURS)
@pytest.mark.parametrize("handler", COLOURS)
def test_hooks_of_both_colours_run_in_order(client_for: MakeClient, hook: Colour, handler: Colour) -> None:
    app = App()
    log: list[str] = []

    def note(name: str) -> Callable[..., Any]:
        async def on_loop(*args: object) -> None:
            log.append(name)

        def in_thread(*args: object) -> None:
            log.append(name)

        return on_loop if hook == "loop" else in_thread

    for number in (1, 2):
        app.before_request(note(f"before {number}"))
        app.after_request(note(f"after {number}"))
        app.teardown_request(note(f"teardown {number}"))
    add_handlers(app, handler)
    assert client_for(app).get("/refuse").status == 403
    assert log == ["before 1", "before 2", "after 2", "after 1", "teardown 2", "teardown 1"]


def test_a_before_hook_may_answer_and_the_after_hooks_see_it(client_for: MakeClient) -> None:
    app = App()

    @app.before_request
    def closed(request: Request) -> tuple[dict[str, str], int] | None:
        return ({"sorry": "closed"}, 503) if request.path == "/closed" else None

    @app.after_request
    def replace(request: Request, response: Response) -> object:
        return {"was": response.status}

    app.get("/closed")(lambda: 1 / 0)
    app.get("/", name="open")(lambda: "")
    client = client_for(app)
    assert client.get("/closed").json() == {"was": 503}
    assert client.get("/").json() == {"was": 200}


def test_what_a_before_hook_raises_is_answered_and_the_after_hooks_see_it(client_for: MakeClient) -> None:
    app, part = App(), Blueprint("part")
    add_middleware(app, "loop", "app")

    @app.after_request
    def mark(request: Request, response: Response) -> None:
        response.headers["x-after"] = str(response.status)

    @part.before_request
    def refuse(request: Request) -> None:
        abort(403, "Not you.")

    part.get("/")(lambda: "")
    app.include(part)
    answer = client_for(app).get("/")
    assert (answer.status, answer.headers["x-after"], answer.headers["x-way"]) == (403, "403", "app(403)")
    assert answer.json()["detail"] == "Not you."


def test_an_after_hook_that_fails_does_not_keep_the_others_from_running(client_for: MakeClient) -> None:
    app = App()

    @app.after_request
    def second(request: Request, response: Response) -> None:
        response.headers["x-after"] = str(response.status)

    @app.after_request
    def first(request: Request, response: Response) -> None:
        raise HTTPError(status=502)

    app.get("/")(lambda: "")
    answer = client_for(app).get("/")
    assert (answer.status, answer.headers["x-after"]) == (502, "502")


def test_teardown_is_told_of_the_error_that_no_handler_answered(client_for: MakeClient) -> None:
    app = App()
    told: list[str] = []

    @app.teardown_request
    def teardown(request: Request, error: BaseException | None) -> None:
        told.append(f"{request.path} {type(error).__name__}")

    @app.error_handler(KeyError)
    def known(request: Request, error: KeyError) -> tuple[str, int]:
        return "known", 400

    @app.get("/known")
    def fail_known() -> None:
        raise KeyError

    add_handlers(app, "thread")
    client = client_for(app, raise_errors=False)
    for path in ("/known", "/refuse", "/fail", "/nowhere"):
        client.get(path)
    assert told == ["/known NoneType", "/refuse NoneType", "/fail ZeroDivisionError", "/nowhere NoneType"]


def test_every_teardown_runs_and_its_failure_is_logged_but_not_shown(client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    ran: list[str] = []

    @app.teardown_request
    def last(request: Request, error: BaseException | None) -> None:
        ran.append("last")

    @app.teardown_request
    async def failing(request: Request, error: BaseException | None) -> None:
        ran.append("failing")
        raise RuntimeError("no")

    app.get("/")(lambda: "fine")
    with caplog.at_level(logging.ERROR, "erlen"):
        answer = client_for(app, raise_errors=False).get("/")
    assert (answer.status, answer.text, ran) == (200, "fine", ["failing", "last"])
    assert "RuntimeError" in caplog.text
