from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.media import guess_media_type
from erlen.static.naming import digest_of, hashed_name, plain_name

DIGEST = "3f2a9c01d5e7"


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("site.css", "site.3f2a9c01d5e7.css"),
        ("css/site.css", "css/site.3f2a9c01d5e7.css"),
        ("jquery.min.js", "jquery.min.3f2a9c01d5e7.js"),
        ("app.js.map", "app.3f2a9c01d5e7.js.map"),
        ("LICENSE", "LICENSE.3f2a9c01d5e7"),
        ("v1.2/LICENSE", "v1.2/LICENSE.3f2a9c01d5e7"),
        ("a.tar.gz", "a.tar.3f2a9c01d5e7.gz"),
    ],
)
def test_the_hash_stands_before_the_ending(name: str, hashed: str) -> None:
    assert hashed_name(name, DIGEST) == hashed
    assert plain_name(hashed) == (name, DIGEST)
    assert guess_media_type(hashed) == guess_media_type(name)


@pytest.mark.parametrize("name", ["site.css", "site.3f2a.css", "site.3F2A9C01D5E7.css", "3f2a9c01d5e7.css", "css/.3f2a9c01d5e7.css", ""])
def test_other_names_have_no_hash(name: str) -> None:
    assert plain_name(name) is None


@given(st.from_regex(r"([a-z]{1,5}/){0,2}[a-z0-9]{1,12}(\.[a-z0-9]{1,12}){0,3}", fullmatch=True))
def test_names_come_back(name: str) -> None:
    assert plain_name(hashed_name(name, DIGEST)) == (name, DIGEST)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_of(b"abc") == digest_of(tmp_path / "a") == "ba7816bf8f01"  # SHA-256 of FIPS 180-4's example
