"""Attack classes D (host and URL), F (path traversal) and H (open redirect) against `erlen run`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "",
        "example.com:99999",
        "example.com:",
        "example.com:80a",
        "example.com/path",
        "example.com?a",
        "example.com#a",
        "user@example.com",
        "example.com@evil.example",
        "example.com\\.evil.example",
        "example.com,evil.example",
        "example.com evil.example",
        "example.com.evil.example",
        "localhost.evil.example",
        "0x7f000001",
        "2130706433",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[::1",
        "ex\xe4mple.com",
        "example%2ecom",
        "a" * 300,
    ],
)
def test_host_header_attack(live: Live, host: str) -> None:
    answer = live.ask("/tell", host=host)
    assert answer.status == 400
    assert answer.all("location") == []


@pytest.mark.parametrize("host", ["example.com", "EXAMPLE.com.", "example.com:8000", "localhost", "[::1]:8000", "127.0.0.1"])
def test_own_hosts_are_answered(live: Live, host: str) -> None:
    assert live.ask("/tell", host=host).status == 200


def test_two_hosts_or_none_are_refused(live: Live) -> None:
    for fields in (b"", b"Host: example.com\r\nHost: example.com\r\n", b"Host: example.com\r\nHost: evil.example\r\n"):
        (answer,) = live.exchange(b"GET /tell HTTP/1.1\r\nConnection: close\r\n" + fields + b"\r\n", wait=3)
        assert answer.status == 400


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/tell",
        "http://user@evil.example/tell",
        "http://example.com@evil.example/tell",
        "ftp://evil.example/tell",
        "//evil.example/tell",
        "///evil.example/tell/",
        "/\\evil.example/tell/",
        "/tell/?next=//evil.example",
        "/%2f%2fevil.example/tell/",
        "/%5cevil.example/",
        "/%09/evil.example/",
        "evil.example:443",
        "evil.example",
        "/tell#@evil.example",
        "?a=evil.example",
        "*",
        "/%ff/%c0%80/%ed%a0%80",
        "/echo/%00%0d%0a%7f",
        "/echo/%",
        "/echo/%zz",
    ],
)
def test_no_target_is_taken_for_another_host_or_an_error_of_ours(live: Live, target: str) -> None:
    for method in ("GET", "OPTIONS", "CONNECT", "TRACE", "get", "QUERY", "A" * 500):
        answer = live.ask(target, method=method)
        assert answer.status < 500
        assert method in ("GET", "OPTIONS") or answer.status >= 300  # what TRACE would send back may hold secrets
        assert all(location == "/tell?next=//evil.example" for location in answer.all("location"))
        if answer.status == 200:
            assert '"url":"http://example.com/' in answer.text or answer.text.startswith('{"text":')


@pytest.mark.parametrize(
    "path",
    [
        "../target_app.py",
        "%2e%2e/target_app.py",
        "%2e%2e%2ftarget_app.py",
        "..%2ftarget_app.py",
        "%252e%252e%252ftarget_app.py",
        "..%5ctarget_app.py",
        "..\\target_app.py",
        "folder/../../target_app.py",
        "folder/%2e%2e/%2e%2e/target_app.py",
        "....//target_app.py",
        "..;/target_app.py",
        "..%00/target_app.py",
        "a.txt%00.png",
        "%c0%ae%c0%ae/target_app.py",
        "%e2%80%a5/target_app.py",
        "%ef%bc%8e%ef%bc%8e/target_app.py",
        "/etc/passwd",
        "%2fetc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "c:/windows/win.ini",
        "nul",
        "con.txt",
        "folder",
        ".",
        "",
        "a" * 4000,
    ],
)
def test_path_traversal(live: Live, path: str) -> None:
    answer = live.ask(f"/files/{path}")
    assert answer.status == 404
    assert "App(" not in answer.text
    assert "root:" not in answer.text


def test_files_of_the_folder_are_served(live: Live) -> None:
    assert live.ask("/files/a.txt").text == "public\n"
    assert live.ask("/files/folder%2fb.txt").text == "deeper\n"


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "http:///evil.example",
        "HTTPS://EVIL.EXAMPLE",
        "http://example.com@evil.example",
        "http://example.com:80@evil.example",
        "http://example.com\\@evil.example",
        "http://example.com.evil.example",
        "http://evil.example#example.com",
        "http://evil.example?example.com",
        "http://example.com:81/",
        "http://example\u3002com",
        "/\u2215evil.example",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,evil",
        "//example.com/%2f..",
        "evil.example",
    ],
)
def test_open_redirect(live: Live, to: str) -> None:
    answer = live.ask("/next?to=" + quote(to, safe=""))
    assert (answer.status, answer.all("location")) == (303, ["/"])
