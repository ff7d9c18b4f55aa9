from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError, TemplateNotFound, TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from erlen import Struct
from erlen.errors import ErlenError
from erlen.templates.engine import Engine, Processor, Tools
from erlen.templates.environment import escapes
from erlen.templates.folders import TemplateFolder, TemplateFolders
from erlen.templates.page import Page

MakeEngine = Callable[..., Engine]
EMPTY = Engine(TemplateFolders([]), debug=False, root=None, tools=Tools({}, {}, {}, []), shared={})


# -- escaping -----------------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")))
def test_any_text_in_a_page_reads_back_as_itself(text: str) -> None:
    page = EMPTY.render_string('<p title="{{ text }}">{{ text }}</p>', text=text)
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.tags == ["p"]
    assert reader.attributes == [("title", text)]
    assert reader.text == text


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.xml", "a.svg", "a.html.j2", "a", "a.jinja", "A.HTML", "a.js", "a.txt.html", None])
def test_values_are_escaped(name: str | None) -> None:
    assert escapes(name)


@pytest.mark.parametrize("name", ["mail.txt", "a.TXT", "mail.txt.j2", "mail.txt.jinja", "notes.md", "list.csv"])
def test_values_in_plain_text_are_not(name: str) -> None:
    assert not escapes(name)


def test_plain_text_is_never_a_page(make_engine: MakeEngine) -> None:
    engine = make_engine({"mail.txt": "Dear {{ name }}"})
    assert engine.render_text("mail.txt", name="<b>") == "Dear <b>"
    assert type(engine.render_text("mail.txt", name="<b>")) is str
    for attempt in (
        lambda: engine.render("mail.txt"),
        lambda: engine.stream("mail.txt"),
        lambda: asyncio.run(engine.render_async("mail.txt")),
    ):
        with pytest.raises(ErlenError, match="render_text"):
            attempt()


@pytest.mark.parametrize("tag", ['{% include "raw.txt" %}', '{% extends "raw.txt" %}', '{% include ["none.html", "raw.txt"] %}'])
def test_a_page_cannot_take_in_what_does_not_escape(make_engine: MakeEngine, tag: str) -> None:
    engine = make_engine({"page.html": tag, "raw.txt": "{{ value }}"})
    with pytest.raises(TemplateError, match=r"page\.html takes in raw.txt, whose values are not escaped"):
        engine.render("page.html", value="<script>")


@pytest.mark.parametrize("tag", ['{% include "raw.txt" %}', "{% include [name] %}", "{% extends name %}", '{% from "raw.txt" import m %}'])
def test_neither_can_a_page_given_as_text(make_engine: MakeEngine, tag: str) -> None:
    engine = make_engine({"raw.txt": "{{ value }}{% macro m() %}{% endmacro %}"})
    with pytest.raises(TemplateError, match=r"a template given as text takes in raw.txt, whose values are not escaped"):
        engine.render_string(tag, value="<script>", name="raw.txt")


def test_what_is_added_to_a_page_is_escaped(make_engine: MakeEngine) -> None:
    page = make_engine({"a.html": "<p>{{ x }}</p>"}).render("a.html", x="<")
    assert isinstance(page, Page)
    assert page == "<p>&lt;</p>"
    assert page + "<i>" == "<p>&lt;</p>&lt;i&gt;"
    assert isinstance(page + "<i>", Page)
    assert page.__html__() == page


def test_tojson_takes_models_and_cannot_end_a_script(make_engine: MakeEngine) -> None:
    class Row(Struct):
        name: str
        day: date

    engine = make_engine({"a.html": "<script>{{ row|tojson }}</script>"})
    page = engine.render("a.html", row=[Row("</script>", date(2026, 1, 2))])
    assert page == '<script>[{"day": "2026-01-02", "name": "\\u003c/script\\u003e"}]</script>'


# -- names --------------------------------------------------------------------------------------------------------------------


