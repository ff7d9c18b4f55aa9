"""Attack class A (bodies that cost more than they weigh) against `erlen run`, with a length and without one."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
JSON = "application/json"
END = b"--b--\r\n"


def part(content: bytes = b"1", *fields: bytes, name: bytes = b"a", filename: bytes | None = None) -> bytes:
    file = b"" if filename is None else b'; filename="%b"' % filename
    head = b"\r\n".join([b'Content-Disposition: form-data; name="%b"%b' % (name, file), *fields])
    return b"--b\r\n%b\r\n\r\n%b\r\n" % (head, content)


BOMBS = {
    "many fields": (URLENCODED, b"a=1&" * 1001, 413),
    "many empty fields": (URLENCODED, b"&" * 500_000, 413),
    "one large field": (URLENCODED, b"a=" + b"x" * 1_100_000, 413),
    "one large name": (URLENCODED, b"x" * 1_100_000, 413),
    "many parts": (MULTIPART, part() * 1001 + END, 413),
    "many empty files": (MULTIPART, part(b"", filename=b"f") * 101 + END, 413),
    "many file inputs that were left empty": (MULTIPART, part(b"", filename=b"") * 5000 + END, 413),
    "one large part": (MULTIPART, part(b"x" * 1_100_000) + END, 413),
    "a part without end": (MULTIPART, part(b"x" * 1_000_000)[:-2], 400),
    "a part of line breaks": (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"\r\n" * 500_000, 400),
    "a preamble": (MULTIPART, b"x" * 1_000_000 + part() + END, 400),
    "an epilogue": (MULTIPART, part() + END + b"x" * 1_000_000, 400),
    "large part fields": (MULTIPART, part(b"1", b"X-A: " + b"x" * 9000) + END, 413),
    "many part fields": (MULTIPART, part(b"1", *[b"X-%d: 1" % n for n in range(20)]) + END, 413),
    "a part in base64": (MULTIPART, part(b"MQ==", b"Content-Transfer-Encoding: base64") + END, 400),
    "multipart in multipart": (MULTIPART, part(b"--c--", b"Content-Type: multipart/mixed; boundary=c") + END, 400),
    "no boundary": ("multipart/form-data", part() + END, 400),
    "an endless boundary": ("multipart/form-data; boundary=" + "b" * 5000, part() + END, 400),
    "a form of another type": ("text/plain", b"a=1", 415),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("case", BOMBS)
def test_form_bomb(live: Live, case: str, chunked: bool) -> None:
    content_type, body, status = BOMBS[case]
    assert live.send("/form", body, content_type, chunked=chunked).status == status


HOSTILE_JSON = {
    "arrays": (b"[" * 100_000, 400),
    "closed arrays": (b"[" * 100_000 + b"]" * 100_000, 400),
    "objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "just too deep": (b"[" * 65 + b"]" * 65, 400),
    "a huge integer": (b"9" * 500_000, 422),
    "a huge negative integer": (b"-" + b"9" * 500_000, 422),
    "a huge exponent": (b"1e999999999", 422),
    "not a number": (b"NaN", 400),
    "infinity": (b"-Infinity", 400),
    "half of a surrogate pair": (rb'"\ud800"', 400),
    "bytes that are no text": (b'"\xff\xfe"', 400),
    "another encoding": ('"a"'.encode("utf-16"), 400),
    "two documents": (b"{}{}", 400),
    "nothing": (b"", 400),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("case", HOSTILE_JSON)
def test_hostile_json(live: Live, case: str, chunked: bool) -> None:
    body, status = HOSTILE_JSON[case]
    for target in ("/any", "/item"):
        # A type that is no object refuses an array before it has looked at its content.
        assert live.send(target, body, JSON, chunked=chunked).status in (status, 422 if target == "/item" else status)


def test_what_is_just_within_the_limits_is_read(live: Live) -> None:
    assert live.send("/form", b"&".join([b"a=1"] * 1000), URLENCODED).text == "1000"
    assert live.send("/form", part() * 1000 + END, MULTIPART).text == "1000"
    assert live.send("/any", b"[" * 64 + b"]" * 64, JSON).status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_decompression_bomb_a_compressed_body_is_not_unpacked(live: Live, coding: str) -> None:
    document = b'{"name":"' + b"a" * 10_000_000 + b'"}'
    packed = zlib.compress(document) if coding == "deflate" else gzip.compress(document)
    assert live.send("/item", packed, JSON, f"Content-Encoding: {coding}").status == 400
    assert live.send("/size", packed, JSON, f"Content-Encoding: {coding}").text == str(len(packed))


def test_a_body_over_the_limit_is_refused_before_it_is_sent(live: Live) -> None:
    for target in ("/size", "/form", "/item"):
        head = f"POST {target} HTTP/1.1\r\nHost: example.com\r\nContent-Type: {JSON}\r\nContent-Length: 2000001\r\n"
        if target == "/form":
            head = head.replace(JSON, URLENCODED)
        (answer,) = live.exchange(head.encode() + b"Expect: 100-continue\r\n\r\n", wait=3)
        assert answer.status == 413
        assert answer.all("connection") == ["close"]


def test_a_chunked_body_over_the_limit_is_refused(live: Live) -> None:
    head = b"POST /size HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = (b"10000\r\n" + b"a" * 0x10000 + b"\r\n") * 40
    # Closing while the client still sends may lose the answer on its way.
    assert [answer.status for answer in live.exchange(head + pieces, wait=3)] in ([413], [])
    assert live.ask("/tell").status == 200
