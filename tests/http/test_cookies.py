from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_cookie as oracle

from erlen.http.cookies import format_cookie, parse_cookies
from erlen.http.request import Request, active_request

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


class SecureRequest(Request):
    @property
    def scheme(self) -> str:
        return "https"


class PlainRequest(Request):
    @property
    def scheme(self) -> str:
        return "http"


@pytest.fixture
def over_tls() -> Iterator[None]:
    # No part of the context is asked for.
    token = active_request.set(SecureRequest(method="GET", path="/", query_string="", context=None))  # type: ignore[arg-type]
    yield
    active_request.reset(token)


@pytest.fixture
def over_plain_http() -> Iterator[None]:
    token = active_request.set(PlainRequest(method="GET", path="/", query_string="", context=None))  # type: ignore[arg-type]
    yield
    active_request.reset(token)


class TestParse:
    @pytest.mark.parametrize(
        ("header", "cookies"),
        [
            ("", {}),
            ("a=1", {"a": "1"}),
            ("a=1; b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2", {"a": "1", "b": "2"}),
            (" a = 1 ;\tb=2\t", {"a": "1", "b": "2"}),
            ("a=", {"a": ""}),
            ("a=b=c", {"a": "b=c"}),
            ("a=1;; ;b=2;", {"a": "1", "b": "2"}),
            ('a="x y"', {"a": "x y"}),
            ('a=""', {"a": ""}),
            ('a="', {"a": '"'}),
            ('a="x', {"a": '"x'}),
            ("a=%C3%A9", {"a": "é"}),
            ("a=x%20y", {"a": "x y"}),
            ("A=1; a=2", {"A": "1", "a": "2"}),
        ],
    )
    def test_reads(self, header: str, cookies: dict[str, str]) -> None:
        assert parse_cookies(header) == cookies

    def test_first_of_a_name_wins_since_it_has_the_more_specific_path(self) -> None:
        assert parse_cookies("a=specific; a=general") == {"a": "specific"}

    @pytest.mark.parametrize("header", ["=__Host-id=evil", "= __Host-id=evil", "__Host-id", " =; =x; ;x"])
    def test_attack_nameless_cookie_does_not_pass_for_a_prefixed_one(self, header: str) -> None:
        assert parse_cookies(header) == {}

    @pytest.mark.parametrize("value", ["100%", "%zz", "%", "%%%", "%F", "%FF%FE", "a+b", "%C3", "x%E9y"])
    def test_foreign_values_survive(self, value: str) -> None:
        assert parse_cookies(f"a={value}") == {"a": value}

    def test_part_of_a_value_that_is_valid_is_decoded(self) -> None:
        assert parse_cookies("a=%FF x%20y 100% %41") == {"a": "%FF x y 100% A"}

    def test_text_that_a_script_stored_in_utf_8(self) -> None:
        assert parse_cookies("a=ü€".encode().decode("latin-1")) == {"a": "ü€"}
        assert parse_cookies("a=ü€; b=1") == {"a": "ü€", "b": "1"}
        assert parse_cookies("a=\xfc") == {"a": "\xfc"}

    def test_attack_many_cookies_are_not_all_read(self) -> None:
        cookies = parse_cookies(";".join(f"c{number}=x" for number in range(10_000)))
        assert list(cookies) == [f"c{number}" for number in range(200)]

    @given(st.text())
    def test_any_header_is_read_without_error(self, header: str) -> None:
        for name, value in parse_cookies(header).items():
            assert name
            assert ";" not in name + value or "%3B" in header.upper()

    @given(st.dictionaries(st.text("abcXYZ_-09", min_size=1), st.text(set(VISIBLE) - set('";,\\%')), max_size=20))
    def test_agrees_with_werkzeug_on_plain_cookies(self, cookies: dict[str, str]) -> None:
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        assert parse_cookies(header) == oracle(header).to_dict() == cookies

    @pytest.mark.parametrize("unit", ["a=1; ", ";", "a", "=", "%41", "a=%41;", '"', "%", "\xe9", " ", "a=\t"])
    def test_attack_reading_is_linear(self, assert_linear: AssertLinear, unit: str) -> None:
        assert_linear(lambda size: "a=" + unit * size, parse_cookies, 10_000)


