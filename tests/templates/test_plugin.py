"""Templates in real requests, through every door."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound

from erlen import App, Blueprint, ConfigurationError, Request
from erlen.errors import ErlenError
from erlen.templates import Templates
from erlen.templates.engine import Engine
from erlen.testing import Client

MakeApp = Callable[[dict[str, str]], App]
MakeClient = Callable[..., Client]

APP = """
from erlen import App, Page, render
app = App()

@app.get("/")
def home() -> Page:
    return render("home.html", name="<Ann>")

@app.get("/async")
async def home_async():
    return render("home.html", name="<Ann>")

@app.get("/invalid")
def invalid():
    return render("home.html", name="?"), 422
"""


def test_a_folder_beside_the_application_is_all_it_takes(make_app: MakeApp, client_for: MakeClient) -> None:
    client = client_for(make_app({"app.py": APP, "templates/home.html": "<p>Hello {{ name }}"}))
    for path in ("/", "/async"):
        response = client.get(path)
        assert response.text == "<p>Hello &lt;Ann&gt;"
        assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/invalid").status == 422
    assert "vary" not in client.get("/").headers
    assert "set-cookie" not in client.get("/").headers


def test_without_templates_render_says_what_to_do(make_app: MakeApp, make_client: MakeClient) -> None:
    client = make_client(make_app({"app.py": APP}))
    with pytest.raises(ErlenError, match="make a folder `templates` beside the application"):
        client.get("/")


def test_in_debug_mode_the_folder_may_come_later(make_app: MakeApp, make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(make_app({"app.py": APP}), debug=True)
    with pytest.raises(TemplateNotFound, match="templates, which does not exist"):
        client.get("/")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "home.html").write_text("here")
    assert client.get("/").text == "here"


def test_outside_a_request_the_engine_renders(make_app: MakeApp) -> None:
    site = make_app({"app.py": APP, "templates/home.html": "Hello {{ name }}"}).freeze()
    engine = site.extensions["templates"]
    assert isinstance(engine, Engine)
    assert engine.render("home.html", name="Bob") == "Hello Bob"
    from erlen import render

    with pytest.raises(ErlenError, match="there is no request here"):
        render("home.html")


def test_jinja_is_loaded_by_the_first_page(make_app: MakeApp, tmp_path: Path) -> None:
    make_app({"app.py": APP, "templates/home.html": "Hello {{ name }}"})
    program = """
import sys
from app import app
engine = app.freeze().extensions["templates"]
print("jinja2" in sys.modules, "erlen.templates.environment" in sys.modules)
print(engine.render("home.html", name="Ann"), "jinja2" in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert answer.stdout.splitlines() == ["False False", "Hello Ann True"], answer.stderr


def test_an_application_without_templates_loads_none_of_it(make_app: MakeApp) -> None:
    assert "templates" not in make_app({"app.py": "from erlen import App\napp = App()"}).freeze().extensions


SHOP = """
from erlen import App, Blueprint, Page, render
app = App(templates="pages")
shop = Blueprint("shop", prefix="/shop", templates="shop_pages")
cart = Blueprint("cart", prefix="/cart", templates="cart_pages")

@shop.get("/")
def show() -> Page:
    return render("shop/show.html")

@shop.get("/own")
def own() -> Page:
    return render("shop:shop/show.html")

@cart.get("/")
def items() -> Page:
    return render("shop.cart:items.html")

shop.include(cart)
app.include(shop)
"""


def test_an_application_overrides_its_blueprints(make_app: MakeApp, client_for: MakeClient) -> None:
    files = {
        "app.py": SHOP,
        "pages/shop/show.html": '{% extends "shop:shop/show.html" %}{% block b %}[{{ super() }}]{% endblock %}',
        "shop_pages/shop/show.html": "<b>{% block b %}{{ url_for('.show') }}{% endblock %}",
        "cart_pages/items.html": '{% include "./row.html" %}',
        "cart_pages/row.html": "row",
        "pages/row.html": "other",
    }
    client = client_for(make_app(files))
    assert client.get("/shop/").text == "<b>[/shop/]"
    assert client.get("/shop/own").text == "<b>/shop/"
    assert client.get("/shop/cart/").text == "row"


TOOLS = """
from erlen import App, Blueprint, Page, Request, render
from erlen.templates import Templates

templates = Templates("pages", "more")
app = App()
app.use(templates)
own = Templates("blog_pages")
blog = Blueprint("blog", prefix="/blog", templates=own)

@templates.filter
def shout(text: str) -> str:
    return text.upper() + "!"

@templates.filter("quiet")
def anything(text: str) -> str:
    return text.lower()

@templates.test
def even_more(number: int) -> bool:
    return number > 2

@templates.global_
def version() -> str:
    return "1.2"

templates.globals["site_name"] = "Books"

@templates.context
def nav(request: Request) -> dict[str, object]:
    return {"path": request.path, "who": "app"}

@templates.context
def always() -> dict[str, object]:
    return {"always": "yes"}

@own.context
def of_blog(request: Request) -> dict[str, object]:
    return {"who": "blog"}

@own.filter
def shout(text: str) -> str:
    return "never"

@own.filter
def blogged(text: str) -> str:
    return f"b:{text}"

@app.get("/")
@blog.get("/")
def page() -> Page:
    return render("page.html")

@app.get("/given")
def given() -> Page:
    return render("page.html", who="given")

@blog.get("/more")
async def more():
    return render("more.html", who="given")

app.include(blog)
"""
PAGE = (
    "{{ 'x'|shout }} {{ 'Y'|quiet }} {{ 3 is even_more }} {{ version() }} {{ site_name }} {{ path }} {{ who }} {{ always }} {{ 1|blogged }}"
)


def test_filters_tests_globals_and_context(make_app: MakeApp, client_for: MakeClient) -> None:
    files = {"app.py": TOOLS, "pages/page.html": PAGE, "more/more.html": "{{ who }} {{ always }}", "blog_pages/page.html": "hidden"}
    client = client_for(make_app(files))
    assert client.get("/").text == "X! y True 1.2 Books / app yes b:1"
    assert client.get("/given").text == "X! y True 1.2 Books /given given yes b:1"
    assert client.get("/blog/").text == "X! y True 1.2 Books /blog/ blog yes b:1"
    assert client.get("/blog/more").text == "given yes"


def test_outside_a_request_only_context_that_needs_none_is_there(make_app: MakeApp) -> None:
    engine = make_app({"app.py": TOOLS, "pages/page.html": "[{{ path }}{{ who }}{{ always }}]"}).freeze().extensions["templates"]
    assert engine.render("page.html") == "[yes]"


def test_templates_take_the_place_of_a_folder(make_app: MakeApp, make_client: MakeClient) -> None:
    program = """
from erlen import App, Page, render
from erlen.templates import Templates
templates = Templates()
app = App(templates=templates)
templates.globals["x"] = 1
@app.get("/")
def home() -> Page:
    return render("a.html")
"""
    assert make_client(make_app({"app.py": program, "templates/a.html": "{{ x }}"})).get("/").text == "1"
    twice = program + "app.use(templates)\n"
    assert make_client(make_app({"app.py": twice, "templates/a.html": "{{ x }}"})).get("/").text == "1"


def test_something_else_in_place_of_a_folder_is_a_mistake() -> None:
    app = App()
    app.include(Blueprint("blog", templates=3))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="the templates of the blueprint 'blog' are 3"):
        app.freeze()


