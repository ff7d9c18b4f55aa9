from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest

from erlen import App, Body, Form, HTMLResponse, NotFound, Page, Request, Response, Setup, Struct, abort
from erlen.debug.plugin import Debug
from erlen.testing import Client

MakeClient = Callable[..., Client]
Browse = Callable[..., str]
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Item(Struct):
    name: str
    count: int


def failing() -> App:
    app = App()

    @app.get("/price/{name}")
    def price(request: Request, name: str) -> float:
        prices: list[float] = []
        try:
            return sum(prices) / len(prices)
        except ZeroDivisionError as error:
            error.add_note("The basket <was> empty.")
            raise ValueError(f"no price for <{name}>") from error

    @app.get("/async")
    async def on_loop() -> None:
        raise ExceptionGroup("several", [KeyError("first"), TypeError("second")])

    @app.post("/form")
    def form(name: Annotated[str, Form()], password: Annotated[str, Form()]) -> None:
        raise ValueError(f"wrong password {password}")

    @app.post("/items")
    def items(item: Annotated[Item, Body()]) -> None:
        return None

    @app.get("/gone")
    def gone() -> None:
        abort(404, "No such book.")

    return app


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_the_page_says_what_where_and_with_which_values(browse: Browse) -> None:
    page = browse(failing(), "/price/tea?basket=3")
    assert "<title>ValueError: no price for &lt;tea&gt;</title>" in page
    shown = text_of(page)
    for part in (
        "GET /price/tea?basket=3",
        "Caused by: ZeroDivisionError: division by zero",
        "The basket &lt;was&gt; empty.",
        "test_plugin.py",
        "price()",
        "prices []",
        "name &#39;tea&#39;",
        "Path /price/{name}",
        "basket 3",
        "max_body_size 16777216",
    ):
        assert part in shown, part
    assert "<mark>sum(prices) / len(prices)</mark>" in page


def test_groups_show_each_of_their_exceptions(browse: Browse) -> None:
    shown = text_of(browse(failing(), "/async"))
    assert "1 of 2 in the group: KeyError: &#39;first&#39;" in shown
    assert "2 of 2 in the group: TypeError: second" in shown


