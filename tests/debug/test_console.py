from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from erlen import App, Request
from erlen.debug.console import Console, run_code
from erlen.debug.plugin import Debug
from erlen.testing import Client
from erlen.testing.response import TestResponse

MakeClient = Callable[..., Client]
PAGE = {"accept": "text/html"}
OWN = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
CONSOLE = "/__erlen__/console"
RUNNING, GO = threading.Event(), threading.Event()
"""What code in a frame of this module sees, too."""


class Session:
    """A browser of the developer in front of a failed page."""

    def __init__(self, client: Client, pin: str) -> None:
        self.client = client
        self.pin = pin
        self.page = client.get("/fail", headers=PAGE).text
        self.frames = re.findall(r'data-frame="([^"]+)"', self.page)

    def post(self, path: str, body: object, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        return self.client.post(path, json=body, headers={**OWN, **(headers or {})}, **more)

    def unlock(self, pin: str | None = None, headers: dict[str, str] | None = None) -> TestResponse:
        return self.post(f"{CONSOLE}/unlock", {"pin": self.pin if pin is None else pin}, headers)

    def run(self, code: str, headers: dict[str, str] | None = None, frame: str | None = None) -> TestResponse:
        return self.post(CONSOLE, {"frame": self.frames[0] if frame is None else frame, "code": code}, headers)


def failing() -> App:
    app = App()

    @app.get("/fail")
    def fail(request: Request) -> None:
        basket = ["tea", "milk"]
        raise ValueError(len(basket))

    return app


@pytest.fixture
def session(client_for: MakeClient, capfd: pytest.CaptureFixture[str]) -> Session:
    client = client_for(failing(), debug=True, debug_console=True, raise_errors=False)
    client.get("/")
    pin = re.search(r"PIN (\d{3}-\d{3}-\d{3})", capfd.readouterr().err)
    assert pin is not None
    return Session(client, pin[1])


def test_python_runs_in_a_frame_after_the_pin(session: Session) -> None:
    refused = session.run("basket")
    assert (refused.status, refused.json()["locked"]) == (403, True)
    opened = session.unlock()
    assert opened.status == 204
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/__erlen__/console" in cookie
    assert session.run("basket").text == "['tea', 'milk']"
    assert session.run("basket.append('salt'); more = 3").text == ""
    assert session.run("print(basket[-1], more)").text == "salt 3\n"
    assert "ZeroDivisionError" in session.run("1 // 0").text
    assert "SystemExit" in session.run("exit()").text
    assert session.pin not in session.page


def test_it_is_off_unless_asked_for(debug_client: MakeClient) -> None:
    client = debug_client(failing())
    assert "data-frame" not in client.get("/fail", headers=PAGE).text
    assert client.post(CONSOLE, json={}, headers=OWN).status == 404
    assert client.post(f"{CONSOLE}/unlock", json={"pin": "1"}, headers=OWN).status == 404


def test_attack_it_is_never_there_without_debug(client_for: MakeClient) -> None:
    app = failing()
    app.use(Debug())
    client = client_for(app, debug_console=True, raise_errors=False)
    assert client.post(CONSOLE, json={}, headers=OWN).status == 404
    assert "data-frame" not in client.get("/fail", headers=PAGE).text


def test_attack_guessing_the_pin_locks_it_for_good(session: Session) -> None:
    assert [session.unlock(f"000-000-00{number}").status for number in range(5)] == [403] * 5
    locked = session.unlock()
    assert (locked.status, "locked until" in locked.json()["detail"]) == (403, True)
    assert session.run("1").status == 403
    with pytest.raises(KeyError):
        session.client.cookies["erlen_console"]


@pytest.mark.parametrize("wrong", ["", "123", "é", "0" * 10_000])
def test_attack_odd_pins_and_cookies(session: Session, wrong: str) -> None:
    assert session.unlock(wrong).status == 403
    if wrong.isascii():
        assert session.run("1", {"cookie": f"erlen_console={wrong[:1000]}"}).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "192.168.1.7", "10.0.0.1:8000", "127.0.0.1.evil.example"])
