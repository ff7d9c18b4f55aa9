from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import BadRequest, ContentTooLarge, HTTPError, UnsupportedMediaType
from erlen.http.form import FormData, UploadFile, parse_form, safe_filename
from erlen.http.limits import Limits

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b0undary"
SMALL = Limits(form_fields=3, form_files=2, field_size=100, file_memory=50, part_headers_size=200)


class Part(NamedTuple):
    """One part as a client sends it."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None
    more: tuple[str, ...] = ()


def quoted(text: str) -> str:
    # HTML, "multipart form data": browsers escape these three and nothing else.
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def encode(parts: Iterable[Part], boundary: str = "b0undary") -> bytes:
    body = b""
    for part in parts:
        disposition = f'Content-Disposition: form-data; name="{quoted(part.name)}"'
        if part.filename is not None:
            disposition += f'; filename="{quoted(part.filename)}"'
        lines = [f"--{boundary}", disposition]
        if part.content_type is not None:
            lines.append(f"Content-Type: {part.content_type}")
        lines += [*part.more, "", ""]
        body += "\r\n".join(lines).encode() + part.content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def parse(content_type: str, body: bytes, limits: Limits | None = None, *, size: int = 1 << 20) -> FormData:
    """Parse without an event loop, as the WSGI door does."""
    coroutine = parse_form(content_type, pieces(body, size), limits or Limits())
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    form: FormData = end.value.value
    return form


def refusal(content_type: str, body: bytes, limits: Limits | None = None, *, size: int = 1 << 20) -> HTTPError:
    with pytest.raises(HTTPError) as caught:
        parse(content_type, body, limits, size=size)
    return caught.value


class TestContentType:
    def test_empty_body_without_a_type_is_an_empty_form(self) -> None:
        assert parse("", b"").multi_items() == []

    @pytest.mark.parametrize(
        "content_type",
        ["", "application/json", "text/plain", "multipart/mixed; boundary=x", "multipart/form-data boundary=b0undary"],
    )
    def test_other_types_are_415(self, content_type: str) -> None:
        assert isinstance(refusal(content_type, b"a=1"), UnsupportedMediaType)

    @pytest.mark.parametrize(
        "content_type", [URLENCODED.upper(), URLENCODED + ";", URLENCODED + "; charset=UTF-8", URLENCODED + ';charset="utf-8" ']
    )
    def test_spellings(self, content_type: str) -> None:
        assert parse(content_type, b"a=%C3%A9").text("a") == "é"

    @pytest.mark.parametrize("charset", ["latin1", "utf-7", "utf-16", "x"])
    def test_other_charsets_are_415(self, charset: str) -> None:
        assert isinstance(refusal(f"{URLENCODED}; charset={charset}", b"a=1"), UnsupportedMediaType)
        body = encode([Part("a", b"1", content_type=f"text/plain; charset={charset}")])
        assert isinstance(refusal(MULTIPART, body), UnsupportedMediaType)

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'multipart/form-data; boundary=""',
            "multipart/form-data; boundary=" + "b" * 71,
            "multipart/form-data; boundary=" + "b" * 5000,
            'multipart/form-data; boundary="a\\\nb"',
            "multipart/form-data; boundary=a\r\nb",
            "multipart/form-data; boundary=é",
            'multipart/form-data; boundary="a ',
            'multipart/form-data; boundary="a "',
            "multipart/form-data; boundary=b0undary; Boundary=b",
            'multipart/form-data; boundary="b0undary',
            "multipart/form-data; boundary =b0undary",
            "multipart/form-data; boundary",
        ],
    )
    def test_attack_missing_or_malformed_boundary(self, content_type: str) -> None:
        assert isinstance(refusal(content_type, encode([Part("a", b"1")])), BadRequest)

    @pytest.mark.parametrize("boundary", ["b" * 70, "----=_Part_1.2", "'()+_,-./:=?", "a b", "-"])
    @pytest.mark.parametrize("quote", ['"', ""])
    def test_every_boundary_of_rfc_2046(self, boundary: str, quote: str) -> None:
        if " " in boundary and not quote:
            return
        body = encode([Part("a", b"1")], boundary)
        assert parse(f"multipart/form-data; boundary={quote}{boundary}{quote}", body).text("a") == "1"

    @pytest.mark.parametrize("unit", [';a="', '; a="\\', "; ", " ", ";a=b;", '"\\'])
    def test_attack_content_type_is_read_in_linear_time(self, assert_linear: AssertLinear, unit: str) -> None:
        # CVE-2024-24762
        assert_linear(lambda size: MULTIPART + unit * (size // len(unit)), lambda text: refusal(text, b""), 10_000)
        assert isinstance(refusal(MULTIPART + unit * 10_000, b""), BadRequest)


class TestUrlencoded:
    @pytest.mark.parametrize(
        ("body", "pairs"),
        [
            (b"", []),
            (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
            (b"a&=1&&", [("a", ""), ("", "1")]),
            (b"a+b=%26%3D", [("a b", "&=")]),
            (b"a=%FF&b=\xff&c=%zz", [("a", "\ufffd"), ("b", "\ufffd"), ("c", "%zz")]),
            ("a=é".encode(), [("a", "é")]),
            (b"a=%00", [("a", "\0")]),
        ],
    )
    def test_as_browsers_write_it(self, body: bytes, pairs: list[tuple[str, str]]) -> None:
        assert parse(URLENCODED, body).multi_items() == pairs
        assert parse(URLENCODED, body, size=1).multi_items() == pairs

    @given(st.lists(st.tuples(st.text(), st.text()), max_size=10), st.integers(1, 30))
    def test_round_trip_in_pieces(self, pairs: list[tuple[str, str]], size: int) -> None:
        assert parse(URLENCODED, urlencode(pairs).encode(), size=size).multi_items() == pairs

    def test_attack_field_flood(self) -> None:
        assert len(parse(URLENCODED, b"&a=1&a=2&a=3", SMALL).getlist("a")) == 3
        for body in (b"a=1&a=2&a=3&a=4", b"&" * 1000):
            assert isinstance(refusal(URLENCODED, body, SMALL), ContentTooLarge)

    def test_attack_one_large_field(self) -> None:
        assert parse(URLENCODED, b"a=" + b"%41" * 99, SMALL).text("a") == "A" * 99
        for body in (b"a=" + b"x" * 100, b"x" * 101, b"a=" + b"%41" * 100):
            assert "100 bytes" in refusal(URLENCODED, body, SMALL).detail

    def test_attack_fields_together(self) -> None:
        limits = Limits(field_size=100)
        assert len(parse(URLENCODED, b"&".join([b"a=" + b"x" * 98] * 4), limits).pairs) == 4
        assert "400 bytes" in refusal(URLENCODED, b"&".join([b"a=" + b"x" * 98] * 5), limits).detail

    @pytest.mark.parametrize("unit", [b"x", b"a=1&"])
    def test_attack_limits_hold_before_the_body_has_ended(self, unit: bytes) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 100
                yield unit * 100

        with pytest.raises(ContentTooLarge):
            parse_form(URLENCODED, endless(), SMALL).send(None)
        assert sent < 1000

    @pytest.mark.parametrize("unit", [b"a=1&", b"%", b"+", b"%41", b"x"])
    @pytest.mark.parametrize("size", [7, 1 << 20])
    def test_attack_parsing_is_linear(self, assert_linear: AssertLinear, unit: bytes, size: int) -> None:
        limits = Limits(form_fields=1_000_000, field_size=1 << 30)
        assert_linear(lambda count: unit * count, lambda body: parse(URLENCODED, body, limits, size=size), 10_000)


class TestMultipart:
    def test_fields_and_files(self) -> None:
        body = encode(
            [
                Part("title", "Grüße".encode()),
                Part("file", b"\x00\r\n--b0undar\r\n", "a b.png", "image/PNG; x=y"),
                Part("title", b"", content_type="text/plain; charset=utf-8"),
                Part("file", b"2", "ü.txt"),
                Part("none", b"", "", "application/octet-stream"),
            ]
        )
        form = parse(MULTIPART, body)
        assert [(name, value if isinstance(value, str) else value.filename) for name, value in form.multi_items()] == [
            ("title", "Grüße"),
            ("file", "a b.png"),
            ("title", ""),
            ("file", "ü.txt"),
        ]
        assert form.text("title") == ""
        assert form.text("file", "none") == "none"
        assert form.fields.getlist("title") == ["Grüße", ""]
        first, second = form.files.getlist("file")
        assert form.file("file") is second
        assert form.file("none") is form.file("title") is None
        assert first.read() == b"\x00\r\n--b0undar\r\n"
        assert (first.size, first.content_type, first.headers["content-type"]) == (14, "image/png", "image/PNG; x=y")
        assert (second.read(), second.content_type) == (b"2", "application/octet-stream")
        form.close()
        assert first.file.closed
        assert second.file.closed

    def test_attack_every_file_of_one_name_is_seen(self) -> None:
        # CVE-2023-31047: a check of the last file only lets the others through.
        form = parse(MULTIPART, encode([Part("f", b"1", "evil.exe"), Part("f", b"2", "good.png")]))
        assert [upload.filename for upload in form.files.getlist("f")] == ["evil.exe", "good.png"]
        form.close()

    def test_form_without_parts(self) -> None:
        for body in (b"--b0undary--", b"--b0undary--\r\n", b"\r\n--b0undary--\r\n"):
            assert parse(MULTIPART, body).multi_items() == []

    def test_field_that_is_not_utf_8(self) -> None:
        assert parse(MULTIPART, encode([Part("a", b"\xff")])).text("a") == "\ufffd"

    @given(
        st.lists(
            st.builds(
                Part,
                st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="%\\"), min_size=1, max_size=10),
                st.binary(max_size=80) | st.sampled_from([b"\r\n", b"\r", b"--b", b"\r\n--b", b"\r\n--bX", b"-" * 20]),
                st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="%\\"), min_size=1, max_size=10),
                st.none() | st.sampled_from(["text/plain", "image/png"]),
                st.just(()),
            ),
            max_size=6,
        ),
        st.integers(1, 200),
    )
    def test_round_trip_in_pieces(self, parts: list[Part], size: int) -> None:
        form = parse("multipart/form-data; boundary=b-0", encode(parts, "b-0"), Limits(file_memory=20), size=size)
        try:
            assert len(form.pairs) == len(parts)
            for (name, value), part in zip(form.pairs, parts, strict=True):
                assert name == part.name
                if part.filename is None:
                    assert value == part.content.decode("utf-8", "replace")
                else:
                    assert isinstance(value, UploadFile)
                    assert (value.raw_filename, value.size, value.read()) == (part.filename, len(part.content), part.content)
                    assert value.content_type == (part.content_type or "application/octet-stream")
                    assert value.on_disk == (len(part.content) > 20)
        finally:
            form.close()

    @given(st.binary(max_size=300), st.integers(1, 50))
    def test_any_bytes_are_a_form_or_a_client_error(self, noise: bytes, size: int) -> None:
        good = encode([Part("a", b"1"), Part("f", b"2", "x.txt")])
        middle = len(noise) % len(good)
        for body in (noise, b"--b0undary\r\n" + noise, good[:middle] + noise + good[middle:]):
            try:
                parse(MULTIPART, body, size=size).close()
            except (BadRequest, ContentTooLarge, UnsupportedMediaType):
                pass

    @pytest.mark.parametrize("cut", range(1, 12))
    def test_missing_final_boundary(self, cut: int) -> None:
        body = encode([Part("a", b"1")])[:-2]
        assert isinstance(refusal(MULTIPART, body[:-cut]), BadRequest)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\r\n",
            b"a=1",
            b"--other--\r\n",
            b"--b0undary\n",
            b"--b0undary\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\n folded\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\nContent-Length: 5\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\nno colon\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=\xff\r\n\r\n1\r\n--b0undary--",
            b"--b0undary\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b0undaryX\r\n",
        ],
    )
    @pytest.mark.parametrize("size", [1, 1 << 20])
    def test_malformed_is_400(self, body: bytes, size: int) -> None:
        assert isinstance(refusal(MULTIPART, body, size=size), BadRequest)

    @pytest.mark.parametrize("line", ["X: a\nY: b", "X: a\rb", "X: a\0b", "X: \x1b[31m"])
    def test_attack_control_characters_in_part_headers(self, line: str) -> None:
        assert isinstance(refusal(MULTIPART, encode([Part("a", b"1", "f", "text/plain", (line,))])), BadRequest)

    @pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "BASE64 ", "x-uuencode"])
    def test_attack_content_transfer_encoding(self, encoding: str) -> None:
        body = encode([Part("a", b"YQ==", more=(f"Content-Transfer-Encoding: {encoding}",))])
        assert "Content-Transfer-Encoding" in refusal(MULTIPART, body).detail

    def test_content_transfer_encoding_that_means_nothing(self) -> None:
        assert parse(MULTIPART, encode([Part("a", b"1", more=("Content-Transfer-Encoding: 8bit",))])).text("a") == "1"

    def test_attack_nested_multipart(self) -> None:
        body = encode([Part("a", b"--c--", content_type="multipart/mixed; boundary=c")])
        assert isinstance(refusal(MULTIPART, body), BadRequest)

    @pytest.mark.parametrize("preamble", [b"x", b"\r\n\r\n", b"junk\r\n", b"\r" * 1000, b"x" * 200_000 + b"\r\n", b"--b0undar\r\n"])
    @pytest.mark.parametrize("size", [1000, 1 << 20])
    def test_attack_preamble(self, preamble: bytes, size: int) -> None:
        assert isinstance(refusal(MULTIPART, preamble + encode([Part("a", b"1")]), size=size), BadRequest)

    @pytest.mark.parametrize(
        "epilogue", [b"x", b"\r\n\r\n", b"\r\r", b"x" * 200_000, b"\r\n--b0undary--", b"\r\n" + encode([Part("a", b"2")])]
    )
    @pytest.mark.parametrize("size", [1, 1000, 1 << 20])
    def test_attack_epilogue(self, epilogue: bytes, size: int) -> None:
        body = encode([Part("a", b"1")])[:-2]
        if size == 1 and len(epilogue) > 1000:
            return
        assert isinstance(refusal(MULTIPART, body + epilogue, size=size), BadRequest)

    def test_attack_epilogue_where_the_final_boundary_is_cut(self) -> None:
        body = encode([Part("a", b"1")])[:-2]
        padding = 65_536 - len(body)
        for cut in range(1, 12):
            whole = encode([Part("a", b"x" * (padding + 1 + cut))])[:-2]
            assert whole[:65_536].endswith(b"--b0undary--"[: 12 - cut])
            assert len(parse(MULTIPART, whole, size=65_536).text("a")) == padding + 1 + cut
            assert isinstance(refusal(MULTIPART, whole + b"\r\njunk", size=65_536), BadRequest)

    @pytest.mark.parametrize("end", [b"", b"\r\n", b"\n"])
    @pytest.mark.parametrize("length", [0, 65_300, 65_400, 65_500, 65_535, 65_536, 70_000])
    @pytest.mark.parametrize("size", [999, 65_536, 1 << 20])
    def test_final_boundary_may_fall_anywhere(self, end: bytes, length: int, size: int) -> None:
        for more in range(0, 120, 7):
            body = encode([Part("a", b"x" * (length + more))])[:-2] + end
            assert len(parse(MULTIPART, body, size=size).text("a")) == length + more

    def test_content_may_hold_what_looks_like_a_boundary(self) -> None:
        for content in (b"x--b0undary--", b"\n--b0undary--\r\n", b"\r\n--b0undar--\r\n", b"x--b0undary\r\n"):
            form = parse(MULTIPART, encode([Part("a", content)]))
            assert form.text("a").encode() == content


class TestMultipartLimits:
    def test_attack_many_fields(self) -> None:
        assert len(parse(MULTIPART, encode([Part("a", b"")] * 3), SMALL).pairs) == 3
        assert "3 fields" in refusal(MULTIPART, encode([Part("a", b"")] * 4), SMALL).detail

    def test_attack_many_files(self) -> None:
        parse(MULTIPART, encode([Part("a", b"", "f")] * 2), SMALL).close()
        for filename in ("f", ""):
            assert "2 files" in refusal(MULTIPART, encode([Part("a", b"", filename)] * 3), SMALL).detail

    def test_attack_one_large_field(self) -> None:
        assert len(parse(MULTIPART, encode([Part("a", b"x" * 99)]), SMALL).text("a")) == 99
        assert "100 bytes" in refusal(MULTIPART, encode([Part("a", b"x" * 100)]), SMALL).detail

    def test_attack_fields_together_names_included(self) -> None:
        limits = Limits(field_size=100)
        assert len(parse(MULTIPART, encode([Part("n" * 50, b"x" * 50)] * 4), limits).pairs) == 4
        assert "400 bytes" in refusal(MULTIPART, encode([Part("n" * 50, b"x" * 50)] * 4 + [Part("n", b"")]), limits).detail

    def test_file_is_not_held_to_the_size_of_a_field(self) -> None:
        form = parse(MULTIPART, encode([Part("a", b"x" * 1000, "f")]), SMALL)
        assert form.files["a"].size == 1000
        form.close()

    def test_attack_large_part_headers(self) -> None:
        assert parse(MULTIPART, encode([Part("a", b"1", more=("X: " + "x" * 100,))]), SMALL).text("a") == "1"
        for more in (("X: " + "x" * 300,), ("X: " + "x" * 90, "Y: " + "y" * 90), ("X: " + "é" * 80,)):
            assert "200 bytes" in refusal(MULTIPART, encode([Part("a", b"1", more=more)]), SMALL).detail

    def test_attack_many_part_headers(self) -> None:
        more = tuple(f"X{number}: x" for number in range(8))
        assert isinstance(refusal(MULTIPART, encode([Part("a", b"1", more=more)])), ContentTooLarge)

    @pytest.mark.parametrize(
        ("start", "unit"),
        [
            (b'--b0undary\r\nContent-Disposition: form-data; name="', b"x"),
            (b"--b0undary\r\nX", b"x"),
            (b'--b0undary\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"x"),
            (b'--b0undary\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', b"\r"),
            (b"", b'--b0undary\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'),
            (b"", b'--b0undary\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n\r\n'),
            (b"", b"x"),
            (b"--b0undary--", b"x"),
        ],
    )
    def test_attack_endless_body_is_refused_while_it_arrives(self, start: bytes, unit: bytes) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            yield start
            for _ in range(1000):
                sent += 1000 * len(unit)
                yield unit * 1000

        with pytest.raises((BadRequest, ContentTooLarge)):
            parse_form(MULTIPART, endless(), SMALL).send(None)
        assert sent < 300_000

    def test_files_are_closed_after_a_refusal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[UploadFile] = []
        original = UploadFile.__init__

        def recording(self: UploadFile, *args: object, **kwargs: object) -> None:
            original(self, *args, **kwargs)  # type: ignore[arg-type]
            made.append(self)

        monkeypatch.setattr(UploadFile, "__init__", recording)
        refusal(MULTIPART, encode([Part("f", b"x" * 1000, "f"), Part("g", b"x", "g")])[:-10], SMALL)
        assert [upload.file.closed for upload in made] == [True, True]

    def test_files_are_closed_when_the_body_breaks_off(self) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield encode([Part("f", b"x" * 100_000, "f")])[:-20]
            raise ConnectionResetError

        # An open file on disk would be a ResourceWarning, and that an error.
        with pytest.raises(ConnectionResetError):
            parse_form(MULTIPART, broken(), SMALL).send(None)


class TestMultipartCost:
    @pytest.mark.parametrize(
        "content",
        [b"x", b"\r\n", b"\r", b"\n", b"-", b"\r\n--", b"\r\n--b0undar", b"\r\n--b0undar-", b"x--b0undary--", b"\r\r\n--b0undar"],
    )
    @pytest.mark.parametrize(("filename", "size"), [(None, 11), ("f", 1000), ("f", 1 << 20)])
    def test_attack_content_is_read_in_linear_time(
        self, assert_linear: AssertLinear, content: bytes, filename: str | None, size: int
    ) -> None:
        limits = Limits(field_size=1 << 30, file_memory=1 << 30)

        # CVE-2023-46136: a line break first, then megabytes without one.
        def make(count: int) -> bytes:
            return encode([Part("a", b"\r\n" + content * (count // len(content)), filename)])

        assert_linear(make, lambda body: parse(MULTIPART, body, limits, size=size).close(), 12_500)

    def test_attack_many_tiny_chunks_are_read_in_linear_time(self, assert_linear: AssertLinear) -> None:
        def make(count: int) -> bytes:
            return encode([Part("a", b"x" * count, "f")])

        assert_linear(make, lambda body: parse(MULTIPART, body, size=1).close(), 2_500)

    def test_attack_many_parts_are_read_in_linear_time(self, assert_linear: AssertLinear) -> None:
        limits = Limits(form_fields=100_000)
        assert_linear(lambda count: encode([Part("a", b"1")] * count), lambda body: parse(MULTIPART, body, limits), 250)

    @pytest.mark.parametrize("unit", ['; a="', '; a="\\', "; ", ";", " ", "a", '\\"', "%22", '; name="b"', "a=", '"', "; a = "])
    def test_attack_content_disposition_is_read_in_linear_time(self, assert_linear: AssertLinear, unit: str) -> None:
        limits = Limits(part_headers_size=1 << 20)

        def make(count: int) -> bytes:
            start = f'--b0undary\r\nContent-Disposition: form-data; name="a"; filename={unit * (count // len(unit))}'
            return start.encode() + b"\r\n\r\n1\r\n--b0undary--\r\n"

        def work(body: bytes) -> None:
            try:
                parse(MULTIPART, body, limits).close()
            except HTTPError:
                pass

        assert_linear(make, work, 10_000)


class TestOnTheLoop:
    def test_what_goes_to_disk_is_written_in_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        writers: set[bool] = set()
        original = UploadFile.write

        def recording(self: UploadFile, data: bytes) -> None:
            writers.add(threading.current_thread() is threading.main_thread())
            original(self, data)

        monkeypatch.setattr(UploadFile, "write", recording)
        content = os.urandom(300_000)
        body = encode([Part("f", content, "f")])
        form = asyncio.run(parse_form(MULTIPART, pieces(body, 70_000), Limits(file_memory=10)))
        assert writers == {False}
        assert form.files["f"].read() == content
        form.close()

    def test_aread_and_asave(self, tmp_path: Path) -> None:
        async def main() -> None:
            body = encode([Part("f", b"x" * 100, "f"), Part("g", b"y", "g")])
            form = await parse_form(MULTIPART, pieces(body, 50), SMALL)
            large, small = form.files["f"], form.files["g"]
            assert (large.on_disk, small.on_disk) == (True, False)
            assert await large.aread(10) == b"x" * 10
            assert await large.aread() == b"x" * 90
            assert await small.aread() == b"y"
            await large.asave(tmp_path / "f")
            form.close()

        asyncio.run(main())
        assert (tmp_path / "f").read_bytes() == b"x" * 100


@pytest.fixture
def upload() -> Iterable[UploadFile]:
    upload = UploadFile("a.txt")
    upload.write(b"hello")
    yield upload
    upload.close()


class TestUploadFile:
    def test_read_seek_and_chunks(self, upload: UploadFile) -> None:
        assert upload.read() == b""
        upload.seek(1)
        assert upload.read(2) == b"el"
        assert upload.read() == b"lo"
        assert list(upload.chunks(2)) == [b"he", b"ll", b"o"]
        assert upload.size == 5
        assert repr(upload) == "<UploadFile 'a.txt' application/octet-stream 5 bytes>"

    @pytest.mark.parametrize(
        ("raw", "filename"),
        [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("C:\\Users\\me\\a b.png", "a b.png"),
            ("..\\..\\a", "a"),
            ("a/..", ""),
            (".", ""),
            ("..", ""),
            (".\0.", ""),
            ("a\0.txt\r\n", "a.txt"),
            ("\u202egpj.exe", "gpj.exe"),
            ("a/", ""),
            ("", ""),
            (".htaccess", ".htaccess"),
        ],
    )
    def test_attack_path_traversal_by_filename(self, raw: str, filename: str) -> None:
        upload = UploadFile(raw)
        assert upload.filename == filename
        assert upload.raw_filename == raw
        upload.close()

    def test_save(self, upload: UploadFile, tmp_path: Path) -> None:
        upload.seek(2)
        upload.save(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"hello"
        assert upload.read() == b"llo"
        assert os.listdir(tmp_path) == ["a"]

    def test_save_to_a_relative_path(self, upload: UploadFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        upload.save("a")
        assert os.listdir(tmp_path) == ["a"]

    def test_save_does_not_overwrite_unless_told(self, upload: UploadFile, tmp_path: Path) -> None:
        target = tmp_path / "a"
        target.write_bytes(b"old")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            upload.save(target)
        assert target.read_bytes() == b"old"
        upload.save(target, overwrite=True)
        assert target.read_bytes() == b"hello"
        assert os.listdir(tmp_path) == ["a"]

    def test_save_does_not_overwrite_what_appears_meanwhile(self, tmp_path: Path) -> None:
        class Overtaken(UploadFile):
            def chunks(self, size: int = 1) -> Iterator[bytes]:
                (tmp_path / "a").write_bytes(b"first")
                return super().chunks(size)

        upload = Overtaken("a")
        upload.write(b"second")
        with pytest.raises(FileExistsError):
            upload.save(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"first"
        assert os.listdir(tmp_path) == ["a"]
        upload.close()

    def test_save_refuses_a_folder(self, upload: UploadFile, tmp_path: Path) -> None:
        for overwrite in (False, True):
            with pytest.raises(IsADirectoryError, match="safe_filename"):
                upload.save(tmp_path, overwrite=overwrite)

    def test_attack_symbolic_link_is_not_followed(self, upload: UploadFile, tmp_path: Path) -> None:
        secret, link = tmp_path / "secret", tmp_path / "link"
        link.symlink_to(secret)
        with pytest.raises(FileExistsError):
            upload.save(link)
        assert not secret.exists()
        upload.save(link, overwrite=True)
        assert not secret.exists()
        assert not link.is_symlink()

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_attack_mode_of_new_files(self, upload: UploadFile, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            upload.save(tmp_path / "a")
        finally:
            os.umask(before)
        assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o644 & ~umask

    def test_save_that_fails_leaves_nothing(self, upload: UploadFile, tmp_path: Path) -> None:
        upload.close()
        with pytest.raises(ValueError, match="closed"):
            upload.save(tmp_path / "a")
        assert os.listdir(tmp_path) == []


class TestSafeFilename:
    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("report.pdf", "report.pdf"),
            ("a b.tar.gz", "a_b.tar.gz"),
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\b.txt", "b.txt"),
            ("C:evil.txt", "C_evil.txt"),
            ("a.txt:stream", "a.txt_stream"),
            ("Ünïcode.PNG", "Unicode.PNG"),
            ("файл.txt", "file.txt"),
            ("файл", "file"),
            (".htaccess", "file.htaccess"),
            ("...", "file"),
            ("", "file"),
            ("/", "file"),
            ("-rf", "rf"),
            ("CON", "file_CON"),
            ("con.txt", "file_con.txt"),
            ("nul.tar.gz", "file_nul.tar.gz"),
            ("COM¹.txt", "file_COM1.txt"),
            ("lpt9 .txt", "file_lpt9.txt"),
            ("console.log", "console.log"),
            ("a.txt. . ", "a.txt"),
            ("a..b", "a.b"),
            ("a..b.c", "a.b.c"),
            ("a\0b\r\n.txt", "ab.txt"),
            ("a\u2044b.txt", "ab.txt"),
            ("x\uff0f..\uff0fy.txt", "y.txt"),
            ("x" * 500 + ".png", "x" * 170 + ".png"),
        ],
    )
    def test_names(self, name: str, safe: str) -> None:
        assert safe_filename(name) == safe

    @given(st.text(max_size=300) | st.text("./\\ -_:CONcom1a\u00b9\uff0e\uff0f", max_size=20))
    def test_attack_every_name_is_made_safe(self, name: str) -> None:
        safe = safe_filename(name)
        assert safe
        assert len(safe) <= 200
        assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert safe[0] not in ".-"
        assert safe[-1] != "."
        assert ".." not in safe
        assert safe.split(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
        assert safe_filename(safe) == safe

    @pytest.mark.parametrize("unit", [".", "/", " ", "é", "a", "\ufdfa"])
    def test_attack_naming_is_linear(self, assert_linear: AssertLinear, unit: str) -> None:
        assert_linear(lambda size: unit * size, safe_filename, 10_000)
