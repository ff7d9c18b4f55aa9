"""What guards every application, seen from outside through each door."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable

import pytest

from erlen import App, Cors, HTMLResponse, Request, Response, Settings
from erlen.testing import Client

MakeClient = Callable[..., Client]
EVIL = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


def counting() -> App:
    """A site with a session: a page, a form, a webhook."""
    app = App()

    @app.get("/count")
    def count(request: Request) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        return int(request.session["n"])

    @app.get("/token")
    async def token(request: Request) -> str:
        return request.csrf_token

    @app.post("/save")
    def save() -> str:
        return "saved"

    @app.post("/webhook", csrf=False)
    async def webhook() -> str:
        return "taken"

    @app.post("/leave")
    async def leave(request: Request) -> str:
        request.session.clear()
        return "gone"

    return app


def test_protective_headers_are_on_every_response(client_for: MakeClient) -> None:
    app = counting()
    app.get("/fail")(lambda: 1 / 0)
    client = client_for(app, raise_errors=False)
    answers = [client.get("/count"), client.get("/nowhere"), client.get("/fail"), client.put("/save"), client.post("/save", headers=EVIL)]
    assert [answer.status for answer in answers] == [200, 404, 500, 405, 403]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in answer.headers
    assert "default-src" in client.get("/count").headers["content-security-policy"]


def test_hsts_over_tls(client_for: MakeClient) -> None:
    client = client_for(counting(), base_url="https://localhost")
    assert client.get("/nowhere").headers["strict-transport-security"] == "max-age=31536000"


def test_a_response_may_relax_a_protection_for_itself(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def framed() -> Response:
        return Response("x", headers={"x-frame-options": "SAMEORIGIN", "referrer-policy": ""})

    answer = client_for(app).get("/")
    assert answer.headers.getlist("x-frame-options") == ["SAMEORIGIN"]
    assert "referrer-policy" not in answer.headers


def test_a_nonce_lets_inline_scripts_pass(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def page(request: Request) -> HTMLResponse:
        return HTMLResponse(f"<script nonce={request.csp_nonce}>1</script>")

    client = client_for(app)
    first, second = client.get("/"), client.get("/")
    nonce = first.text.partition("nonce=")[2].partition(">")[0]
    assert f"'nonce-{nonce}'" in first.headers["content-security-policy"]
    assert first.text != second.text


def test_sessions_are_kept_in_a_signed_cookie(client_for: MakeClient) -> None:
    client = client_for(counting())
    assert [client.get("/count").json() for _ in range(3)] == [1, 2, 3]
    cookie = client.get("/count").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    value = client.cookies["session"]
    for forged in (value[:-2] + "xx", "x" + value, "e30.x.x", ""):
        assert client.get("/count", headers={"cookie": f"session={forged}"}).json() == 1
    client.post("/leave")
    assert client.get("/count").json() == 1


def test_sessions_over_tls_have_the_host_prefix(client_for: MakeClient) -> None:
    client = client_for(counting(), base_url="https://localhost")
    client.get("/count")
    assert client.get("/count").headers["set-cookie"].startswith("__Host-session=")
    assert client.get("/count").json() == 3


def test_a_session_that_is_too_large_is_a_server_error_and_no_cut_cookie(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def grow(request: Request) -> str:
        import secrets

        request.session["big"] = secrets.token_hex(8000)
        return "fine"

    answer = client_for(app, raise_errors=False).get("/")
    assert answer.status == 500
    assert "set-cookie" not in answer.headers


def test_csrf_unsafe_requests_of_other_sites_are_refused_and_the_refusal_names_the_setting(client_for: MakeClient) -> None:
    client = client_for(counting())
    refused = client.post("/save", headers=EVIL)
    assert (refused.status, "TRUSTED_ORIGINS" in refused.text) == (403, True)
    assert client.post("/save").text == "saved"
    assert client.post("/webhook", headers=EVIL).text == "taken"
    trusting = client_for(counting(), trusted_origins=("https://evil.example",))
    assert trusting.post("/save", headers=EVIL).text == "saved"
    assert client_for(counting(), csrf_protection=False).post("/save", headers=EVIL).text == "saved"


def test_csrf_where_nothing_tells_the_origin_cookies_need_the_token(client_for: MakeClient) -> None:
    client = client_for(counting())
    blind: dict[str, str | None] = {"sec-fetch-site": None}
    token = client.get("/token").text
    assert client.cookies
    assert client.post("/save", headers=blind).status == 403
    assert client.post("/save", headers={**blind, "x-csrf-token": "forged"}).status == 403
    assert client.post("/save", headers={**blind, "x-csrf-token": token}).text == "saved"
    assert client.post("/save", headers=blind, data={"csrf_token": token}).text == "saved"
    client.cookies.clear()
    assert client.post("/save", headers=blind).text == "saved"


def test_csrf_a_bearer_token_exempts_and_cookies_are_then_ignored(client_for: MakeClient) -> None:
    app = counting()

    @app.post("/who")
    def who(request: Request) -> int:
        return int(request.session.get("n", 0))

    client = client_for(app)
    client.get("/count")
    assert client.post("/who").json() == 1
    assert client.post("/who", headers={"sec-fetch-site": None, "authorization": "Bearer x"}).json() == 0


def test_cors_answers_preflights_and_marks_responses(client_for: MakeClient) -> None:
    app = counting()
    app.add_middleware(Cors(["https://app.example.com"], credentials=True))
    client = client_for(app, trusted_origins=("https://app.example.com",))
    foreign = {"origin": "https://app.example.com", "sec-fetch-site": "cross-site"}
    preflight = client.options("/save", headers={**foreign, "access-control-request-method": "POST"})
    assert preflight.status in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    for answer in (client.post("/save", headers=foreign), client.get("/nowhere", headers=foreign)):
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-origin" not in client.get("/count", headers=EVIL).headers


def test_large_bodies_are_compressed_for_those_who_take_it(client_for: MakeClient) -> None:
    app = App()

    @app.get("/large")
    def large() -> dict[str, str]:
        return {"text": "erlen " * 1000}

    @app.get("/small")
    async def small() -> dict[str, str]:
        return {"text": "erlen"}

    client = client_for(app)
    packed = client.get("/large", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert b"erlen" in (packed.content if b"erlen" in packed.content else gzip.decompress(packed.content))
    assert "content-encoding" not in client.get("/large").headers
    assert "content-encoding" not in client.get("/small", headers={"accept-encoding": "gzip"}).headers
    plain = client_for(app, compression=False)
    assert "content-encoding" not in plain.get("/large", headers={"accept-encoding": "gzip"}).headers


def test_conditional_requests(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def tagged() -> Response:
        return Response("content", headers={"etag": '"1"'})

    client = client_for(app)
    assert client.get("/").text == "content"
    unchanged = client.get("/", headers={"if-none-match": '"1"'})
    assert (unchanged.status, unchanged.content) == (304, b"")


def test_a_request_id_is_announced_where_it_was_asked_for(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def show(request: Request) -> str:
        return request.id

    client = client_for(app)
    answer = client.get("/", headers={"x-request-id": "forged"})
    assert answer.text == answer.headers["x-request-id"] != "forged"
    assert len(answer.text) == 32


def test_forwarded_fields_count_only_from_trusted_proxies(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def show(request: Request) -> list[str]:
        return [request.scheme, request.client, request.host]

    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "9.9.9.9", "x-forwarded-host": "evil.example"}
    assert client_for(app).get("/", headers=forwarded).json()[0] == "http"
    assert "9.9.9.9" not in client_for(app).get("/", headers=forwarded).text


def test_https_redirect_spares_loopback_names(client_for: MakeClient) -> None:
    app = App(Settings(https_redirect=True, allowed_hosts=("example.com",)))
    app.get("/x")(lambda: "x")
    client = client_for(app)
    assert client.get("/x").text == "x"
    moved = client.get("http://example.com/x?a=1")
    assert (moved.status, moved.headers["location"]) == (308, "https://example.com/x?a=1")
    assert client.get("https://example.com/x").text == "x"


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_work_after_the_response_runs_in_order_and_its_failure_is_logged(
    client_for: MakeClient, colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    log: list[object] = []

    def work(number: int, *, name: str) -> None:
        log.append((number, name))

    async def more() -> None:
        log.append("more")

    def fail() -> None:
        raise ZeroDivisionError("after")

    def leave(request: Request) -> str:
        request.after_response(work, 1, name="one")
        request.after_response(fail)
        request.after_response(more)
        return "answered"

    async def leave_on_loop(request: Request) -> str:
        return leave(request)

    app.get("/")(leave if colour == "thread" else leave_on_loop)
    client = client_for(app, raise_errors=False)
    with caplog.at_level(logging.ERROR):
        assert client.get("/").text == "answered"
        client.close()
    assert log == [(1, "one"), "more"]
    assert "after" in caplog.text
