from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, Undefined
from markupsafe import Markup, escape

from erlen.templates.engine import Engine, Tools
from erlen.templates.escaping import choose_escape, escape_text, writer_of
from erlen.templates.folders import TemplateFolders
from erlen.templates.page import Page
from erlen.templates.request_values import FlashedMessage, LateText

MakeEngine = Callable[..., Engine]
SITE = Engine(TemplateFolders([]), debug=False, root=None, tools=Tools({}, {}, {}, []), shared={})
EVIL = "<b>&'\"</b>"


class Text(str):
    """A text that is written otherwise than it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"<{str.__str__(self)}>"


class Number(int):
    def __str__(self) -> str:
        return EVIL


class Measure(float):
    def __str__(self) -> str:
        return EVIL


class Safe:
    def __html__(self) -> str:
        return "<i>safe</i>"

    def __str__(self) -> str:
        return EVIL


class SafeText(str):
    __slots__ = ()

    def __html__(self) -> str:
        return "<i>safe text</i>"


class Shouting(Markup):
    __slots__ = ()

    def __html__(self) -> Shouting:
        return Shouting(str.upper(self))


class Shown:
    def __str__(self) -> str:
        return EVIL


class Proxy:
    """What claims to be of another class, as proxies do."""

    def __init__(self, value: object) -> None:
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.value)

    def __str__(self) -> str:
        return EVIL


class Letter(StrEnum):
    A = "<a>"


class Digit(IntEnum):
    ONE = 1


VALUES: list[object] = [
    *("", "plain", EVIL, "&amp;", "\0<\0>", "\ud800<\udfff", "é<", "Ω&", "\U0001f9ea'", "x" * 5000 + '"'),
    *(Text(EVIL), SafeText(EVIL), Markup(EVIL), Page(EVIL), Shouting("<b>x</b>"), FlashedMessage(EVIL), Letter.A),
    *(0, -1, 10**30, True, False, None, Digit.ONE, Number(1), 1.5, -0.0, 1e300, math.inf, math.nan, Measure(1), 1j, Decimal("1.50")),
    *(b"<b>'", bytearray(b"<"), ["<b>"], {"<b>": 'a"'}, ("'",), {1}, range(3), date(2024, 2, 29), object, Ellipsis),
    *(Safe(), Shown(), LateText(lambda: EVIL), Proxy("text"), Proxy(1), Proxy(Markup("<b>")), Undefined(name="x")),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}")
def test_every_value_is_written_as_markupsafe_escapes_it(value: object) -> None:
    page = SITE.render_string("{{ value }}", value=value)
    assert str.__str__(page) == str.__str__(escape(value))


@given(st.text(st.characters()) | st.integers() | st.floats() | st.binary() | st.none() | st.booleans())
def test_any_value_is_written_as_markupsafe_escapes_it(value: object) -> None:
    assert str.__str__(SITE.render_string("{{ value }}", value=value)) == str(escape(value))
    assert str.__str__(SITE.render_string("{{ value }}", value=Markup(value))) == str(Markup(value))


@given(st.text(st.characters()))
def test_any_text_is_escaped_as_by_markupsafe(text: str) -> None:
    assert escape_text(text) == str(escape(text))
    assert type(escape_text(text)) is str


def test_what_is_no_number_any_more_is_escaped() -> None:
    """A subclass may write what it likes."""
    for value in (Number(1), Measure(1), Digit.ONE, Shouting("x"), Letter.A):
        assert writer_of(type(value), escape) is escape


@pytest.mark.parametrize(
    "source",
    [
        "{{ x }}|{{ x }}{{ x|upper }}",
        "{{ x ~ x }}{{ [x] }}{{ x|string }}{{ x|e }}{{ x|safe }}{{ x|e|e }}",
        "{% macro m(a, b=x) %}<i>{{ a }}{{ b }}{% if caller %}{{ caller(a) }}{% endif %}</i>{% endmacro %}{{ m(x) }}{{ m(x)|upper }}",
        "{% macro m(a) %}{{ a }}{{ caller(a) }}{% endmacro %}{% call(c) m(x) %}{{ c }}{{ x }}{% endcall %}",
        "{% set y %}<i>{{ x }}</i>{% endset %}{{ y }}{{ y|length }}{{ (y ~ '<') }}",
        "{% set y = x %}{{ y }}{% set y | replace('&', '<') %}{{ x }}&{% endset %}{{ y }}",
        "{% filter upper %}<i>{{ x }}</i>{% endfilter %}{% filter e %}{{ x }}{% endfilter %}",
        "{% block b %}{{ x }}{% endblock %}{{ self.b() }}{{ self.b()|length }}",
        "{% for y in [x, [x]] recursive %}{{ y if loop.depth == 1 else x }}{{ loop([y]) if loop.depth < 3 }}{% endfor %}",
        "{% for y in [x, x] if y == x %}{{ loop.index }}{{ y }}{% else %}{{ x }}{% endfor %}",
        "{% autoescape false %}{{ x }}<{{ y }}{% endautoescape %}{{ x }}",
        "{% autoescape flag %}{{ x }}{% set z %}{{ x }}{% endset %}{{ z }}{% endautoescape %}{{ x }}",
        "{% macro m() %}{{ x }}{% endmacro %}{% autoescape false %}{{ m() }}{% endautoescape %}{{ m() }}",
        "{% autoescape false %}{% macro n() %}{{ x }}{% endmacro %}{{ n() }}{% endautoescape %}",
        "{{ x if flag else y }}{{ (x, y)[0] }}{{ {'a': x}.a }}{{ {'a': {'b': x}}.a.b }}{{ 1 if x else 2 }}{{ x is string }}",
        "{{ missing }}{{ {}.missing }}{{ 1 }}{{ '<' }}{{ none }}{{ '<'|safe }}",
        "{% with z = x %}{{ z }}{% endwith %}{% do [x] %}{% trans z = x %}<i>{{ z }}</i>{% endtrans %}",
    ],
)
@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize(
    "value", [EVIL, Markup(EVIL), 7, 1.5, None, True, Safe(), LateText(lambda: EVIL)], ids=lambda value: type(value).__name__
)
def test_a_template_means_what_it_means_to_jinja(source: str, flag: bool, value: object) -> None:
    jinja = Environment(autoescape=True, extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
    vars(jinja)["install_null_translations"](newstyle=True)
    values = {"x": value, "y": "<y>", "flag": flag}
    expected = _result(lambda: jinja.from_string(source).render(values))
    assert _result(lambda: SITE.render_string(source, **values)) == expected
    assert _result(lambda: "".join(SITE.environment.from_string(source).generate(values))) == expected
    assert _result(lambda: asyncio.run(SITE.async_environment.from_string(source).render_async(values))) == expected


def _result(render: Callable[[], str]) -> str:
    try:
        return str.__str__(render())
    except TypeError as error:  # such as the length of a number
        return repr(error)


@pytest.mark.parametrize(("value", "written"), [(EVIL, str(escape(EVIL))), (Markup("<i>"), "<i>"), (7, "7"), (None, "None")])
def test_each_value_is_escaped_once_in_templates_of_several_files(make_engine: MakeEngine, value: object, written: str) -> None:
    files = {
        "base.html": "{% block top %}[{{ x }}]{% endblock %}",
        "page.html": "{% extends 'base.html' %}{% block top %}{{ super() }}{{ x }}{% include 'part.html' %}{{ self.row() }}{% endblock %}"
        "{% block row %}<li>{{ x }}{% endblock %}",
        "part.html": "{% from 'macros.html' import m %}{% import 'macros.html' as all with context %}{{ m(x) }}{{ all.m(x) }}",
        "macros.html": "{% macro m(y) %}<u>{{ y }}</u>{% endmacro %}",
        "components/card.html": "{% props title %}<b>{{ title }}</b>{{ slot }}{{ slots.footer }}",
        "card.html": "{% component 'card', title=x %}{{ x }}{% slot 'footer' %}{{ x }}{% endslot %}{% endcomponent %}",
        "mail.txt": "{{ x }}",
    }
    engine = make_engine(files)
    page = f"[{written}]{written}<u>{written}</u><u>{written}</u><li>{written}"
    assert engine.render("page.html", x=value) == page
    assert asyncio.run(engine.render_async("page.html", x=value)) == page
    assert engine.render("page.html#row", x=value) == f"<li>{written}"
    assert asyncio.run(engine.render_async("page.html#row", x=value)) == f"<li>{written}"
    assert engine.render("card.html", x=value) == f"<b>{written}</b>{written}{written}"
    assert engine.render_text("mail.txt", x=value) == str(value)


# -- the function of MarkupSafe that may be gone one day ---------------------------------------------------------------------------


def _by_hand(text: str) -> str:
    for character, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        text = text.replace(character, reference)
    return text


def _raise(text: str) -> str:
    raise TypeError(text)


def test_the_function_without_markup_is_in_use() -> None:
    assert escape_text is not escape


def test_a_function_that_does_as_escape_is_taken() -> None:
    assert choose_escape(_by_hand) is _by_hand


@pytest.mark.parametrize(
    "candidate",
    [
        None,
        escape,  # makes Markup
        str,  # escapes nothing
        lambda text: _by_hand(text).replace("&#39;", "&#x27;"),
        lambda text: text if text.isascii() else _by_hand(text),
        lambda text: _by_hand(text) if len(text) < 100 else text,
        lambda text: _by_hand(text) if max(text, default="") < "\U00010000" else text,
        lambda text: _by_hand(text).encode("utf-8", "replace").decode(),  # loses surrogates
        str.encode,
        _raise,
        lambda: "",
    ],
)
def test_escape_itself_is_taken_where_another_function_differs(candidate: Callable[[str], str] | None) -> None:
    assert choose_escape(candidate) is escape
