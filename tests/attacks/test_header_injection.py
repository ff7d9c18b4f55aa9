"""Attack class C (header spoofing and injection) against `erlen run`: no text from outside begins a field or a response."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")

SETTERS = (
    "item",
    "name",
    "add",
    "vary",
    "constructor",
    "content-type",
    "json-content-type",
    "cookie-name",
    "cookie-value",
    "cookie-path",
    "cookie-domain",
    "location",
    "safe-location",
    "file-name",
    "file-type",
    "file-tag",
    "error",
    "challenge",
)
TEXTS = (
    "a\r\nX-Evil: 1",
    "a\nX-Evil: 1",
    "a\rX-Evil: 1",
    "/a\r\n\r\nHTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n",
    "a\x00\x0b\x0cX-Evil: 1",
    "a\u2028\u0085X-Evil: 1",
    "a\u560d\u560aX-Evil: 1",  # whose low bytes are a line break
)


@pytest.mark.parametrize("setter", SETTERS)
def test_response_splitting_by_each_setter(live: Live, setter: str) -> None:
    for text in TEXTS:
        answer = live.ask(f"/set/{setter}?text={quote(text)}")
        assert answer.all("x-evil") == [], text
        assert all(value.isprintable() and value.isascii() for _, value in answer.fields), text
        assert answer.status in (200, 302, 303, 400, 401, 500)


@pytest.mark.parametrize("setter", SETTERS)
def test_every_setter_works_for_text_that_is_harmless(live: Live, setter: str) -> None:
    answer = live.ask(f"/set/{setter}?text=harmless")
    assert answer.status in (200, 302, 303, 400, 401)
    assert "harmless" in str(answer.fields) or setter == "safe-location"


@pytest.mark.parametrize("target", ["/result?text=", "/echo/"])
def test_response_splitting_by_what_is_returned(live: Live, target: str) -> None:
    for text in TEXTS:
        answer = live.ask(target + quote(text, safe=""))
        assert answer.all("x-evil") == [], text
        assert answer.status in (200, 404, 500)


def test_a_cookie_cannot_add_attributes_of_its_own(live: Live) -> None:
    for part in ("name", "value", "path", "domain"):
        answer = live.ask(f"/set/cookie-{part}?text=" + quote("a; Domain=evil.example; Max-Age=9"))
        assert all("evil.example" not in field.partition(";")[2] for field in answer.all("set-cookie"))


def test_header_spoofing_by_underscore(running: Callable[[str], Live], run: Callable[..., Live]) -> None:
    # On WSGI the two names are one field (PEP 3333), which is for the proxy to guard: nginx drops the underscored one.
    for options in (("--door", "rsgi"), ("--engine", "uvicorn")):
        behind = run(*options, TRUSTED_PROXIES="127.0.0.1")
        told = behind.ask("/tell", "X-Forwarded-For: 192.0.2.7", "X_Forwarded_For: 192.0.2.66", "X_Forwarded_Proto: https")
        assert '"client":"192.0.2.7"' in told.text
        assert '"secure":false' in told.text


def test_fields_that_other_software_takes_for_the_target_mean_nothing(live: Live) -> None:
    fields = ("X-Original-URL: /who", "X-Rewrite-URL: /who", "X-HTTP-Method-Override: DELETE", "X-Forwarded-Host: evil.example")
    told = live.ask("/tell", *fields, "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1;host=evil.example;proto=https")
    assert told.status == 200
    assert '"client":"127.0.0.1"' in told.text
    assert '"url":"http://example.com/tell"' in told.text


def test_a_planted_cookie_does_not_pass_for_a_protected_one(live: Live) -> None:
    # Other software strips white space of every alphabet, which no browser does.
    for name in ("=__Host-a", "\u2000__Host-a".encode().decode("latin-1"), "\xa0__Host-a"):
        told = live.ask("/tell", f"Cookie: {name}=planted")
        assert '"__Host-a"' not in told.text
    # A quote does not reach over a semicolon: nobody can wrap a cookie up in two of their own.
    told = live.ask("/tell", 'Cookie: a="1; secret=2; b=3"')
    assert '"secret":"2"' in told.text


def test_a_repeated_cookie_field_is_read_alike_everywhere(live: Live) -> None:
    # Of one name the first counts, on whatever line it stands: what is planted behind it changes nothing.
    told = live.ask("/tell", "Cookie: a=1", "Cookie: b=2; a=planted")
    assert '"cookies":{"a":"1","b":"2"}' in told.text
