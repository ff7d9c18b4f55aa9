from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erlen import App, Blueprint, NotFound, Request, Response, Settings, abort
from erlen.app.routes import SlashPolicy
from erlen.testing import Client

MakeClient = Callable[..., Client]


def test_head_follows_get_without_its_body(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def home(request: Request) -> tuple[str, int, dict[str, str]]:
        return request.method, 202, {"x-a": "b"}

    answer = client_for(app).head("/")
    assert (answer.status, answer.content, answer.headers["x-a"]) == (202, b"", "b")


def test_options_lists_the_methods_and_can_be_answered_otherwise(client_for: MakeClient) -> None:
    app = App()
    app.get("/")(lambda: "")
    app.post("/", name="post")(lambda: "")
    app.route("/own", methods=["OPTIONS"], name="own")(lambda: "mine")
    client = client_for(app)
    listed = client.options("/")
    assert (listed.status, listed.headers["allow"], listed.content) == (204, "GET, HEAD, OPTIONS, POST", b"")
    assert client.options("/own").text == "mine"
    assert client.options("/nowhere").status == 404


def test_a_method_that_is_not_there_is_405_with_allow(client_for: MakeClient) -> None:
    app = App()
    app.get("/x/{id}")(lambda request: "")
    client = client_for(app)
    for method in ("POST", "DELETE", "TRACE", "BREW"):
        answer = client.request(method, "/x/1")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS"), method


def test_another_route_of_the_same_place_may_have_the_method(client_for: MakeClient) -> None:
    app = App()

    @app.get("/things/{id}")
    def show(id: int) -> str:
        return f"show {id}"

    @app.delete("/things/{name}")
    def delete(name: str, request: Request) -> str:
        return f"delete {name} {request.path_params}"

    client = client_for(app)
    assert client.get("/things/3").text == "show 3"
    assert client.delete("/things/3").text == "delete 3 {'name': '3'}"
    assert client.put("/things/3").headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


@pytest.mark.parametrize(("policy", "status"), [("redirect", 308), ("strict", 404), ("ignore", 200)])
def test_slash_policies(client_for: MakeClient, policy: SlashPolicy, status: int) -> None:
    app = App(slashes=policy)
    app.get("/with/")(lambda: "with")
    app.get("/without", name="without")(lambda: "without")
    app.get("/{n:int}/x/", name="x")(lambda request: str(request.path_params))
    client = client_for(app)
    for path, other in {"/with": "/with/", "/without/": "/without", "/3/x": "/3/x/"}.items():
        answer = client.get(path + "?a=%2F&b")
        assert answer.status == status, path
        if policy == "redirect":
            assert answer.headers["location"] == other + "?a=%2F&b"
        assert client.get(other).status == 200
    if policy == "ignore":
        assert client.get("/3/x").text == "{'n': 3}"


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/", "/%2Fevil.example/", "/\\evil.example/", "/%5Cevil.example/"])
def test_slash_redirects_are_no_open_redirects(client_for: MakeClient, path: str) -> None:
    app = App()
    app.get("/{name}")(lambda request: "")
    app.get("/{a}/{b}/", name="two")(lambda request: "")
    answer = client_for(app).get("http://localhost" + path)
    location = answer.headers.get("location", "/")
    assert location.startswith("/"), location
    assert not location.startswith(("//", "/\\")), location


def test_slash_redirects_encode_what_they_repeat(client_for: MakeClient) -> None:
    app = App()
    app.get("/{name}/")(lambda request: "")
    answer = client_for(app).get("/a%0d%0ab%3fc")
    assert (answer.status, answer.headers.get("location")) in ((308, "/a%0D%0Ab%3Fc/"), (404, None))
    assert client_for(app).get("/a%3fb%20%C3%A4").headers["location"] == "/a%3Fb%20%C3%A4/"


def test_middleware_can_read_path_params_wherever_a_request_ends(client_for: MakeClient) -> None:
    app, tenants, inner = App(), Blueprint("tenants", host="{tenant}.example.com"), App(Settings(allowed_hosts=("*",)))
    seen: list[dict[str, Any]] = []

    @app.middleware
    def note(request: Request, call_next: Any) -> Response:
        response: Response = call_next(request)
        seen.append(request.path_params)
        return response

    tenants.get("/x/{n:int}/")(lambda request: "")
    inner.get("/y")(lambda: "y")
    app.include(tenants)
    app.mount("/inner", inner)
    client = client_for(app, allowed_hosts=("*",), base_url="http://a.example.com")
    assert client.get("/x/1/").status == 200
    assert client.get("/x/1").status == 308
    assert client.post("/x/1/").status == 405
    assert client.get("/nowhere").status == 404
    assert client.get("/inner/y").text == "y"
    assert seen == [{"tenant": "a", "n": 1}, {}, {}, {}, {"rest": "y"}]


def test_only_listed_hosts_are_answered_and_the_refusal_says_which_setting(client_for: MakeClient) -> None:
    app = App(Settings(allowed_hosts=("example.com", ".example.org")))
    app.get("/")(lambda request: request.host)
    client = client_for(app)
    for host in ("localhost", "127.0.0.1:8000", "[::1]", "example.com", "EXAMPLE.com:443", "example.org", "a.b.example.org"):
        assert client.get("/", headers={"host": host}).status == 200, host
    for host in ("evil.example", "www.example.com", "example.com.evil.example", "example.com@evil.example", "a b", "example.com/x"):
        answer = client.get("/", headers={"host": host})
        assert answer.status == 400, host
        assert "evil" not in answer.headers.get("location", "")
    assert "ALLOWED_HOSTS" in client.get("/", headers={"host": "evil.example"}).text


def test_a_refused_host_never_reaches_middleware_or_handler(client_for: MakeClient) -> None:
    app = App()

    @app.middleware
    def fail(request: Request, call_next: Any) -> Response:
        raise AssertionError("middleware was called")

    app.get("/")(lambda: "")
    assert client_for(app).get("/", headers={"host": "evil.example"}).status == 400


def test_an_error_handler_may_answer_with_a_file(client_for: MakeClient, tmp_path: Path) -> None:
    page = tmp_path / "404.html"
    page.write_text("<h1>Nothing</h1>")
    app = App()

    @app.error_handler(404)
    def nothing(request: Request, error: NotFound) -> Path:
        return page

    @app.error_handler(410)
    def gone(request: Request, error: Exception) -> Path:
        return tmp_path / "not there"

    @app.get("/gone")
    def old() -> None:
        abort(410)

    client = client_for(app)
    answer = client.get("/nowhere", headers={"range": "bytes=0-1"})
    assert (answer.status, answer.text, answer.media_type) == (404, "<h1>Nothing</h1>", "text/html")
    assert client.get("/gone").status == 404


def test_limits_of_the_target_and_of_header_fields(client_for: MakeClient) -> None:
    app = App(Settings(max_target_size=100, max_header_count=20, max_header_size=1000))
    app.get("/")(lambda request: str(len(request.headers)))
    client = client_for(app)
    assert client.get("/?" + "a" * 200).status == 414
    assert client.get("/?" + "a" * 20).status == 200
    assert client.get("/", headers={f"x-{number}": "1" for number in range(30)}).status == 431
    assert client.get("/", headers={"x-long": "a" * 2000}).status == 431


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_an_oversized_field_that_the_error_page_reads_is_431_and_no_server_error(client_for: MakeClient, path: str) -> None:
    app = App(Settings(max_header_size=1000))
    app.get("/")(lambda request: str(request.accept.prefers_html))
    assert client_for(app).get(path, headers={"accept": "text/html;q=" + "1" * 2000}).status == 431


def test_limits_of_the_body(client_for: MakeClient) -> None:
    app = App(Settings(max_body_size=10))

    @app.post("/async")
    async def on_loop(request: Request) -> int:
        return len(await request.body())

    @app.post("/def")
    def in_thread(request: Request) -> int:
        return len(request.read_body())

    @app.post("/large", max_body_size=100)
    def large(request: Request) -> int:
        return len(request.read_body())

    client = client_for(app)
    for path, limit in {"/async": 10, "/def": 10, "/large": 100}.items():
        assert client.post(path, content=b"x" * limit).json() == limit
        refused = client.post(path, content=b"x" * (limit + 1))
        assert refused.status == 413, path


def test_a_timeout_is_answered_with_504_inside_the_middleware(client_for: MakeClient) -> None:
    import asyncio

    app = App()
    cancelled: list[bool] = []

    @app.middleware
    async def mark(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-seen"] = str(response.status)
        return response

    @app.get("/slow", timeout=0.02)
    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    @app.get("/own", timeout=10)
    async def own() -> None:
        raise TimeoutError("the handler's own")

    client = client_for(app, raise_errors=False)
    answer = client.get("/slow")
    assert (answer.status, answer.headers["x-seen"], cancelled) == (504, "504", [True])
    assert "longer than 0.02 seconds" in answer.text
    assert client.get("/own").status == 500
