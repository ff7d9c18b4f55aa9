from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erlen.http.url import URL, encode_location, encode_path, is_local_target, is_safe_target

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

TEXT = st.text(max_size=20)
HOSTS = st.sampled_from(["example.com", "localhost:8000", "[::1]", "[::1]:8000", "a_b.example", "127.0.0.1:80", "EXAMPLE.com:443"])
SCHEMES = st.sampled_from(["http", "https", "ws", "wss", "HTTP"])


class TestBuild:
    def test_parts(self) -> None:
        url = URL.build(scheme="HTTPS", authority="Example.com:8443", path="/a b/é", query_string="x=1&y=%20", fragment="top")
        assert str(url) == "https://example.com:8443/a%20b/%C3%A9?x=1&y=%20#top"
        assert (url.scheme, url.host, url.port, url.authority) == ("https", "example.com", 8443, "example.com:8443")
        assert (url.path, url.raw_path) == ("/a b/é", "/a%20b/%C3%A9")
        assert (url.query_string, url.fragment, url.origin) == ("x=1&y=%20", "top", "https://example.com:8443")
        assert url.query.multi_items() == [("x", "1"), ("y", " ")]

    def test_scheme_s_own_port_is_dropped(self) -> None:
        assert str(URL.build(scheme="https", authority="example.com:443")) == "https://example.com/"
        assert str(URL.build(scheme="http", authority="example.com:443")) == "http://example.com:443/"

    def test_ipv6(self) -> None:
        url = URL.build(scheme="http", authority="[::1]:8000", path="/")
        assert (url.host, url.port, str(url), url.origin) == ("::1", 8000, "http://[::1]:8000/", "http://[::1]:8000")

    def test_reference_without_a_host(self) -> None:
        assert str(URL.build(path="/a", query_string="b=1")) == "/a?b=1"
        assert URL.build(path="/a").origin == "null"

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("evil.com", "http://example.com/evil.com"),
            ("@evil.com", "http://example.com/@evil.com"),
            (":80@evil.com/", "http://example.com/:80@evil.com/"),
            (".evil.com", "http://example.com/.evil.com"),
            ("//evil.com", "http://example.com//evil.com"),
            ("/a?b#c", "http://example.com/a%3Fb%23c"),
            ("/\\evil", "http://example.com/%5Cevil"),
            ("/%2e", "http://example.com/%252e"),
            ("/\r\nX: y", "http://example.com/%0D%0AX:%20y"),
        ],
    )
    def test_attack_path_does_not_bleed_into_another_part(self, path: str, text: str) -> None:
        url = URL.build(scheme="http", authority="example.com", path=path)
        assert str(url) == text
        assert url.host == "example.com"

    @pytest.mark.parametrize(("path", "text"), [("//evil.com", "/%2Fevil.com"), ("javascript:x", "javascript%3Ax"), ("a/b:c", "a/b:c")])
    def test_attack_path_of_a_reference_does_not_become_a_host_or_scheme(self, path: str, text: str) -> None:
        assert str(URL.build(path=path)) == text
        assert URL.parse(text).path == path

    @pytest.mark.parametrize(
        "authority",
        [
            "",
            "example.com/admin",
            "example.com?x",
            "example.com#x",
            "user@evil.com",
            "example.com\\x",
            "a b",
            "a\r\nb",
            "a\0",
            "a:b",
            "a:99999",
            "a:-1",
            "a:+1",
            "a:٣",
            ":80",
            "::1",
            "[::1",
            "[zz]",
            "[::1%eth0]",
            "a%2Fb",
            "a" * 300,
            "[" + "1:" * 5000 + "]",
            "straße.de",
        ],
    )
    def test_attack_malformed_host_does_not_poison_the_path(self, authority: str) -> None:
        with pytest.raises(ValueError, match=r"host|port|IPv6|\d"):
            URL.build(scheme="http", authority=authority, path="/x")

    @given(SCHEMES, HOSTS, TEXT, TEXT, TEXT)
    @example("http", "example.com", "//a", "#?", "#")
    def test_built_url_parses_back(self, scheme: str, authority: str, path: str, query_string: str, fragment: str) -> None:
        url = URL.build(scheme=scheme, authority=authority, path=path, query_string=query_string, fragment=fragment)
        assert URL.parse(str(url)) == url
        assert url.path == (path if path.startswith("/") else "/" + path)
        assert re.fullmatch(r"[!-~]+", str(url))
        # The standard library sees the same parts.
        split = urlsplit(str(url))
        assert (split.netloc, unquote(split.path), split.hostname) == (url.authority, url.path, url.host)

    @given(TEXT, TEXT, TEXT)
    def test_built_reference_parses_back(self, path: str, query_string: str, fragment: str) -> None:
        url = URL.build(path=path, query_string=query_string, fragment=fragment)
        assert URL.parse(str(url)) == url
        assert (url.scheme, url.host, url.path) == ("", "", path)

    @given(TEXT)
    def test_attack_any_authority_is_refused_or_kept_apart(self, authority: str) -> None:
        try:
            url = URL.build(scheme="https", authority=authority, path="/path", query_string="q")
        except ValueError:
            return
        assert (url.path, url.query_string, url.fragment, url.userinfo) == ("/path", "q", "", "")
        assert urlsplit(str(url)).path == "/path"


