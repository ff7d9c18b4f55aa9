from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from erlen import App, Blueprint, ConfigurationError, Depends, NotFound, Request, Response, url_for
from erlen.testing import Client

MakeClient = Callable[..., Client]


def test_prefixes_are_joined_and_their_parameters_reach_the_handler(client_for: MakeClient) -> None:
    outer = Blueprint("outer", prefix="/orgs/{org}")
    inner = Blueprint("inner", prefix="shelves/")

    @inner.get("/books/{id}")
    def book(org: str, id: int) -> str:
        return f"{org} {id}"

    @inner.get("")
    async def shelf(org: str) -> str:
        return org

    outer.include(inner, prefix="/all")
    app = App()
    app.include(outer, prefix="/v1")
    client = client_for(app)
    assert client.get("/v1/orgs/acme/all/shelves/books/7").text == "acme 7"
    assert client.get("/v1/orgs/acme/all/shelves").text == "acme"


def test_a_blueprint_can_be_included_twice_under_other_names(client_for: MakeClient) -> None:
    pages = Blueprint("pages")

    @pages.get("/here")
    def here() -> str:
        return url_for(".here") + " " + url_for("de.here")

    app = App()
    app.include(pages, prefix="/en", name="en")
    app.include(pages, prefix="/de", name="de")
    client = client_for(app)
    assert client.get("/en/here").text == "/en/here /de/here"
    assert client.get("/de/here").text == "/de/here /de/here"


def test_what_is_registered_after_the_inclusion_counts_too(client_for: MakeClient) -> None:
    app, late = App(), Blueprint("late")
    app.include(late)
    late.get("/late")(lambda: {"late": True})
    assert client_for(app).get("/late").json() == {"late": True}


def test_hooks_and_middleware_of_a_blueprint_are_for_its_routes_alone_inside_those_of_the_application(client_for: MakeClient) -> None:
    app, outer, inner = App(), Blueprint("outer", prefix="/outer"), Blueprint("inner", prefix="/inner")

    def note(where: App | Blueprint, name: str) -> None:
        @where.before_request
        def before(request: Request) -> None:
            request.state.log = [*getattr(request.state, "log", []), f"{name}:before"]

        @where.after_request
        async def after(request: Request, response: Response) -> None:
            response.headers["x-log"] = ",".join([*request.state.log, *filter(None, [response.headers.get("x-after")])])
            response.headers["x-after"] = ",".join(filter(None, [response.headers.get("x-after"), f"{name}:after"]))

    note(app, "app")
    note(outer, "outer")
    note(inner, "inner")
    app.get("/")(lambda: "")
    outer.get("/")(lambda: "")
    inner.get("/")(lambda: "")
    outer.include(inner)
    app.include(outer)

    client = client_for(app)
    assert client.get("/").headers["x-log"] == "app:before"
    assert client.get("/outer/").headers["x-log"] == "app:before,outer:before,outer:after"
    assert client.get("/outer/inner/").headers["x-log"] == "app:before,outer:before,inner:before,inner:after,outer:after"
    assert client.get("/outer/inner/").headers["x-after"] == "inner:after,outer:after,app:after"
    assert client.get("/nowhere").headers["x-log"] == "app:before"


def test_the_nearest_error_handler_answers(client_for: MakeClient) -> None:
    app, outer, inner = App(), Blueprint("outer", prefix="/outer"), Blueprint("inner", prefix="/inner")

    @app.error_handler(404)
    def app_404(request: Request, error: NotFound) -> str:
        return "app"

    @outer.error_handler(NotFound)
    async def outer_404(request: Request, error: NotFound) -> str:
        return "outer"

    @inner.error_handler(ZeroDivisionError)
    def inner_zero(request: Request, error: ZeroDivisionError) -> tuple[str, int]:
        return "inner", 400

    async def missing() -> None:
        raise NotFound

    def divide() -> float:
        return 1 / 0

    for place in (app, outer, inner):
        place.get("/missing", name="missing")(missing)
    inner.get("/divide")(divide)
    outer.include(inner)
    app.include(outer)
    client = client_for(app)
    for path, body in {"/missing": "app", "/outer/missing": "outer", "/outer/inner/missing": "outer", "/none": "app"}.items():
        answer = client.get(path)
        assert (answer.status, answer.text) == (404, body)
    assert client.get("/outer/inner/divide").text == "inner"


