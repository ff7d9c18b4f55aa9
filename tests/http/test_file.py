from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import NotFound, RangeNotSatisfiable
from erlen.http.conditional import format_http_date
from erlen.http.file import FileResponse, _is_plain, content_disposition, file_chunks, safe_join
from erlen.http.headers import check_header
from erlen.http.media import guess_media_type
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse

CONTENT = bytes(range(256)) * 4
OLD = 1_700_000_000


class SentRequest(Request):
    fields: dict[str, str] = {}

    def header(self, name: str) -> str | None:
        return self.fields.get(name)


def sent(method: str = "GET", **fields: str) -> Request:
    context: Any = None  # none of this asks the site
    return SentRequest(method, "/", "", context, fields={name.replace("_", "-"): value for name, value in fields.items()})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (OLD, OLD))
    return path


def written(response: Response) -> bytes:
    if isinstance(response, FileResponse):
        return b"".join(file_chunks(response.path, response.start, response.end))
    assert isinstance(response, StreamResponse)
    assert isinstance(response.chunks, Iterable)
    return b"".join(chunk.encode() if isinstance(chunk, str) else chunk for chunk in response.chunks)


# -- the whole file -----------------------------------------------------------------------------------------------------------


def test_a_file_is_described_when_it_is_prepared(path: Path) -> None:
    answer = FileResponse(path).prepare(sent())
    assert isinstance(answer, FileResponse)
    assert (answer.kind, answer.status, answer.path, answer.start, answer.end, answer.size) == ("file", 200, str(path), 0, 1024, 1024)
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["content-length"] == "1024"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"] == format_http_date(OLD)
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-disposition" not in answer.headers
    assert written(answer) == CONTENT


def test_one_response_serves_many_requests(path: Path) -> None:
    kept = FileResponse(path, headers={"x-a": "1"})
    part = kept.prepare(sent(range="bytes=0-1"))
    whole = kept.prepare(sent())
    assert (part.status, whole.status, kept.status) == (206, 200, 200)
    assert kept.headers.multi_items() == [("x-a", "1")]
    assert whole.headers["x-a"] == part.headers["x-a"] == "1"


def test_preparing_again_changes_nothing(path: Path) -> None:
    once = FileResponse(path).prepare(sent())
    again = once.prepare(sent())
    assert again.headers.multi_items() == once.headers.multi_items()


def test_the_tag_follows_the_file(path: Path) -> None:
    first = FileResponse(path).prepare(sent()).headers["etag"]
    assert FileResponse(path).prepare(sent(if_none_match=first)).status == 304
    path.write_bytes(b"changed")
    assert FileResponse(path).prepare(sent(if_none_match=first)).status == 200
    assert first[0] == first[-1] == '"'


def test_conditions_come_before_ranges(path: Path) -> None:
    answer = FileResponse(path).prepare(sent(if_modified_since=format_http_date(OLD), range="bytes=0-1"))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"]
    assert FileResponse(path).prepare(sent(if_match='"other"')).status == 412


def test_own_header_fields_win(path: Path) -> None:
    own = {"ETag": '"mine"', "Cache-Control": "private", "Last-Modified": format_http_date(0)}
    answer = FileResponse(path, headers=own).prepare(sent())
    assert (answer.headers["etag"], answer.headers["cache-control"], answer.headers["last-modified"]) == (
        '"mine"', "private", "Thu, 01 Jan 1970 00:00:00 GMT",
    )  # fmt: skip
    assert FileResponse(path, max_age=60).prepare(sent()).headers["cache-control"] == "max-age=60"


def test_head_says_what_get_would_say(path: Path) -> None:
    head = FileResponse(path).prepare(sent("HEAD", range="bytes=0-1"))
    assert head.status == 200
    assert head.headers.multi_items() == FileResponse(path).prepare(sent()).headers.multi_items()


