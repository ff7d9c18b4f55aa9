from __future__ import annotations

import pytest

from erlen import Headers
from erlen.http.url import URL
from erlen.testing import TestResponse


def response(content: bytes = b"", status: int = 200, **headers: str) -> TestResponse:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return TestResponse("GET", URL.parse("http://localhost/"), status, fields, [], content)


@pytest.mark.parametrize(("status", "ok"), [(199, False), (200, True), (204, True), (299, True), (302, False), (404, False)])
def test_ok_is_a_status_from_200_to_299(status: int, ok: bool) -> None:
    assert response(status=status).ok is ok


@pytest.mark.parametrize(
    ("content_type", "charset", "text"),
    [
        ("text/plain", "utf-8", "é"),
        ('text/plain; x=y; Charset="ISO-8859-1"', "iso8859-1", "Ã©"),
        ("text/plain; charset=nonsense", "utf-8", "é"),
    ],
)
def test_text_is_decoded_as_the_content_type_says(content_type: str, charset: str, text: str) -> None:
    one = response("é".encode(), content_type=content_type)
    assert (one.charset, one.text, one.media_type) == (charset, text, "text/plain")
    assert response(b"\xff").text == "\ufffd"


def test_json_that_is_none_is_shown() -> None:
    with pytest.raises(ValueError, match=r"the body of <TestResponse 200 text/html '<h1>Hello</h1>'> is not JSON"):
        response(b"<h1>Hello</h1>", content_type="text/html").json()


def test_repr_shows_status_type_and_beginning() -> None:
    assert repr(response(b"x" * 200, content_type="text/plain; charset=utf-8")) == f"<TestResponse 200 text/plain {'x' * 120!r}…>"
    assert repr(response(b"\xff\n")) == "<TestResponse 200 '\ufffd\\n'>"
    assert repr(response(status=204)) == "<TestResponse 204 without body>"


def test_cookies_are_decoded_and_attributes_left_out() -> None:
    one = response()
    one.headers.add("set-cookie", "a=b%20c; Path=/; Max-Age=0")
    one.headers.add("set-cookie", "d=e")
    assert one.cookies == {"a": "b c", "d": "e"}


def test_reason_is_the_phrase_of_the_status() -> None:
    assert response(status=404).reason == "Not Found"
