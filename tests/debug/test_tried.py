from __future__ import annotations

import pytest

from erlen import App
from erlen.debug.tried import MOST, route_rows, routes_for
from erlen.errors import NotFound
from erlen.testing import RequestFactory


def site() -> App:
    app = App()
    for path in ("/", "/books", "/books/{id:int}", "/books/{id:int}/pages", "/authors/{name}", "/about"):
        app.get(path, name=path)(lambda request: "")
    return app


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("/book", "/books"),
        ("/BOOKS", "/books"),
        ("/books/x", "/books/{id:int}"),
        ("/author/ada", "/authors/{name}"),
        ("/abuot", "/about"),
        ("/boks/3/page", "/books/{id:int}/pages"),
    ],
)
def test_near_paths_are_marked(asked: str, nearest: str) -> None:
    assert nearest in [row.path for row in route_rows(site().freeze(), asked) if row.near]


def test_what_is_far_is_not_marked() -> None:
    assert not [row for row in route_rows(site().freeze(), "/wp-login.php") if row.near]


def test_links_only_where_a_path_can_be_opened() -> None:
    app = site()
    app.post("/send")(lambda: "")
    app.get("/other", host="shop.example", name="shop")(lambda: "")
    rows = {row.path: row.link for row in route_rows(app.freeze({"root_path": "/under"}))}
    assert (rows["/about"], rows["/books/{id:int}"], rows["/send"], rows["shop.example/other"]) == ("/under/about", "", "", "")


def test_long_lists_are_cut_and_the_near_come_first() -> None:
    app = App()
    for number in range(MOST + 50):
        app.get(f"/path{number:04}/x", name=str(number))(lambda: "")
    frozen = app.freeze()
    request = RequestFactory(frozen).get("/path0249/x/")
    rows, title = routes_for(NotFound(), request, frozen)
    assert len(rows) == MOST
    assert "/path0249/x" in [row.path for row in rows[:3]]
    assert title == f"Routes tried, the first {MOST} of {MOST + 50}"