def test_post_and_error_pages_send_the_whole_file_without_conditions(path: Path) -> None:
    posted = FileResponse(path).prepare(sent("POST", range="bytes=0-1", if_none_match="*"))
    assert (posted.status, written(posted)) == (200, CONTENT)
    missing = FileResponse(path, status=404).prepare(sent(range="bytes=0-1", if_none_match="*"))
    assert (missing.status, written(missing)) == (404, CONTENT)
    assert "etag" not in missing.headers


@pytest.mark.parametrize("name", ["missing", "", "data.bin/x", "x" * 300, "a\0b"])
def test_what_is_no_file_is_not_found(path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        FileResponse(str(path.parent / name) if "\0" not in name else f"{path.parent}/{name}").prepare(sent())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_found_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFound):
        FileResponse(tmp_path / "pipe").prepare(sent())


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    answer = FileResponse(tmp_path / "empty.txt").prepare(sent(range="bytes=-1"))
    assert (answer.status, answer.headers["content-length"], written(answer)) == (200, "0", b"")
    with pytest.raises(RangeNotSatisfiable):
        FileResponse(tmp_path / "empty.txt").prepare(sent(range="bytes=0-0"))


def test_a_file_that_shrinks_while_it_is_sent_does_not_end_as_if_whole(path: Path) -> None:
    answer = FileResponse(path).prepare(sent())
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="shorter"):
        written(answer)


def test_chunks_are_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(200_000))
    assert [len(chunk) for chunk in file_chunks(str(path), 1, 200_000)] == [65536, 65536, 65536, 3391]


# -- ranges -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "start", "end"), [("bytes=0-0", 0, 1), ("bytes=1000-", 1000, 1024), ("bytes=-24", 1000, 1024), ("bytes=0-9, 5-19", 0, 20)]
)
def test_one_range(path: Path, value: str, start: int, end: int) -> None:
    answer = FileResponse(path).prepare(sent(range=value))
    assert isinstance(answer, FileResponse)
    assert (answer.status, answer.start, answer.end) == (206, start, end)
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
    assert answer.headers["content-length"] == str(end - start)
    assert written(answer) == CONTENT[start:end]


def test_several_ranges(path: Path) -> None:
    answer = FileResponse(path, content_type="text/plain").prepare(sent(range="bytes=0-4, 500-509, -3"))
    assert answer.status == 206
    assert "content-range" not in answer.headers
    body = written(answer)
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["etag"]
    parsed = message_from_bytes(f"content-type: {answer.content_type}\r\n\r\n".encode() + body)
    parts: Any = parsed.get_payload()
    assert parsed.get_content_type() == "multipart/byteranges"
    assert [(part["content-type"], part["content-range"]) for part in parts] == [
        ("text/plain", "bytes 0-4/1024"),
        ("text/plain", "bytes 500-509/1024"),
        ("text/plain", "bytes 1021-1023/1024"),
    ]
    boundary = parsed.get_boundary()
    pieces = [piece.partition(b"\r\n\r\n")[2] for piece in body.split(f"\r\n--{boundary}".encode())[1:-1]]
    assert pieces == [CONTENT[0:5], CONTENT[500:510], CONTENT[-3:]]


def test_if_range_sends_the_whole_of_another_version(path: Path) -> None:
    etag = FileResponse(path).prepare(sent()).headers["etag"]
    assert FileResponse(path).prepare(sent(range="bytes=0-1", if_range=etag)).status == 206
    assert FileResponse(path).prepare(sent(range="bytes=0-1", if_range=format_http_date(OLD))).status == 206
    assert FileResponse(path).prepare(sent(range="bytes=0-1", if_range='"other"')).status == 200
    assert FileResponse(path).prepare(sent(range="bytes=0-1", if_range=format_http_date(OLD + 1))).status == 200
    # Not even a range that cannot be had is refused then.
    assert FileResponse(path).prepare(sent(range="bytes=5000-", if_range='"other"')).status == 200


def test_a_range_outside_is_refused_and_a_malformed_one_ignored(path: Path) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        FileResponse(path).prepare(sent(range="bytes=1024-"))
    assert caught.value.headers["content-range"] == "bytes */1024"
    assert FileResponse(path).prepare(sent(range="bytes=junk")).status == 200


