from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from erlen import App, Blueprint, ConfigurationError, NotFound, Request, Response, Setup, Struct
from erlen.binding.marker import Dependency
from erlen.binding.parameter import Parameter, SignatureOptions
from erlen.errors import Mistake
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Battery:
    """A plugin that notes when it is set up."""

    def __init__(self, name: str, requires: Sequence[str] = (), log: list[str] | None = None) -> None:
        self.name = name
        self.requires = requires
        self.log = [] if log is None else log

    def setup(self, setup: Setup) -> None:
        self.log.append(self.name)


class Database:
    name = "database"
    requires = ()

    def __init__(self) -> None:
        self.log: list[str] = []

    def setup(self, setup: Setup) -> None:
        @setup.routes.get("/status")
        def status() -> str:
            return "up"

        @setup.routes.error_handler(404)
        def not_here(request: Request, error: NotFound) -> str:
            return "the plugin's 404"

        @setup.routes.error_handler(KeyError)
        def no_key(request: Request, error: KeyError) -> tuple[str, int]:
            return "the plugin's KeyError", 400

        @setup.add_middleware
        def mark(request: Request, call_next: Any) -> Response:
            response: Response = call_next(request)
            response.headers["x-way"] = f"plugin({response.headers.get('x-way', '')})"
            return response

        blueprint = Blueprint("admin", prefix="/admin")
        blueprint.get("/")(lambda: "admin")
        setup.include(blueprint, prefix="/site")
        setup.provide(Session, lambda: Session(9))
        setup.resolve(resolve_word)
        setup.on_startup(lambda: self.log.append("start"))
        setup.on_shutdown(lambda: self.log.append("stop"))
        setup.share("database", self)
        setup.add_check(lambda site: [Mistake("the database is slow")])

    def __repr__(self) -> str:
        return "Database()"


class Session(Struct):
    number: int


class Word:
    pass


def resolve_word(parameter: Parameter, options: SignatureOptions) -> Dependency | None:
    return Dependency(lambda: parameter.name, threaded=False) if parameter.annotation is Word else None


def test_a_plugin_adds_to_the_site_all_that_an_application_can(client_for: MakeClient) -> None:
    app = App()
    database = app.use(Database())

    @app.get("/")
    def home(session: Session, word: Word) -> list[object]:
        return [session.number, word]

    client = client_for(app)
    home_page = client.get("/")
    assert home_page.json() == [9, "word"]
    assert home_page.headers["x-way"] == "plugin()"
    assert client.get("/status").text == "up"
    assert client.get("/site/admin/").text == "admin"
    assert client.get("/nowhere").text == "the plugin's 404"
    assert client.site.extensions["database"] is database
    assert [str(mistake) for check in client.site.checks for mistake in check(client.site)] == ["the database is slow"]
    client.close()
    assert database.log == ["start", "stop"]


def test_what_the_application_says_wins_over_its_plugins_and_stands_around_them(client_for: MakeClient) -> None:
    app = App()
    app.use(Database())

    @app.middleware
    async def outermost(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-way"] = f"app({response.headers.get('x-way', '')})"
        return response

    @app.error_handler(404)
    def own(request: Request, error: NotFound) -> str:
        return "the application's 404"

    @app.get("/missing")
    def missing() -> None:
        raise NotFound

    @app.get("/key")
    def key() -> None:
        raise KeyError

    client = client_for(app)
    assert client.get("/nowhere").text == "the application's 404"
    assert client.get("/missing").text == "the application's 404"
    assert client.get("/key").text == "the plugin's KeyError"
    assert client.get("/missing").headers["x-way"] == "app(plugin())"


def test_plugins_are_set_up_after_what_they_require_and_once_for_each_freeze() -> None:
    log: list[str] = []
    app = App()
    app.use(Battery("admin", ["auth", "database"], log))
    app.use(Battery("auth", ("database",), log))
    app.use(Battery("database", log=log))
    assert log == []
    app.freeze()
    assert log == ["database", "auth", "admin"]
    app.freeze()
    assert log == ["database", "auth", "admin"] * 2


def test_missing_doubled_and_circular_plugins_are_reported_together_with_their_lines() -> None:
    app = App()
    app.use(Battery("one", ["two"]))
    app.use(Battery("two", ["one"]))
    app.use(Battery("three", ["nothing"]))
    app.use(Battery("three"))
    with pytest.raises(ConfigurationError) as caught:
        app.freeze()
    messages = [mistake.message for mistake in caught.value.mistakes]
    assert "plugins require each other in a circle: one → two → one" in messages
    assert "plugin 'three' requires 'nothing', which is not used" in messages
    assert "plugin 'three' is used twice" in messages
    assert len(messages) == 3
    assert all("test_plugin.py:" in mistake.where and mistake.fix for mistake in caught.value.mistakes)


def test_a_plugin_can_find_another() -> None:
    found: list[object] = []

    class Looking:
        name = "looking"
        requires = ("database",)

        def setup(self, setup: Setup) -> None:
            found.extend([setup.plugin(Database), setup.plugin(Battery)])

    app = App()
    app.use(Looking())
    database = app.use(Database())
    app.freeze()
    assert found == [database, None]


def test_mistakes_of_a_plugin_are_reported_with_the_others() -> None:
    class Strict:
        name = "strict"
        requires = ()

        def setup(self, setup: Setup) -> None:
            raise ConfigurationError([Mistake("one thing"), Mistake("another")])

    app = App()
    app.use(Strict())
    app.get("/{")(lambda: "")
    with pytest.raises(ConfigurationError) as caught:
        app.freeze()
    assert len(caught.value.mistakes) == 3


@pytest.mark.parametrize(("wrong", "message"), [(3, "3 is no plugin"), (Database, "Database is a class")])
def test_what_is_no_plugin_is_refused_where_it_is_used(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s){message}.*test_plugin\.py:\d+"):
        App().use(wrong)


def test_a_plugin_leaves_the_application_as_it_was() -> None:
    app = App()
    app.use(Database())
    app.freeze()
    assert (app.records, app.hooks.middleware, app.hooks.errors, app.providers.by_type) == ([], [], {}, {})


def test_what_plugins_fall_back_on_is_asked_where_no_route_has_the_path(client_for: MakeClient) -> None:
    asked: list[str] = []

    class Fallbacks:
        name = "fallbacks"
        requires = ()

        def setup(self, setup: Setup) -> None:
            setup.add_fallback(lambda request: self.answer(request, "first", ("/both", "/first")))
            setup.add_fallback(lambda request: self.answer(request, "second", ("/both", "/second")))

        def answer(self, request: Request, name: str, answers: tuple[str, ...]) -> Response | None:
            asked.append(f"{name} {request.path}")
            return Response(name) if request.path in answers else None

    app = App()
    app.use(Fallbacks())
    app.get("/route", name="route")(lambda: "route")
    app.get("/slash/", name="slash")(lambda: "slash")
    client = client_for(app)
    assert [client.get(path).text for path in ("/route", "/first", "/both", "/second")] == ["route", "first", "first", "second"]
    assert [client.get(path).status for path in ("/none", "/slash")] == [404, 308]
    assert client.post("/route").status == 405
    assert asked == ["first /first", "first /both", "first /second", "second /second", "first /none", "second /none"]
