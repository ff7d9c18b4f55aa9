from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from erlen import App

MakeApp = Callable[[dict[str, str]], App]

PROGRAM = """
from erlen import App
app = App()

@app.get("/books")
def books() -> str:
    return ""
"""


def test_mistakes_in_templates_are_found(make_app: MakeApp, tmp_path: Path) -> None:
    pages = {
        "syntax.html": "\n{% if %}",
        "filter.html": "{{ x|shuot }}",
        "missing.html": '{% extends "bsae.html" %}',
        "either.html": '\n{% include ["qqqqqq.xml", "wwwwww.xml"] %}',
        "route.html": "\n\n<a href=\"{{ url_for('boks') }}\">",
        "component.html": '{% component "crad" %}{% endcomponent %}{{ component("qqqqqqqqqqqqqqqqqqqqqq") }}',
        "base.html": "",
        "components/card.html": "",
        "picture.png": "\0{% if %}",
    }
    site = make_app({"app.py": PROGRAM, **{f"templates/{name}": page for name, page in pages.items()}}).freeze()
    found = {(mistake.where.rpartition("/")[2], mistake.message) for check in site.checks for mistake in check(site)}
    assert found == {
        ("syntax.html:2", "Expected an expression, got 'end of statement block'"),
        ("filter.html:1", "No filter named 'shuot'."),
        ("missing.html:1", "there is no template 'bsae.html': did you mean 'base.html'?"),
        ("either.html:2", "there is no template 'qqqqqq.xml' or 'wwwwww.xml'"),
        ("route.html:3", "no route is named 'boks': did you mean 'books'?"),
        ("component.html:1", "there is no template 'components/crad.html': did you mean 'components/card.html'?"),
        ("component.html:1", "there is no template 'components/qqqqqqqqqqqqqqqqqqqqqq.html'"),
    }


def test_links_to_static_files_that_are_not_there_are_found(make_app: MakeApp, tmp_path: Path) -> None:
    files = {"templates/a.html": "\n{{ static('site.css') }}{{ static(name) }}{{ static('stie.css') }}", "static/site.css": ""}
    site = make_app({"app.py": PROGRAM, **files}).freeze()
    (mistake,) = [mistake for check in site.checks for mistake in check(site)]
    assert mistake.message == f"there is no static file 'stie.css' in {tmp_path / 'static'}; did you mean 'site.css'?"
    assert mistake.where.endswith("a.html:2")


def test_templates_without_mistakes_pass(make_app: MakeApp) -> None:
    pages = {
        "base.html": "{% block b %}{% endblock %}",
        "a.html": """{% extends "./base.html" %}{% from name import x %}{% block b %}{{ url_for("books") }}{{ url_for(".books") }}
{{ url_for(name) }}{% include "none.html" ignore missing %}{% include ["none.html", "base.html"] %}{% include name %}
{% component name %}{% endcomponent %}{{ component("erlen/pagination") }}{% endblock %}""",
        "mail.txt": "{{ x }}",
    }
    site = make_app({"app.py": PROGRAM, **{f"templates/{name}": page for name, page in pages.items()}}).freeze()
    assert [mistake for check in site.checks for mistake in check(site)] == []