def test_no_secret_of_the_request_or_the_settings_is_shown(debug_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_API_KEY", "pk-sesame-open")
    app = failing()

    @app.get("/all")
    def everything(request: Request) -> None:
        import os

        key, cookies, header = os.environ["PAYMENT_API_KEY"], dict(request.cookies), request.header("authorization")
        secret_in_settings = request.context.settings  # type: ignore[attr-defined]
        raise ValueError(f"{key} {cookies} {header} {secret_in_settings.secret_key}")

    client = debug_client(app, secret_key="a-secret-key-of-32-characters-or-more")
    sent = {**BROWSER, "authorization": "Bearer abc.def.ghi", "cookie": "session=s3ss10n; theme=darkest"}
    told = client.get("/all?token=t0k3nn&x=1", headers=sent).text
    for accept in ("text/plain", "application/json"):
        told += client.get("/all?token=t0k3nn&x=1", headers={**sent, "accept": accept}).text
    told += client.post("/form", data={"name": "ada", "password": "hunter2"}, headers=BROWSER).text
    for secret in ("pk-sesame-open", "abc.def.ghi", "s3ss10n", "darkest", "t0k3nn", "a-secret-key-of", "hunter2"):
        assert secret not in told, secret
    assert "•••" in told


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_lets_nothing_else_in(debug_client: MakeClient) -> None:
    for policy in ("default", "script-src 'none'; style-src 'none'", ""):
        answer = debug_client(failing(), content_security_policy=policy).get("/price/tea", headers=BROWSER)
        sent = answer.headers["content-security-policy"]
        assert sent.startswith("default-src 'none'; ")
        assert "unsafe" not in sent
        nonces = set(re.findall(r'nonce="([^"]+)"', answer.text))
        assert len(nonces) == 1
        assert f"script-src 'self' 'nonce-{nonces.pop()}'" in sent
        assert re.findall(r'(?:src|href|action)="(?!data:)[^"]*"', answer.text) == []
        assert re.findall(r"\son\w+=|style=", answer.text) == []
        assert answer.headers["cache-control"] == "no-store"
        assert "accept" in answer.headers["vary"].lower()


def test_text_html_and_json_as_the_client_asks(debug_client: MakeClient) -> None:
    client = debug_client(failing())
    plain = client.get("/price/tea", headers={"accept": "text/plain"})
    assert (plain.status, plain.media_type) == (500, "text/plain")
    assert plain.text.startswith("ValueError: no price for <tea>\nGET /price/tea\n")
    assert "accept" in plain.headers["vary"].lower()
    for accept in ("*/*", "application/json"):
        told = client.get("/price/tea", headers={"accept": accept})
        assert told.media_type == "application/problem+json"
        assert told.json()["detail"] == "ValueError: no price for <tea>"
        assert 'raise ValueError(f"no price for <{name}>") from error' in "".join(told.json()["traceback"])
    assert plain.text.splitlines()[0] in client.get("/price/tea", headers=BROWSER).text.replace("&lt;", "<").replace("&gt;", ">")


def test_programs_learn_the_likely_fix_and_what_middleware_raises(debug_client: MakeClient) -> None:
    app = App()

    @app.middleware
    def broken(request: Request, call_next: Callable[[Request], Response]) -> Response:
        password = "hunter2"  # noqa: F841 - what must not be shown
        return prices["tea"]  # type: ignore[name-defined, no-any-return]  # noqa: F821

    told = debug_client(app, secret_key="a-secret-key-of-32-characters-or-more").get("/").json()
    assert told["detail"] == "NameError: name 'prices' is not defined"
    assert "hunter2" not in "".join(told["traceback"])
    other = App()

    @other.get("/")
    def home() -> object:
        return render("x")  # type: ignore[name-defined]  # noqa: F821

    assert debug_client(other).get("/").json()["hints"] == ["An import is missing: 'render' is Erlen's."]


def test_a_path_without_a_route_lists_those_tried_with_the_nearest_first(browse: Browse) -> None:
    page = browse(failing(), "/prise/tea")
    assert "Routes tried" in page
    rows = re.findall(r"<tr( class=\"near\")?><td>(\w+)</td><td><code>([^<]+)</code>", page)
    assert rows[0] == (' class="near"', "GET", "/price/{name}")
    assert {path for _, _, path in rows} >= {"/async", "/form", "/items", "/gone"}
    assert "Where it was raised" not in page
    assert "/__erlen__/" not in page


def test_a_wrong_method_shows_the_routes_of_the_path(browse: Browse, debug_client: MakeClient) -> None:
    page = browse(failing(), "/items", "DELETE")
    assert "Routes of this path" in page
    assert "No route for this method" in page
    assert "/async" not in page
    answer = debug_client(failing()).delete("/items", headers=BROWSER)
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


def test_invalid_data_shows_each_fault_and_an_abort_its_line(debug_client: MakeClient) -> None:
    client = debug_client(failing())
    wrong = client.post("/items", json={"count": "x"}, headers=BROWSER)
    assert wrong.status == 422
    assert '<th scope="row">body.name</th>' in wrong.text
    assert '<th scope="row">body.count</th>' in wrong.text
    gone = client.get("/gone", headers=BROWSER)
    assert gone.status == 404
    assert "Where it was raised" in gone.text
    assert re.search(r'aria-current="true">.*<code> *abort\(404, &#34;No such book', gone.text)
    assert "Routes tried" not in gone.text


def test_refusals_before_the_route_are_explained_too(debug_client: MakeClient) -> None:
    client = debug_client(failing())
    host = client.get("/", headers={**BROWSER, "host": "evil.example"})
    assert (host.status, "ALLOWED_HOSTS=evil.example" in host.text) == (400, True)
    forged = client.post("/items", json={}, headers={**BROWSER, "origin": "https://evil.example", "sec-fetch-site": "cross-site"})
    assert (forged.status, "TRUSTED_ORIGINS=https://evil.example" in forged.text) == (403, True)


def test_the_first_page_of_an_application_without_one(browse: Browse, debug_client: MakeClient) -> None:
    empty = App()
    page = browse(empty, "/")
    assert "It works." in page
    assert Path(__file__).name in page
    assert debug_client(App()).get("/", headers=BROWSER).status == 404
    assert "It works." not in browse(App(), "/elsewhere")
    more = App()
    more.get("/books")(lambda: "")
    assert '<a href="/books">' in browse(more, "/")


def test_error_handlers_of_the_application_come_first(browse: Browse) -> None:
    app = failing()
    app.error_handler(404)(lambda request, error: HTMLResponse("my 404"))
    assert browse(app, "/nowhere") == "my 404"


def test_the_applications_own_error_page_is_seen_while_it_is_written(browse: Browse, tmp_path: Path) -> None:
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors" / "404.html").write_text("own page: {{ detail }}")
    app = App(templates=tmp_path)

    @app.get("/gone")
    def gone() -> None:
        raise NotFound("No such book.")

    assert browse(app, "/gone") == "own page: No such book."
    assert "Routes tried" in browse(app, "/nowhere")


def test_an_error_page_of_the_application_that_fails_is_explained(browse: Browse, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors" / "404.html").write_text("own page:\n{{ detial }}")
    app = App(templates=tmp_path)

    @app.get("/gone")
    def gone() -> None:
        raise NotFound("No such book.")

    page = browse(app, "/gone")
    assert "&#39;detial&#39; is not in the template" in page
    assert "No such book." in page
    assert "the error page for NotFound failed" in caplog.text


def test_panels_of_other_plugins(browse: Browse) -> None:
    class Statements:
        name = "statements"
        requires = ()

        def setup(self, setup: Setup) -> None:
            setup.share("debug.panels", [panel, broken, lambda request, error: None])

    def panel(request: Request, error: BaseException) -> tuple[str, list[tuple[str, str]]]:
        return "SQL", [("1.2 ms", f"SELECT * FROM prices WHERE path = '{request.path}'")]

    def broken(request: Request, error: BaseException) -> None:
        raise RuntimeError("closed")

    app = failing()
    app.use(Statements())
    shown = text_of(browse(app, "/price/tea"))
    assert "SELECT * FROM prices WHERE path = &#39;/price/tea&#39;" in shown
    assert "RuntimeError: closed" in shown


def test_links_open_the_editor(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "vscode:" not in browse(failing(), "/price/tea")
    monkeypatch.setenv("ERLEN_EDITOR", "vscode")
    assert f'href="vscode://file{__file__}:' in browse(failing(), "/price/tea")
    monkeypatch.setenv("ERLEN_EDITOR", "mine://open?f={path}&l={line}")
    assert f'href="mine://open?f={__file__}&amp;l=' in browse(failing(), "/price/tea")
    monkeypatch.setenv("ERLEN_EDITOR", "javascript:alert(1)")
    assert "javascript:" not in browse(failing(), "/price/tea")


def test_a_page_that_cannot_be_made_leaves_the_built_in_one(browse: Browse, caplog: pytest.LogCaptureFixture) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even a text")

    app = App()

    @app.get("/")
    def home() -> None:
        raise Unspeakable

    assert "its text raises RuntimeError" in browse(app, "/")


def test_html_returned_as_text_is_warned_of_once(debug_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/page")
    def page() -> str:
        return "  <h1 class=a>Hello</h1>"

    @app.get("/plain")
    def plain() -> str:
        return "1 < 2 and <unknown>"

    @app.get("/meant")
    def meant() -> Response:
        return HTMLResponse("<h1>Hello</h1>")

    client = debug_client(app)
    with caplog.at_level(logging.WARNING, "erlen.debug"):
        for path in ("/page", "/page", "/plain", "/meant"):
            assert client.get(path).status == 200
    warned = [record.getMessage() for record in caplog.records if record.name == "erlen.debug"]
    assert len(warned) == 1
    assert "page() at" in warned[0]
    assert "test_plugin.py" in warned[0]


def test_without_debug_nothing_is_added_and_nothing_revealed(client_for: MakeClient) -> None:
    app = failing()
    app.use(Debug())
    client = client_for(app, raise_errors=False)
    told = client.get("/price/tea", headers=BROWSER).text + client.get("/prise", headers=BROWSER).text
    for part in ("ValueError", "ZeroDivision", "test_plugin", "Routes tried", "__erlen__", "/price/{name}"):
        assert part not in told
    assert not [route for route in client.site.routes if "__erlen__" in route.path]
    assert "It works" not in client.get("/", headers=BROWSER).text


def test_production_loads_none_of_it() -> None:
    program = """
import sys
from erlen import App
from erlen.testing import Client
app = App()
app.get("/")(lambda: 1 // 0)
client = Client(app, raise_errors=False)
assert client.get("/", headers={"accept": "text/html"}).status == 500
assert client.get("/nowhere", headers={"accept": "text/html"}).status == 404
client.close()
print([name for name in sys.modules if name.startswith("erlen.debug")])
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert answer.stdout.strip() == "[]", answer.stderr


@pytest.fixture
def with_templates(tmp_path: Path) -> App:
    from erlen import render  # another test is about a module without this import

    (tmp_path / "undefined.html").write_text("<h1>{{ title }}</h1>\n<p>\n{{ titel }}</p>")
    (tmp_path / "syntax.html").write_text("<h1></h1>\n{% if title %}\n{% endfor %}")
    (tmp_path / "calls.html").write_text("<h1></h1>\n{{ divide() }}")
    app = App(templates=tmp_path)

    @app.get("/{name}")
    def page(name: str) -> Page:
        return render(f"{name}.html", title="Books", divide=lambda: 1 // 0)

    return app


@pytest.mark.parametrize(("name", "line", "code"), [("undefined", 3, "{{ titel }}"), ("syntax", 3, "{% endfor %}")])
def test_the_line_of_a_template_stands_before_all_else(
    debug_client: MakeClient, with_templates: App, tmp_path: Path, name: str, line: int, code: str
) -> None:
    client = debug_client(with_templates)
    page = text_of(client.get(f"/{name}", headers=BROWSER).text)
    assert page.index("The line of the template") < page.index(code) < page.index("Where it happened")
    assert "Likely fix" not in page or page.index(code) < page.index("Likely fix")
    assert page.index(f"{name}.html:{line}") < page.index("Where it happened")
    text = client.get(f"/{name}", headers={"accept": "text/plain"}).text
    assert f'In the template "{tmp_path / name}.html", line {line}\n    {code}' in text.partition("Traceback")[0]
    assert f"{name}.html:{line}: " not in text  # the note is for the terminal


def test_what_a_template_calls_stands_where_it_fails(browse: Browse, with_templates: App) -> None:
    assert "The line of the template" not in browse(with_templates, "/calls")


def test_the_terminal_ends_with_the_line_of_the_template(
    debug_client: MakeClient, with_templates: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = debug_client(with_templates)
    ends = {
        "undefined": "(undefined.html, line 3)",
        "syntax": f"{tmp_path / 'syntax.html'}:3: {{% endfor %}}",
        "calls": f"{tmp_path / 'calls.html'}:2: {{{{ divide() }}}}",
    }
    for name, end in ends.items():
        caplog.clear()
        client.get(f"/{name}")
        (record,) = [record for record in caplog.records if record.name == "erlen"]
        assert logging.Formatter().format(record).endswith(end)
