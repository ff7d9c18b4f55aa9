from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.url import URL
from erlen.testing import cookies as module
from erlen.testing.cookies import CookieJar, cookie_field, read_set_cookie

HTTP = URL.parse("http://example.com/")
HTTPS = URL.parse("https://example.com/")


def sent(jar: CookieJar, url: str) -> str:
    return jar.header_for(URL.parse(url))


def stored(*set_cookies: str, url: str = "https://example.com/shop/item") -> CookieJar:
    jar = CookieJar(HTTPS)
    jar.store(URL.parse(url), set_cookies)
    return jar


def test_cookie_goes_back_to_its_host_alone() -> None:
    jar = stored("a=1; Path=/")
    assert sent(jar, "https://example.com/") == "a=1"
    assert sent(jar, "https://www.example.com/") == ""
    assert sent(jar, "https://example.org/") == ""


def test_domain_takes_sub_domains_in() -> None:
    jar = stored("a=1; Path=/; Domain=.Example.com", url="https://www.example.com/")
    assert sent(jar, "https://example.com/") == sent(jar, "https://deep.www.example.com/") == "a=1"
    assert sent(jar, "https://notexample.com/") == ""


@pytest.mark.parametrize("domain", ["example.org", "com", "www.example.com", "ample.com", "x"])
def test_domain_of_others_is_refused(domain: str) -> None:
    assert read_set_cookie(f"a=1; Domain={domain}", HTTPS) is None


def test_domain_of_an_address_is_that_address_alone() -> None:
    assert read_set_cookie("a=1; Domain=0.0.1", URL.parse("https://127.0.0.1/")) is None
    assert read_set_cookie("a=1; Domain=127.0.0.1", URL.parse("https://127.0.0.1/")) is not None


@pytest.mark.parametrize(
    ("path", "url", "fits"),
    [
        ("/shop", "/shop", True),
        ("/shop", "/shop/item", True),
        ("/shop/", "/shop/item", True),
        ("/shop", "/shopping", False),
        ("/shop", "/", False),
        ("/", "/anything", True),
        ("", "/shop/other", True),
        ("", "/", False),
        ("relative", "/shop/other", True),
    ],
)
def test_path_decides_where_it_is_sent(path: str, url: str, fits: bool) -> None:
    attribute = f"; Path={path}" if path else ""
    assert bool(sent(stored(f"a=1{attribute}"), f"https://example.com{url}")) is fits


def test_secure_cookie_needs_tls_both_ways() -> None:
    assert sent(stored("a=1; Secure; Path=/"), "http://example.com/") == ""
    assert read_set_cookie("a=1; Secure", HTTP) is None


def test_page_without_tls_cannot_replace_a_secure_cookie() -> None:
    jar = stored("a=1; Secure; Path=/")
    jar.store(HTTP, ["a=2; Path=/"])
    assert jar["a"] == "1"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("__Host-a=1; Secure; Path=/", True),
        ("__Host-a=1; Path=/", False),
        ("__Host-a=1; Secure", False),
        ("__host-a=1; Secure; Path=/; Domain=example.com", False),
        ("__Secure-a=1; Secure", True),
        ("__Secure-a=1", False),
    ],
)
def test_prefixes_hold_a_cookie_to_their_rules(text: str, kept: bool) -> None:
    assert (read_set_cookie(text, HTTPS) is not None) is kept


@pytest.mark.parametrize("text", ["", "=1", "novalue", "  ; Path=/", "a=" + "x" * 4096])
def test_what_browsers_ignore_is_ignored(text: str) -> None:
    assert read_set_cookie(text, HTTPS) is None


def test_cookie_ends_when_its_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000_000.0
    monkeypatch.setattr(module, "time", lambda: now)
    jar = stored(
        "age=1; Max-Age=60",
        "date=1; Expires=Sun, 09 Sep 2001 01:47:40 GMT",
        "both=1; Max-Age=600; Expires=Sun, 09 Sep 2001 01:46:41 GMT",
        "long=1; Max-Age=" + "9" * 5000,
        "session=1; Max-Age=soon; Expires=whenever",
    )
    assert list(jar) == ["age", "date", "both", "long", "session"]
    now += 61
    assert list(jar) == ["both", "long", "session"]
    now += 600
    assert (list(jar), len(jar)) == (["long", "session"], 2)


@pytest.mark.parametrize("way", ["Max-Age=0", "Max-Age=-5", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_cookie_is_deleted(way: str) -> None:
    jar = stored("a=1; Path=/", "b=2; Path=/")
    jar.store(HTTPS, [f"a=; Path=/; {way}"])
    assert dict(jar) == {"b": "2"}


def test_longest_path_comes_first_then_the_oldest() -> None:
    jar = stored("a=root; Path=/", "b=2; Path=/", "a=shop; Path=/shop", "a=newer; Path=/")
    assert sent(jar, "https://example.com/shop") == "a=shop; a=newer; b=2"
    assert jar["a"] == "newer", "what the base URL would be sent"


def test_test_sets_and_deletes_by_name() -> None:
    jar = stored("a=old; Path=/shop")
    jar["a"] = "ü; x"
    assert jar == {"a": "ü; x"}
    assert sent(jar, "https://example.com/shop") == "a=%C3%BC%3B%20x"
    assert sent(jar, "http://example.com/shop") == ""
    del jar["a"]
    assert "a" not in jar
    with pytest.raises(KeyError):
        del jar["a"]
    jar["b"] = "1"
    jar.clear()
    assert len(jar) == 0


def test_values_stay_out_of_its_repr() -> None:
    assert repr(stored("session=secret")) == "<CookieJar session>"


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_any_text_comes_back(value: str) -> None:
    jar = CookieJar(HTTPS)
    jar["name"] = value
    assert jar["name"] == value
    assert cookie_field({"name": value}) == jar.header_for(HTTPS)


@given(st.text(max_size=60))
def test_any_set_cookie_is_read_or_ignored(text: str) -> None:
    jar = CookieJar(HTTPS)
    jar.store(HTTPS, [text, "a=1; " + text])
    assert "\n" not in jar.header_for(HTTPS) or "\n" in text


def test_cookies_cross_the_doors(client: Any) -> None:
    response = client.get("/set")
    assert response.cookies == {"plain": "a b", "narrow": "1"}
    assert client.cookies == {"plain": "a b", "narrow": "1"}
    assert client.get("/echo").json()["cookies"] == {"plain": "a b", "narrow": "1"}
    assert client.get("/echo", cookies={"plain": "mine", "more": "é"}).json()["cookies"] == {"plain": "mine", "more": "é", "narrow": "1"}
    assert client.get("/echo", headers={"cookie": "own=1"}).json()["cookies"] == {"own": "1"}
    assert client.get("/unset").cookies == {"plain": ""}
    assert client.cookies == {"narrow": "1"}
