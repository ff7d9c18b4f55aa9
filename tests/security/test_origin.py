from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import ConfigurationError
from erlen.security.origin import Origins, parse_origin

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("https://example.com", ("https", "example.com")),
        ("HTTPS://Example.com:443", ("https", "example.com")),
        ("http://example.com:443", ("http", "example.com:443")),
        ("http://[::1]:80", ("http", "[::1]")),
        ("capacitor://localhost", ("capacitor", "localhost")),
        ("null", None),
        ("", None),
        ("example.com", None),
        ("https://", None),
        ("https://example.com/", None),
        ("https://user@example.com", None),
        ("https://example.com, https://evil.com", None),
        ("https://example.com\n", None),
        ("https://ex\u00e4mple.com", None),
        ("https://" + "a" * 400, None),
    ],
)
def test_parse_origin(text: str, parsed: tuple[str, str] | None) -> None:
    assert parse_origin(text) == parsed


def test_membership() -> None:
    origins = Origins(["https://example.com", "https://*.shop.example", "http://localhost:3000"], setting="TRUSTED_ORIGINS")
    assert "https://example.com" in origins
    assert "https://EXAMPLE.com:443" in origins
    assert "https://a.b.shop.example" in origins
    assert "http://localhost:3000" in origins
    for other in (
        "http://example.com",
        "https://example.com:8443",
        "https://www.example.com",
        "https://example.com.evil.com",
        "https://shop.example",
        "https://evilshop.example",
        "https://a.shop.example:8443",
        "https://evil.com/.shop.example",
        "https://evil.com#.shop.example",
        "http://localhost",
        "null",
        "",
        None,
    ):
        assert other not in origins


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("example.com", "write 'https://example.com'"),
        ("https://example.com/", "write 'https://example.com'"),
        ("null", "every sandboxed frame"),
        ("*", "name the origins"),
        ("https://*", "write scheme and host"),
        ("https://ex*mple.com", "write scheme and host"),
    ],
)
def test_what_is_no_origin_is_a_mistake_with_its_cure(text: str, fix: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Origins([text], setting="TRUSTED_ORIGINS")
    assert "TRUSTED_ORIGINS" in str(error.value)
    assert fix in str(error.value)


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z.:0-9\[\]/@]{0,20}", fullmatch=True))
def test_parsing_is_stable(text: str) -> None:
    parsed = parse_origin(text)
    if parsed is not None:
        assert parse_origin("://".join(parsed)) == parsed


def test_a_hostile_origin_is_linear(assert_linear: AssertLinear) -> None:
    origins = Origins(["https://*.example.com"], setting="TRUSTED_ORIGINS")
    assert_linear(lambda size: ["https://" + "a." * size, "a+" * size], lambda texts: [text in origins for text in texts], 10_000)