def test_class_b_many_overlapping_ranges_cost_no_more_than_the_file(path: Path) -> None:
    answer = FileResponse(path).prepare(sent(range="bytes=" + ",".join(["0-"] * 10)))
    assert (answer.status, len(written(answer))) == (206, 1024)
    assert FileResponse(path).prepare(sent(range="bytes=" + ",".join(["0-"] * 5000))).status == 200


def test_class_c_a_content_type_from_outside_cannot_begin_a_field_in_a_part(path: Path) -> None:
    body = written(FileResponse(path, content_type="text/plain\r\nx-evil: 1\u20ac").prepare(sent(range="bytes=0-0,9-9")))
    assert b"\r\nx-evil" not in body
    assert b"content-type: text/plainx-evil: 1\r\n" in body


# -- downloads ----------------------------------------------------------------------------------------------------------------


def test_a_download_has_the_name_of_the_file_or_the_one_given(path: Path) -> None:
    assert FileResponse(path, attachment=True).prepare(sent()).headers["content-disposition"] == 'attachment; filename="data.bin"'
    named = FileResponse(path, filename="Bericht.pdf").prepare(sent())
    assert (named.headers["content-disposition"], named.content_type) == ('inline; filename="Bericht.pdf"', "application/pdf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("my report.pdf", 'attachment; filename="my report.pdf"'),
        ("Zürich.pdf", "attachment; filename=\"Zurich.pdf\"; filename*=UTF-8''Z%C3%BCrich.pdf"),
        ("报告.pdf", "attachment; filename=\"download.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("a;b=c.txt", 'attachment; filename="a;b=c.txt"'),
        ("", "attachment"),
        ("\r\n", "attachment"),
    ],
)
def test_content_disposition(name: str, value: str) -> None:
    assert content_disposition(name, True) == value
    assert content_disposition("a", False) == 'inline; filename="a"'


@pytest.mark.parametrize(
    "name",
    [
        'x.bat"; filename="y.exe',
        'setup.bat\\"',
        "a\r\nset-cookie: b=c",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "a\0b",
        "\u202egpj.exe",
        "\ud800.txt",
    ],
)
def test_class_c_reflected_file_download_names_cannot_break_out(name: str) -> None:
    value = content_disposition(name, True)
    check_header("content-disposition", value)
    message = Message()
    message["content-disposition"] = value
    params = message.get_params(header="content-disposition") or []
    assert {key for key, _ in params[1:]} == {"filename"}  # this parser drops the star of `filename*`
    assert len(params) == 2 + ("filename*=" in value)
    for part in (value.split('"')[1], unquote(value.rpartition("''")[2])):
        assert not set(part) & set("/\\\r\n\0\u202e") - set('"')


@given(st.text(max_size=60))
def test_any_name_gives_a_field_that_may_be_sent_and_says_it_whole(name: str) -> None:
    value = content_disposition(name, True)
    check_header("content-disposition", value)
    assert value.count('"') in (0, 2)
    if "filename*" in value:
        told = unquote(value.rpartition("''")[2], errors="strict")
    else:
        told = value.split('"')[1] if '"' in value else ""
    kept = [char for char in name if char.isalnum()]
    assert [char for char in told if char.isalnum()] == kept


# -- media types --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b.c/app.MJS", "text/javascript; charset=utf-8"),
        ("x.min.css", "text/css; charset=utf-8"),
        ("README.md", "text/markdown; charset=utf-8"),
        ("lib.wasm", "application/wasm"),
        ("i.webp", "image/webp"),
        ("i.avif", "image/avif"),
        ("f.woff2", "font/woff2"),
        ("site.webmanifest", "application/manifest+json"),
        ("logo.svg", "image/svg+xml"),
        ("a.tar.gz", "application/gzip"),
        ("noending", "application/octet-stream"),
        ("dir.html/noending", "application/octet-stream"),
        (".json", "application/octet-stream"),
        ("dir/.json", "application/octet-stream"),
        ("odd.", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
    ],
)
def test_guess_media_type(name: str, media_type: str) -> None:
    assert guess_media_type(name) == media_type


