from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from erlen import App, JSONResponse, Request, Response, Struct
from erlen.debug import hints
from erlen.debug.frames import frames_of
from erlen.debug.hints import Hint, hints_for
from erlen.debug.masking import Masker
from erlen.testing import Client

MakeClient = Callable[..., Client]


def hints_when(function: Callable[[], object]) -> list[Hint]:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - what it raises is the matter
        return hints_for([(error, frames_of(error, Masker()))], None)
    raise AssertionError("it does not raise")


def only(found: list[Hint]) -> Hint:
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def answered(make_client: MakeClient) -> Callable[..., list[Hint]]:
    """The hints for what a request raises, whatever answers it."""

    def ask(app: App, path: str = "/", method: str = "GET", **options: Any) -> list[Hint]:
        found: list[Hint] = []
        client = make_client(app, debug=True, raise_errors=False)

        def page(request: Request, error: Exception, status: int) -> Response | None:
            found.extend(hints_for([(error, frames_of(error, Masker()))], request))
            return None

        client.site.error_pages.insert(0, page)  # type: ignore[attr-defined]
        client.request(method, path, **{"headers": {"accept": "text/html"}, **options})
        return found

    return ask


# -- colours ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["subscript", "attribute", "iterate", "json"])
def test_a_coroutine_that_was_used(use: str) -> None:
    async def fetch() -> list[int]:
        return [1]

    made: Any = fetch()
    uses: dict[str, Callable[[], object]] = {
        "subscript": lambda: made[0],
        "attribute": lambda: made.items,
        "iterate": lambda: list(made),
        "json": lambda: json.dumps(made),
    }
    assert only(hints_when(uses[use])).title == "An `await` is missing"
    made.close()


def test_a_coroutine_that_was_returned(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    async def fetch() -> int:
        return 1

    made = fetch()

    @app.get("/")
    async def home():  # type: ignore[no-untyped-def]
        return made

    assert only(answered(app)).title == "An `await` is missing"
    made.close()


def test_a_forgotten_return(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    @app.get("/")
    def home():  # type: ignore[no-untyped-def]
        "nothing"

    hint = only(answered(app))
    assert hint.title == "A `return` is missing"
    assert "home()" in hint.text


def test_two_colours(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    async def later() -> int:
        return 1

    @app.get("/run")
    async def run() -> int:
        coroutine = later()
        try:
            return asyncio.run(coroutine)
        finally:
            coroutine.close()

    @app.get("/loop")
    def loop() -> str:
        return str(asyncio.get_running_loop())

    assert only(answered(app, "/run")).title == "`asyncio.run` in an `async def`"
    assert only(answered(app, "/loop")).title == "Asynchronous code in a `def`"
    from erlen.drive import drive

    async def sleeps() -> None:
        await asyncio.sleep(0)

    assert only(hints_when(lambda: drive(sleeps()))).title == "An asynchronous call in a `def`"


# -- results ------------------------------------------------------------------------------------------------------------------


class Money:
    pass


def test_a_value_that_cannot_become_json(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    @app.get("/")
    def home():  # type: ignore[no-untyped-def]
        return Money()

    hint = only(answered(app))
    assert "@app.encoder(Money)" in hint.code
    assert "@app.encoder(Money)" in only(hints_when(lambda: json.dumps({"price": Money()}))).code


class Owner(Struct):
    name: str


class Shelf(Struct):
    owner: Owner


async def fetch_owner() -> Owner:
    return Owner("Ada")


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda part: {"user": part}, "['user']"),
        (lambda part: [1, {"users": [part]}], "[1]['users'][0]"),
        (lambda part: Shelf(part), ".owner"),
        (lambda part: ({"user": part}, 201), "['user']"),
    ],
)
def test_a_missing_await_inside_of_a_result_is_named_with_its_path(
    answered: Callable[..., list[Hint]], make: Callable[[Any], object], path: str
) -> None:
    app = App()
    part = fetch_owner()

    @app.get("/")
    async def home():  # type: ignore[no-untyped-def]
        return make(part)

    @app.get("/json")
    async def response() -> Response:
        return JSONResponse({"user": part})

    hint = only(answered(app))
    assert (hint.title, hint.code) == ("An `await` is missing", "await fetch_owner(…)")
    assert f"What home() returned has a coroutine of `fetch_owner` at `{path}`" in hint.text
    assert "at `['user']`" in only(answered(app, "/json")).text
    part.close()


def test_a_missing_await_where_the_annotation_names_a_model(answered: Callable[..., list[Hint]]) -> None:
    app = App()
    part: Any = fetch_owner()

    @app.get("/inside")
    async def inside() -> Shelf:
        return Shelf(part)

    @app.get("/list")
    async def several() -> list[Owner]:
        return [Owner("Ada"), part]

    @app.get("/whole")
    async def whole() -> Owner:
        return part  # type: ignore[no-any-return]

    assert "at `.owner`" in only(answered(app, "/inside")).text
    assert "at `[1]`" in only(answered(app, "/list")).text
    assert only(answered(app, "/whole")).code == "return await fetch_owner(…)"
    part.close()


@pytest.mark.parametrize(
    ("value", "title", "said", "code"),
    [
        ({"deep": [{"price": Money()}]}, "Money cannot become JSON", "at `['deep'][0]['price']`", "def __json__"),
        ({"error": ValueError("no")}, "ValueError cannot become JSON", "at `['error']`", "raise ValueError"),
        ({"numbers": iter([1])}, "list_iterator cannot become JSON", "at `['numbers']`", "list(…)"),
        ({"places": {(1, 2): "a"}}, "dict cannot become JSON", "a key here is a tuple", ""),
    ],
)
def test_the_part_of_a_result_that_cannot_become_json_is_named(
    answered: Callable[..., list[Hint]], value: object, title: str, said: str, code: str
) -> None:
    app = App()

    @app.get("/")
    def home():  # type: ignore[no-untyped-def]
        return value

    hint = only(answered(app))
    assert hint.title == title
    assert said in hint.text
    assert code in hint.code
    assert "JSON has no dict" not in hint.text


def test_a_result_that_holds_itself(answered: Callable[..., list[Hint]]) -> None:
    app = App()
    ring: list[object] = []
    ring.append(ring)
    app.get("/")(lambda: ring)
    assert "refers to itself" in only(answered(app)).text


def test_a_result_that_is_not_what_its_annotation_says(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    @app.get("/")
    def home() -> Owner:
        return {"nmae": "Ada"}  # type: ignore[return-value]

    hint = only(answered(app))
    assert hint.title == "Not what the annotation says"
    assert "What home() returned is `dict` where the annotation has `Owner`: $.name" in hint.text


# -- templates ----------------------------------------------------------------------------------------------------------------


def test_a_missing_template_of_erlen_names_the_folders_and_near_names(answered: Callable[..., list[Hint]], tmp_path: Path) -> None:
    from erlen import Page, render

    (tmp_path / "home.html").write_text("")
    app = App(templates=tmp_path)

    @app.get("/")
    def home() -> Page:
        return render("hmoe.html")

    hint = only(answered(app))
    assert "'home.html'" in hint.text
    assert hint.code == str(tmp_path)


def test_a_missing_template_of_any_environment(tmp_path: Path) -> None:
    (tmp_path / "home.html").write_text("")
    loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(tmp_path), jinja2.PrefixLoader({"shop": jinja2.FileSystemLoader("/no/shop")})])
    hint = only(hints_when(lambda: jinja2.Environment(loader=loader, autoescape=True).get_template("homes.html")))
    assert "Did you mean 'home.html'?" in hint.text
    assert hint.code.splitlines() == [str(tmp_path), "/no/shop"]


