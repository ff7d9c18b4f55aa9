from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from erlen import App
from erlen.testing import Client

MakeApp = Callable[[dict[str, str]], App]
MakeClient = Callable[..., Client]

PROGRAM = """
from erlen import App, abort
app = App()

@app.get("/number/{number}")
def number(number: int, limit: int = 1) -> str:
    return "x"

@app.get("/gone")
async def gone() -> str:
    abort(410, "It was <here>.")

@app.get("/fail")
def fail() -> str:
    raise RuntimeError("secret")
"""
HTML = {"accept": "text/html"}
SHOWN = "{{ status }} {{ title }}: {{ detail }}{% for fault in faults %}[{{ fault.message }}]{% endfor %}"


def test_people_get_the_applications_own_error_pages(make_app: MakeApp, client_for: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    files = {
        "templates/errors/404.html": f"nothing: {SHOWN}",
        "templates/errors/4xx.html": f"no: {SHOWN}",
        "templates/errors/5xx.html": SHOWN,
    }
    client = client_for(make_app({"app.py": PROGRAM, **files}), raise_errors=False)
    response = client.get("/none", headers=HTML)
    assert (response.status, response.text) == (404, "nothing: 404 Not Found: There is nothing at this address.")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "accept" in response.headers["vary"].lower()
    response = client.get("/gone", headers=HTML)
    assert (response.status, response.text) == (410, "no: 410 Gone: It was &lt;here&gt;.")
    response = client.get("/number/1?limit=x", headers=HTML)
    assert response.status == 422
    assert response.text.startswith("no: 422 Unprocessable Content: The request has invalid data.[")
    response = client.post("/gone", headers=HTML)
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    response = client.get("/fail", headers=HTML)
    assert (response.status, response.text) == (500, "500 Internal Server Error: ")


def test_programs_get_problem_details(make_app: MakeApp, make_client: MakeClient) -> None:
    client = make_client(make_app({"app.py": PROGRAM, "templates/errors/error.html": SHOWN}))
    assert client.get("/none").json()["status"] == 404
    assert client.get("/none", headers=HTML).text.startswith("404 Not Found")


def test_a_status_without_a_template_is_answered_as_ever(make_app: MakeApp, make_client: MakeClient) -> None:
    client = make_client(make_app({"app.py": PROGRAM, "templates/errors/5xx.html": SHOWN}))
    response = client.get("/none", headers=HTML)
    assert "<h1><span>404</span> Not Found</h1>" in response.text


def test_an_error_page_that_fails_is_logged_and_answered_for(
    make_app: MakeApp, client_for: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(make_app({"app.py": PROGRAM, "templates/errors/404.html": "{{ 1 / 0 }}"}), raise_errors=False)
    with caplog.at_level(logging.ERROR, "erlen"):
        response = client.get("/none", headers=HTML)
    assert (response.status, "<h1><span>404</span> Not Found</h1>" in response.text) == (404, True)
    assert "ZeroDivisionError" in caplog.text


def test_in_debug_mode_an_unexpected_error_is_not_hidden(make_app: MakeApp, make_client: MakeClient) -> None:
    client = make_client(make_app({"app.py": PROGRAM, "templates/errors/error.html": "ours"}), debug=True, raise_errors=False)
    response = client.get("/fail", headers=HTML)
    assert response.status == 500
    assert response.text != "ours"
    assert "RuntimeError" in response.text
