from __future__ import annotations

import pytest

from erlen.static.css import css_references
from erlen.static.reference import Reference, resolve, rewrite

URLS = {"/static", "https://cdn.example.com/static"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("x.png", "css/x.png"),
        ("./x.png", "css/x.png"),
        ("../img/x.png", "img/x.png"),
        ("deep/../x.png", "css/x.png"),
        ("x.png?v=1", "css/x.png"),
        ("x.eot?#iefix", "css/x.eot"),
        ("sprite.svg#icon", "css/sprite.svg"),
        ("a%20b.png", "css/a b.png"),
        ("/static/img/x.png", "img/x.png"),
        ("https://cdn.example.com/static/img/x.png", "img/x.png"),
    ],
)
def test_ours_have_a_name(url: str, name: str) -> None:
    assert resolve(Reference(0, 0, url), "css/site.css", URLS) == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "#icon",
        "?a",
        "data:image/png;base64,iVBO",
        "https://example.com/x.png",
        "//example.com/x.png",
        "/media/x.png",
        "/staticx/x.png",
        "../../media/x.png",
        "..",
        "../",
        "img/",
        "about:blank",
    ],
)
def test_others_are_left_alone(url: str) -> None:
    assert resolve(Reference(0, 0, url), "css/site.css", URLS) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("url(../img/x.png)", "url(../img/NEW.png)"),
        ('url("x.png")', 'url("NEW.png")'),
        ("url( /static/x.png )", "url( /static/NEW.png )"),
        ("url(x.eot?#iefix)", "url(NEW.png?#iefix)"),
        ("url(sprite.svg?v=1#icon)", "url(NEW.png?v=1#icon)"),
        (r"url(a\ b/x\.png)", "url(a%20b/NEW.png)"),
        ("url(a.png), url(b.png)", "url(NEW.png), url(NEW.png)"),
    ],
)
def test_only_the_last_part_changes(before: str, after: str) -> None:
    changes = [(reference, "NEW.png") for reference in css_references(before)]
    assert rewrite(before, changes) == after


def test_a_new_name_cannot_end_the_reference() -> None:
    (reference,) = css_references("url(x.png)")
    assert rewrite("url(x.png)", [(reference, "a) b'\"?#.png")]) == "url(a%29%20b%27%22%3F%23.png)"
