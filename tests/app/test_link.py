from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from erlen import App, Blueprint, ErlenError, Request, flash, redirect, url_for
from erlen.testing import Client

MakeClient = Callable[..., Client]


def linked(build: Callable[[], str]) -> App:
    """An application whose page `/` is a link."""
    app, shop = App(), Blueprint("shop", prefix="/shop")

    @app.get("/")
    def home() -> str:
        return build()

    @shop.get("/items/{id}")
    async def item(id: int) -> str:
        return build()

    @shop.get("/cart")
    def cart() -> str:
        return build()

    @app.get("/page", host="{tenant}.example.com")
    def page(tenant: str) -> str:
        return build()

    app.include(shop)
    return app


LINKS: dict[str, tuple[Callable[[], str], str]] = {
    "a name": (lambda: url_for("home"), "/"),
    "a parameter": (lambda: url_for("shop.item", id=3), "/shop/items/3"),
    "a query": (lambda: url_for("home", query={"q": "a b&c", "tag": ["x", "y"], "no": None}), "/?q=a%20b%26c&tag=x&tag=y"),
    "a fragment": (lambda: url_for("home", fragment="top of it"), "/#top%20of%20it"),
    "absolute": (lambda: url_for("home", absolute=True), "http://localhost/"),
    "a scheme": (lambda: url_for("home", scheme="https"), "https://localhost/"),
    "another host": (lambda: url_for("page", tenant="acme"), "http://acme.example.com/page"),
}


@pytest.mark.parametrize("case", LINKS)
def test_url_for(client_for: MakeClient, case: str) -> None:
    build, expected = LINKS[case]
    assert client_for(linked(build)).get("/").text == expected


def test_a_leading_dot_means_the_current_blueprint(client_for: MakeClient) -> None:
    client = client_for(linked(lambda: url_for(".cart")))
    assert client.get("/shop/items/1").text == "/shop/cart"


def test_the_handler_itself_can_be_named(client_for: MakeClient) -> None:
    app = App()

    @app.get("/here/{number}")
    def here(number: int) -> str:
        return url_for(here, number=number + 1)

    assert client_for(app).get("/here/1").text == "/here/2"


def test_root_path_comes_before_every_link(client_for: MakeClient) -> None:
    client = client_for(linked(lambda: url_for("shop.cart", absolute=True) + " " + url_for("home")), root_path="/app/")
    assert client.get("/").text == "http://localhost/app/shop/cart /app/"


def test_absolute_links_keep_the_port(client_for: MakeClient) -> None:
    client = client_for(
        linked(lambda: url_for("home", absolute=True) + " " + url_for("page", tenant="a")), base_url="http://localhost:8000"
    )
    assert client.get("/").text == "http://localhost:8000/ http://a.example.com:8000/page"


def test_mistakes_in_links_say_what_is_there(client_for: MakeClient) -> None:
    attempts: list[tuple[Callable[[], str], type[Exception], str]] = [
        (lambda: url_for("hom"), LookupError, r"no route is named 'hom'.*'home'"),
        (lambda: url_for("shop.item"), ValueError, "id"),
        (lambda: url_for("home", id=3), ValueError, "id"),
        (lambda: url_for(len), LookupError, "len is not the handler of a route"),
    ]
    for build, kind, message in attempts:
        with pytest.raises(kind, match=message):
            client_for(linked(build)).get("/")


def test_links_outside_a_request_are_the_sites() -> None:
    with pytest.raises(ErlenError, match=r"outside one, use `app\.site\.url_for"):
        url_for("home")
    site = linked(lambda: "").freeze({"root_path": "/x"})
    assert site.url_for("shop.item", {"id": 3}) == "/x/shop/items/3"
    with pytest.raises(ErlenError, match="SERVER_NAME"):
        site.url_for("home", {}, absolute=True)
    named = linked(lambda: "").freeze({"server_name": "example.com"})
    assert named.url_for("home", {}, absolute=True) == "https://example.com/"


def test_url_defaults_fill_in_parameters_of_their_blueprint(client_for: MakeClient) -> None:
    app, part = App(), Blueprint("part", prefix="/{language}")

    @part.url_defaults
    def add_language(name: str, params: dict[str, Any]) -> None:
        params.setdefault("language", "en")

    @part.get("/x")
    def x(language: str) -> str:
        return url_for(".x") + " " + url_for(".x", language="de") + " " + url_for("home")

    app.get("/", name="home")(lambda: "")
    app.include(part)
    assert client_for(app).get("/fr/x").text == "/en/x /de/x /"


def test_redirect_and_flash(client_for: MakeClient) -> None:
    app = App()

    @app.post("/")
    def save() -> object:
        flash("Saved.", "success")
        return redirect(url_for("done"), 303)

    @app.get("/done")
    async def done(request: Request) -> list[object]:
        return [list(message) if isinstance(message, tuple) else str(message) for message in request.session.take_flashes()]

    client = client_for(app, follow_redirects=True)
    shown = client.post("/")
    assert str(shown.url).endswith("/done")
    assert "Saved." in shown.text
    assert "Saved." not in client.get("/done").text


@pytest.mark.parametrize(("location", "status"), [("/x", 200), ("/x", 300), ("/x\r\nset-cookie: a=b", 302)])
def test_redirect_refuses_what_is_no_redirect(location: str, status: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        redirect(location, status)


def test_links_of_a_mounted_application_have_its_prefix(client_for: MakeClient) -> None:
    inner = App()

    @inner.get("/cart")
    def cart() -> str:
        return url_for("cart")

    app = App()
    app.mount("/shop", inner)
    assert client_for(app).get("/shop/cart").text == "/shop/cart"
