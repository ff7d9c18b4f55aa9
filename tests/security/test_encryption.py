from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import ConfigurationError
from erlen.security.encryption import Encryption, is_available
from erlen.security.signing import BadSignature, SignatureExpired, Signer, random_key

OLD, NEW = random_key(), random_key()
BOTH = Encryption([NEW, OLD])


@given(data=st.binary(max_size=200), purpose=st.text(min_size=1, max_size=20))
def test_round_trip(data: bytes, purpose: str) -> None:
    token = BOTH.encrypt(data, purpose)
    assert BOTH.decrypt(token, purpose, max_age=60).data == data
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_values() -> None:
    token = BOTH.dumps({"a": [1, None, "ä"]}, "p")
    assert BOTH.loads(token, "p") == {"a": [1, None, "ä"]}
    with pytest.raises(BadSignature, match="no JSON"):
        BOTH.loads(BOTH.encrypt(b"\xff", "p"), "p")
    with pytest.raises(ValueError, match="purpose"):
        BOTH.dumps(1, "")


def test_equal_values_make_different_tokens() -> None:
    assert len({BOTH.dumps("same", "p") for _ in range(50)}) == 50


def test_a_token_is_for_one_purpose() -> None:
    token = BOTH.dumps("x", "reset")
    for other in ("reset2", "rese", "Reset", "reset:"):
        with pytest.raises(BadSignature):
            BOTH.loads(token, other)


def test_keys_rotate_newest_first() -> None:
    assert BOTH.loads(Encryption([OLD]).dumps("x", "p"), "p") == "x"
    with pytest.raises(BadSignature):
        Encryption([OLD]).loads(BOTH.dumps("x", "p"), "p")


def test_signing_and_encryption_do_not_share_tokens() -> None:
    signer = Signer([NEW])
    assert signer.encryption is signer.encryption
    with pytest.raises(BadSignature):
        signer.loads(signer.encryption.dumps("x", "p"), "p")
    with pytest.raises(BadSignature):
        signer.encryption.loads(signer.dumps("x", "p"), "p")


def test_tampering() -> None:
    token = BOTH.dumps({"user": 1}, "p")
    for position in range(len(token) - 1):  # the last character may carry spare bits
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(BadSignature):
            BOTH.loads(changed, "p")
    for cut in (1, 10, 30, 60):
        with pytest.raises(BadSignature):
            BOTH.loads(token[:-cut], "p")


@given(st.text(max_size=120) | st.text("ABCabc012-_", max_size=120))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        BOTH.loads(text, "p")


def test_age() -> None:
    now = 1_800_000_000.0
    encryption = Encryption([NEW], clock=lambda: now)
    token = encryption.encrypt(b"x", "p")
    assert encryption.decrypt(token, "p").made_at == 1_800_000_000
    now += 61
    with pytest.raises(SignatureExpired):
        encryption.decrypt(token, "p", max_age=timedelta(minutes=1))
    assert encryption.decrypt(token, "p", max_age=61).data == b"x"


def test_weak_keys() -> None:
    with pytest.raises(ConfigurationError, match="erlen secret"):
        Encryption(["short"])


def test_without_the_package_the_error_has_the_install_line() -> None:
    program = """
import sys
sys.modules["cryptography"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "cryptography" else find(name, package)
from erlen.errors import ConfigurationError
from erlen.security.cookie_session import CookieSessions
from erlen.security.signing import Signer
signer = Signer(["0123456789abcdef" * 4])
for use in (lambda: signer.encryption, lambda: CookieSessions(signer, encrypt=True)):
    try:
        use()
    except ConfigurationError as error:
        assert "pip install 'erlen[encryption]'" in str(error), error
    else:
        raise AssertionError("no error")
"""
    assert is_available()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