class TestParse:
    @pytest.mark.parametrize(
        ("text", "normal"),
        [
            ("https://EXAMPLE.com", "https://example.com/"),
            ("HTTP://example.com:80/A", "http://example.com/A"),
            ("https:example.com", "https://example.com/"),
            ("https:///example.com", "https://example.com/"),
            ("https:\\\\example.com\\a?b\\c", "https://example.com/a?b\\c"),
            ("//example.com/a", "//example.com/a"),
            ("\\\\example.com", "//example.com"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a b", "/a%20b"),
            ("?a=1#b", "?a=1#b"),
            ("", ""),
            ("a/b", "a/b"),
            ("mailto:me@example.com", "mailto:me@example.com"),
            ("file:///etc", "file:///etc"),
            ("sqlite:////data/blog.db", "sqlite:////data/blog.db"),
            ("postgresql://u:p@db:5432/x", "postgresql://u:p@db:5432/x"),
            ("https://xn--bcher-kva.example/é?ü", "https://xn--bcher-kva.example/%C3%A9?%C3%BC"),
            ("javascript:alert(1)", "javascript:alert(1)"),
        ],
    )
    def test_as_browsers_do(self, text: str, normal: str) -> None:
        assert str(URL.parse(text)) == normal
        assert str(URL.parse(normal)) == normal

    def test_user_name_is_not_the_host(self) -> None:
        url = URL.parse("https://example.com@evil.com:8443/")
        assert (url.userinfo, url.host, url.authority) == ("example.com", "evil.com", "example.com@evil.com:8443")
        assert url.origin == "https://evil.com:8443"

    def test_secret_is_in_str_and_not_in_repr(self) -> None:
        url = URL.parse("https://user:s3cret@example.com/")
        assert str(url) == "https://user:s3cret@example.com/"
        assert repr(url) == "URL('https://***@example.com/')"

    @pytest.mark.parametrize(
        "text", [" /a", "/a\n", "/a\tb", "http://a\0", "http://", "https:", "http://a:b", "http://[::1", "http://a b/"]
    )
    def test_malformed_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"URL|host|IPv6"):
            URL.parse(text)

    @pytest.mark.parametrize("host", ["bücher.example", "example。com", "examp\u212ae.com", "straße.de"])
    def test_attack_host_that_not_all_clients_encode_alike(self, host: str) -> None:
        with pytest.raises(ValueError, match="Punycode"):
            URL.parse(f"https://{host}/")
        with pytest.raises(ValueError, match="Punycode"):
            URL.parse(f"redis://{host}/")

    def test_path_that_is_not_utf_8(self) -> None:
        assert URL.parse("/%FF").path == "/\ufffd"
        assert str(URL.parse("/%FF")) == "/%FF"

    @given(st.text(st.sampled_from("ahtp:/\\@?#%[]1.:é "), max_size=30))
    def test_what_is_parsed_parses_back(self, text: str) -> None:
        try:
            url = URL.parse(text)
        except ValueError:
            return
        assert URL.parse(str(url)) == url

    @pytest.mark.parametrize("unit", ["/", "a", "\\", "é", "%", "?", "#", "@", "//", "%41", "&a="])
    @pytest.mark.parametrize("start", ["/", "http://a/", "http:", "http://"])
    def test_attack_parsing_is_linear(self, assert_linear: AssertLinear, start: str, unit: str) -> None:
        def parse(text: str) -> None:
            try:
                assert URL.parse(text).query is not None
            except ValueError:
                pass

        assert_linear(lambda size: start + unit * size, parse, 10_000)