def test_attack_dns_rebinding(client_for: MakeClient, capfd: pytest.CaptureFixture[str], host: str) -> None:
    """A name of the attacker's that resolves to this machine (CVE-2024-34069): refused even where ALLOWED_HOSTS lets it in."""
    client = client_for(failing(), debug=True, debug_console=True, allowed_hosts=("*",), raise_errors=False)
    page = client.get("/fail", headers={**PAGE, "host": host})
    assert page.status == 500
    assert "data-frame" not in page.text
    for path in (CONSOLE, f"{CONSOLE}/unlock"):
        own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        answer = client.post(path, json={"pin": "1"}, headers=own)
        assert (answer.status, answer.json()["detail"]) == (403, "The console answers only for localhost.")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:9000", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost", "sec-fetch-site": "none"},
        {"origin": "https://trusted.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_attack_from_another_origin(client_for: MakeClient, headers: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    client = client_for(failing(), debug=True, debug_console=True, trusted_origins=("https://trusted.example",), raise_errors=False)
    for path in (CONSOLE, f"{CONSOLE}/unlock"):
        assert client.post(path, json={"pin": "1"}, headers=headers).status == 403


def test_attack_with_a_form_or_without_an_origin(session: Session) -> None:
    assert session.unlock().status == 204
    body = {"frame": session.frames[0], "code": "1"}
    assert session.client.post(CONSOLE, data=body, headers=OWN).status == 403
    assert session.client.post(CONSOLE, content=b"{}", headers={**OWN, "content-type": "text/plain"}).status == 403
    bearer = {"authorization": "Bearer x", "origin": "https://evil.example"}
    assert session.client.post(CONSOLE, json=body, headers=bearer).status == 403
    assert session.client.get(CONSOLE).status == 405


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host", "cf-connecting-ip"])
def test_attack_through_a_proxy(session: Session, header: str) -> None:
    proxied = {header: "127.0.0.1"}
    assert "data-frame" not in session.client.get("/fail", headers={**PAGE, **proxied}).text
    assert session.unlock(headers=proxied).status == 403
    assert session.unlock().status == 204
    assert session.run("1", proxied).status == 403


@pytest.mark.parametrize("peer", ["192.168.1.20", "10.0.0.1", "::2", "", "localhost", "fe80::1%eth0"])
def test_attack_from_another_machine(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    """By the address of the connection, whatever any header says."""
    from erlen.testing import RequestFactory
    from erlen.testing.factory import FactoryRequest

    console = Console()
    request = RequestFactory(App()).get("/", headers={"host": "localhost"})
    assert console.address_for(request) == CONSOLE
    monkeypatch.setattr(FactoryRequest, "peer", peer)
    assert console.address_for(request) == ""


def test_attack_frames_that_are_not_there(session: Session) -> None:
    assert session.unlock().status == 204
    key = session.frames[0].partition(":")[0]
    for frame in ("", ":", "x:0", f"{key}:99", f"{key}:-1", f"{key}:x", f"{key}:²", key):
        assert session.run("1", frame=frame).status == 404, frame
    assert session.post(CONSOLE, {"code": "1"}).status == 400
    for _ in range(5):
        session.client.get("/fail", headers=PAGE)
    assert session.run("basket").status == 404  # only the last few errors are kept


def test_a_page_for_a_stranger_keeps_no_frames(session: Session) -> None:
    for _ in range(6):
        session.client.get("/fail", headers={**PAGE, "x-forwarded-for": "1.2.3.4"})
    assert session.unlock().status == 204
    assert session.run("len(basket)").text == "2"


def test_code_that_waits_does_not_hold_up_the_pages_of_other_errors(session: Session) -> None:
    assert session.unlock().status == 204
    RUNNING.clear()
    GO.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(session.run, "RUNNING.set() or GO.wait(20)")
        assert RUNNING.wait(20)
        assert "data-frame" in session.client.get("/fail", headers=PAGE).text
        GO.set()
        assert waiting.result(20).text == "True"


def test_output_is_bounded() -> None:
    assert len(run_code("'x' * 10**6", {})) < 21_000
    assert run_code("x = 1\nfor n in range(3): print(n)", {}) == "0\n1\n2\n"
    assert "SyntaxError" in run_code("def", {})
