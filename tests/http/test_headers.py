from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.headers import Headers, check_header

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

NAMES = st.text("abcXYZ-09_!", min_size=1, max_size=5)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@pytest.fixture
def headers() -> Headers:
    return Headers([("Content-Type", "text/html"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")])


class TestRead:
    def test_names_have_no_case(self, headers: Headers) -> None:
        assert headers["content-type"] == headers["CONTENT-TYPE"] == "text/html"
        assert "CONTENT-type" in headers
        assert "x" not in headers
        assert not headers.__contains__(1)

    def test_first_value_and_all_values(self, headers: Headers) -> None:
        assert headers["set-cookie"] == "a=1"
        assert headers.getlist("Set-Cookie") == ["a=1", "b=2"]
        assert headers.getlist("x") == []
        assert headers.get("x") is None
        with pytest.raises(KeyError):
            headers["x"]

    def test_is_a_mapping_of_distinct_names(self, headers: Headers) -> None:
        assert list(headers) == ["content-type", "set-cookie"]
        assert len(headers) == 2
        assert headers.multi_items() == [("content-type", "text/html"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]


class TestChange:
    def test_assignment_replaces_all_of_a_name_in_place(self, headers: Headers) -> None:
        headers.add("x", "1")
        headers["Set-Cookie"] = "c=3"
        assert headers.multi_items() == [("content-type", "text/html"), ("set-cookie", "c=3"), ("x", "1")]

    def test_assignment_of_a_new_name_appends(self, headers: Headers) -> None:
        headers["X"] = "1"
        assert headers.multi_items()[-1] == ("x", "1")

    def test_deletion_removes_all_of_a_name(self, headers: Headers) -> None:
        del headers["SET-cookie"]
        assert headers.multi_items() == [("content-type", "text/html")]
        with pytest.raises(KeyError):
            del headers["set-cookie"]

    def test_update_and_setdefault(self, headers: Headers) -> None:
        headers.add("X", "1")
        headers.add("x", "2")
        headers.update({"Content-Type": "text/plain"})
        assert headers.setdefault("X", "3") == "1"
        assert headers.multi_items()[0] == ("content-type", "text/plain")
        assert headers.getlist("x") == ["1", "2"]

    def test_add_token_adds_each_once(self) -> None:
        headers = Headers([("vary", "Accept, "), ("vary", "cookie")])
        headers.add_token("Vary", "Cookie", "Origin", "origin")
        assert headers.multi_items() == [("vary", "Accept, cookie, Origin")]

    def test_add_token_without_tokens_adds_no_field(self) -> None:
        headers = Headers()
        headers.add_token("vary")
        assert headers.multi_items() == []

    def test_copy_is_independent(self, headers: Headers) -> None:
        copy = headers.copy()
        copy["x"] = "1"
        assert "x" not in headers
        assert len(copy) == 3


class TestMake:
    def test_from_a_mapping(self) -> None:
        assert Headers({"X-A": "1"}).multi_items() == [("x-a", "1")]

    def test_from_headers_keeps_repeated_names_and_is_independent(self, headers: Headers) -> None:
        again = Headers(headers)
        assert again.getlist("set-cookie") == ["a=1", "b=2"]
        again["x"] = "1"
        assert "x" not in headers

    def test_equality_counts_repeated_names(self, headers: Headers) -> None:
        assert headers == Headers([("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/html")])
        assert headers != Headers([("content-type", "text/html"), ("set-cookie", "a=1")])
        assert headers != Headers([("set-cookie", "b=2"), ("set-cookie", "a=1"), ("content-type", "text/html")])
        assert Headers({"a": "1"}) == {"a": "1"}
        assert Headers() != 1

    def test_trusted_shares_its_pairs(self) -> None:
        pairs = [("a", "1")]
        Headers.trusted(pairs)["b"] = "2"
        assert pairs == [("a", "1"), ("b", "2")]

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
    def test_every_well_formed_field_is_kept(self, pairs: list[tuple[str, str]]) -> None:
        assert Headers(pairs).multi_items() == [(name.lower(), value) for name, value in pairs]


class TestAttacks:
    @pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0", "\x7f", "é", "\x1b[31m", "a\n"])
    def test_attack_header_injection_by_value(self, value: str) -> None:
        with pytest.raises(ValueError, match="control or non-ASCII"):
            check_header("x", value)
        for change in (Headers().__setitem__, Headers().add, Headers().setdefault):
            with pytest.raises(ValueError, match="control or non-ASCII"):
                change("x", value)

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "é", "a\n", "(a)", "a\0"])
    def test_attack_header_injection_by_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="not a header name"):
            Headers([(name, "x")])

    def test_attack_underscore_is_not_hyphen(self) -> None:
        headers = Headers({"X_Forwarded_For": "1"})
        assert "x-forwarded-for" not in headers

    def test_secrets_are_not_shown(self) -> None:
        shown = repr(Headers({"Authorization": "Bearer s3cret", "Cookie": "s3cret", "Set-Cookie": "s3cret", "Accept": "*/*"}))
        assert "s3cret" not in shown
        assert "accept: */*" in shown

    def test_attack_checking_is_linear(self, assert_linear: AssertLinear) -> None:
        assert_linear(lambda size: "a" * size, lambda text: check_header(text, text), 25_000)
