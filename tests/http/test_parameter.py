from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.parameter import split_list, split_parameters

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("", [""]),
        ("a, b", ["a", " b"]),
        ('a;x="1,2", b', ['a;x="1,2"', " b"]),
        ('a;x="\\",", b', ['a;x="\\","', " b"]),
        ('a;x="1, b', ['a;x="1, b']),
        ("a,b,c,d", ["a", "b", "c"]),
        ('"a",b,c,d', ['"a"', "b", "c"]),
    ],
)
def test_a_list_is_split_at_commas_outside_quotes(value: str, items: list[str]) -> None:
    assert split_list(value, 3) == items


@pytest.mark.parametrize(
    ("item", "name", "parameters"),
    [
        ("", "", []),
        (" Text/HTML ", "text/html", []),
        ("a/b;;", "a/b", []),
        ("a/b; Charset=UTF-8 ;q=0.5", "a/b", [("charset", "UTF-8"), ("q", "0.5")]),
        ('a/b; x="c;d=e"; y="\\"\\\\"', "a/b", [("x", "c;d=e"), ("y", '"\\')]),
        ("a/b; x; y=", "a/b", [("x", ""), ("y", "")]),
        ("a/b; x=1; X=2", "a/b", [("x", "1"), ("x", "2")]),
        ('a/b; x="open', "a/b", [("x", '"open')]),
        ('a/b; x="', "a/b", [("x", '"')]),
        ("a/b; x =1; =2", "a/b", [("x ", "1")]),
    ],
)
def test_parameters(item: str, name: str, parameters: list[tuple[str, str]]) -> None:
    assert split_parameters(item) == (name, parameters)


@given(st.lists(st.tuples(st.text("abc-", min_size=1), st.text(st.characters(exclude_categories=["Cc", "Cs"]))), max_size=5))
def test_what_is_quoted_comes_back(pairs: list[tuple[str, str]]) -> None:
    escaped = [(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in pairs]
    item = "a/b" + "".join(f'; {name}="{value}"' for name, value in escaped)
    assert split_parameters(item) == ("a/b", pairs)
    assert [split_parameters(part) for part in split_list(f"{item}, {item}", 9)] == [("a/b", pairs)] * 2


@pytest.mark.parametrize("unit", [";", ",", '"', '\\"', '"\\', '";', ';a="', "a=b;", " ", "a"])
def test_attack_splitting_is_linear(assert_linear: AssertLinear, unit: str) -> None:
    # CVE-2024-24762
    def work(text: str) -> None:
        for item in split_list(text, len(text)):
            split_parameters(item)

    assert_linear(lambda size: 'a/b;c="d"' + unit * size, work, 10_000)