class TestFormat:
    def test_has_safe_defaults(self) -> None:
        assert format_cookie("a", "1") == "a=1; Path=/; HttpOnly; SameSite=Lax"

    def test_has_all_attributes(self) -> None:
        expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
        cookie = format_cookie(
            "__Secure-a",
            "x",
            max_age=60,
            expires=expires,
            path="/app",
            domain="Example.com",
            secure=True,
            httponly=False,
            samesite="none",
            partitioned=True,
        )
        assert cookie == (
            "__Secure-a=x; Expires=Wed, 02 Jan 2030 02:04:05 GMT; Max-Age=60; Domain=example.com; Path=/app;"
            " Secure; SameSite=None; Partitioned"
        )

    def test_max_age_may_be_a_timedelta(self) -> None:
        assert "; Max-Age=5400;" in format_cookie("a", "", max_age=timedelta(minutes=90))
        assert "; Max-Age=0;" in format_cookie("a", "", max_age=0)

    @pytest.mark.parametrize(
        "value", ["", "abc", "eyJ.a-b_c~=", "a b", '"quoted"', "a;b", "a,b", "a\\b", "é€😀", "%41", "100%", "\0\r\n\t"]
    )
    def test_parse_gives_the_value_back(self, value: str) -> None:
        assert parse_cookies(format_cookie("a", value))["a"] == value

    @given(st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1), st.text(max_size=300))
    def test_every_text_makes_the_round_trip(self, name: str, value: str) -> None:
        cookie = format_cookie(name, value)
        assert cookie.isascii()
        assert cookie.isprintable()
        # What comes back from a browser is the pair alone.
        assert parse_cookies(f"other=1; {cookie.partition(';')[0]}")[name] == value

    @given(st.text(max_size=100))
    def test_attack_no_value_adds_an_attribute(self, value: str) -> None:
        assert format_cookie("a", value).split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]

    @pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a\r\nSet-Cookie: b", "é", "a,b", '"a"', "a\n"])
    def test_attack_header_injection_by_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="not a cookie name"):
            format_cookie(name, "x")

    @pytest.mark.parametrize("path", ["", "app", "/a;Domain=x", "/a\r\nX: y", "/é", "/a\n"])
    def test_attack_header_injection_by_path(self, path: str) -> None:
        with pytest.raises(ValueError, match="not a cookie path"):
            format_cookie("a", "x", path=path)

    @pytest.mark.parametrize("domain", ["", "a;b", "a b", "é.com", "example.com\r\n", "a..b", "a:80", "[::1]", "."])
    def test_attack_header_injection_by_domain(self, domain: str) -> None:
        with pytest.raises(ValueError, match="not a cookie domain"):
            format_cookie("a", "x", domain=domain)

    def test_lone_surrogate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="surrogate"):
            format_cookie("a", "\ud800")

    def test_unknown_samesite_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'lax', 'strict' or 'none'"):
            format_cookie("a", "x", samesite="lax; Domain=evil")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "attributes"),
        [
            ("__Host-a", {}),
            ("__host-a", {}),
            ("__Secure-a", {"secure": False}),
            ("__Host-a", {"secure": True, "domain": "example.com"}),
            ("__Host-a", {"secure": True, "path": "/app"}),
            ("__Http-a", {"secure": True, "httponly": False}),
            ("__Host-Http-a", {"secure": True, "httponly": False}),
            ("__Host-Http-a", {"secure": True, "path": "/app"}),
            ("a", {"samesite": "none"}),
            ("a", {"partitioned": True}),
        ],
    )
    def test_what_browsers_refuse_is_refused(self, name: str, attributes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="browsers refuse the cookie"):
            format_cookie(name, "x", **attributes)

    def test_prefixed_cookies_by_the_rules(self) -> None:
        assert format_cookie("__Host-a", "x", secure=True) == "__Host-a=x; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert "Domain=example.com" in format_cookie("__Secure-a", "x", secure=True, domain="example.com")

    @pytest.mark.usefixtures("over_tls")
    def test_secure_by_default_over_tls(self) -> None:
        assert "; Secure;" in format_cookie("__Host-a", "x")
        assert "Secure" not in format_cookie("a", "x", secure=False)

    @pytest.mark.usefixtures("over_plain_http")
    def test_not_secure_by_default_over_plain_http(self) -> None:
        assert "Secure" not in format_cookie("a", "x")
        assert "; Secure;" in format_cookie("a", "x", secure=True)

    def test_more_than_4096_bytes_is_refused(self) -> None:
        rest = len(format_cookie("a", ""))
        assert len(format_cookie("a", "x" * (4096 - rest))) == 4096
        with pytest.raises(ValueError, match="4097 bytes and browsers keep 4096"):
            format_cookie("a", "x" * (4097 - rest))

    def test_error_does_not_show_the_value(self) -> None:
        with pytest.raises(ValueError, match="takes") as caught:
            format_cookie("a", "secret" * 1000)
        assert "secret" not in str(caught.value)

    def test_naive_expiry_is_utc(self) -> None:
        naive = datetime(2030, 1, 2, 3, 4, 5)
        assert format_cookie("a", "x", expires=naive) == format_cookie("a", "x", expires=naive.replace(tzinfo=UTC))
