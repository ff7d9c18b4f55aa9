from __future__ import annotations

import json
from typing import Any

import pytest

from erlen.http.request import Request
from erlen.http.response import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamResponse, TextResponse


class Markup(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("response", "content_type", "body"),
    [
        (Response(), None, b""),
        (Response(""), None, ""),
        (Response("x"), "text/plain; charset=utf-8", "x"),
        (Response(Markup("x")), "text/plain; charset=utf-8", "x"),
        (Response(b"x"), "application/octet-stream", b"x"),
        (Response(b"x", content_type="image/png"), "image/png", b"x"),
        (TextResponse("x"), "text/plain; charset=utf-8", "x"),
        (HTMLResponse("<p>"), "text/html; charset=utf-8", "<p>"),
        (JSONResponse({"a": 1}), "application/json", b'{"a":1}'),
        (JSONResponse([], content_type="application/geo+json"), "application/geo+json", b"[]"),
    ],
)
def test_the_content_type_follows_the_body(response: Response, content_type: str | None, body: bytes | str) -> None:
    assert (response.status, response.content_type, response.body) == (200, content_type, body)
    assert response.own_headers is None


def test_header_fields_are_made_on_first_use() -> None:
    response = Response("x", 201)
    assert response.own_headers is None
    response.headers["X-A"] = "1"
    assert response.own_headers is response.headers
    assert response.headers.multi_items() == [("x-a", "1")]


@pytest.mark.parametrize("headers", [{"X-A": "1"}, [("x-a", "1")]])
def test_header_fields_may_be_given_as_map_or_pairs(headers: Any) -> None:
    for response in (Response("x", headers=headers), JSONResponse([], 200, headers), StreamResponse([], headers=headers)):
        assert response.headers.multi_items() == [("x-a", "1")]


def test_a_response_does_not_share_its_fields_with_what_it_was_given() -> None:
    first = Response(headers={"x-a": "1"})
    second = Response(headers=first.headers)
    second.headers["x-a"] = "2"
    assert first.headers["x-a"] == "1"


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=c", "a\nb", "a\0b", "é"])
def test_class_c_a_header_value_cannot_begin_another_field(value: str) -> None:
    with pytest.raises(ValueError, match="control or non-ASCII"):
        Response(headers={"x-a": value})
    with pytest.raises(ValueError, match="control or non-ASCII"):
        Response().headers["x-a"] = value
    with pytest.raises(ValueError, match="header name"):
        Response(headers={"x-a" + value: "1"})


def test_json_is_standard_json() -> None:
    body = JSONResponse([float("nan"), float("inf"), "\u2028</script>"]).body
    assert isinstance(body, bytes)
    assert json.loads(body) == [None, None, "\u2028</script>"]


def test_prepare_returns_the_response() -> None:
    context: Any = None
    response = Response("x")
    assert response.prepare(Request("GET", "/", "", context)) is response


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, "public"),
        ({"max_age": 60}, "public, max-age=60"),
        ({"max_age": 0, "private": True, "must_revalidate": True}, "private, max-age=0, must-revalidate"),
        (
            {"max_age": 1, "shared_max_age": 2, "stale_while_revalidate": 3, "immutable": True},
            "public, max-age=1, s-maxage=2, stale-while-revalidate=3, immutable",
        ),
    ],
)
def test_cache(options: dict[str, Any], value: str) -> None:
    response = Response()
    response.no_store()
    response.cache(**options)
    assert response.headers.getlist("cache-control") == [value]


def test_no_store_replaces_what_was_said() -> None:
    response = Response()
    response.cache(max_age=60)
    response.no_store()
    assert response.headers.getlist("cache-control") == ["no-store"]


def test_class_k_vary_collects_each_field_once() -> None:
    response = Response(headers=[("Vary", "Accept"), ("Vary", "Origin")])
    response.vary("Cookie", "accept", "Cookie")
    assert response.headers.getlist("vary") == ["Accept, Origin, Cookie"]


def test_cookies() -> None:
    response = Response()
    response.set_cookie("a", "b", max_age=60)
    response.set_cookie("c", "d", httponly=False, samesite="strict")
    response.delete_cookie("e")
    first, second, third = (value.lower() for value in response.headers.getlist("set-cookie"))
    assert first.startswith("a=b;")
    assert all(part in first for part in ("max-age=60", "path=/", "httponly", "samesite=lax"))
    assert "httponly" not in second
    assert "samesite=strict" in second
    assert third.startswith("e=")
    assert "max-age=0" in third


@pytest.mark.parametrize("name", ["__Host-a", "__Secure-a", "__Http-a", "__Host-Http-a"])
def test_a_prefixed_cookie_can_be_deleted(name: str) -> None:
    response = Response()
    response.delete_cookie(name)
    assert response.headers["set-cookie"] == f"{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_a_partitioned_cookie_can_be_deleted() -> None:
    response = Response()
    response.delete_cookie("a", partitioned=True)
    response.delete_cookie("b", secure=True)
    partitioned, plain = response.headers.getlist("set-cookie")
    assert partitioned == "a=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned"
    assert "; Secure;" in plain
    with pytest.raises(ValueError, match="browsers refuse"):
        response.delete_cookie("__Host-a", secure=False)


def test_class_c_a_cookie_cannot_begin_another_field() -> None:
    response = Response()
    with pytest.raises(ValueError):  # noqa: PT011 - the message is tested with the cookies
        response.set_cookie("a\r\nb", "c")
    response.set_cookie("a", "b\r\nset-cookie: c=d")
    (value,) = response.headers.getlist("set-cookie")
    assert "\r" not in value
    assert "\n" not in value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(status: int) -> None:
    response = RedirectResponse("/a?b=1", status, {"x-a": "1"})
    assert (response.status, response.body, response.content_type) == (status, b"", None)
    assert response.headers.multi_items() == [("x-a", "1"), ("location", "/a?b=1")]


def test_a_redirect_with_another_status_is_refused() -> None:
    for status in (200, 300, 304, 400):
        with pytest.raises(ValueError, match="a redirect has status"):
            RedirectResponse("/", status)


def test_a_redirect_to_an_international_address_is_ascii() -> None:
    assert RedirectResponse("/größe").headers["location"] == "/gr%C3%B6%C3%9Fe"


@pytest.mark.parametrize("target", ["/a\r\nset-cookie: b=c", "/a\nb", "/\0"])
def test_class_c_a_redirect_cannot_begin_another_field(target: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is tested with the URLs
        RedirectResponse(target)


def test_kinds() -> None:
    stream = StreamResponse([b"x"], 202)
    assert (stream.kind, stream.status, stream.body, stream.content_type) == ("stream", 202, b"", "application/octet-stream")
    assert Response.kind == "body"


def test_a_repr_shows_status_and_type_but_no_content() -> None:
    assert repr(HTMLResponse("secret", 201)) == "<HTMLResponse 201 text/html; charset=utf-8>"
    assert repr(Response()) == "<Response 200 >"
