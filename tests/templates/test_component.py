from __future__ import annotations

import asyncio
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateNotFound, TemplateRuntimeError, TemplateSyntaxError
from jinja2.exceptions import UndefinedError
from markupsafe import Markup

from erlen.templates.component import Attributes
from erlen.templates.engine import Engine

MakeEngine = Callable[..., Engine]

CARD = """{% props title, size="m" %}
<section {{ attrs(class="card " ~ size) }}><h2>{{ title }}</h2>{{ slot }}
{%- if slots.footer %}<footer>{{ slots.footer }}</footer>{% endif %}</section>"""


@pytest.fixture
def render(make_engine: MakeEngine) -> Callable[..., str]:
    """Renders a template text with components beside it, in debug mode, the same with and without waiting."""

    def render(page: str, components: dict[str, str] | None = None, **values: object) -> str:
        files = {f"components/{name}.html": source for name, source in {"card": CARD, **(components or {})}.items()}
        engine = make_engine({"page.html": page, **files}, debug=True)
        written = engine.render("page.html", **values)
        assert asyncio.run(engine.render_async("page.html", **values)) == written
        return written.strip()

    return render


Render = Callable[..., str]


def test_a_component_with_properties_slots_and_attributes(render: Render) -> None:
    page = """{% component "card", title=name, id="first", class="wide" %}
Hello {{ name }}.{% slot "footer" %}Bye {{ name }}.{% endslot %}{% endcomponent %}"""
    assert render(page, name="<Ann>") == (
        '<section class="card m wide" id="first"><h2>&lt;Ann&gt;</h2>\nHello &lt;Ann&gt;.<footer>Bye &lt;Ann&gt;.</footer></section>'
    )


def test_slots_may_be_named_like_anything(render: Render) -> None:
    page = '{% component "box" %}{% slot items %}1{% endslot %}{% slot "a-b" %}2{% endslot %}{% endcomponent %}'
    assert (
        render(page, {"box": '{{ slots.items }}{{ slots["a-b"] }}{{ slots.other }}{{ "items" in slots }}{{ slots|length }}'}) == "12True2"
    )


def test_a_component_without_content_is_a_function(render: Render) -> None:
    assert render('{{ component("card", title="Hi", size="s") }}') == '<section class="card s"><h2>Hi</h2></section>'


def test_content_of_white_space_is_none(render: Render) -> None:
    components = {"box": "{% if slot %}full{% else %}empty{% endif %}"}
    assert render('{% component "box" %}\n  {% endcomponent %}', components) == "empty"
    assert render('{{ component("box") }}', components) == "empty"


def test_components_nest_in_content_and_slots(render: Render) -> None:
    page = """{% component "card", title="a" %}{% component "card", title="b" %}x{% slot footer %}inner{% endslot %}{% endcomponent %}
{% slot footer %}{{ component("card", title="c") }}{% endslot %}{% endcomponent %}"""
    b = '<section class="card m"><h2>b</h2>x<footer>inner</footer></section>'
    c = '<section class="card m"><h2>c</h2></section>'
    flat = "".join(line.strip() for line in render(page).splitlines())
    assert flat == f'<section class="card m"><h2>a</h2>{b}<footer>{c}</footer></section>'


def test_components_in_loops_and_macros_each_have_their_own_slots(render: Render) -> None:
    box = '{% component "box" %}{% if n != 2 %}{% slot s %}{{ n }}{% endslot %}{% endif %}{% endcomponent %}'
    one = f"{{% macro one(n) %}}{box}{{% endmacro %}}"
    page = one + "{% for n in [1, 2, 3] %}{{ one(n) }}{% endfor %}{% for n in [4, 5] %}" + box + "{% endfor %}"
    assert render(page, {"box": "({{ slots.s }})"}) == "(1)()(3)(4)(5)"


def test_a_slot_in_a_loop_collects(render: Render) -> None:
    page = '{% component "box" %}{% for n in [1, 2] %}{% slot s %}<{{ n }}>{% endslot %}{% endfor %}{% endcomponent %}'
    assert render(page, {"box": "({{ slots.s }})"}) == "(<1><2>)"


def test_components_in_blocks_of_a_child(make_engine: MakeEngine) -> None:
    files = {
        "base.html": "[{% block b %}{% endblock %}]",
        "a.html": '{% extends "base.html" %}{% block b %}{% component "x" %}{{ y }}{% endcomponent %}{% endblock %}',
        "components/x.html": "({{ slot }})",
    }
    assert make_engine(files).render("a.html", y=1) == "[(1)]"
    assert make_engine(files).render("a.html#b", y=1) == "(1)"


def test_a_component_does_not_see_the_variables_around_it(render: Render) -> None:
    assert render('{% set x = 1 %}{{ component("spy") }}', {"spy": "{{ x is defined }} {{ debug }}"}, y=2) == "False True"


def test_defaults_are_made_where_they_are_needed_and_see_properties_before_them(render: Render) -> None:
    components = {"box": '{% props a, b=a ~ "!", c=fail() %}{{ b }}{{ c }}'}
    assert render('{{ component("box", a="x", c="y") }}', components) == "x!y"


def test_arguments_can_be_a_mapping(render: Render) -> None:
    components = {
        "outer": '{% props x %}{% component "inner", **attrs %}{{ x }}{% endcomponent %}',
        "inner": "<i {{ attrs }}>{{ slot }}</i>",
    }
    assert render('{{ component("outer", x=1, id="a", data_n=2) }}', components) == '<i id="a" data-n="2">1</i>'


