from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from erlen.doors.headers import CACHED_TYPES, HeaderLists, as_byte_pairs, as_text_pairs
from erlen.http.response import HTMLResponse, JSONResponse, Response, StreamResponse

if TYPE_CHECKING:
    from tests.doors.small_site import SmallSite

MakeSite = Callable[..., "SmallSite"]


def test_responses_of_one_type_share_a_list(make_site: MakeSite) -> None:
    lists = HeaderLists(make_site(), as_text_pairs)
    first = lists.for_response(JSONResponse(1), False)
    assert first == [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("content-type", "application/json")]
    assert lists.for_response(JSONResponse(2), False) is first
    assert lists.shared[False]["application/json"] is first


def test_a_secure_response_has_the_fields_of_one(make_site: MakeSite) -> None:
    lists = HeaderLists(make_site(), as_text_pairs)
    assert lists.depends_on_scheme
    assert ("strict-transport-security", "max-age=1") in lists.for_response(JSONResponse(1), True)
    assert ("strict-transport-security", "max-age=1") not in lists.for_response(JSONResponse(1), False)


def test_own_fields_replace_defaults_and_empty_ones_drop_them(make_site: MakeSite) -> None:
    response = HTMLResponse("", headers=[("X-Frame-Options", "SAMEORIGIN"), ("X-Content-Type-Options", ""), ("link", "a"), ("link", "b")])
    fields = HeaderLists(make_site(), as_text_pairs).for_response(response, False)
    assert fields == [("content-type", "text/html; charset=utf-8"), ("x-frame-options", "SAMEORIGIN"), ("link", "a"), ("link", "b")]


def test_own_content_type_wins(make_site: MakeSite) -> None:
    response = Response("x", headers={"Content-Type": "text/x"}, content_type="text/y")
    assert [value for name, value in HeaderLists(make_site(), as_text_pairs).for_response(response, False) if name == "content-type"] == [
        "text/x"
    ]


def test_no_response_frames_itself(make_site: MakeSite) -> None:
    lists = HeaderLists(make_site(), as_text_pairs)
    own = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    assert {"content-length", "transfer-encoding"}.isdisjoint(dict(lists.for_response(Response("x", headers=own), False)))
    stream = dict(lists.for_stream(StreamResponse([], headers=own), False))
    assert stream["content-length"] == "5"
    assert "transfer-encoding" not in stream
    assert lists.for_size(Response("x", headers=own), False, 1)[-1] == ("content-length", "1")


def test_header_injection_through_a_content_type_is_stopped(make_site: MakeSite) -> None:
    lists = HeaderLists(make_site(), as_text_pairs)
    for response in (Response("x", content_type="a/b\r\nset-cookie: x=1"), Response("x", headers={"a": "b"}, content_type="a/b\r\nc: d")):
        assert dict(lists.for_response(response, False))["content-type"] == "application/octet-stream"


def test_content_types_from_outside_do_not_fill_the_memory(make_site: MakeSite) -> None:
    text, raw = HeaderLists(make_site(), as_text_pairs), HeaderLists(make_site(), as_byte_pairs)
    for number in range(CACHED_TYPES + 50):
        response = Response("x", content_type=f"x/{number}")
        assert dict(text.for_response(response, False))["content-type"] == f"x/{number}"
        assert dict(raw.for_response(response, False))[b"content-type"] == f"x/{number}".encode()
    assert len(text.shared[False]) == CACHED_TYPES


def test_asgi_lists_are_the_same_in_bytes(make_site: MakeSite) -> None:
    site = make_site()
    text, raw = HeaderLists(site, as_text_pairs), HeaderLists(site, as_byte_pairs)
    for response in (JSONResponse(1), HTMLResponse("x", headers={"a": "b"})):
        expected = [(name.encode(), value.encode()) for name, value in text.for_response(response, True)]
        assert raw.for_response(response, True) == expected
        assert raw.for_size(response, True, 7) == [*expected, (b"content-length", b"7")]
    assert raw.for_response(JSONResponse(1), False) is raw.for_response(JSONResponse(2), False)
