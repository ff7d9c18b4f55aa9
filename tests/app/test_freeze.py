from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest

from erlen import App, Body, ConfigurationError, Depends, File, Form, Meta, Query, Request, Settings, Struct, UploadFile
from erlen import Path as PathMarker
from erlen.errors import Mistake
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Clock:
    def __init__(self, time: int = 0) -> None:
        self.time = time


class Item(Struct):
    name: str


async def on_loop() -> int:
    return 1


def yields() -> Iterator[int]:
    yield 1


def mistakes_of(app: App, **settings: Any) -> list[Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        app.freeze(settings)
    return list(caught.value.mistakes)


def the_mistake(register: Callable[[App], object]) -> Mistake:
    app = App()
    register(app)
    found = mistakes_of(app)
    assert len(found) == 1, found
    return found[0]


def add(path: str, handler: Any, methods: tuple[str, ...] = ("GET",), **options: Any) -> Callable[[App], None]:
    return lambda app: app.add_route(path, handler, methods=methods, **options)


# Handlers with one mistake each; their parameters are what they are about, so they have no names worth reading.
def takes_clock(clock: Clock) -> None: ...
def takes_body(item: Item) -> None: ...
def takes_nothing(x) -> None: ...  # type: ignore[no-untyped-def]
def takes_loop(x: Annotated[int, Depends(on_loop)]) -> None: ...
async def takes_generator(x: Annotated[int, Depends(yields)]) -> None: ...
def takes_unknown(x: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821
def takes_default(x: int = Query()) -> None: ...  # type: ignore[assignment]
def takes_both(a: Annotated[Item, Form()], b: Annotated[Item, Body()]) -> None: ...
def takes_path(x: Annotated[int, PathMarker("other")]) -> None: ...
def takes_rest(**rest: str) -> None: ...
def takes_bytes(a: Annotated[bytes, Body()], b: Annotated[Item, Body()]) -> None: ...
def takes_file(a: Annotated[UploadFile, File(), Meta(max_length=3)]) -> None: ...
def takes_wrong_meta(a: Annotated[int, Meta(min_length=3)]) -> None: ...
def takes_int(id: int) -> None: ...
def takes_key(key: int) -> None: ...
def takes_complex(x: complex) -> None: ...


WRONG: dict[str, tuple[Callable[[App], None], str, str]] = {
    "no provider": (add("/", takes_clock), r"nothing provides parameter `clock: Clock`", r"app\.provide\(Clock, …\)"),
    "body of GET": (add("/", takes_body), r"`item` would be read from the body, but GET requests have none", r"Query\(\)"),
    "no annotation": (add("/", takes_nothing), r"parameter `x` has no annotation", r"annotate it"),
    "loop in thread": (
        add("/", takes_loop),
        r"two colours.* `def` handler depends on `async def on_loop`",
        r"make the handler `async def`",
    ),
    "generator on loop": (add("/", takes_generator), r"two colours.*generator `def yields`", r"threaded=False"),
    "unknown name": (add("/", takes_unknown), r"needs the name `Nowhere`", r"import or define `Nowhere`"),
    "marker as default": (add("/", takes_default), r"`x` has Query\(\) as its default", r"Annotated\[<type>, Query\(\)\]"),
    "two bodies": (add("/", takes_both, ("POST",)), r"reads its body both as JSON and as a form", r"Form\(\)"),
    "no such path parameter": (add("/{x}", takes_path), r"`x` is marked Path\(\), but the path has no \{other\}", r"template"),
    "catch-all": (add("/{x}", takes_rest), r"takes \*\*rest, which cannot be bound", r"name each parameter"),
    "bytes in an object": (add("/", takes_bytes, ("POST",)), r"`a` is bytes, which cannot be a member", r""),
    "constraints on a file": (add("/", takes_file, ("POST",)), r"`a` has constraints, which no", r""),
    "constraints that do not suit": (add("/", takes_wrong_meta), r"cannot be validated", r""),
    "broken path": (add("/x{", lambda: ""), r"a brace is never closed", r""),
    "relative path": (add("/{a}{b}", lambda request: ""), r".", r""),
    "unknown converter": (add("/{id:fo}", takes_int), r"there is no converter 'fo'", r""),
    "untaken parameter": (
        add("/{x}/{id}", takes_int),
        r"the path '/\{x\}/\{id\}' has \{x\}, which takes_int does not take",
        r"take `request`",
    ),
    "timeout in thread": (add("/", lambda: "", timeout=3), r"has a timeout, but a `def`.* cannot be stopped", r"`async def`"),
    "not a dependency": (add("/", lambda: "", dependencies=[yields]), r"yields stands in `dependencies`", r"write `Depends\(yields\)`"),
    "one name in path and host": (
        add("/{id}", takes_int, host="{id}.example.com", name="both"),
        r"the parameter 'id' is in the path '/\{id\}' and in the host",
        r"",
    ),
    "mount with parameters": (lambda app: app.mount("/{x}", App()), r"a mount has no parameters", r""),
    "a strange type": (add("/", takes_complex), r"parameter `x: complex`", r"Depends"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_mistake_says_what_where_and_what_to_do(case: str) -> None:
    register, message, fix = WRONG[case]
    mistake = the_mistake(register)
    assert re.search(message, mistake.message), mistake.message
    assert "test_freeze.py:" in mistake.where, mistake
    assert re.search(fix, mistake.fix), mistake.fix


def test_all_mistakes_are_reported_at_once() -> None:
    app = App()
    for register, _, _ in WRONG.values():
        register(app)
    found = mistakes_of(app)
    assert len(found) >= len(WRONG)
    text = str(ConfigurationError(found))
    assert text.startswith(f"{len(found)} mistakes in this application:")
    for _, message, _ in WRONG.values():
        assert re.search(message, text), message


def test_two_routes_of_one_name_or_one_place_are_mistakes() -> None:
    app = App()
    app.get("/a/{id}")(takes_int)
    app.get("/a/{key}", name="other")(takes_key)
    app.get("/b", name="takes_int")(lambda: "")
    named, twice = mistakes_of(app)
    assert named.message == "two routes are named 'takes_int'"
    assert twice.message == "GET /a/{key} is answered twice: by takes_int (/a/{id}) and other"
    assert named.where.count("test_freeze.py:") == twice.where.count("test_freeze.py:") == 2


def test_dependencies_in_a_circle_are_named_in_their_order() -> None:
    def first(x: Any = None) -> int:
        return 0

    def second(x: Annotated[int, Depends(first)]) -> int:
        return x

    first.__annotations__["x"] = Annotated[int, Depends(second)]
    app = App()

    @app.get("/")
    def handler(x: Annotated[int, Depends(first)]) -> None: ...

    [mistake] = mistakes_of(app)
    assert re.search(r"circle: .*first → .*second → .*first", mistake.message)


def test_settings_that_do_not_fit_and_routes_that_do_not_fit_are_separate_steps() -> None:
    app = App()
    app.get("/{")(lambda: "")
    [mistake] = mistakes_of(app, threads=0)
    assert "THREADS" in mistake.message


# -- overrides --------------------------------------------------------------------------------------------------------------


def database() -> str:
    return "the real one"


def test_overrides_replace_settings_dependencies_and_types(client_for: MakeClient) -> None:
    app = App(Settings(max_body_size=5))
    app.provide(Clock, Clock(1))

    def nested(name: Annotated[str, Depends(database)]) -> str:
        return f"nested {name}"

    @app.get("/")
    def show(name: Annotated[str, Depends(database)], deep: Annotated[str, Depends(nested)], clock: Clock, settings: Settings) -> list[Any]:
        return [name, deep, clock.time, settings.max_body_size]

    def fake(request: Request) -> str:
        return f"fake for {request.path}"

    assert client_for(app).get("/").json() == ["the real one", "nested the real one", 1, 5]
    replaced = client_for(app, overrides={database: fake, Clock: Clock(2), "max_body_size": 6})
    assert replaced.get("/").json() == ["fake for /", "nested fake for /", 2, 6]
    constant = client_for(app, overrides={database: "constant", Clock: lambda: Clock(3)})
    assert constant.get("/").json() == ["constant", "nested constant", 3, 5]
    assert client_for(app).get("/").json() == ["the real one", "nested the real one", 1, 5]


def test_overrides_of_the_other_colour_are_mistakes_too() -> None:
    app = App()

    def handler(name: Annotated[str, Depends(database)]) -> None: ...

    app.get("/")(handler)
    with pytest.raises(ConfigurationError, match="depends on `async def on_loop`"):
        app.freeze({database: on_loop})


def test_an_override_of_a_setting_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no setting 'colour'"):
        App().freeze({"colour": 3})


def test_a_value_for_the_application_can_be_overridden(client_for: MakeClient) -> None:
    app = App()
    app.provide(Clock, lambda: Clock(1), scope="app")

    @app.get("/")
    def show(clock: Clock) -> int:
        return clock.time

    assert client_for(app, overrides={Clock: Clock(2)}).get("/").json() == 2


# -- what a site tells ------------------------------------------------------------------------------------------------------


def test_routes_tell_what_tools_need() -> None:
    app = App()

    def guard(request: Request, call_next: Any) -> Any:
        return call_next(request)

    @app.post("/things/{id}", middleware=[guard], deprecated=True, host="api.example.com")
    async def change(id: int, item: Item) -> Item:
        return item

    [route] = app.freeze().routes
    assert (route.name, route.path, route.methods, route.host) == ("change", "/things/{id}", ("POST",), "api.example.com")
    assert (route.colour, route.hops, route.deprecated, route.is_mount, route.returns) == ("loop", 2, True, False, Item)
    assert [(parameter.name, parameter.kind) for parameter in route.parameters] == [("id", "path"), ("item", "body")]
    assert "test_freeze.py:" in route.where
    assert route.middleware[0].endswith("guard")


def test_freezing_opens_nothing() -> None:
    app = App()

    def fail() -> Clock:
        raise AssertionError("called at freeze")

    app.provide(Clock, fail, scope="app")
    app.on_startup(fail)
    app.lifespan(lambda: fail())
    app.get("/")(takes_clock)
    assert app.freeze().routes
