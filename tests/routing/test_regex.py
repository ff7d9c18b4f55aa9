from __future__ import annotations

from collections.abc import Callable

import pytest

from erlen.routing.regex import compile_linear

FINE = [
    "[0-9]{4}",
    "[a-z0-9]+(?:-[a-z0-9]+)*",
    "[a-z0-9-]+-[0-9]+",
    r".+\.json",
    "(?:foo|foobar)",
    "[0-9a-f]{40}",
    r"(?P<year>\d{4})-(\d\d)",
    "[]a]+",
    "[^]x]+x",
    "(((a)))",
    "a|",
    "((?:a|b)+c)*",
    r"[a-z]{2,5}\-[0-9]{1,9}",
    "[0-9]{4}[0-9]{2}",
    "x*?y",
    "(?:a{0})b",
]
CATASTROPHIC = [
    "(a+)+",
    "(a*)*",
    "(a|a)*",
    "(a|aa)+",
    "(a|b|ab)*c",
    "a*a*",
    "x*y*x*",
    "(x+x+)+y",
    ".*a.*",
    ".*.*=.*",
    "(a?){20}",
    "([a-z]{1,30}){1,6}",
    r"(\d+|\w+)*",
    "(?:){9999}",
    "(?:(?:(?:c)*)?a)*",
    "(?:(?:a*|b*)c)*",
    "é+[à-ü]+",
    r"\S+\W+",
]
UNSUPPORTED = ["^a", "a$", "(?=a)a", "(?i)a", "a++", r"(a)\1", r"\bword", "a{", "(a", "[a", "\\", "a{2}{3}", "", "a" * 257, "[a-z]{300}"]


@pytest.mark.parametrize("source", FINE)
def test_unambiguous_expressions_compile(source: str) -> None:
    assert compile_linear(source).pattern == source


@pytest.mark.parametrize("source", CATASTROPHIC)
def test_redos_expressions_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match="in several ways"):
        compile_linear(source)


@pytest.mark.parametrize("source", UNSUPPORTED)
def test_what_cannot_be_judged_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"expression|leave|supported"):
        compile_linear(source)


def test_an_involved_expression_is_refused_rather_than_analysed_for_long() -> None:
    choices = "|".join(f"[{chr(97 + i)}-z]x" for i in range(14))
    with pytest.raises(ValueError, match=r"too involved|several ways"):
        compile_linear(f"(?:{choices})*(?:{choices})*")


def test_nested_counts_do_not_blow_up() -> None:
    with pytest.raises(ValueError, match="too long when its counts"):
        compile_linear("(((a{50}b){50}c){50}d){50}")


def test_classes_are_ascii() -> None:
    assert compile_linear(r"\d+").fullmatch("٣") is None


@pytest.mark.parametrize(
    ("source", "piece", "end"),
    [("[a-z0-9]+(?:-[a-z0-9]+)*", "ab-", "!"), ("[a-z0-9-]+-[0-9]+", "1-", "!"), (r".+\.json", ".jso", "!"), ("((?:a|b)+c)*", "abac", "d")],
)
def test_redos_accepted_expressions_take_linear_time(source: str, piece: str, end: str, assert_linear: Callable[..., None]) -> None:
    expression = compile_linear(source)
    assert_linear(lambda size: piece * size + end, lambda text: expression.fullmatch(str(text)))