class TestValue:
    def test_is_immutable_and_hashable(self) -> None:
        url = URL.parse("https://example.com/a")
        with pytest.raises(AttributeError):
            url.scheme = "http"  # type: ignore[misc]
        assert {url: 1}[URL.parse("https://EXAMPLE.com:443/a")] == 1
        assert url != URL.parse("https://example.com/b")

    def test_replace(self) -> None:
        url = URL.parse("http://user@example.com:8000/a%2Fb?c=1#d")
        assert str(url.replace(scheme="https")) == "https://user@example.com:8000/a%2Fb?c=1#d"
        assert str(url.replace(host="::1", port=None)) == "http://user@[::1]/a%2Fb?c=1#d"
        assert str(url.replace(port=80)) == "http://user@example.com/a%2Fb?c=1#d"
        assert str(url.replace(path="x y", query_string="", fragment="")) == "http://user@example.com:8000/x%20y"
        assert str(url.replace(query_string="a#b", fragment="c d")) == "http://user@example.com:8000/a%2Fb?a%23b#c%20d"

    @pytest.mark.parametrize("parts", [{"host": "evil.com/x"}, {"host": ""}, {"port": 65536}, {"port": -1}, {"scheme": "a b"}])
    def test_attack_replaced_part_does_not_bleed(self, parts: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"host|port|scheme"):
            URL.parse("http://example.com/").replace(**parts)

    def test_with_query(self) -> None:
        url = URL.parse("/list?page=1&tag=a&tag=b#top")
        assert str(url.with_query(page=2)) == "/list?tag=a&tag=b&page=2#top"
        assert str(url.with_query(page=None, tag=None)) == "/list#top"
        assert str(url.with_query(q="é &#")) == "/list?page=1&tag=a&tag=b&q=%C3%A9+%26%23#top"

    @pytest.mark.parametrize(
        "parts", [{"raw_path": "/a?b"}, {"raw_path": "//evil"}, {"query_string": "a#b"}, {"host": "a", "raw_path": "b"}]
    )
    def test_attack_constructor_refuses_parts_that_bleed(self, parts: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="URL"):
            URL(**parts)  # type: ignore[arg-type]


class TestEncode:
    def test_path(self) -> None:
        assert encode_path("/a/b-c._~!$&'()*+,;=:@") == "/a/b-c._~!$&'()*+,;=:@"
        assert encode_path('/ ?#%[]\\"<>é\n') == "/%20%3F%23%25%5B%5D%5C%22%3C%3E%C3%A9%0A"

    @given(st.text())
    def test_path_decodes_back(self, text: str) -> None:
        assert unquote(encode_path(text)) == text

    def test_location(self) -> None:
        assert encode_location("https://example.com/a?b=c%20d#e") == "https://example.com/a?b=c%20d#e"
        assert encode_location("/é x") == "/%C3%A9%20x"
        assert encode_location("http://[::1]/") == "http://[::1]/"
        assert encode_location("/\\evil") == "/%5Cevil"

    @pytest.mark.parametrize("text", ["/a\r\nSet-Cookie: x", "/a\n", "\0", "/\x7f", "/\t/evil", "/\ud800"])
    def test_attack_header_injection_by_location(self, text: str) -> None:
        with pytest.raises(ValueError, match="redirect's target"):
            encode_location(text)

    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
    def test_location_is_visible_ascii_and_stays(self, text: str) -> None:
        location = encode_location(text)
        assert re.fullmatch(r"[!-~]*", location)
        assert encode_location(location) == location


