from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.drive import drive
from erlen.http.form import FormData, parse_form
from erlen.http.limits import Limits
from erlen.testing.body import encode_multipart, encode_pairs, pairs_of


def parsed(body: bytes, content_type: str) -> FormData:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return drive(parse_form(content_type, chunks(), Limits()))


def test_values_become_text() -> None:
    fields = {"text": "x", "number": 1.5, "yes": True, "no": False, "none": None, "list": [1, None, "two"], "tuple": ("a",), "empty": []}
    assert pairs_of(fields) == [
        ("text", "x"),
        ("number", "1.5"),
        ("yes", "true"),
        ("no", "false"),
        ("list", "1"),
        ("list", "two"),
        ("tuple", "a"),
    ]
    assert pairs_of([("a", 1), ("a", 2)]) == [("a", "1"), ("a", "2")]


def test_pairs_are_encoded_as_browsers_do() -> None:
    assert encode_pairs({"a b": "ü&=+", "c": ""}) == "a+b=%C3%BC%26%3D%2B&c="


def test_file_is_named_and_typed() -> None:
    body, content_type = encode_multipart({}, {"photo": ("cat.png", b"\x89PNG"), "raw": b"x", "own": ("x.bin", "é", "text/x-own")})
    form = parsed(body, content_type)
    files = form.files
    assert [(name, file.filename, file.content_type) for name, file in files.multi_items()] == [
        ("photo", "cat.png", "image/png"),
        ("raw", "raw", "application/octet-stream"),
        ("own", "x.bin", "text/x-own"),
    ]
    assert files["own"].read() == "é".encode()
    form.close()


def test_names_cannot_break_out_of_their_header() -> None:
    """Header injection: quotes and line breaks in a name are escaped as browsers escape them."""
    body, content_type = encode_multipart({'a"b\r\nX: 1': "v"}, {"f": ('q".txt', b"")})
    assert b'name="a%22b%0D%0AX: 1"' in body
    assert b'filename="q%22.txt"' in body
    form = parsed(body, content_type)
    assert len(form) == 2
    form.close()


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(TypeError, match=r"bytes, \(name, content\)"):
        encode_multipart({}, {"f": 1})  # type: ignore[dict-item]


NAME = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
FIELDS = st.lists(st.tuples(NAME, st.text(st.characters(codec="utf-8"))), max_size=4)


@given(FIELDS, st.binary(max_size=200))
def test_any_form_comes_back(fields: list[tuple[str, str]], content: bytes) -> None:
    body, content_type = encode_multipart(fields, {"file": ("name.bin", content)})
    form = parsed(body, content_type)
    assert form.fields.multi_items() == fields
    assert form.files["file"].read() == content
    form.close()
