from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import BadRequest
from erlen.http.query import MultiDict, QueryParams, parse_pairs

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

PAIRS = st.lists(st.tuples(st.text(), st.text()), max_size=10)


class TestMultiDict:
    data: MultiDict[int] = MultiDict([("a", 1), ("b", 2), ("a", 3)])

    def test_last_value_and_all_values(self) -> None:
        assert self.data["a"] == 3
        assert self.data.get("c") is None
        assert self.data.getlist("a") == [1, 3]
        assert self.data.getlist("c") == []
        assert self.data.multi_items() == [("a", 1), ("b", 2), ("a", 3)]

    def test_is_a_mapping_of_distinct_names(self) -> None:
        assert list(self.data) == ["a", "b"]
        assert len(self.data) == 2
        assert dict(self.data) == {"a": 3, "b": 2}
        assert "a" in self.data
        with pytest.raises(KeyError):
            self.data["c"]

    def test_equality_counts_repeated_names(self) -> None:
        assert self.data == MultiDict([("a", 1), ("b", 2), ("a", 3)])
        assert self.data != MultiDict([("a", 3), ("b", 2)])
        assert self.data != {"a": 3, "b": 2}

    def test_is_not_changed_by_what_it_hands_out(self) -> None:
        self.data.multi_items().clear()
        assert len(self.data) == 2

    def test_repr(self) -> None:
        assert repr(MultiDict([("a", 1)])) == "MultiDict([('a', 1)])"


class TestParse:
    @pytest.mark.parametrize(
        ("text", "pairs"),
        [
            ("", []),
            ("a=1&b=2", [("a", "1"), ("b", "2")]),
            ("a", [("a", "")]),
            ("=1", [("", "1")]),
            ("&&a=1&", [("a", "1")]),
            ("a=b=c", [("a", "b=c")]),
            ("a+b=c%20d", [("a b", "c d")]),
            ("a=%zz%", [("a", "%zz%")]),
            ("a=%FF", [("a", "\ufffd")]),
            ("a;b=1", [("a;b", "1")]),
            ("%26=%3D", [("&", "=")]),
        ],
    )
    def test_as_browsers_write_it(self, text: str, pairs: list[tuple[str, str]]) -> None:
        assert parse_pairs(text, 10) == pairs

    @given(PAIRS)
    def test_round_trip(self, pairs: list[tuple[str, str]]) -> None:
        assert QueryParams.parse(str(QueryParams(pairs)), limit=10).multi_items() == pairs

    @given(st.text())
    def test_agrees_with_the_standard_library(self, text: str) -> None:
        assert parse_pairs(text, len(text) + 1) == parse_qsl(text, keep_blank_values=True, max_num_fields=None)

    def test_limit_counts_parameters_not_separators(self) -> None:
        assert parse_pairs("&a=1&&b=2&", 2) == [("a", "1"), ("b", "2")]
        with pytest.raises(BadRequest, match="More than 2 parameters"):
            parse_pairs("a=1&b=2&c=3", 2)

    def test_attack_parameter_flood_is_refused(self) -> None:
        with pytest.raises(BadRequest):
            QueryParams.parse("&".join(["a"] * 100_000), limit=1000)

    @pytest.mark.parametrize("unit", ["a=1&", "&", "%", "%41", "+", "=", "a", "%C3"])
    def test_attack_parsing_is_linear(self, assert_linear: AssertLinear, unit: str) -> None:
        assert_linear(lambda size: unit * size, lambda text: parse_pairs(text, len(text)), 10_000)


class TestChange:
    def test_replace_add_and_remove(self) -> None:
        query = QueryParams([("page", "1"), ("tag", "a"), ("tag", "b"), ("sort", "x")])
        assert str(query | {"page": 2, "tag": None, "new": "é &"}) == "sort=x&page=2&new=%C3%A9+%26"
        assert str(query) == "page=1&tag=a&tag=b&sort=x"

    def test_a_list_repeats_its_name(self) -> None:
        query = QueryParams([("tag", "x"), ("page", "1")])
        assert (query | {"tag": ["a", "b"]}).multi_items() == [("page", "1"), ("tag", "a"), ("tag", "b")]
        assert (query | {"tag": (1, None), "page": []}).multi_items() == [("tag", "1")]

    def test_str_is_what_the_standard_library_writes(self) -> None:
        pairs = [("a b", "&=?#/é"), ("", "")]
        assert str(QueryParams(pairs)) == urlencode(pairs)