def test_a_context_function_waits_for_nothing() -> None:
    templates = Templates()
    with pytest.raises(ConfigurationError, match=r"nav is `async def`.*\n.*test_plugin.py:\d+\n.*make it `def`"):

        @templates.context  # type: ignore[type-var]
        async def nav() -> dict[str, object]:
            return {}


def test_a_context_function_takes_the_request_alone() -> None:
    templates = Templates()
    with pytest.raises(ConfigurationError, match="takes 2 parameters"):

        @templates.context
        def nav(request: Request, other: int) -> dict[str, object]:
            return {}


def test_decorated_functions_stay_themselves() -> None:
    templates = Templates()

    @templates.filter
    def double(number: int) -> int:
        return number * 2

    @templates.test("odd_one")
    def is_odd(number: int) -> bool:
        return number % 2 == 1

    assert double(2) == 4
    assert is_odd(3)


# -- what templates see of the request ----------------------------------------------------------------------------------------

VISIT = """
from erlen import App, Page, Request, flash, render, redirect
from erlen.templates import render_async, render_string, stream_page
app = App()

@app.get("/show/{name}")
def show(name: str) -> Page:
    return render(f"{name}.html", rows=range(2000))

@app.get("/async/{name}")
async def show_async(name: str):
    return await render_async(f"{name}.html")

@app.get("/flash")
def say():
    flash("Saved <it>", "success")
    flash("Look out", "warning")
    return redirect("/show/flashes")

@app.post("/submit")
async def submit(request: Request) -> str:
    return (await request.form())["csrf_token"][:0] + "ok"

@app.get("/stream/{name}")
def stream(name: str):
    return stream_page(f"{name}.html", rows=range(2000))

async def numbers():
    for number in range(3):
        yield number

@app.get("/stream-async/{name}")
async def stream_async(name: str):
    return stream_page(f"{name}.html", rows=numbers())
"""