def test_a_name_that_a_template_was_not_given() -> None:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    hint = only(hints_when(lambda: environment.from_string("{{ titel }}").render(title="Hi")))
    assert "Did you mean 'title'?" in hint.text


# -- protections --------------------------------------------------------------------------------------------------------------


def test_an_unknown_host(answered: Callable[..., list[Hint]]) -> None:
    hint = only(answered(App(), headers={"host": "shop.example", "accept": "text/html"}))
    assert hint.code == "ALLOWED_HOSTS=shop.example"


def test_refusals_of_forged_requests_name_what_to_do(answered: Callable[..., list[Hint]]) -> None:
    app = App()
    app.post("/")(lambda: "ok")

    def sent(**headers: str) -> Hint:
        wanted = {"accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return only(answered(app, "/", "POST", headers=wanted))

    assert "TRUSTED_ORIGINS=https://other.example" in sent(origin="https://other.example", sec_fetch_site="cross-site").code


def test_csrf_tokens_missing_and_wrong() -> None:
    from erlen.security.csrf import CsrfPolicy
    from erlen.testing import RequestFactory

    factory = RequestFactory(App())
    policy = CsrfPolicy()
    missing = factory.post("/", headers={"cookie": "a=b"})
    assert "csrf_input" in only(hints_when(lambda: asyncio.run(policy.verify_token(missing)))).code
    wrong = factory.post("/", headers={"cookie": "a=b", "x-csrf-token": "x" * 86})
    assert "another session" in only(hints_when(lambda: asyncio.run(policy.verify_token(wrong)))).title


def test_a_body_over_the_limit_and_a_wrong_method(answered: Callable[..., list[Hint]]) -> None:
    app = App()

    @app.post("/upload", max_body_size=3)
    async def upload(request: Request) -> int:
        return len(await request.body())

    assert "max_body_size" in only(answered(app, "/upload", "POST", content=b"12345")).code
    hint = only(answered(app, "/upload", "DELETE"))
    assert hint.code == '@app.delete("/upload")'
    assert "POST" in hint.text


def test_mistakes_at_freeze_say_their_fix() -> None:
    app = App()
    app.get("/")(lambda: "")
    app.get("/")(lambda: "")
    assert "make the paths differ" in only(hints_when(app.freeze)).text


def test_a_missing_secret_key() -> None:
    assert "erlen secret" in only(hints_when(App().freeze({"secret_key": ""}).protections.require_signer)).text


# -- names --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "fix"),
    [
        ("query", "def handler(page: str)"),
        ("headers", "Header()"),
        ("cookies", "Cookie()"),
        ("session", 'request.session.get("page")'),
        ("form", "Form()"),
    ],
)
def test_a_key_that_the_request_does_not_have(answered: Callable[..., list[Hint]], part: str, fix: str) -> None:
    app = App()
    sources: dict[str, Callable[[Request], object]] = {
        "query": lambda request: request.query["page"],
        "headers": lambda request: request.headers["page"],
        "cookies": lambda request: request.cookies["page"],
        "session": lambda request: request.session["page"],
        "form": lambda request: request.read_form()["page"],
    }

    @app.post("/")
    def home(request: Request) -> str:
        return str(sources[part](request))

    assert fix in only(answered(app, "/", "POST", data={"a": "b"})).code


