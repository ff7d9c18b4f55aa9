from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen import Headers
from erlen.testing.outgoing import Outgoing, header_pairs, prepare, read_base, redirected

BASE = read_base("http://localhost:8000")


def fields_of(outgoing: Outgoing) -> dict[str, str]:
    return dict(outgoing.headers)


def test_safe_request_has_no_body_and_no_length() -> None:
    outgoing = prepare(BASE, [], "GET", "/a?b=1")
    assert outgoing.target == ("/a", "b=1")
    assert fields_of(outgoing) == {"host": "localhost:8000", "accept": "*/*", "user-agent": "erlen-testing"}


def test_unsafe_request_comes_from_the_sites_own_page() -> None:
    assert fields_of(prepare(BASE, [], "POST", "/"))["sec-fetch-site"] == "same-origin"
    assert fields_of(prepare(BASE, [], "POST", "/"))["content-length"] == "0"
    for said in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": None}):
        assert "sec-fetch-site" not in fields_of(prepare(BASE, [], "POST", "/", headers=said))
    assert fields_of(prepare(BASE, [("sec-fetch-site", "none")], "POST", "/"))["sec-fetch-site"] == "none"


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/files/../secret", "/files/../secret"),
        ("//evil.example/x", "//evil.example/x"),
        ("/a%2Fb", "/a%2Fb"),
        ("/ü x", "/%C3%BC%20x"),
        ("/a#fragment", "/a"),
        ("https://other.localhost/x", "/x"),
        ("http://other.localhost", "/"),
    ],
)
def test_path_is_sent_as_written(path: str, raw: str) -> None:
    assert prepare(BASE, [], "GET", path).target == (raw, "")


@pytest.mark.parametrize("path", ["a", "", "/a\nb", "ftp://x/"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"slash|control"):
        prepare(BASE, [], "GET", path)


@pytest.mark.parametrize("url", ["localhost", "ftp://localhost", "http://localhost/app", "http://localhost?x=1", "http://"])
def test_base_is_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(ValueError, match="host"):
        read_base(url)


def test_header_injection_is_refused() -> None:
    for name, value in (("x", "a\r\nset-cookie: b"), ("x", "a\x00"), ("bad name", "x"), ("", "x")):
        with pytest.raises(ValueError, match="header"):
            prepare(BASE, [], "GET", "/", headers={name: value})
    with pytest.raises(ValueError, match="method"):
        prepare(BASE, [], "GET /x", "/")


def test_repeated_headers_are_kept_and_replace_those_of_the_client() -> None:
    defaults = header_pairs({"X-A": "default"})
    given_headers = Headers([("X-A", "1"), ("X-A", "2")])
    for headers in (given_headers, [("X-A", "1"), ("X-A", "2")]):
        outgoing = prepare(BASE, defaults, "GET", "/", headers=headers)
        assert [value for name, value in outgoing.headers if name == "x-a"] == ["1", "2"]


def test_one_body_at_most() -> None:
    with pytest.raises(TypeError, match="one body"):
        prepare(BASE, [], "POST", "/", json={}, data={})
    with pytest.raises(TypeError, match="one body"):
        prepare(BASE, [], "POST", "/", json=None, content=b"")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ({"json": 1}, "application/json"),
        ({"data": {}}, "application/x-www-form-urlencoded"),
        ({"files": {}}, "multipart/form-data"),
        ({"content": "x"}, "text/plain"),
        ({"content": b"x"}, ""),
        ({"json": 1, "headers": {"content-type": "application/x-own"}}, "application/x-own"),
    ],
)
def test_body_says_its_type_unless_the_test_does(body: Any, media_type: str) -> None:
    assert fields_of(prepare(BASE, [], "POST", "/", **body)).get("content-type", "").partition(";")[0] == media_type


def test_iterable_is_chunked_unless_its_length_is_said() -> None:
    assert fields_of(prepare(BASE, [], "POST", "/", content=[b"x"]))["transfer-encoding"] == "chunked"
    fields = fields_of(prepare(BASE, [], "POST", "/", content=[b"x"], headers={"content-length": "1"}))
    assert ("transfer-encoding" in fields, fields["content-length"]) == (False, "1")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/next?x=1#part", "http://localhost:8000/next?x=1"),
        ("next", "http://localhost:8000/a/next"),
        ("?page=2", "http://localhost:8000/a/b?page=2"),
        ("../up", "http://localhost:8000/up"),
        ("//other.localhost/x", "http://other.localhost/x"),
        ("https://localhost:8000/", "https://localhost:8000/"),
    ],
)
def test_redirect_is_located_as_browsers_do(location: str, url: str) -> None:
    followed = redirected(prepare(BASE, [], "GET", "/a/b"), 302, location)
    assert str(followed.url) == url
    assert fields_of(followed)["host"] == followed.url.authority


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("DELETE", 308, "DELETE"),
    ],
)
def test_redirect_changes_the_method_as_browsers_do(method: str, status: int, then: str) -> None:
    followed = redirected(prepare(BASE, [], method, "/", content=b"x"), status, "/y")
    assert followed.method == then
    assert (followed.body == b"") is (then == "GET")
    assert ("content-length" in fields_of(followed)) is (then != "GET")


def test_redirect_to_another_origin_drops_what_is_secret() -> None:
    secrets = {"authorization": "x", "cookie": "a=1"}
    outgoing = prepare(BASE, [], "POST", "/", headers=secrets, cookies={"b": "2"})
    own, other = redirected(outgoing, 307, "/y"), redirected(outgoing, 307, "http://localhost:9000/y")
    assert secrets.items() <= fields_of(own).items()
    assert own.cookies == {"b": "2"}
    assert secrets.keys() & fields_of(other).keys() == set()
    assert other.cookies == {}
    assert fields_of(other)["sec-fetch-site"] == "cross-site"


def test_redirect_out_of_the_web_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        redirected(prepare(BASE, [], "GET", "/"), 302, "mailto:someone@example.com")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40))
def test_any_path_is_a_target_in_ascii(text: str) -> None:
    raw_path, query_string = prepare(BASE, [], "GET", "/" + text.strip()).target
    assert raw_path.startswith("/")
    assert (raw_path + query_string).isascii()
    assert not set(raw_path) & set(" ?#\r\n")