PAGES = {
    "app.py": VISIT,
    "templates/plain.html": "{% if false %}{{ csrf_token }}{{ csp_nonce }}{{ flashes() }}{% endif %}{{ request.path }}",
    "templates/form.html": '<form method="post" action="/submit">{{ csrf_input() }}</form>',
    "templates/token.html": "{{ csrf_token }} {{ csrf_token|tojson }} {{ csrf_token ~ '' }}",
    "templates/script.html": '<script nonce="{{ csp_nonce }}">1</script><style nonce="{{ csp_nonce }}"></style>',
    "templates/flashes.html": "{% if flashes() %}{% for m in flashes() %}<li class={{ m.category }}>{{ m }}{% endfor %}{% endif %}",
    "templates/pairs.html": "{% for kind, m in flashes(with_categories=True, categories=['warning']) %}{{ kind }}:{{ m }}{% endfor %}",
    "templates/macros.html": "{% macro form() %}{{ csrf_input() }}{{ request.path }}{% endmacro %}",
    "templates/imports.html": '{% from "macros.html" import form %}{{ form() }}',
    "templates/rows.html": "<p>{{ request.path }} {% for row in rows %}<li>{{ row }}</li>{% endfor %}",
    "templates/nonce.html": "{% for row in rows %}<li>{{ row }}</li>{% endfor %}<script nonce={{ csp_nonce }}></script>",
}


@pytest.fixture
def client(make_app: MakeApp, client_for: MakeClient) -> Client:
    return client_for(make_app(PAGES))


def test_a_page_that_uses_neither_token_nor_nonce_leaves_session_and_headers_alone(client: Client) -> None:
    response = client.get("/show/plain")
    assert response.text == "/show/plain"
    assert "set-cookie" not in response.headers
    assert "vary" not in response.headers
    assert "nonce" not in response.headers["content-security-policy"]
    assert client.get("/async/plain").text == "/async/plain"


def test_a_form_can_be_sent_back_by_a_client_that_says_nothing_of_itself(client: Client) -> None:
    page = client.get("/show/form").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert page == f'<form method="post" action="/submit"><input type="hidden" name="csrf_token" value="{token}"></form>'
    silent = {"sec-fetch-site": None, "origin": None}
    assert client.post("/submit", data={"csrf_token": token}, headers=silent).text == "ok"
    assert client.post("/submit", data={"csrf_token": token.swapcase()}, headers=silent).status == 403
    assert client.post("/submit", data={}, headers=silent).status == 403


def test_the_token_is_text(client: Client) -> None:
    plain, quoted, joined = client.get("/show/token").text.split()
    assert len(plain) == len(joined) == len(quoted) - 2 > 40


def test_the_nonce_is_in_the_policy(client: Client) -> None:
    response = client.get("/show/script")
    nonce = response.text.partition('nonce="')[2].partition('"')[0]
    assert response.text.count(nonce) == 2
    assert f"'nonce-{nonce}'" in response.headers["content-security-policy"]
    assert nonce not in client.get("/show/script").text


@pytest.mark.parametrize("way", ["show", "async"])
def test_flashed_messages_are_shown_once(client: Client, way: str) -> None:
    assert client.get("/flash").status == 302
    assert client.get(f"/{way}/flashes").text == "<li class=success>Saved &lt;it&gt;<li class=warning>Look out"
    assert client.get(f"/{way}/flashes").text == ""


def test_flashed_messages_by_category(client: Client) -> None:
    client.get("/flash")
    assert client.get("/show/pairs").text == "warning:Look out"


def test_macros_see_the_request_and_each_visitor_has_an_own_token(client: Client) -> None:
    first, second = client.get("/show/imports").text, client.get("/show/imports").text
    assert first.endswith("/show/imports")
    assert first != second  # tokens are masked anew


@pytest.mark.parametrize("path", ["stream", "stream-async"])
def test_a_page_is_streamed_with_its_request(client: Client, path: str) -> None:
    response = client.get(f"/{path}/rows")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-length" not in response.headers
    count = 2000 if path == "stream" else 3
    assert response.text == f"<p>/{path}/rows " + "".join(f"<li>{row}</li>" for row in range(count))


def test_the_nonce_of_a_streamed_page_is_in_its_headers(client: Client) -> None:
    response = client.get("/stream/nonce")
    nonce = response.text.rpartition("nonce=")[2].partition(">")[0]
    assert f"'nonce-{nonce}'" in response.headers["content-security-policy"]


def test_a_missing_template_is_found_out_before_a_stream_begins(make_app: MakeApp, client_for: MakeClient) -> None:
    client = client_for(make_app(PAGES), raise_errors=False)
    assert client.get("/stream/none").status == 500
    assert client.get("/stream-async/none").status == 500


def test_a_name_from_a_visitor_leads_nowhere_else(make_app: MakeApp, client_for: MakeClient, tmp_path: Path) -> None:
    program = """
from erlen import App, render
app = App()
@app.get("/{name:path}")
def show(name: str):
    return render(name)
"""
    client = client_for(make_app({"app.py": program, "templates/a.html": "a", "secret.html": "secret"}), raise_errors=False)
    assert client.get("/a.html").text == "a"
    for path in (
        "/..%2Fsecret.html",
        "/%2e%2e/secret.html",
        "/x/..%2f..%2fsecret.html",
        "/..%5csecret.html",
        f"/%2F{tmp_path}/secret.html",
    ):
        assert "secret" not in client.get(path).text.replace("secret.html", "")
        assert client.get(path).status in (404, 500)
