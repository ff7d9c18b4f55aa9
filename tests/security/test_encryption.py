from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.security.encryption import is_available
from erlen.security.signing import BadSignature, SignatureExpired, Signer, random_key

OLD, NEW = random_key(), random_key()
BOTH = Signer([NEW, OLD])


@given(data=st.binary(max_size=200), purpose=st.text(min_size=1, max_size=20), compress=st.booleans())
def test_round_trip(data: bytes, purpose: str, compress: bool) -> None:
    token = BOTH.sign(data, purpose, encrypt=True, compress=compress)
    assert BOTH.verify(token, purpose, max_age=60).data == data
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_values() -> None:
    token = BOTH.dumps({"a": [1, None, "ä"]}, "p", encrypt=True)
    assert BOTH.loads(token, "p") == {"a": [1, None, "ä"]}
    with pytest.raises(BadSignature, match="no JSON"):
        BOTH.loads(BOTH.sign(b"\xff", "p", encrypt=True), "p")
    with pytest.raises(ValueError, match="purpose"):
        BOTH.dumps(1, "", encrypt=True)
    with pytest.raises(ValueError, match="at most 1048576 bytes"):
        BOTH.dumps("a" * 1_048_576, "p", encrypt=True)


def test_equal_values_make_different_tokens() -> None:
    assert len({BOTH.dumps("same", "p", encrypt=True) for _ in range(50)}) == 50


def test_a_token_is_for_one_purpose() -> None:
    token = BOTH.dumps("x", "reset", encrypt=True)
    for other in ("reset2", "rese", "Reset", "reset:"):
        with pytest.raises(BadSignature):
            BOTH.loads(token, other)


def test_keys_rotate_newest_first() -> None:
    assert BOTH.loads(Signer([OLD]).dumps("x", "p", encrypt=True), "p") == "x"
    with pytest.raises(BadSignature):
        Signer([OLD]).loads(BOTH.dumps("x", "p", encrypt=True), "p")


def test_a_token_that_only_looks_like_the_other_kind_is_refused() -> None:
    signed, encrypted = BOTH.dumps("x", "p"), BOTH.dumps("x", "p", encrypt=True)
    for changed in (signed.replace(".", ""), encrypted + ".", encrypted[:40] + "." + encrypted[40:], f"{encrypted}.0.{signed[-43:]}"):
        with pytest.raises(BadSignature):
            BOTH.loads(changed, "p")


def test_tampering() -> None:
    token = BOTH.dumps({"user": 1}, "p", encrypt=True)
    for position in range(len(token) - 1):  # the last character may carry spare bits
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(BadSignature):
            BOTH.loads(changed, "p")
    for cut in (1, 10, 30, 60):
        with pytest.raises(BadSignature):
            BOTH.loads(token[:-cut], "p")


@given(st.text(max_size=120) | st.text("ABCabc012-_", max_size=120) | st.text("ABC012-_", max_size=120).map(lambda text: "AQ" + text))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        BOTH.loads(text, "p")


def test_age() -> None:
    now = 1_800_000_000.0
    signer = Signer([NEW], clock=lambda: now)
    token = signer.sign(b"x", "p", encrypt=True)
    assert signer.verify(token, "p").made_at == 1_800_000_000
    now += 61
    assert signer.verify(token, "p").age == 61
    with pytest.raises(SignatureExpired, match="60 seconds"):
        signer.verify(token, "p", max_age=timedelta(minutes=1))
    assert signer.verify(token, "p", max_age=61).data == b"x"


def test_without_the_package_the_error_has_the_install_line() -> None:
    program = f"""
import sys
sys.modules["cryptography"] = None
from erlen.errors import ConfigurationError
from erlen.security.signing import BadSignature, Signer
signer = Signer(["{NEW}"])
try:
    signer.dumps(1, "p", encrypt=True)
except ConfigurationError as error:
    assert "pip install 'erlen[encryption]'" in str(error), error
else:
    raise AssertionError("no error")
try:
    signer.loads("{BOTH.dumps(1, "p", encrypt=True)}", "p")
except BadSignature:
    pass
else:
    raise AssertionError("no error")
"""
    assert is_available()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