def test_a_missing_template_names_the_folders_and_what_is_near(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({"books/list.html": "", "home.html": ""})
    with pytest.raises(TemplateNotFound) as raised:
        engine.render("hoem.html")
    assert str(raised.value) == f"there is no template 'hoem.html': did you mean 'home.html'?\n  searched {tmp_path}/templates"
    with pytest.raises(TemplateNotFound, match=r"did you mean 'books/list.html'"):
        engine.render("list.html")
    with pytest.raises(TemplateNotFound, match=r"no template 'a.html' or 'b.html'"):
        engine.render(["a.html", "b.html"])
    with pytest.raises(TemplateNotFound, match="no template in an empty list"):
        engine.render([])


def test_a_folder_that_does_not_exist_is_said_to(tmp_path: Path) -> None:
    engine = Engine(TemplateFolders([TemplateFolder(tmp_path / "none")]), debug=True, root=None, tools=Tools({}, {}, {}, []), shared={})
    with pytest.raises(TemplateNotFound, match="none, which does not exist"):
        engine.render("a.html")


def test_the_first_of_several_names_that_exists_is_rendered(make_engine: MakeEngine) -> None:
    engine = make_engine({"b.html": "b{% block x %}x{% endblock %}", "c.html": "c"})
    assert engine.render(["a.html", "b.html", "c.html"]) == "bx"
    assert engine.render(["a.html#y", "b.html#x"]) == "x"


def test_names_are_relative_to_the_template_with_dots(make_engine: MakeEngine) -> None:
    files = {"books/list.html": '{% extends "../base.html" %}{% block b %}{% include "./row.html" %}{% endblock %}'}
    engine = make_engine(
        {**files, "base.html": "<{% block b %}{% endblock %}>", "books/row.html": "row", "up.html": '{% include "../up.html" %}'}
    )
    assert engine.render("books/list.html") == "<row>"
    with pytest.raises(TemplateNotFound):
        engine.render("up.html")


def test_an_include_may_be_missing(make_engine: MakeEngine) -> None:
    assert make_engine({"a.html": '[{% include "none.html" ignore missing %}]'}).render("a.html") == "[]"


# -- changes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
def test_a_changed_template_is_seen_in_debug_mode_alone(make_engine: MakeEngine, tmp_path: Path, debug: bool) -> None:
    engine = make_engine({"a.html": '{% include "b.html" %}', "b.html": "old"}, debug=debug)
    assert engine.render("a.html") == "old"
    file = tmp_path / "templates" / "b.html"
    file.write_text("newer")
    assert engine.render("a.html") == ("newer" if debug else "old")
    file.unlink()
    if debug:
        with pytest.raises(TemplateNotFound):
            engine.render("a.html")


def test_a_template_in_an_earlier_folder_takes_over_in_debug_mode(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "a.html").write_text("second")
    folders = TemplateFolders([TemplateFolder(first), TemplateFolder(second, "blog.")])
    engine = Engine(folders, debug=True, root=None, tools=Tools({}, {}, {}, []), shared={})
    assert engine.render("a.html") == "second"
    first.mkdir()
    (first / "a.html").write_text("first")
    assert engine.render("a.html") == "first"
    assert engine.render("blog:a.html") == "second"


# -- variables ----------------------------------------------------------------------------------------------------------------


def test_an_undefined_variable_is_an_error_in_debug_mode_that_says_where(make_engine: MakeEngine) -> None:
    files = {"a.html": "\n\n{{ titel }}", "b.html": "{% for row in rows %}\n{{ row.nmae }}{% endfor %}", "c.html": "{{ book['titel'] }}"}
    engine = make_engine({**files, "d.html": "{% if user %}{% endif %}", "e.html": "{% set heading = 1 %}{{ headin }}"}, debug=True)
    with pytest.raises(UndefinedError, match=r"^'titel' is undefined: did you mean 'title'\? \(a.html, line 3\)$"):
        engine.render("a.html", title="x")

    class Row(Struct):
        name: str

    with pytest.raises(UndefinedError, match=r"Row.* has no attribute 'nmae': did you mean 'name'\? \(b.html, line 2\)$"):
        engine.render("b.html", rows=[Row("x")])
    with pytest.raises(UndefinedError, match=r"^the dict has no key 'titel': did you mean 'title'\? \(c.html, line 1\)$"):
        engine.render("c.html", book={"title": 1})
    with pytest.raises(UndefinedError, match="'user' is undefined"):
        engine.render("d.html")
    with pytest.raises(UndefinedError, match="did you mean 'heading'"):
        engine.render("e.html")


def test_an_undefined_variable_may_be_asked_for(make_engine: MakeEngine) -> None:
    engine = make_engine({"a.html": "{{ x is defined }} {{ x|default('no') }}"}, debug=True)
    assert engine.render("a.html") == "False no"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if faults.title %}a{% else %}b{% endif %}", "b"),
        ("{% if faults['title'] %}a{% elif not faults.title %}b{% endif %}", "b"),
        ("{{ faults.title or 'none' }} {{ faults.title and 1 or 2 }}", "none 2"),
        ("{{ 'a' if faults.title and faults.author else 'b' }}{{ 'c' if faults.title }}", "b"),
        ("{{ faults.title is defined }} {{ faults.title|default('-') }} {{ faults.title|default('-', true) }}", "False - -"),
        ("{% if row.nickname or row.name %}a{% endif %}{% if not none.name %}b{% endif %}", "ab"),
        ("{% set fault = faults.title %}{% if fault %}a{% endif %}{{ rows|selectattr('x')|list|length }}", "0"),
        ("{% for x in [1, 2] if not faults.title %}{{ ',' if loop.previtem }}{{ x }}{% endfor %}", "1,2"),
        ("{% if not faults.values()|first %}a{% endif %}", "a"),
        ("{% macro m(x) %}{{ 'a' if x or caller else 'b' }}{{ caller|default('') }}{% endmacro %}{{ m() }}", "b"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("debug", [False, True])
def test_a_test_takes_a_missing_key_or_attribute_as_false(
    make_engine: MakeEngine, source: str, text: str, is_async: bool, debug: bool
) -> None:
    class Row(Struct):
        name: str

    values = {"faults": {}, "row": Row("x"), "rows": [{}, Row("x")]}
    engine = make_engine({"a.html": source}, debug=debug)
    assert (asyncio.run(engine.render_async("a.html", **values)) if is_async else engine.render("a.html", **values)) == text


@pytest.mark.parametrize(
    "use",
    [
        "{{ faults.title }}",
        "{{ faults.title and 1 }}",
        "{% for x in faults.title %}{% endfor %}",
        "{{ faults.title() }}",
        "{{ faults.title.text }}",
        "{{ faults.title ~ 'x' }}",
        "{{ faults.title + 1 }}",
        "{{ faults.title|length }}",
        "{% if faults.title == 'x' %}{% endif %}",
        "{% if 'x' in faults.title %}{% endif %}",
    ],
)
def test_to_use_a_missing_key_is_an_error_in_debug_mode(make_engine: MakeEngine, use: str) -> None:
    with pytest.raises(UndefinedError, match=r"the dict has no key 'title': did you mean 'titles'\? \(a.html, line 1\)$"):
        make_engine({"a.html": use}, debug=True).render("a.html", faults={"titles": 1})


@pytest.mark.parametrize(
    "test",
    [
        "{% if fautls %}{% endif %}",
        "{{ 1 if not fautls }}",
        "{{ fautls or 1 }}",
        "{{ faults and fautls and 1 }}",
        "{{ fautls.title or 1 }}",
    ],
)
def test_a_name_that_was_never_given_is_an_error_in_a_test_too(make_engine: MakeEngine, test: str) -> None:
    with pytest.raises(UndefinedError, match=r"^'fautls' is undefined: did you mean 'faults'\? \(a.html, line 1\)$"):
        make_engine({"a.html": test}, debug=True).render("a.html", faults={"x": 1})


def test_the_traceback_of_an_undefined_test_ends_in_the_template(make_engine: MakeEngine, tmp_path: Path) -> None:
    with pytest.raises(UndefinedError) as raised:
        make_engine({"a.html": "\n{% if x %}{% endif %}"}, debug=True).render("a.html")
    assert (raised.traceback[-1].path, raised.traceback[-1].lineno) == (tmp_path / "templates" / "a.html", 1)


def test_an_undefined_variable_is_empty_in_production(make_engine: MakeEngine) -> None:
    assert make_engine({"a.html": "[{{ x }}{% if x %}{% endif %}]"}).render("a.html") == "[]"


def test_given_values_win_over_processors_and_those_over_globals(make_engine: MakeEngine) -> None:
    tools = Tools({}, {}, {"a": "global", "b": "global", "c": "global"}, [Processor(lambda: {"b": "processor", "c": "processor"}, False)])
    engine = make_engine({"a.html": "{{ a }} {{ b }} {{ c }}"}, tools=tools)
    assert engine.render("a.html", c="given") == "global processor given"


def test_a_processor_that_returns_no_dict_is_named(make_engine: MakeEngine) -> None:
    def nav() -> None:
        return None

    engine = make_engine({"a.html": ""}, tools=Tools({}, {}, {}, [Processor(nav, False)]))
    with pytest.raises(ErlenError, match="nav returned NoneType: return a dict"):
        engine.render("a.html")


def test_outside_a_request_there_is_none(make_engine: MakeEngine) -> None:
    engine = make_engine({"a.html": "{{ request is none }}", "b.html": "{{ csrf_input() }}", "c.html": '{{ url_for("x") }}'})
    assert engine.render("a.html") == "True"
    for name in ("b.html", "c.html"):
        with pytest.raises(ErlenError, match="request"):
            engine.render(name)


def test_static_needs_static_files(make_engine: MakeEngine) -> None:
    with pytest.raises(ErlenError, match="no static files"):
        make_engine({"a.html": '{{ static("x.css") }}'}).render("a.html")

    class Files:
        def url(self, name: str) -> str:
            return f"/static/{name}"

    assert make_engine({"a.html": '{{ static("x.css") }}'}, static=Files()).render("a.html") == "/static/x.css"


# -- Jinja --------------------------------------------------------------------------------------------------------------------


def test_macros_see_globals_and_are_kept(make_engine: MakeEngine) -> None:
    engine = make_engine({"m.html": "{% macro f(x) %}{{ debug }}{{ x }}{% endmacro %}", "a.html": '{% from "m.html" import f %}{{ f(1) }}'})
    assert engine.render("a.html") == engine.render("a.html") == "False1"
    assert engine.environment.get_template("m.html")._module is not None


@pytest.mark.parametrize(
    "library",
    [
        "{% set who = visitor() %}{% macro f() %}{{ who }}{% endmacro %}",
        '{% from "inner.html" import g %}{% set who = g() %}{% macro f() %}{{ who }}{% endmacro %}',
        "{% macro g() %}{{ visitor() }}{% endmacro %}{% set who = g() %}{% macro f() %}{{ who }}{% endmacro %}",
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_an_imported_template_reads_of_one_visitor_never_reaches_another(
    make_engine: MakeEngine, library: str, is_async: bool
) -> None:
    visitors = iter(["ann", "bob"])
    files = {
        "m.html": library,
        "inner.html": "{% macro g() %}{{ visitor() }}{% endmacro %}",
        "a.html": '{% from "m.html" import f %}{{ f() }}',
    }
    engine = make_engine(files, tools=Tools({}, {}, {"visitor": lambda: next(visitors)}, []))
    pages = [asyncio.run(engine.render_async("a.html")) if is_async else engine.render("a.html") for _ in range(2)]
    assert pages == ["ann", "bob"]


def test_what_is_included_without_context_is_written_for_each_visitor(make_engine: MakeEngine) -> None:
    visitors = iter(["ann", "bob"])
    files = {"a.html": '{% include "b.html" without context %}', "b.html": "{{ visitor() }}{{ x }}"}
    engine = make_engine(files, tools=Tools({}, {}, {"visitor": lambda: next(visitors)}, []))
    assert [engine.render("a.html", x="!"), engine.render("a.html", x="!")] == ["ann", "bob"]


def test_filters_of_constants_are_called_each_time(make_engine: MakeEngine) -> None:
    calls = iter(range(10))
    tools = Tools({"count": lambda text: f"{text}{next(calls)}"}, {}, {}, [])
    engine = make_engine({"a.html": '{{ "n"|count }}{% set x = "m"|count %}{{ x }}'}, tools=tools)
    assert engine.render("a.html") == "n0m1"
    assert engine.render("a.html") == "n2m3"


def test_loop_controls_and_do(make_engine: MakeEngine) -> None:
    source = "{% set seen = [] %}{% for x in [1, 2, 3] %}{% if x == 3 %}{% break %}{% endif %}{% do seen.append(x) %}{% endfor %}{{ seen }}"
    assert make_engine({"a.html": source}).render("a.html") == "[1, 2]"


def test_translations_are_asked_at_each_call(make_engine: MakeEngine) -> None:
    source = "{{ _('Hello %(name)s', name=name) }} {% trans n=n %}one{% pluralize %}{{ n }} many{% endtrans %} {{ pgettext('a', 'b') }}"
    assert make_engine({"a.html": source}).render("a.html", name="<", n=2) == "Hello &lt; 2 many b"

    class Upper:
        language = "x"

        def gettext(self, message: str) -> str:
            return f"{self.language}:{message}"

        def ngettext(self, one: str, many: str, n: int) -> str:
            return f"{self.language}:{one if n == 1 else many}"

        def pgettext(self, context: str, message: str) -> str:
            return f"{context}:{message}"

        def npgettext(self, context: str, one: str, many: str, n: int) -> str:
            return one

    translations = Upper()
    engine = make_engine({"a.html": source}, translations=translations)
    assert engine.render("a.html", name="<", n=2) == "x:Hello &lt; x:2 many a:b"
    translations.language = "y"
    assert engine.render("a.html", name="<", n=1) == "y:Hello &lt; y:one a:b"


class Catalog(NullTranslations):
    def gettext(self, message: str) -> str:
        return {"red & blue": "<b>rot &amp; blau</b>"}.get(message, message)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ _(evil) }}", "&lt;script&gt;"),
        ("{{ gettext(evil) }}{{ pgettext('a', evil) }}", "&lt;script&gt;" * 2),
        ("{{ ngettext(evil, evil, 1) }}{{ npgettext('a', evil, evil, n) }}", "&lt;script&gt;" * 2),
        ("{% for one in [evil] %}{{ _(one|upper) ~ _(_(one)) }}{% endfor %}", "&lt;SCRIPT&gt;&lt;script&gt;"),
        ("{{ _('<i>' ~ evil) }}", "&lt;i&gt;&lt;script&gt;"),
        ("{{ _(placed, who=evil) }}", "&lt;i&gt;&lt;script&gt;"),
        ("{{ _('<i>%(who)s</i>', who=evil) }}{{ _(safe) }}", "<i>&lt;script&gt;</i><i>"),
        ("{{ _(colours) }}{{ _('red & blue') }}", "<b>rot &amp; blau</b>" * 2),
        ("{% trans who=evil %}<i>{{ who }}</i>{% endtrans %}", "<i>&lt;script&gt;</i>"),
        ("{% autoescape false %}{{ _(evil) }}{% endautoescape %}", "<script>"),
    ],
)
def test_a_text_to_translate_that_is_not_of_the_template_is_escaped(
    make_engine: MakeEngine, source: str, text: str, is_async: bool
) -> None:
    values = {"evil": "<script>", "placed": "<i>%(who)s", "safe": Markup("<i>"), "colours": "red & blue", "n": 2}
    engine = make_engine({"a.html": source}, translations=Catalog())
    assert (asyncio.run(engine.render_async("a.html", **values)) if is_async else engine.render("a.html", **values)) == text