def test_any_other_key_error_has_no_hint() -> None:
    empty: dict[str, int] = {}
    assert hints_when(lambda: empty["page"]) == []


def test_names_that_are_misspelt_or_not_imported() -> None:
    def near() -> object:
        counter = 1
        return conter + counter  # type: ignore[name-defined]  # noqa: F821

    def unassigned() -> object:
        count += 1  # type: ignore[name-defined]  # noqa: F821
        return count  # type: ignore[name-defined]

    assert "'counter'" in only(hints_when(near)).text
    assert only(hints_when(lambda: render("x"))).code == "from erlen import render"  # type: ignore[name-defined]  # noqa: F821
    assert only(hints_when(lambda: math.pi)).code == "import math"  # type: ignore[name-defined]  # noqa: F821
    assert only(hints_when(unassigned)).title == "Read before it is assigned"


def test_a_near_name_is_said_once_however_often_it_is_known() -> None:
    source = "map_ = 1\ndef f():\n    map_ = 2\n    return mapp_ + map_\nf()"
    text = only(hints_when(lambda: exec(source, {}))).text
    assert text.count("'map_'") == 1


def test_nothing_private_is_suggested_for_a_public_name() -> None:
    assert hints_when(lambda: len.call) == []  # type: ignore[attr-defined]


def test_attributes_that_are_misspelt_or_of_none() -> None:
    user: Any = None
    assert "'append'" in only(hints_when(lambda: [].apend(1))).text  # type: ignore[attr-defined]
    hint = only(hints_when(lambda: user.name))
    assert (hint.title, hint.code) == ("None has no attributes", "if user is None:\n    abort(404)")


# -- imports ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(name: str) -> Callable[[], object]:
    from importlib import import_module

    return lambda: import_module(name)


def test_modules_that_import_each_other(folder: Path) -> None:
    (folder / "first_of_two.py").write_text("from second_of_two import b\na = 1\n")
    (folder / "second_of_two.py").write_text("from first_of_two import a\nb = 1\n")
    hint = only(hints_when(imported("first_of_two")))
    assert hint.title == "Modules that import each other"
    assert "'first_of_two'" in hint.text
    (folder / "third_of_two.py").write_text("import third_of_two\nthird_of_two.late\nlate = 1\n")
    assert only(hints_when(imported("third_of_two"))).title == "Modules that import each other"


def test_modules_that_are_not_installed(folder: Path) -> None:
    (folder / "uses.py").write_text("import no_such_thing_at_all\n")
    assert only(hints_when(imported("uses"))).code == "pip install no-such-thing-at-all"
    (folder / "bookshelf.py").write_text("")
    assert only(hints_when(imported("bookshelv"))).code == "import bookshelf"
    assert "no 'dumbs'" in only(hints_when(imported("json.dumbs"))).text


def test_a_name_that_a_module_does_not_have() -> None:
    def wrong() -> object:
        from json import dump_s  # type: ignore[attr-defined]

        return dump_s

    assert "'dumps'" in only(hints_when(wrong)).text


# -- the rest -----------------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken() -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        first.listen()
        assert only(hints_when(lambda: second.bind(first.getsockname()))).code == "--port 8001"


def test_bytes_in_another_encoding() -> None:
    latin = "café".encode("latin-1")
    assert "cp1252" in only(hints_when(lambda: latin.decode())).code
    assert "utf-8" in only(hints_when(lambda: "café".encode().decode("ascii"))).code


def test_calls_without_end() -> None:
    def ping() -> None:
        pong()

    def pong() -> None:
        ping()

    text = only(hints_when(ping)).text
    assert "ping" in text
    assert "each other" in text


def test_a_hint_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(error: BaseException, frames: object, request: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(hints, "HINTS", (broken, hints.endless_recursion))
    assert only(hints_when(lambda: (_ for _ in ()).throw(RecursionError("deep")))).title == "Calls without end"


def test_the_cause_has_its_hints_too(answered: Callable[..., list[Hint]]) -> None:
    cause = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid")
    found = hints_for([(ValueError("no"), []), (cause, [])], None)
    assert only(found).title == "Not UTF-8"


def test_ordinary_errors_have_no_hints() -> None:
    assert hints_when(lambda: int("x")) == []
    assert hints_when(lambda: sys.exit(3)) == []
