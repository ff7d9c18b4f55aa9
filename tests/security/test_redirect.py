from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from erlen.http.request import active_request
from erlen.security.redirect import safe_redirect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.security.conftest import MakeRequest


@pytest.fixture
def in_request(make_request: MakeRequest) -> Iterator[None]:
    token = active_request.set(make_request(headers={"host": "example.com"}, scheme="https"))
    yield
    active_request.reset(token)


@pytest.mark.parametrize(
    "target", ["/", "/a/b?c=d#e", "/a%20b", "https://example.com/x", "https://EXAMPLE.com/", "https://example.com:443/x"]
)
@pytest.mark.usefixtures("in_request")
def test_targets_on_this_site(target: str) -> None:
    response = safe_redirect(target, "/fallback")
    assert response.status == 303
    assert response.headers["location"] == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        None,
        "//evil.com",
        "///evil.com",
        "/\\evil.com",
        "\\\\evil.com",
        "/\t/evil.com",
        " //evil.com",
        "https:evil.com",
        "https:///evil.com",
        "https://evil.com",
        "http://example.com/",  # down from TLS
        "https://example.com:8443/",
        "https://example.com@evil.com",
        "https://example.com.evil.com",
        "https://example.com\\@evil.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "/x\r\nset-cookie: a=b",
        "\u2215\u2215evil.com",
    ],
)
@pytest.mark.usefixtures("in_request")
def test_open_redirect(target: str | None) -> None:
    assert safe_redirect(target, "/fallback").headers["location"] == "/fallback"


@pytest.mark.usefixtures("in_request")
def test_further_hosts() -> None:
    assert safe_redirect("https://other.example/x", allowed_hosts=["other.example"]).headers["location"] == "https://other.example/x"
    assert safe_redirect("https://other.example/x", allowed_hosts="other.example", status=302).status == 302


def test_outside_a_request_only_paths_and_named_hosts() -> None:
    assert safe_redirect("/x").headers["location"] == "/x"
    assert safe_redirect("https://example.com/x").headers["location"] == "/"
