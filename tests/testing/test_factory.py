from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from erlen import App, BadRequest, ErlenError, Request, current_request, url_for
from erlen.errors import ContentTooLarge
from erlen.testing import RequestFactory


@pytest.fixture
def factory() -> RequestFactory:
    app = App()

    @app.get("/items/{number}")
    def item(number: int) -> None: ...

    return RequestFactory(app, overrides={"max_body_size": 1000}, headers={"x-always": "yes"})


def test_request_is_what_a_door_would_make(factory: RequestFactory) -> None:
    request = factory.get("/a%20b?x=1", params={"y": "ü"}, headers={"Accept": "text/html"}, cookies={"c": "d e"})
    assert (request.method, request.path, request.query.multi_items()) == ("GET", "/a b", [("x", "1"), ("y", "ü")])
    assert (request.headers["accept"], request.header("x-always"), request.header("none")) == ("text/html", "yes", None)
    assert request.cookies == {"c": "d e"}
    assert (request.host, request.scheme, request.client, request.http_version) == ("localhost", "http", "127.0.0.1", "1.1")
    assert str(request.url) == "http://localhost/a%20b?x=1&y=%C3%BC"
    assert (request.route, request.path_params) == (None, {})


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_every_verb(factory: RequestFactory, method: str) -> None:
    assert getattr(factory, method)("/").method == method.upper()


def test_body_is_read_by_both_colours(factory: RequestFactory) -> None:
    assert factory.post("/", json={"a": 1}).read_json() == {"a": 1}
    assert factory.post("/", content=[b"a", b"b"]).read_body() == b"ab"
    form = factory.post("/", data={"a": "1"}, files={"f": b"x"}).read_form()
    assert (form["a"], form.files["f"].read()) == ("1", b"x")
    form.close()

    async def read() -> tuple[bytes, list[bytes], bytes]:
        chunks = [chunk async for chunk in factory.post("/", content="text").stream()]
        return await factory.post("/", content="text").body(), chunks, factory.post("/", content="text").read_body()

    assert asyncio.run(read()) == (b"text", [b"text"], b"text")


def test_limits_of_the_site_hold(factory: RequestFactory) -> None:
    with pytest.raises(ContentTooLarge):
        factory.post("/", content=b"x" * 1001).read_body()
    with pytest.raises(ContentTooLarge):
        factory.post("/", content=[b"x" * 1001]).read_body()
    with pytest.raises(BadRequest):
        factory.post("/", content=b"x", headers={"content-length": "5"}).read_body()


def test_coroutine_of_a_def_function_is_waited_for(factory: RequestFactory) -> None:
    async def wait() -> str:
        await asyncio.sleep(0)
        return "waited"

    assert factory.get("/").wait(wait()) == "waited"


def test_asynchronous_content_is_refused(factory: RequestFactory) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError, match="in memory"):
        factory.post("/", content=pieces())


def test_active_request_is_the_current_one(factory: RequestFactory) -> None:
    request = factory.get("/")
    with factory.active(request) as active:
        assert active is request
        assert current_request() is request
        assert url_for("item", number=3) == "/items/3"
        with factory.active(factory.get("/inner")):
            assert current_request().path == "/inner"
        assert current_request() is request
    with pytest.raises(ErlenError):
        current_request()


def test_session_and_tokens_are_the_sites(factory: RequestFactory) -> None:
    request = factory.get("/")
    request.session["a"] = 1
    assert request.session == {"a": 1}
    assert len(request.csrf_token) > 20


def test_factory_of_another_host_and_scheme() -> None:
    factory = RequestFactory(App(), base_url="https://shop.localhost:8443")
    request: Request = factory.get("/")
    assert (request.host, request.scheme, request.is_secure) == ("shop.localhost:8443", "https", True)
    site = App().freeze()
    assert RequestFactory(site).site is site
