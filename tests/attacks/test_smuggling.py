"""Attack class E (request smuggling) against `erlen run`: no bytes of one request are ever taken for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")

HOST = b"Host: example.com\r\n"
POST = b"POST /size HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /echo/smuggled HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"

MALFORMED = {
    "length with plus": POST + b"Content-Length: +5\r\n\r\nabcde",
    "length with minus": POST + b"Content-Length: -5\r\n\r\nabcde",
    "length in hex": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "length with underscore": POST + b"Content-Length: 0_5\r\n\r\nabcde",
    "length that is empty": POST + b"Content-Length:\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    "two lengths in one": POST + b"Content-Length: 5, 6\r\n\r\nabcde",
    "coding with space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "coding with control character": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding that is empty": POST + b"Transfer-Encoding: \r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "coding that is unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "fold before the first field": b"GET /tell HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n",
    "nul in a value": b"GET /tell HTTP/1.1\r\n" + HOST + b"X-A: a\x00b\r\n\r\n",
    "carriage return in a value": b"GET /tell HTTP/1.1\r\n" + HOST + b"X-A: a\rX-B: b\r\n\r\n",
    "no colon": b"GET /tell HTTP/1.1\r\n" + HOST + b"X-A\r\n\r\n",
    "tab in the request line": b"GET\t/tell HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces in the request line": b"GET  /tell HTTP/1.1\r\n" + HOST + b"\r\n",
    "version of another alphabet": b"GET /tell http/1.1\r\n" + HOST + b"\r\n",
    "method that is no token": b"G<E>T /tell HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_head_is_refused_and_nothing_after_it_read(live: Live, case: str) -> None:
    answers = live.exchange(MALFORMED[case] + NEXT, wait=3)
    assert [answer.status for answer in answers] == [400]


BAD_CHUNKS = {
    "size with plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "size after space": b" 3\r\nabc\r\n0\r\n\r\n",
    "size that is empty": b"\r\nabc\r\n0\r\n\r\n",
    "line feeds alone": b"3\nabc\n0\n\n",
    "line feed after the size": b"3\nabc\r\n0\r\n\r\n",
    "carriage returns alone": b"3\rabc\r0\r\r",
    "data without its end": b"3\r\nabcXX0\r\n\r\n",
    "data longer than said": b"3\r\nabcd\r\n0\r\n\r\n",
    "line feed in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "endless trailer": b"3\r\nabc\r\n0\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 1000) for n in range(500)) + b"\r\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_malformed_chunks_end_the_connection(live: Live, case: str) -> None:
    answers = live.exchange(CHUNKED + BAD_CHUNKS[case] + NEXT, wait=3)
    # granian's WSGI shows a body that broke off as one that ended; what follows is never a request.
    assert [answer.status for answer in answers] in ([400], [200], [])
    assert "smuggled" not in "".join(answer.text for answer in answers)


def test_an_endless_chunk_extension_is_no_request(live: Live) -> None:
    answers = live.exchange(CHUNKED + b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n" + NEXT, wait=3)
    found = [(answer.status, answer.text) for answer in answers]
    assert found == [(200, "3"), (200, '{"text":"smuggled"}')] or [status for status, _ in found] in ([400], [200], []), found


# What servers may take or refuse, each with the size of its body.
ODD = {
    "line feeds alone": (b"POST /size HTTP/1.1\nHost: example.com\nContent-Length: 3\n\nabc", "3"),
    "folded coding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3"),
    "folded length": (POST + b"Content-Length:\r\n 3\r\n\r\nabc", "3"),
    "coding after tab": (POST + b"Transfer-Encoding:\tchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3"),
    "coding in capitals": (POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3"),
    "coding twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3"),
    "coding with underscore": (POST + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "5"),
    "length with underscore in its name": (POST + b"Content_Length: 50\r\nContent-Length: 3\r\n\r\nabc", "3"),
    "length with zeros": (POST + b"Content-Length: 003\r\n\r\nabc", "3"),
    "one length twice": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "3"),
    "one length twice in one": (POST + b"Content-Length: 3, 3\r\n\r\nabc", "3"),
    "space after a chunk's size": (CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", "3"),
    "extension of the last chunk": (CHUNKED + b"3\r\nabc\r\n0;a=b\r\n\r\n", "3"),
    "trailer that frames": (CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 50\r\nHost: evil.example\r\n\r\n", "3"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_head_is_refused_or_framed_as_the_standard_says(live: Live, case: str) -> None:
    request, size = ODD[case]
    answers = live.exchange(request + NEXT, wait=3)
    found = [(answer.status, answer.text) for answer in answers]
    assert found == [(200, size), (200, '{"text":"smuggled"}')] or [answer.status for answer in answers] == [400], found


def test_two_framings_are_refused_or_end_the_connection(live: Live) -> None:
    framings = [b"Content-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n"]
    for order in (framings, framings[::-1]):
        answers = live.exchange(POST + b"".join(order) + b"\r\n0\r\n\r\n" + NEXT, wait=3)
        assert [(answer.status, answer.text) for answer in answers] == [(200, "0")] or [answer.status for answer in answers] == [400]


@pytest.mark.parametrize("line", [b"POST /nowhere HTTP/1.1\r\n", b"GET /tell HTTP/1.1\r\n", b"POST /tell HTTP/1.1\r\n"])
def test_a_body_that_nobody_reads_is_no_request(live: Live, line: bytes) -> None:
    bodies = [
        b"Content-Length: %d\r\n\r\n%b" % (len(NEXT), NEXT),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT),
    ]
    for body in bodies:
        (answer,) = live.exchange(line + HOST + body)
        assert answer.status in (200, 404, 405)
        assert "smuggled" not in answer.text


def test_a_body_whose_request_was_refused_is_no_request(live: Live) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(NEXT)
    for refused, status in ((b"Origin: https://evil.example\r\n", 403), (b"Content-Length: 99999999\r\n\r\n", 413)):
        answers = live.exchange(POST + refused + (length if status == 403 else b"") + NEXT)
        assert [answer.status for answer in answers] == [status]
