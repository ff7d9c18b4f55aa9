from __future__ import annotations

from collections.abc import Callable

import pytest
from jinja2 import Environment, UndefinedError, pass_context, pass_environment, pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

from erlen.templates.engine import Engine, Tools
from erlen.templates.environment import PageContext

MakeEngine = Callable[..., Engine]


def test_a_context_has_all_that_jinja_gives_one(make_engine: MakeEngine) -> None:
    """Its constructor does what Jinja's does, and must when that grows."""
    environment = make_engine({}).environment
    blocks: dict[str, Callable[[Context], object]] = {"row": lambda context: iter(())}
    jinja = vars(Context(environment, {"x": 1}, "a.html", blocks))  # type: ignore[arg-type]
    own = PageContext(environment, {"x": 1}, "a.html", blocks)
    expected = {name: value for name, value in jinja.items() if name != "eval_ctx"}
    assert {name: getattr(own, name) for name in expected} == expected
    assert vars(own.eval_ctx) == vars(jinja["eval_ctx"])
    assert own.eval_ctx is own.eval_ctx


@pytest.mark.parametrize(("name", "expected"), [("a.html", "True"), ("a.txt", "False")])
def test_filters_and_functions_are_told_whether_values_are_escaped(make_engine: MakeEngine, name: str, expected: str) -> None:
    @pass_eval_context
    def is_escaped(eval_ctx: EvalContext, *_: object) -> bool:
        return eval_ctx.autoescape

    tools = Tools({"is_escaped": is_escaped}, {}, {"is_escaped": is_escaped}, [])
    source = "{{ 1|is_escaped }} {% autoescape false %}{{ is_escaped() }}{% endautoescape %} {{ is_escaped() }}"
    assert make_engine({name: source}, tools=tools).render_text(name) == f"{expected} False {expected}"


def test_filters_and_functions_see_the_variables_of_the_template(make_engine: MakeEngine) -> None:
    @pass_context
    def seen(context: Context, *_: object) -> str:
        assert isinstance(context, PageContext)
        found = [context.get(name) for name in ("given", "set", "row", "global")]
        return f"{found} {sorted(context.get_exported())} {'given' in context} {sorted(context.get_all())} {context.name} {context['set']}"

    tools = Tools({"seen": seen}, {}, {"seen": seen, "global": 4}, [])
    files = {"a.html": "{% set set = 2 %}{% for n in [3] %}{% set row = n %}{{ seen()|safe }}|{{ 1|seen|safe }}{% endfor %}"}
    in_function, in_filter = make_engine(files, tools=tools).render("a.html", given=1).split("|")
    assert in_function == "[1, 2, 3, 4] [] True ['given', 'row', 'set'] a.html 2"
    assert in_filter == "[1, 2, None, 4] ['set'] True ['given', 'set'] a.html 2"


class Marked:
    """Functions of all kinds that a template may call."""

    @pass_context
    def __call__(self, context: Context, word: str) -> str:
        return f"{word} in {context.name}"

    @pass_context
    def in_context(self, context: Context, *, word: str) -> str:
        return f"{word} in {context.name} with {context.resolve('given')}"

    @staticmethod
    @pass_environment
    def in_environment(environment: Environment, word: str) -> str:
        return f"{word} {environment.block_start_string}"

    def plain(self, *words: str, **named: str) -> str:
        return f"{words} {named}"

    def stops(self) -> str:
        raise StopIteration


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("f('a')", "a in a.html"),
        ("f.in_context(word='a')", "a in a.html with 1"),
        ("f.in_environment('a')", "a {%"),
        ("f.plain('a', *['b'], c='d', **{'e': 'f'})", "('a', 'b') {'c': 'd', 'e': 'f'}"),
        ("[f.stops(), f.stops() is defined]|last", "False"),
        ("'a'.upper()", "A"),
        ("dict(a=1)", "{'a': 1}"),
        ("range(2)|list", "[0, 1]"),
        ("macro('a', b='c')", "a(&#39;b&#39;, &#39;c&#39;)"),
        ("macro.name", "macro"),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "{{% for n in [1] %}}{{% set x = n %}}{}{{% endfor %}}", "{{% block b %}}{{% set x = 1 %}}{}{{% endblock %}}"]
)
def test_functions_get_what_they_are_marked_to_take(make_engine: MakeEngine, call: str, expected: str, around: str) -> None:
    macro = "{% macro macro(a) %}{{ a }}{{ kwargs.items()|first }}{% endmacro %}"
    source = around.format(f"{macro}{{{{ ({call})|safe }}}}")
    assert make_engine({"a.html": source}).render("a.html", f=Marked(), given=1) == expected


def test_a_function_that_is_not_there_cannot_be_called(make_engine: MakeEngine) -> None:
    with pytest.raises(UndefinedError, match="'f' is undefined"):
        make_engine({"a.html": "{{ f() }}"}).render("a.html")