def test_a_syntax_error_points_at_its_line(make_engine: MakeEngine, tmp_path: Path) -> None:
    with pytest.raises(TemplateSyntaxError) as raised:
        make_engine({"a.html": "\n{% if %}"}).render("a.html")
    assert raised.value.lineno == 2
    assert raised.value.filename == os.fspath(tmp_path / "templates" / "a.html")


def test_the_traceback_of_an_error_points_at_the_template(make_engine: MakeEngine, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        make_engine({"a.html": "\n\n{{ 1 / zero }}"}).render("a.html", zero=0)
    assert (raised.traceback[-1].path, raised.traceback[-1].lineno) == (tmp_path / "templates" / "a.html", 2)


def test_the_mark_that_editors_put_first_is_not_written(make_engine: MakeEngine) -> None:
    assert make_engine({"a.html": '{% include "b.html" %}', "b.html": "\ufeff<p>"}).render("a.html") == "<p>"


def test_a_file_that_is_not_utf_8_is_named(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({"a.html": ""})
    (tmp_path / "templates" / "a.html").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError) as raised:
        engine.render("a.html")
    assert "a.html is not UTF-8" in raised.value.__notes__[0]


# -- templates that await -----------------------------------------------------------------------------------------------------


def test_templates_await_functions_and_iterators(make_engine: MakeEngine) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return "<Ann>"

    async def rows() -> object:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    files = {
        "a.html": '{% extends "base.html" %}{% from "m.html" import hi %}'
        "{% block b %}{{ hi(name()) }}{% for r in rows() %}{{ r }}{% endfor %}{% endblock %}",
        "base.html": "<p>{% block b %}{% endblock %}</p>",
        "m.html": "{% macro hi(x) %}hi {{ x }} {% endmacro %}",
    }
    engine = make_engine(files)
    assert asyncio.run(engine.render_async("a.html", name=name, rows=rows)) == "<p>hi &lt;Ann&gt; 012</p>"
    assert asyncio.run(engine.render_async("a.html#b", name=name, rows=rows)) == "hi &lt;Ann&gt; 012"


def test_an_error_in_a_template_that_awaits_points_at_it(make_engine: MakeEngine, tmp_path: Path) -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no") as raised:
        asyncio.run(make_engine({"a.html": "\n{{ fail() }}"}).render_async("a.html", fail=fail))
    assert any((entry.path, entry.lineno) == (tmp_path / "templates" / "a.html", 1) for entry in raised.traceback)


# -- fragments ----------------------------------------------------------------------------------------------------------------

PAGES = {
    "base.html": "<title>{% block title %}Base{% endblock %}</title>{{ fail() }}{% block body %}{% endblock %}",
    "list.html": """{% extends "base.html" %}
{% from "m.html" import bold %}
{% set unit = "km" %}
{% block title %}{{ super() }} list{% endblock %}
{% block body %}{% for row in rows %}{% block row scoped %}<li>{{ bold(row) }} {{ unit }}</li>{% endblock %}{% endfor %}{% endblock %}""",
    "m.html": "{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}",
    "alone.html": "\n{% set x = 1 %}\n{% set y = 2 %}\n<p>{% block p %}{{ x }}{{ y }}{% endblock %}</p>{{ fail() }}",
}


def test_one_block_is_rendered_alone(make_engine: MakeEngine) -> None:
    engine = make_engine(PAGES, debug=True)
    assert engine.render("list.html#row", row="<") == "<li><b>&lt;</b> km</li>"
    assert engine.render("list.html#body", rows=[1, 2]) == "<li><b>1</b> km</li><li><b>2</b> km</li>"
    assert isinstance(engine.render("list.html#row", row=1), Page)


def test_a_block_inherits(make_engine: MakeEngine) -> None:
    engine = make_engine({**PAGES, "child.html": '{% extends "list.html" %}{% block title %}{{ super() }} child{% endblock %}'})
    assert engine.render("child.html#title") == "Base list child"
    assert engine.render("child.html#row", row=1) == "<li><b>1</b> km</li>"


def test_what_stands_before_the_first_text_counts_for_a_block(make_engine: MakeEngine) -> None:
    assert make_engine(PAGES, debug=True).render("alone.html#p") == "12"


def test_a_block_that_is_not_there_is_said_to(make_engine: MakeEngine) -> None:
    with pytest.raises(TemplateRuntimeError, match=r"list.html has no block 'rwo': did you mean 'row'\? \(it has title, body, row\)"):
        make_engine(PAGES).render("list.html#rwo")


# -- templates from users -----------------------------------------------------------------------------------------------------


def test_a_template_of_a_user_is_escaped_and_sees_its_values_alone() -> None:
    assert EMPTY.render_untrusted("{{ name }}{{ request }}{{ url_for }}{{ static }}", name="<") == "&lt;"
    assert isinstance(EMPTY.render_untrusted(""), Page)


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__ }}", "{{ f.__globals__ }}", "{{ f|attr('__globals__') }}", "{{ '{0.__class__}'.format(1) }}", "{{ f.__code__ }}"],
)
def test_server_side_template_injection_reads_nothing(source: str) -> None:
    assert EMPTY.render_untrusted(source, f=_nothing) == ""


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ rows.append(1) }}",
        "{% set x = rows.clear() %}",
        "{% for x in range(10000000) %}{% endfor %}",
    ],
)
def test_server_side_template_injection_is_refused(source: str) -> None:
    with pytest.raises((SecurityError, OverflowError)):
        EMPTY.render_untrusted(source, rows=[1])


