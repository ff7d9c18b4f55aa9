"""The same requests to each door, through a real server and a raw socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.doors.conftest import Answer, Server


def test_a_response_has_the_defaults_and_its_length(any_server: Server) -> None:
    for _ in range(2):  # made, then shared
        answer = any_server.get("/")
        assert (answer.status, answer.body) == (200, b'{"hello":"world"}')
        assert answer.all("content-type") == ["application/json"]
        assert answer.all("content-length") == ["17"]
        assert answer.all("x-frame-options") == ["DENY"]
        assert answer.all("strict-transport-security") == []


def test_own_fields_win_and_may_be_repeated(server: Server) -> None:
    answer = server.get("/own")
    assert answer.text == "<p>é</p>"
    assert answer.all("x-frame-options") == ["SAMEORIGIN"]
    assert answer.all("x-content-type-options") == []
    assert answer.all("content-length") == ["9"]
    assert [value.partition(";")[0] for value in answer.all("set-cookie")] == ["a=1", "b=2"]


def test_a_response_without_content_has_no_length(any_server: Server) -> None:
    answer = any_server.get("/empty")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.all("content-length") == answer.all("transfer-encoding") == []


PATHS = ["/", "/own", "/file", "/sync-stream", "/empty"]


def test_head_has_the_fields_of_get_and_no_body(any_server: Server) -> None:
    for path in PATHS:
        # Another response follows at once, so that a body would be seen between them.
        requests = f"HEAD {path} HTTP/1.1\r\nHost: example.com\r\n\r\nGET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"
        raw = any_server.exchange(requests.encode())
        assert raw.count(b"\r\n\r\nHTTP/1.1 200") == 1, path
        head = raw.partition(b"\r\n\r\n")[0]
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        assert lengths == [f"content-length: {value}".encode() for value in any_server.get(path).all("content-length")]


@pytest.mark.parametrize("kind", ["rsgi", "asgi-granian", "wsgi"])
def test_head_over_http_2_has_no_body(servers: Callable[[str], Server], kind: str) -> None:
    for path in PATHS:
        frames = http2_frames(servers(kind).port, "HEAD", path)
        assert [kind for kind, payload in frames if kind != DATA or payload] == [HEADERS], path


def test_the_request_is_told_alike(server: Server) -> None:
    told = json.loads(server.get("/a/b%20%C3%A9?x=1&y=%2F", "X-Thing: one", "Accept: */*").text)
    headers = dict(told.pop("headers"))
    assert told == {
        "method": "GET",
        "path": "/a/b é",
        "query": "x=1&y=%2F",
        "host": "example.com",
        "peer": "127.0.0.1",
        "scheme": "http",
        "version": "1.1",
        "mount": "",
    }
    assert (headers["x-thing"], headers["accept"], headers["host"]) == ("one", "*/*", "example.com")


def test_http_1_0_is_answered(server: Server) -> None:
    raw = server.exchange(b"GET /tell HTTP/1.0\r\nHost: example.com\r\n\r\n")
    assert b" 200 " in raw.partition(b"\r\n")[0]
    assert b'"version":"1.0"' in raw


def test_bodies_are_read_whole_and_piece_by_piece(any_server: Server) -> None:
    body = bytes(range(256)) * 100
    assert any_server.get("/echo", method="POST", body=body).body == body
    assert any_server.get("/thread-body", method="POST", body=body).body == body
    assert any_server.get("/count", method="POST", body=body).text == "25600"
    assert any_server.get("/echo", "Content-Length: 0", method="POST").body == b""
    assert any_server.get("/count").text == "0"


def test_chunked_bodies_are_read(server: Server) -> None:
    request = b"POST %b HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    request += b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    for path, body in ((b"/echo", b"abcdefg"), (b"/count", b"7"), (b"/thread-body", b"abcdefg")):
        assert server.exchange(request % path).endswith(b"\r\n\r\n" + body)


def test_the_connection_is_kept(server: Server) -> None:
    request = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"
    assert server.exchange(request, 0.05, last).count(b'{"hello":"world"}') == 2


def test_pipelined_requests_are_answered_in_order(engine: Server) -> None:
    post = b"POST /echo HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\n"
    raw = engine.exchange(post + b"one" + post.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"two")
    assert -1 < raw.find(b"\r\n\r\none") < raw.find(b"\r\n\r\ntwo")


@pytest.mark.parametrize("path", ["/state", "/thread-state"])
def test_each_request_has_a_context_of_its_own(any_server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", any_server.port), timeout=30) as connection:
        for _ in range(6):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode())
            body = receive_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
            assert (body or connection.recv(4096)) == b"0"


@pytest.mark.parametrize("kind", ["rsgi", "wsgi", "asgi-granian", "asgi-uvicorn"])
def test_each_request_that_was_sent_ahead_has_a_context_of_its_own(servers: Callable[[str], Server], kind: str) -> None:
    request = b"GET /state HTTP/1.1\r\nHost: example.com\r\n"
    raw = servers(kind).exchange((request + b"\r\n") * 5 + request + b"Connection: close\r\n\r\n")
    assert raw.count(b"\r\n\r\n0") == 6


def test_a_file_is_sent_whole_and_in_part(any_server: Server) -> None:
    content = (Path(__file__).parent / "small_site.py").read_bytes()
    whole = any_server.get("/file")
    assert whole.body == content
    assert whole.all("content-length") == [str(len(content))]
    part = any_server.get("/file", "Range: bytes=5-14")
    assert (part.status, part.body) == (206, content[5:15])
    assert part.all("content-range") == [f"bytes 5-14/{len(content)}"]
    assert part.all("content-length") == ["10"]
    etag = whole.field("etag")
    assert any_server.get("/file", f"If-None-Match: {etag}").status == 304


def test_a_synchronous_stream_is_sent_in_its_context(any_server: Server) -> None:
    answer = any_server.get("/sync-stream")
    assert answer.complete
    assert answer.text == "0 /sync-stream\n1 /sync-stream\n2 /sync-stream\n"


def test_an_asynchronous_stream_is_sent(loop_server: Server) -> None:
    answer = loop_server.get("/stream")
    assert answer.complete
    assert answer.text == "one,zwö,three"


def test_a_stream_shorter_than_it_says_does_not_end_cleanly(any_server: Server) -> None:
    answer = any_server.get("/short-stream")
    assert b"first".startswith(answer.body)
    assert answer.status == 0 or not answer.complete
    assert any_server.logged("BrokenStream: the stream ended after 5 bytes")


def test_a_stream_longer_than_it_says_is_cut(server: Server) -> None:
    answer = server.get("/long-stream")
    assert answer.raw.endswith(b"\r\n\r\nfirst")


def test_a_stream_that_fails_is_logged_and_broken_off_where_the_protocol_can(loop_server: Server) -> None:
    answer = loop_server.get("/failing-stream")
    assert answer.body == b"first"
    assert loop_server.logged("a stream failed")
    if "uvicorn" in loop_server.log.read_text():
        assert not answer.complete


@pytest.mark.parametrize(("path", "closed"), [("/endless", "endless closed"), ("/quiet-events", "quiet events closed")])
def test_a_generator_is_closed_when_the_client_leaves(loop_server: Server, path: str, closed: str) -> None:
    leave_after(loop_server, path, b"data: 1")
    assert loop_server.logged(closed)


def test_a_synchronous_generator_is_closed_when_the_client_leaves(any_server: Server) -> None:
    leave_after(any_server, "/sync-endless", b"\r\n1\r\nx\r\n")
    assert any_server.logged("sync endless closed")


def test_work_is_done_after_the_response(server: Server) -> None:
    assert server.get("/after").text == "later"
    assert server.logged("work is done")
    assert server.logged("async work is done")
    assert server.logged("ValueError: after-work breaks")


def test_text_that_is_no_text_is_sent_all_the_same(server: Server) -> None:
    assert server.get("/surrogate").text == "?"


def test_slow_handlers_do_not_hold_up_others(server: Server) -> None:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(server.get("/held"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert server.logged("one is held", 3)
    assert server.get("/").status == 200
    assert answers == []
    assert server.get("/release").status == 200
    for thread in threads:
        thread.join()
    assert [answer.text for answer in answers] == ["held"] * 3


@pytest.mark.parametrize("kind", ["rsgi", "asgi-uvicorn"])
def test_a_worker_that_is_told_to_stop_finishes_requests_and_ends_event_streams(start_server: Callable[[str], Server], kind: str) -> None:
    server = start_server(kind)
    slow: list[Answer] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as events:
        events.sendall(b"GET /events HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert b"data: 1" in receive_until(events, b"data: 1")
        thread = threading.Thread(target=lambda: slow.append(server.get("/slow")))
        thread.start()
        assert server.logged("slow begins")
        server.stop()
        thread.join()
    assert slow[0].text == "slow"
    assert server.logged("events closed")
    assert server.logged("site has shut down")


DATA, HEADERS, SETTINGS = 0, 1, 4


def http2_frames(port: int, method: str, path: str) -> list[tuple[int, bytes]]:
    """Send one request by HTTP/2 (RFC 9113) with prior knowledge; return type and payload of the frames of its stream."""
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "example.com")]
    # RFC 7541, section 6.2.2: literals without indexing, names spelt out.
    block = b"".join(bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields)
    frames = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 0x5, 1, block))
        reader = connection.makefile("rb")
        ended = False
        while not ended:
            head = reader.read(9)
            payload = reader.read(int.from_bytes(head[:3], "big"))
            if int.from_bytes(head[5:], "big") == 1:
                frames.append((head[3], payload))
                ended = bool(head[4] & 0x1) or head[3] not in (DATA, HEADERS)
    return frames


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def leave_after(server: Server, path: str, first: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode())
        # A generator that was never begun would have nothing to close.
        receive_until(connection, first)


def receive_until(connection: socket.socket, text: bytes) -> bytes:
    received = b""
    while text not in received:
        data = connection.recv(4096)
        if not data:
            break
        received += data
    return received
