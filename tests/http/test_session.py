from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.http.session import Flash, HttpSession

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def reloaded(session: HttpSession) -> HttpSession:
    return HttpSession.load(session.dump())


@given(data=st.dictionaries(st.text(max_size=10), PLAIN, max_size=5), permanent=st.booleans(), message=st.text(max_size=20))
def test_round_trip(data: dict[str, Any], permanent: bool, message: str) -> None:
    session = HttpSession(data)
    session.permanent = permanent
    session.csrf_secret = "secret"
    session.flash(message, "warning")
    first_id = session.id
    again = reloaded(session)
    assert not again.modified
    assert dict(again) == data
    assert (again.id, again.csrf_secret, again.permanent) == (first_id, "secret", permanent)
    assert again.take_flashes() == [Flash(message, "warning")]
    assert again.modified


def test_it_is_a_mapping() -> None:
    session = HttpSession({"a": 1})
    session["b"] = 2
    session.update(c=3)
    session.setdefault("d", 4)
    assert dict(session) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert session.pop("a") == 1
    del session["b"]
    assert "b" not in session
    assert session.get("b", "none") == "none"
    assert len(session) == 2
    with pytest.raises(KeyError):
        session["b"]
    with pytest.raises(TypeError, match="name in the session is text"):
        session[1] = 2  # type: ignore[index]


def test_what_changes_inside_a_value_is_noticed() -> None:
    session = reloaded(HttpSession({"cart": [1], "deep": {"a": [{"b": 1}]}}))
    session["cart"].append(2)
    assert session.modified
    session["cart"].pop()
    assert not session.modified
    session["deep"]["a"][0]["b"] = 2
    assert session.modified


def test_setting_the_same_value_is_no_change() -> None:
    session = reloaded(HttpSession({"a": 1}))
    session["a"] = 1
    assert not session.modified
    session.modified = True
    assert session.modified


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.get("a"),
        lambda s: "a" in s,
        lambda s: len(s),
        lambda s: bool(s),
        lambda s: list(s),
        lambda s: dict(s),
        lambda s: s.keys() & {"x"},
        lambda s: list(s.items()),
        lambda s: s == {},
        lambda s: s.pop("a", None),
        lambda s: s.setdefault("a", 1),
        lambda s: s.update(a=1),
        lambda s: s.clear(),
        lambda s: s.id,
        lambda s: s.rotate(),
        lambda s: s.permanent,
        lambda s: s.csrf_secret,
        lambda s: s.flash("x"),
        lambda s: s.take_flashes(),
    ],
)
def test_cache_poisoning_by_a_use_that_goes_unnoticed(use: Any) -> None:
    """CVE-2026-27205: whatever a handler asks, the response depends on the visitor."""
    for session in (HttpSession(), reloaded(HttpSession({"a": 1}))):
        assert not session.accessed
        use(session)
        assert session.accessed


def test_a_new_session_holds_nothing_to_keep() -> None:
    session = HttpSession()
    assert session.new
    assert session.is_empty
    assert not session.modified
    session["a"] = 1
    assert session.modified
    del session["a"]
    assert not session.modified
    assert not reloaded(HttpSession({"a": 1})).new


def test_session_fixation_at_a_privilege_change() -> None:
    session = HttpSession({"cart": [1]})
    session.csrf_secret = "before"
    before = session.id
    session = reloaded(session)
    session.rotate()
    assert session.id != before
    assert session.csrf_secret == ""
    assert session["cart"] == [1]
    assert session.replaced_ids == (before,)
    assert session.modified
    session.rotate()
    assert len(set(session.replaced_ids)) == 2


def test_clear_leaves_nothing() -> None:
    session = HttpSession({"user": 1})
    session.flash("x")
    session.csrf_secret = "x"
    old = session.id
    session = reloaded(session)
    session.clear()
    assert session.is_empty
    assert session.modified
    assert session.replaced_ids == (old,)
    assert session.id != old


def test_ids_are_long_and_differ() -> None:
    ids = {HttpSession().id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(name) >= 21 for name in ids)


def test_flashes_come_back_once_in_order_as_text() -> None:
    session = HttpSession()
    session.flash("first")
    session.flash(Markup("<b>"), "error")
    session = reloaded(session)
    assert session.take_flashes() == [Flash("first", "info"), Flash("<b>", "error")]
    assert session.take_flashes() == []
    assert session.is_empty


class Colour(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        date(2026, 1, 1),
        {1, 2},
        b"x",
        float("nan"),
        float("inf"),
        2**64,
        {1: "a"},
        [[{"a": object()}]],
        "\ud800",
        Colour("red"),
        {"\ud800": 1},
    ],
)
def test_what_would_not_come_back_is_refused_by_name(value: object) -> None:
    session = reloaded(HttpSession({"fine": 1}))
    session["thing"] = value
    with pytest.raises(TypeError, match=r"session\['thing'\] has a value of type|surrogates"):
        session.dump()
    with pytest.raises(TypeError, match="plain data"):
        _ = session.modified


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="of type list"):
        HttpSession({"loop": loop}).dump()
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(TypeError, match="of type list"):
        HttpSession({"deep": deep}).dump()


@given(st.binary(max_size=60) | st.sampled_from([b"", b"[]", b'{"d": 1}', b'{"d": {}, "f": [1]}', b'{"i": null}', b"null", b"[" * 5000]))
def test_what_was_never_stored_is_a_value_error(stored: bytes) -> None:
    try:
        session = HttpSession.load(stored)
    except ValueError:
        return
    assert HttpSession.load(stored) == session


def test_the_values_are_never_shown() -> None:
    session = HttpSession({"token": "very-secret"})
    assert "secret" not in repr(session)
    assert repr(session) == "<HttpSession new with 1 values>"
