from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def application(write: Write) -> None:
    write(
        "app.py",
        """
        from erlen import App, Blueprint

        app = App()
        shop = Blueprint("shop", prefix="/shop", host="{tenant}.example.com")

        @app.get("/")
        def home() -> str:
            return ""

        @app.route("/about", methods=["GET", "POST"])
        async def about() -> str:
            return ""

        @shop.middleware
        async def guard(request, call_next):
            return await call_next(request)

        @shop.get("/cart")
        def cart(tenant: str) -> str:
            return ""

        app.include(shop)
        app.mount("/legacy", lambda environ, start_response: [])
        """,
    )


def test_each_route_has_a_line(run: Run) -> None:
    shown = run("routes")
    assert shown.exit_code == 0
    head, *lines = shown.output.splitlines()
    assert head.split() == ["methods", "path", "name", "handler", "runs", "hops", "middleware", "where"]
    assert [line.split()[1] for line in lines] == ["/", "/about", "{tenant}.example.com/shop/cart", "/legacy"]
    assert "in a thread" in lines[0]
    assert "on the loop" in lines[1]
    assert "guard" in lines[2]
    assert "mounted" in lines[3]
    assert all("app.py:" in line for line in lines)


def test_for_programs(run: Run) -> None:
    rows = json.loads(run("routes", "--json").output)
    cart = rows[2]
    assert (cart["methods"], cart["name"], cart["handler"], cart["hops"], cart["middleware"]) == ("GET", "shop.cart", "cart", 1, "guard")


def test_grep_and_sort(run: Run) -> None:
    assert [row["name"] for row in json.loads(run("routes", "--json", "--grep", "ABOUT").output)] == ["about"]
    assert [row["name"] for row in json.loads(run("routes", "--json", "--sort", "name").output)] == ["about", "home", "legacy", "shop.cart"]
    assert run("routes", "--grep", "nothing").output == "No route has 'nothing' in its path, name or handler.\n"
    assert run("routes", "--json", "--grep", "nothing").output == "[]\n"


def test_an_application_without_routes(run: Run, write: Write) -> None:
    write("bare.py", "from erlen import App\napp = App()\n")
    assert run("--app", "bare.py", "routes").output == "There are no routes yet.\n"