def test_a_name_can_be_a_variable(render: Render) -> None:
    assert render("{% component kind, title=1 %}{% endcomponent %}", kind="card") == '<section class="card m"><h2>1</h2></section>'


def test_a_component_given_a_value_that_is_safe_keeps_it(render: Render) -> None:
    assert "<h2><b>x</b></h2>" in render('{{ component("card", title=title) }}', title=Markup("<b>x</b>"))


def test_a_missing_property_says_which_and_where(render: Render) -> None:
    with pytest.raises(TemplateRuntimeError) as raised:
        render('\n{{ component("card", titel=1) }}')
    assert str(raised.value) == ("the component components/card.html needs the property 'title': did you mean 'titel'? (page.html, line 2)")
    with pytest.raises(TemplateRuntimeError, match=r"needs the property 'title' \(page.html, line 3\)"):
        render('\n\n{% component "card" %}{% endcomponent %}')


def test_an_unknown_slot_says_which_and_where(render: Render) -> None:
    with pytest.raises(TemplateRuntimeError, match=r"card.html has no slot 'footr': did you mean 'footer'\? \(page.html, line 2\)"):
        render('\n{% component "card", title=1 %}{% slot "footr" %}{% endslot %}{% endcomponent %}')
    with pytest.raises(TemplateRuntimeError, match=r"icon.html has no place for content: it does not use {{ slot }} \(page.html, line 1\)"):
        render('{% component "icon" %}x{% endcomponent %}', {"icon": "<svg></svg>"})


def test_slots_that_are_not_named_in_the_component_are_taken_as_they_come(render: Render) -> None:
    components = {"tabs": "{% for name in slots %}{{ name }}={{ slots[name] }};{% endfor %}"}
    assert render('{% component "tabs" %}{% slot a %}1{% endslot %}{% slot b %}2{% endslot %}{% endcomponent %}', components) == "a=1;b=2;"


def test_an_unknown_component_names_its_folder(render: Render) -> None:
    with pytest.raises(TemplateNotFound, match=r"no template 'components/crad.html': did you mean 'components/card.html'"):
        render('{{ component("crad") }}')
    with pytest.raises(TemplateNotFound):
        render('{{ component("../page") }}')


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% slot a %}{% endslot %}", "stands within"),
        ('{% component "x" %}{% slot a %}{% slot b %}{% endslot %}{% endslot %}{% endcomponent %}', "not within another slot"),
        ('{% component "x" %}{% block b %}{% slot a %}{% endslot %}{% endblock %}{% endcomponent %}', "cannot stand within a block"),
        ('{% component "x" %}{% slot %}{% endslot %}{% endcomponent %}', "a slot has a name"),
        ("{% props a, a %}", "'a' cannot be a property: it is there twice"),
        ("{% props slot %}", "'slot' cannot be a property: every component has it"),
        ('{% component "x" a=1 %}{% endcomponent %}', "expected token ','"),
        ('{% component "x" %}', "endcomponent"),
    ],
)
def test_mistakes_in_the_tags_are_syntax_errors(render: Render, source: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        render(source)


def test_a_component_can_be_rendered_as_a_page(make_engine: MakeEngine) -> None:
    engine = make_engine({"components/n.html": "{% props n, m=2 %}{{ n }}{{ m }}"}, debug=True)
    assert engine.render("components/n.html", n=1) == "12"
    with pytest.raises(TemplateRuntimeError, match="needs the property 'n'"):
        engine.render("components/n.html")
    with pytest.raises(UndefinedError, match="'x' is undefined"):
        engine.render_string("{{ x }}", n=1)


# -- attributes ---------------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")))
def test_any_text_in_an_attribute_reads_back_as_itself(value: str) -> None:
    reader = Reader()
    reader.feed(f"<p {Attributes({'title': value})}>")
    assert reader.found == [("p", [("title", value)])]


def test_html_in_an_attribute_cannot_end_it() -> None:
    reader = Reader()
    written = str(Attributes({"title": Markup('<a href="x">&lt;'), "alt": Markup("&amp;")}))
    reader.feed(f"<p {written}>")
    assert reader.found == [("p", [("title", '<a href="x"><'), ("alt", "&")])]


def test_attributes_are_written_as_html() -> None:
    written = Attributes(
        {"data_user_id": 7, "for_": "x", "hidden": True, "disabled": False, "alt": None, "@click": "go()", "aria_label": ""}
    )
    assert written.__html__() == 'data-user-id="7" for="x" hidden @click="go()" aria-label=""'
    assert str(Attributes({})) == ""


def test_classes_are_added_and_other_defaults_give_way() -> None:
    attributes = Attributes({"class": "wide card", "type": "submit"})
    assert str(attributes(class_="card big", type="button", id="x")) == 'class="card big wide" type="submit" id="x"'
    assert str(Attributes({"class": ""})(class_="card")) == 'class="card"'
    assert str(Attributes({"id": 1})()) == 'id="1"'
    assert attributes["class"] == "wide card"
    assert dict(attributes) == {"class": "wide card", "type": "submit"}


@pytest.mark.parametrize("name", ["", "a b", "a>", 'a"', "a'", "a=b", "a/b", "<a", "a\n", "a\x7f"])
def test_attribute_names_cannot_break_out(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an HTML attribute"):
        Attributes({name: "x"})
