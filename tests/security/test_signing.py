from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer as Engine

from erlen.errors import ConfigurationError
from erlen.security.signing import BadSignature, SignatureExpired, Signer, random_key

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

OLD, NEW = random_key(), random_key()
SIGNER = Signer([NEW, OLD])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@given(value=JSON, purpose=st.text(min_size=1, max_size=20), compress=st.booleans())
def test_round_trip(value: object, purpose: str, compress: bool) -> None:
    token = SIGNER.dumps(value, purpose, compress=compress)
    assert SIGNER.loads(token, purpose, max_age=60) == value
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@given(one=st.text(min_size=1, max_size=12), other=st.text(min_size=1, max_size=12))
def test_salt_collision_between_purposes(one: str, other: str) -> None:
    """CVE-2026-6873: a token for one purpose must be none for another, however their names are spliced."""
    if one != other:
        token = SIGNER.dumps(1, one)
        with pytest.raises(BadSignature):
            SIGNER.loads(token, other)


def test_keys_rotate_newest_first() -> None:
    old_token = Signer([OLD]).dumps("x", "p")
    new_token = SIGNER.dumps("x", "p")
    assert SIGNER.loads(old_token, "p") == "x"
    assert Signer([NEW]).loads(new_token, "p") == "x"
    with pytest.raises(BadSignature):
        Signer([OLD]).loads(new_token, "p")
    with pytest.raises(BadSignature):
        Signer([NEW]).loads(old_token, "p")


def test_tampering() -> None:
    token = SIGNER.dumps({"user": 1}, "p")
    for position in range(len(token)):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        try:
            # The last character of a signature carries two spare bits.
            assert SIGNER.loads(changed, "p") == {"user": 1}
            assert position == len(token) - 1
        except BadSignature:
            pass


@pytest.mark.parametrize("token", ["", ".", "..", "a", "a.b", "a.b.c", "\u00e4.b.c", "....", "\x00", "a.b.", "=" * 9, "x" * 3_000_000])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(BadSignature):
        SIGNER.loads(token, "p")


@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        SIGNER.loads(text, "p")


def test_age() -> None:
    clock = Clock()
    signer = Signer([NEW], clock=clock)
    token = signer.dumps("x", "p")
    assert signer.verify(token, "p").made_at == int(clock.now)
    clock.now += 60
    assert signer.loads(token, "p", max_age=60) == "x"
    assert signer.loads(token, "p", max_age=timedelta(minutes=1)) == "x"
    clock.now += 1
    with pytest.raises(SignatureExpired, match="60 seconds"):
        signer.loads(token, "p", max_age=60)
    with pytest.raises(BadSignature):
        signer.loads(token, "p", max_age=timedelta(minutes=1))
    assert signer.loads(token, "p") == "x"
    clock.now -= 61 + 60
    assert signer.loads(token, "p", max_age=60) == "x", "the clocks of two servers differ a little"
    clock.now -= 1
    with pytest.raises(SignatureExpired):
        signer.loads(token, "p", max_age=60)


def test_compression_shortens_only_where_it_helps() -> None:
    long = "a" * 1000
    assert len(SIGNER.dumps(long, "p", compress=True)) < 200 < len(SIGNER.dumps(long, "p"))
    assert len(SIGNER.dumps("a", "p", compress=True)) == len(SIGNER.dumps("a", "p"))


def test_decompression_bomb() -> None:
    """Even with a leaked key a token does not unpack without bound."""
    body = urlsafe_b64encode(b"z" + zlib.compress(b"a" * 5_000_000)).rstrip(b"=")
    engine = SIGNER._engine("p")
    assert isinstance(engine, Engine)
    token = engine.sign(body + b".%x" % 1_800_000_000).decode()
    with pytest.raises(BadSignature, match="unpacks"):
        SIGNER.loads(token, "p")


def test_what_is_too_large_or_no_json_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="at most 1048576 bytes"):
        SIGNER.dumps("a" * 1_048_576, "p")
    with pytest.raises(TypeError):
        SIGNER.dumps(object(), "p")
    with pytest.raises(ValueError, match="purpose"):
        SIGNER.dumps(1, "")
    with pytest.raises(BadSignature, match="no JSON"):
        SIGNER.loads(SIGNER.sign(b"\xff", "p"), "p")


def test_values_come_back_as_json() -> None:
    assert SIGNER.loads(SIGNER.dumps({"when": datetime(2026, 1, 2), "what": (1, 2)}, "p"), "p") == {
        "when": "2026-01-02T00:00:00",
        "what": [1, 2],
    }


@pytest.mark.parametrize("keys", [[], [""], ["short"], ["a" * 64], ["abcdefg" * 10], [random_key(), "short"], "short"])
def test_weak_keys(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="erlen secret") as error:
        Signer(keys)
    assert "short" not in str(error.value)


def test_weak_keys_in_debug() -> None:
    assert Signer(["dev"], debug=True).loads(Signer("dev", debug=True).dumps(1, "p"), "p") == 1
    with pytest.raises(ConfigurationError):
        Signer([], debug=True)


def test_random_keys_are_strong_and_differ() -> None:
    keys = {random_key() for _ in range(20)}
    assert len(keys) == 20
    Signer(list(keys))
    assert {len(key) for key in keys} == {64}


def test_the_keys_are_never_shown() -> None:
    assert NEW not in repr(SIGNER)
    assert OLD not in repr(SIGNER)


def test_purposes_that_a_program_makes_up_do_not_grow_memory() -> None:
    signer = Signer([NEW])
    for number in range(500):
        signer.dumps(1, f"reset:{number}")
    assert signer._engine.cache_info().currsize <= 128


def test_verifying_is_linear(assert_linear: AssertLinear) -> None:
    def check(size: int) -> None:
        for token in ("a" * size + ".b.c", "." * size, "a." * size):
            with pytest.raises(BadSignature):
                SIGNER.loads(token, "p")

    assert_linear(lambda size: size, check, 12_500)