def _nothing() -> None:
    return None


def test_a_template_of_a_user_cannot_take_in_others(make_engine: MakeEngine) -> None:
    with pytest.raises(TypeError, match="no loader"):
        make_engine({"a.html": "secret"}).render_untrusted('{% include "a.html" %}')


# -- attributes and items -----------------------------------------------------------------------------------------------------


class Owner:
    name = "class"

    @property
    def broken(self) -> str:
        raise AttributeError("inside")

    def __getitem__(self, name: str) -> str:
        return f"item {name}"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ row.name }}", "item"),
        ("{{ row['name'] }}", "item"),
        ("{{ row.items()|list }}", "[(&#39;name&#39;, &#39;item&#39;), (&#39;inner&#39;, {&#39;x&#39;: [1]})]"),
        ("{{ row.inner.x[0] }}{{ row.inner.x.count(row.inner.x[0]) }}", "11"),
        ("{{ owner.name }} {{ owner.other }} {{ owner.broken }}", "class item other item broken"),
        ("{{ none.x is defined }}{{ row.none is defined }}{{ row.none|default('-') }}", "FalseFalse-"),
        ("{% for r in rows if r.name %}{{ r.name.upper() }}{% endfor %}", "ITEM"),
        ("{% macro m(x=row.name) %}{{ x.title() }}{% endmacro %}{{ m() }}", "Item"),
        ("{{ rows|map(attribute='name')|join }}", "item"),
    ],
)
def test_a_dot_finds_attributes_and_then_items(make_engine: MakeEngine, source: str, expected: str, is_async: bool) -> None:
    row = {"name": "item", "inner": {"x": [1]}}
    values = {"row": row, "rows": [row], "owner": Owner(), "none": None}
    engine = make_engine({"a.html": source}, debug=True)
    assert (asyncio.run(engine.render_async("a.html", **values)) if is_async else engine.render("a.html", **values)) == expected


def test_a_dot_after_nothing_is_an_error_in_production_too(make_engine: MakeEngine) -> None:
    with pytest.raises(UndefinedError, match="'x' is undefined"):
        make_engine({"a.html": "{{ x.y }}"}).render("a.html")


def test_threads_that_render_first_at_once_agree(make_engine: MakeEngine) -> None:
    engine = make_engine({"a.html": '{% include "b.html" %}', "b.html": "{{ n }}"})
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: engine.render("a.html", n=n), range(50))) == [str(n) for n in range(50)]
