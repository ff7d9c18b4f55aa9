from __future__ import annotations

import subprocess
import sys

import pytest
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.tests import TESTS as DEFAULT_TESTS

from erlen.templates.filters import FILTERS, GLOBALS, TESTS


def test_only_the_filters_that_are_meant_to_replace_those_of_jinja() -> None:
    assert set(FILTERS) & set(DEFAULT_FILTERS) == {"urlize", "wordwrap"}
    assert set(TESTS) & set(DEFAULT_TESTS) == set()
    assert set(GLOBALS) & set(DEFAULT_NAMESPACE) == set()


@pytest.mark.parametrize("name", ["urlize", "wordwrap"])
def test_what_replaces_a_filter_of_jinja_takes_the_same_parameters(name: str) -> None:
    import inspect

    own = list(inspect.signature(FILTERS[name]).parameters)
    theirs = [one for one in inspect.signature(DEFAULT_FILTERS[name]).parameters if one not in ("environment", "eval_ctx")]
    assert own[1:] == theirs[1:]


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_every_filter_is_described(name: str) -> None:
    assert FILTERS[name].__doc__


def test_nobody_can_change_the_tables() -> None:
    for table in (FILTERS, TESTS, GLOBALS):
        with pytest.raises(TypeError):
            table["date"] = str  # type: ignore[index]


def test_no_optional_package_is_loaded_before_it_is_used() -> None:
    program = "import sys, erlen.templates.filters\nprint([name for name in ('jinja2', 'markdown_it') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"
