from __future__ import annotations

import gc
import sys
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from erlen import Settings, Struct
from erlen.debug.masking import MASK, Masker, TooSlow, shorten, within

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

KEY = "0123456789abcdef0123456789abcdef"


class Own(Settings, frozen=True, kw_only=True):
    mail_password: str = ""


@dataclass
class Account:
    name: str
    password: str


class Login(Struct):
    user: str
    api_key: str


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hunter2"),
        ("db_password", b"hunter2"),
        ("SECRET_KEY", "hunter2"),
        ("Authorization", "Basic hunter2"),
        ("cookie", "session=hunter2"),
        ("x-csrf-token", "hunter2"),
        ("form", {"user": "ada", "password": "hunter2"}),
        ("nested", [{"a": {"token": "hunter2"}}]),
        ("account", Account("ada", "hunter2")),
        ("login", Login("ada", "hunter2")),
        ("both_quotes", Account("ada", "hun'ter\"hunter2")),
        ("url", "postgres://ada:hunter2@db/site"),
        ("link", "https://example.org/?a=1&reset_token=hunter2&b=2"),
        ("headers", [(b"authorization", b"Bearer hunter2"), (b"cookie", b"a=hunter2")]),
        ("body", '{"user": "ada", "password": "hunter2"}'),
    ],
)
def test_what_is_secret_by_name_is_masked(name: str, value: object) -> None:
    shown = Masker().value(name, value)
    assert MASK in shown
    assert "hunter2" not in shown


def test_values_of_secret_settings_are_masked_wherever_they_are() -> None:
    masker = Masker(Own(secret_key=KEY, secret_key_fallbacks=("an older key",), mail_password="sesame"))
    long = "x" * 400 + KEY + "y" * 400
    for text in (KEY, f"before {KEY} after", "an older key", "sesame", long):
        shown = masker.repr({"data": [text]}) + masker.text(text) + masker.repr(Account(text, ""))
        assert MASK in shown
        assert not any(part in shown for part in (KEY, KEY[:12], "an older key", "sesame"))


def test_plain_values_are_shown_as_they_are() -> None:
    masker = Masker(Settings(secret_key=KEY))
    values = ["text", 3, 2.5, None, True, b"bytes", [1, 2], (1,), {"a": 1}, {1}, frozenset({1}), Account]
    assert [masker.value("plain", value) for value in values] == [repr(value) for value in values]
    assert masker.value("password", None) == "None"
    assert masker.value("token", "") == "''"


def test_values_that_compare_in_their_own_way_are_masked_too() -> None:
    class Column:
        def __eq__(self, other: object) -> bool:
            raise TypeError("not here")

        __hash__ = None  # type: ignore[assignment]

        def __bool__(self) -> bool:
            raise TypeError("neither true nor false")

    assert Masker().value("tokens", Column()) == MASK


def test_lone_surrogates_are_escaped() -> None:
    masker = Masker()
    for text in (masker.text("a\udce9"), masker.line("a\udce9"), masker.repr("a\udce9"), masker.value("name", ["\udce9"])):
        assert "\\udce9" in text
        text.encode()


def test_a_repr_that_raises_is_shown_as_such() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no database")

    class Worse:
        def __repr__(self) -> str:
            return 3  # type: ignore[return-value]

    assert Masker().repr(Broken()) == "<Broken: its repr raises RuntimeError: no database>"
    assert Masker().repr([Worse()]).startswith("<list: its repr raises TypeError")


def test_a_repr_without_end_is_stopped() -> None:
    class Endless:
        def __repr__(self) -> str:
            while True:
                try:
                    self.count = 1
                except Exception:  # noqa: BLE001 - as careless code does
                    pass

    assert Masker(seconds=0.05).repr(Endless()) == "<Endless: its repr takes too long>"
    with pytest.raises(TooSlow):
        within(0.02, lambda: sum(number for number in range(10**12)))


def test_finalizers_that_happen_to_run_meanwhile_are_not_stopped() -> None:
    class Node:
        def __init__(self) -> None:
            self.circle = self

    finished: list[bool] = []

    def finish() -> None:
        time.sleep(0.05)
        finished.append(True)

    def work() -> None:
        for _ in range(300):
            _ = [[] for _ in range(10_000)]  # enough for the collector to run

    weakref.finalize(Node(), finish)
    with pytest.raises(TooSlow):
        within(0.02, work)
    assert gc.isenabled()
    gc.collect()
    assert finished == [True]


def test_only_what_values_take_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other things must not leave values out."""
    now = 0.0
    monkeypatch.setattr("erlen.debug.masking.monotonic", lambda: now)

    class Slow:
        def __repr__(self) -> str:
            nonlocal now
            sys.settrace(None)  # as what blocks in C, which is not stopped
            now += 1
            return "slow"

    masker = Masker(seconds=1.5)
    now += 1000
    assert masker.repr(Slow()) == "slow"
    now += 1000
    assert masker.repr(Slow()) == "slow"
    assert "took too long" in masker.repr(Slow())


def test_after_the_time_nothing_more_is_shown() -> None:
    masker = Masker(seconds=0)
    assert masker.repr("text") == "<str: not shown, the values before took too long>"


def test_large_values_are_cut() -> None:
    masker = Masker()
    values = ["x" * 10**6, b"x" * 10**6, list(range(10**5)), {n: n for n in range(10**5)}, [[[[[[[[]]]]]]]], 10**3000]
    assert max(len(masker.repr(value)) for value in values) < 700
    assert "1,000,000 characters" in masker.repr(values[0])
    assert shorten("short", 10) == "short"


def test_lines_of_source_lose_the_secrets_written_in_them() -> None:
    masker = Masker(Settings(secret_key=KEY))
    assert masker.line('    app = App(Settings(secret_key="abc", debug=True))') == f"    app = App(Settings(secret_key={MASK}, debug=True))"
    assert masker.line(f'KEY = "{KEY}"') == f'KEY = "{MASK}"'
    assert masker.line("token = read_token(request)") == "token = read_token(request)"


@pytest.mark.parametrize("unit", ["password=", "token='", "://a:", "&token=", "a:b@", "cookie,'", "\\'"])
def test_masking_is_linear(assert_linear: AssertLinear, unit: str) -> None:
    masker = Masker()

    assert_linear(lambda size: unit * (size // len(unit)), masker.line, 10_000)