ELSEWHERE = [
    "",
    "evil.com",
    "//evil.com",
    "///evil.com",
    "////evil.com",
    "/\\evil.com",
    "\\\\evil.com",
    "\\/evil.com",
    "/a\\b",
    "https:evil.com",
    "https:/evil.com",
    "https:///evil.com",
    "https:\\\\evil.com",
    "http:evil.com",
    "https://evil.com",
    "https://example.com@evil.com",
    "https://example.com:pw@evil.com",
    "https://user@example.com",
    "https://example.com\\@evil.com",
    "https://example.com\\.evil.com",
    "https://example.com.evil.com",
    "https://evil.com/example.com",
    "https://evil.com#example.com",
    "https://evil.com?example.com",
    "https://evil.com\\example.com",
    "https://example.com%2eevil.com",
    "https://example.com:8000",
    "https://example.com:0x50",
    "https://example.com.",
    "https://examp\u212ae.com",
    "http\u017f://example.com",
    "https://example\u3002com",
    "https://\u24d4xample.com",
    "/\t/evil.com",
    "/\n/evil.com",
    "\t//evil.com",
    " //evil.com",
    "/ ",
    " /",
    "/a\x7f",
    "/\x00",
    "/\x85/evil.com",
    "\x01https://example.com/",
    "https://example.com/\r\n",
    "ht\ntps://example.com",
    "javascript:alert(1)",
    "JavaScript://example.com/%0aalert(1)",
    "data:text/html,x",
    "vbscript:x",
    "ftp://example.com/",
    "file:///etc/passwd",
    "/\uff0fevil.com",
    "\uff0f/evil.com",
    "/\u2215evil.com",
    "/\u2044evil.com",
    "/\uff3cevil.com",
    "/\ud800",
    "?x",
    "#x",
    "@evil.com",
    ":80",
]


class TestRedirectGuard:
    @pytest.mark.parametrize("target", ELSEWHERE)
    def test_attack_open_redirect_is_refused(self, target: str) -> None:
        assert not is_local_target(target)
        assert not is_safe_target(target, ["example.com"])

    @pytest.mark.parametrize(
        "target",
        ["/", "/a", "/a/b?c=d#e", "/a?next=//evil.com", "/a?b=\\", "/%2F/evil.com", "/%5Cevil.com", "/%252F", "/é", "/a//b", "/a:b@c"],
    )
    def test_path_on_this_site_is_safe(self, target: str) -> None:
        assert is_local_target(target)
        assert is_safe_target(target, [])
        assert is_safe_target(target, [], require_https=True)

    @pytest.mark.parametrize(
        ("target", "host"),
        [
            ("https://example.com", "example.com"),
            ("HTTPS://EXAMPLE.com/a", "example.com"),
            ("https://example.com/a", "Example.com"),
            ("https://example.com?x", "example.com:443"),
            ("https://example.com:443#x", "example.com"),
            ("http://localhost:8000/a", "localhost:8000"),
            ("http://[::1]:8000/a", "[::1]:8000"),
            ("http://[::1]/a", "[::1]"),
        ],
    )
    def test_allowed_host_is_safe_and_not_local(self, target: str, host: str) -> None:
        assert is_safe_target(target, ["other.example", host])
        assert not is_safe_target(target, ["other.example"])
        assert not is_local_target(target)

    def test_plain_http_can_be_refused(self) -> None:
        assert is_safe_target("http://example.com/", ["example.com"])
        assert not is_safe_target("http://example.com/", ["example.com"], require_https=True)
        assert is_safe_target("https://example.com/", ["example.com"], require_https=True)

    @given(st.text(st.sampled_from("/\\\t\n :@?#.ahtps\u3002\uff0f%"), max_size=12))
    def test_attack_whatever_is_local_has_no_host_for_a_browser(self, target: str) -> None:
        # What a browser does first (WHATWG URL, section 4.4): strip, remove tabs and line breaks, turn backslashes.
        seen = re.sub(r"[\t\r\n]", "", target.strip("".join(map(chr, range(0x21))))).replace("\\", "/")
        if is_local_target(target):
            assert seen.startswith("/")
            assert not seen.startswith("//")
            assert encode_location(target)[:2] not in ("//", "/\\")

    @pytest.mark.parametrize("unit", ["/", "a", "\\", " ", "https://", "@", ".", ":", "?"])
    def test_attack_guard_is_linear(self, assert_linear: AssertLinear, unit: str) -> None:
        assert_linear(lambda size: "/a" + unit * size, lambda target: is_safe_target(target, ["example.com"]), 12_500)
        assert_linear(lambda size: "https://a" + unit * size, lambda target: is_safe_target(target, ["example.com"]), 12_500)