def test_the_machine_has_no_say_in_media_types(monkeypatch: pytest.MonkeyPatch) -> None:
    import mimetypes

    monkeypatch.setitem(mimetypes.types_map, ".html", "text/evil")
    monkeypatch.setitem(mimetypes.types_map, ".zzz", "text/html")
    assert guess_media_type("a.html") == "text/html; charset=utf-8"
    assert guess_media_type("a.zzz") == "application/octet-stream"


# -- paths --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.txt").write_text("a")
    (tmp_path / "secret.txt").write_text("s")
    (tmp_path / "root-other").mkdir()
    (tmp_path / "root-other" / "x").write_text("x")
    return root


@pytest.mark.parametrize("parts", [("sub/a.txt",), ("sub", "a.txt"), ("sub//a.txt",), ("./sub/./a.txt",), ("", "sub/a.txt")])
def test_safe_join_inside(root: Path, parts: tuple[str, ...]) -> None:
    assert safe_join(root, *parts) == root.resolve() / "sub" / "a.txt"


def test_safe_join_of_nothing_or_something_new(root: Path) -> None:
    assert safe_join(root) == safe_join(root, "") == root.resolve()
    assert safe_join(str(root), "new", "file..txt") == root.resolve() / "new" / "file..txt"
    assert safe_join("/", "x") == Path("/x")
    assert safe_join(root, "console.log", "aux-in.txt", "2026-11-22T10:00.txt") is not None


@pytest.mark.parametrize(
    "part",
    ["../secret.txt", "..", "sub/../../secret.txt", "sub/..", "/etc/passwd", "//etc/passwd", "..\\secret.txt", "sub\\a.txt",
     "a\0b", "a\nb", "../root-other/x", "CON", "nul.txt", "sub/Aux", "com1.log", "LPT\u00b9", "con .txt", "CONIN$",
     "nul:stream", "x" * 5000, "\ud800/../.."],
)  # fmt: skip
def test_class_f_path_traversal_is_refused(root: Path, part: str) -> None:
    assert safe_join(root, part) is None
    assert safe_join(root, "sub", part) is None


def test_class_f_an_absolute_second_part_is_refused(root: Path) -> None:
    assert safe_join(root, "sub", "/etc/passwd") is None


def test_class_f_links_that_lead_out_are_refused_and_those_inside_followed(root: Path) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "file").symlink_to(root.parent / "secret.txt")
    (root / "in").symlink_to(root / "sub")
    (root / "sibling").symlink_to(root.parent / "root-other")
    (root / "loop").symlink_to(root / "loop")
    assert safe_join(root, "out/secret.txt") is None
    assert safe_join(root, "file") is None
    assert safe_join(root, "sibling/x") is None
    assert safe_join(root, "in/a.txt") == root.resolve() / "sub" / "a.txt"
    looped = safe_join(root, "loop/../../secret.txt")
    assert looped is None
    (root.parent / "alias").symlink_to(root)
    assert safe_join(root.parent / "alias", "sub/a.txt") == root.resolve() / "sub" / "a.txt"


def test_class_f_windows_reads_some_names_as_other_files() -> None:
    for name in ("c:evil", "file.txt::$DATA", "file.txt.", "file.txt "):
        assert not _is_plain(name, windows=True)
        assert _is_plain(name, windows=False)


@given(parts=st.lists(st.text(alphabet="a./\\\0~:", max_size=8) | st.text(max_size=8), max_size=4))
def test_whatever_is_joined_stays_inside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    root = tmp_path_factory.getbasetemp()
    joined = safe_join(root, *parts)
    assert joined is None or joined == root.resolve() or root.resolve() in joined.parents


def test_dates_of_files_are_whole_seconds_of_utc(path: Path) -> None:
    os.utime(path, ns=(0, OLD * 10**9 + 999_999_999))
    answer = FileResponse(path).prepare(sent())
    assert answer.headers["last-modified"] == datetime.fromtimestamp(OLD, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