@pytest.mark.parametrize("with_middleware", [False, True])
def test_a_method_that_is_not_allowed_is_answered_by_the_blueprint_of_the_path(client_for: MakeClient, with_middleware: bool) -> None:
    app, shop = App(), Blueprint("shop", prefix="/shop")

    @shop.error_handler(405)
    async def refuse(request: Request, error: Exception) -> str:
        return "the shop refuses"

    shop.get("/")(lambda: "")
    app.include(shop)
    if with_middleware:

        @app.middleware
        def mark(request: Request, call_next: Any) -> Response:
            response: Response = call_next(request)
            response.headers["x-seen"] = str(response.status)
            return response

    answer = client_for(app).post("/shop/")
    assert (answer.status, answer.text, answer.headers["allow"]) == (405, "the shop refuses", "GET, HEAD, OPTIONS")
    assert answer.headers.get("x-seen") == ("405" if with_middleware else None)


def test_dependencies_of_blueprints_run_before_every_handler_outermost_first(client_for: MakeClient) -> None:
    log: list[str] = []

    def first() -> None:
        log.append("app")

    def second(org: str) -> None:
        log.append(f"blueprint {org}")

    def third() -> None:
        log.append("route")

    app = App(dependencies=(Depends(first),))
    part = Blueprint("part", prefix="/{org}", dependencies=[Depends(second)])

    @part.get("/x", dependencies=[Depends(third)])
    def handler(org: str) -> str:
        log.append("handler")
        return ""

    app.include(part)
    client_for(app).get("/acme/x")
    assert log == ["app", "blueprint acme", "route", "handler"]


def test_a_parameter_of_the_prefix_can_be_taken_by_a_dependency_alone(client_for: MakeClient) -> None:
    part = Blueprint("part", prefix="/{number}")

    def double(number: int) -> int:
        return 2 * number

    @part.get("/x")
    def handler(doubled: Annotated[int, Depends(double)]) -> int:
        return doubled

    app = App()
    app.include(part)
    client = client_for(app)
    assert client.get("/4/x").json() == 8
    assert client.get("/four/x").status == 404


def test_a_blueprint_may_belong_to_a_host(client_for: MakeClient) -> None:
    api = Blueprint("api", host="api.example.com")
    tenants = Blueprint("tenants")
    api.get("/")(lambda: "api")

    @tenants.get("/")
    def tenant_home(tenant: str, request: Request) -> str:
        return f"{tenant} {request.path_params}"

    app = App()
    app.get("/")(lambda: "home")
    app.get("/shared", name="shared")(lambda: "shared")
    app.include(tenants, host="{tenant}.example.com")
    app.include(api)
    client = client_for(app, allowed_hosts=(".example.com",))
    assert client.get("/").text == "home"
    assert client.get("http://api.example.com/").text == "api"
    assert client.get("http://ACME.example.com:80/").text == "acme {'tenant': 'acme'}"
    assert client.get("http://acme.example.com/shared").text == "shared"


def test_a_blueprint_that_includes_itself_is_a_mistake() -> None:
    app, one, two = App(), Blueprint("one"), Blueprint("two")
    one.include(two)
    two.include(one)
    app.include(one)
    with pytest.raises(ConfigurationError, match=r"(?s)blueprint 'one' includes itself.*test_blueprint\.py:\d+"):
        app.freeze()


@pytest.mark.parametrize("name", ["", "a.b"])
def test_names_of_blueprints_have_no_dots(name: str) -> None:
    with pytest.raises(ValueError, match="without dots"):
        Blueprint(name)


def test_options_of_a_route_win_over_those_of_its_blueprint(client_for: MakeClient) -> None:
    part = Blueprint("part", prefix="/part", slashes="strict")
    part.get("/strict")(lambda: "")
    part.get("/lenient", slashes="ignore", name="lenient")(lambda: "ok")
    app = App()
    app.include(part)
    client = client_for(app)
    assert client.get("/part/strict/").status == 404
    assert client.get("/part/lenient/").text == "ok"
