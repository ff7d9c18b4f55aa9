from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Annotated

import pytest

from erlen import (
    App,
    Body,
    Conflict,
    HTTPError,
    NotFound,
    Request,
    Response,
    Settings,
    Struct,
    TooManyRequests,
    Unauthorized,
    abort,
)
from erlen.errors import MethodNotAllowed
from erlen.testing import Client

MakeClient = Callable[..., Client]
SECRET = "the password is hunter2"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Item(Struct):
    name: str
    tags: list[int]


def failing(settings: Settings | None = None) -> App:
    app = App(settings or Settings())

    @app.get("/async")
    async def on_loop() -> None:
        raise ValueError(SECRET)

    @app.get("/def")
    def in_thread() -> None:
        raise ValueError(SECRET)

    @app.get("/abort/{status}")
    def stop(status: int) -> None:
        abort(status, "<b>No.</b>", headers={"x-a": "b"})

    @app.post("/item")
    async def item(item: Annotated[Item, Body()], limit: int = 3) -> None:
        return None

    return app


@pytest.mark.parametrize("path", ["/async", "/def"])
def test_nothing_of_an_unexpected_error_is_revealed_in_production(
    client_for: MakeClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(failing(), raise_errors=False)
    with caplog.at_level(logging.ERROR, "erlen"):
        for headers in ({}, BROWSER):
            answer = client.get(path, headers=headers)
            assert answer.status == 500
            assert "hunter2" not in answer.text
            assert "ValueError" not in answer.text
            assert "Traceback" not in answer.text
            if headers:
                assert "Please try again later." in answer.text
    assert client.get(path).json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert "hunter2" in caplog.text


def test_debug_shows_the_error_escaped(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def fail() -> None:
        raise ValueError("<script>alert(1)</script>")

    client = client_for(app, raise_errors=False, debug=True)
    page = client.get("/", headers=BROWSER)
    assert page.media_type == "text/html"
    assert "ValueError" in page.text
    assert "<script>" not in page.text
    told = client.get("/").json()
    assert told["detail"] == "ValueError: <script>alert(1)</script>"
    assert any("test_problems.py" in line for line in told["traceback"])


def test_programs_get_problem_json_and_browsers_a_page(client_for: MakeClient) -> None:
    client = client_for(failing())
    for accept in (None, "*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = client.get("/abort/409", headers={} if accept is None else {"accept": accept})
        assert (answer.status, answer.media_type) == (409, "application/problem+json")
        assert answer.json() == {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "<b>No.</b>"}
        assert answer.headers["x-a"] == "b"
        assert "accept" in answer.headers["vary"].lower()
    page = client.get("/abort/409", headers=BROWSER)
    assert page.media_type == "text/html"
    assert "&lt;b&gt;No.&lt;/b&gt;" in page.text
    assert "<b>No" not in page.text
    nonce = page.text.partition('nonce="')[2].partition('"')[0]
    assert nonce
    assert f"'nonce-{nonce}'" in page.headers["content-security-policy"]


def test_every_fault_is_listed_for_programs_and_for_people(client_for: MakeClient) -> None:
    client = client_for(failing())
    body = {"tags": [1, "x", None]}
    answer = client.post("/item?limit=many", json=body)
    assert answer.status == 422
    errors = answer.json()["errors"]
    assert [error["location"] for error in errors] == [["body", "name"], ["body", "tags", 1], ["body", "tags", 2], ["query", "limit"]]
    assert [error.get("pointer") for error in errors] == ["#/name", "#/tags/1", "#/tags/2", None]
    page = client.post("/item?limit=many", json=body, headers=BROWSER).text
    for place in ("limit", "name", "tags.1", "tags.2"):
        assert f"<b>{place}</b>" in page


def test_extra_members_and_headers_of_http_errors(client_for: MakeClient) -> None:
    app = App()

    @app.get("/conflict")
    def conflict() -> None:
        raise Conflict("Taken.", extra={"other": 7, "status": 200})

    @app.get("/later")
    def later() -> None:
        raise TooManyRequests(retry_after=9)

    client = client_for(app)
    assert client.get("/conflict").json() == {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "Taken.", "other": 7}
    assert client.get("/later").headers["retry-after"] == "9"


def test_error_handlers_of_both_colours_by_class_and_by_status(client_for: MakeClient) -> None:
    class Broke(Exception):
        pass

    class VeryBroke(Broke):
        pass

    app = App()

    @app.error_handler(Broke)
    async def broke(request: Request, error: Broke) -> tuple[dict[str, str], int]:
        return {"broke": type(error).__name__}, 402

    @app.error_handler(409)
    def taken(request: Request, error: HTTPError) -> dict[str, str]:
        return {"taken": error.detail}

    for name, colour in (("loop", True), ("thread", False)):

        async def on_loop(very: bool = False) -> None:
            raise VeryBroke if very else Conflict("x")

        def in_thread(very: bool = False) -> None:
            raise VeryBroke if very else Conflict("x")

        app.get(f"/{name}", name=name)(on_loop if colour else in_thread)
    client = client_for(app)
    for path in ("/loop", "/thread"):
        assert (client.get(path).status, client.get(path).json()) == (409, {"taken": "x"})
        assert (client.get(path + "?very=1").status, client.get(path + "?very=1").json()) == (402, {"broke": "VeryBroke"})


def test_a_class_wins_over_the_status_and_the_status_over_what_catches_everything(client_for: MakeClient) -> None:
    app = App()

    def answering(text: str) -> Callable[[Request, Exception], str]:
        return lambda request, error: text

    app.error_handler(Exception)(answering("any exception"))
    app.error_handler(HTTPError)(answering("any http error"))
    app.error_handler(404)(answering("404"))
    app.error_handler(500)(answering("500"))
    app.error_handler(Conflict)(answering("Conflict"))
    app.error_handler(409)(answering("409"))

    @app.get("/{status}")
    def stop(status: int) -> None:
        if status == 0:
            raise KeyError
        abort(status)

    client = client_for(app, raise_errors=False)
    shown = {path: client.get(path).text for path in ("/404", "/nowhere", "/409", "/403", "/500", "/0")}
    assert shown == {
        "/404": "404",
        "/nowhere": "404",
        "/409": "Conflict",
        "/403": "any http error",
        "/500": "500",
        "/0": "any exception",
    }


def test_500_handlers_answer_unexpected_errors_which_are_still_reported(client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    app = failing()

    @app.error_handler(500)
    def sorry(request: Request, error: Exception) -> str:
        return "sorry"

    with caplog.at_level(logging.ERROR, "erlen"):
        answer = client_for(app, raise_errors=False).get("/def")
    assert (answer.status, answer.text) == (500, "sorry")
    assert "hunter2" in caplog.text
    with pytest.raises(ValueError, match="hunter2"):
        client_for(app).get("/def")


def test_an_error_handler_that_fails_is_answered_in_the_standard_way(client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    app = failing()

    @app.error_handler(409)
    def worse(request: Request, error: HTTPError) -> str:
        raise RuntimeError(SECRET)

    with caplog.at_level(logging.ERROR, "erlen"):
        answer = client_for(app, raise_errors=False).get("/abort/409")
    assert (answer.status, answer.json()) == (500, {"type": "about:blank", "title": "Internal Server Error", "status": 500})
    assert "RuntimeError" in caplog.text


def test_an_error_handler_may_raise_another_http_error(client_for: MakeClient) -> None:
    app = failing()

    @app.error_handler(409)
    def other(request: Request, error: HTTPError) -> None:
        raise NotFound

    assert client_for(app).get("/abort/409").status == 404


def test_fields_that_go_with_a_status_are_kept_by_error_handlers(client_for: MakeClient) -> None:
    app = App()
    kept = Response("kept", 405)

    @app.error_handler(MethodNotAllowed)
    def not_so(request: Request, error: MethodNotAllowed) -> Response:
        return kept

    @app.error_handler(401)
    def who(request: Request, error: Unauthorized) -> object:
        if "elsewhere" in request.query:
            return "elsewhere", 403
        return {"who": "are you"}, 401, {"www-authenticate": "Basic"} if "own" in request.query else {}

    @app.get("/")
    def private() -> None:
        raise Unauthorized

    client = client_for(app)
    assert client.post("/").headers["allow"] == "GET, HEAD, OPTIONS"
    assert "allow" not in kept.headers
    assert client.get("/").headers["www-authenticate"] == "Bearer"
    assert client.get("/?own").headers.getlist("www-authenticate") == ["Basic"]
    assert "www-authenticate" not in client.get("/?elsewhere").headers


def test_http_errors_above_500_are_logged_but_not_unexpected(client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "erlen"):
        assert client_for(failing()).get("/abort/503").status == 503
    assert "/abort/503 failed" in caplog.text


def test_log_injection_through_the_path(client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/{rest:path}")
    def fail(rest: str) -> None:
        raise KeyError

    with caplog.at_level(logging.ERROR, "erlen"):
        client_for(app, raise_errors=False).get("/x%0aERROR%20forged%1b[2J")
    messages = [record.getMessage() for record in caplog.records if record.name == "erlen"]
    assert messages
    assert all("\n" not in message and "\x1b" not in message for message in messages)


def test_abort_knows_the_classes_and_refuses_what_is_no_error(client_for: MakeClient) -> None:
    with pytest.raises(NotFound):
        abort(404)
    with pytest.raises(HTTPError) as caught:
        abort(418, "short and stout")
    assert (caught.value.status, caught.value.detail) == (418, "short and stout")
    with pytest.raises(ValueError, match="400 to 599"):
        abort(302)


def test_problem_documents_are_utf8_json(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def fail() -> None:
        raise Conflict("Grüße \N{SNOWMAN}")

    assert json.loads(client_for(app).get("/").content)["detail"] == "Grüße \N{SNOWMAN}"


def test_a_client_that_asks_for_plain_text_gets_the_same_as_text(client_for: MakeClient) -> None:
    app = failing()

    @app.get("/busy")
    def busy() -> None:
        raise Conflict("Somebody else <edits> this.", extra={"editor": "Ada"})

    client = client_for(app, raise_errors=False)
    plain = {"accept": "text/plain"}
    missing = client.get("/nowhere", headers=plain)
    assert (missing.status, missing.media_type) == (404, "text/plain")
    assert missing.text == "404 Not Found\nThere is nothing at this address.\n"
    assert "accept" in missing.headers["vary"].lower()
    assert client.get("/busy", headers=plain).text == "409 Conflict\nSomebody else <edits> this.\neditor: Ada\n"
    wrong = client.post("/item?limit=x", json={"name": 1, "tags": ["a"]}, headers=plain)
    assert wrong.text.startswith("422 Unprocessable Content\nThe request has invalid data.\n")
    assert [line.partition(":")[0] for line in wrong.text.splitlines()[2:]] == ["name", "tags.0", "limit"]
    unexpected = client.get("/def", headers=plain)
    assert (unexpected.text, unexpected.media_type) == ("500 Internal Server Error\n", "text/plain")
    assert client.get("/abort/405", headers=plain).headers["x-a"] == "b"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json, text/plain, */*", "application/problem+json, text/plain", "text/plain;q=0.5, application/json"]
)
def test_json_stays_what_clients_get_who_take_it_too(client_for: MakeClient, accept: str) -> None:
    assert client_for(failing()).get("/nowhere", headers={"accept": accept}).media_type == "application/problem+json"
