from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from erlen import App, ConfigurationError, Cors, ErlenError, Request, Struct
from erlen.testing import Client

MakeClient = Callable[..., Client]


def test_each_method_has_its_decorator(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def get() -> str:
        return "get"

    @app.post("/")
    async def post() -> str:
        return "post"

    @app.put("/")
    def put() -> str:
        return "put"

    @app.patch("/")
    async def patch() -> str:
        return "patch"

    @app.delete("/")
    def delete() -> str:
        return "delete"

    @app.query("/")
    def query() -> str:
        return "query"

    client = client_for(app)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"):
        assert client.request(method, "/").text == method.lower()


def test_one_handler_answers_several_methods(client_for: MakeClient) -> None:
    app = App()

    @app.route("/", methods=["get", "POST"])
    def both(request: Request) -> str:
        return request.method

    client = client_for(app)
    assert client.get("/").text == "GET"
    assert client.post("/").text == "POST"
    assert client.put("/").status == 405


def test_a_handler_can_have_several_paths_and_defaults_for_their_parameters(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    @app.get("/page/{page}")
    def show(page: int = 1) -> int:
        return page

    client = client_for(app)
    assert client.get("/").json() == 1
    assert client.get("/page/7").json() == 7


def test_a_route_can_be_added_without_a_decorator(client_for: MakeClient) -> None:
    def hello(name: str) -> str:
        return name

    app = App()
    app.add_route("/{name}", hello, methods=["GET", "DELETE"], status=202)
    client = client_for(app)
    assert (client.delete("/x").text, client.get("/x").status) == ("x", 202)


def test_a_view_answers_with_its_methods_on_an_instance_for_each_request(client_for: MakeClient) -> None:
    app = App()

    @app.view("/things/{number}")
    class Thing:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def get(self, number: int) -> list[int]:
            self.seen.append(number)
            return self.seen

        async def delete(self, number: int, force: bool = False) -> dict[str, object]:
            return {"number": number, "force": force}

    client = client_for(app)
    assert client.get("/things/3").json() == [3]
    assert client.get("/things/4").json() == [4]
    assert client.delete("/things/5?force=yes").json() == {"number": 5, "force": True}
    answer = client.post("/things/5")
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")


def test_a_view_without_methods_is_a_mistake_where_it_stands() -> None:
    app = App()
    with pytest.raises(ConfigurationError, match=r"(?s)Empty has no methods.*test_routes\.py:\d+"):

        @app.view("/")
        class Empty:
            pass


def test_an_option_that_routes_do_not_have_is_refused_with_those_they_have() -> None:
    with pytest.raises(TypeError, match=r"no option colour; it has name, status"):
        App().get("/", colour="red")  # type: ignore[call-arg]


def test_a_handler_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be called"):
        App().get("/")(3)  # type: ignore[type-var]


def test_a_route_without_methods_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no methods"):
        App().route("/", methods=[])(lambda: "")


def test_a_decorator_without_a_path_is_refused_where_it_stands() -> None:
    app: Any = App()
    with pytest.raises(ConfigurationError, match=r"(?s)without a path.*test_routes\.py:\d+.*@app\.get"):

        @app.get
        def home() -> str:
            return ""


def test_one_method_as_text_is_refused_rather_than_read_as_letters() -> None:
    with pytest.raises(ConfigurationError, match=r"no methods in \('G', 'E', 'T'\)"):
        App().route("/", methods="GET")


def test_a_path_without_its_first_slash_gets_it(client_for: MakeClient) -> None:
    app = App()
    app.get("books")(lambda: "books")
    client = client_for(app)
    assert client.get("/books").text == "books"
    assert [route.path for route in client.site.routes] == ["/books"]


def test_status_option_is_for_results_without_one(client_for: MakeClient) -> None:
    app = App()

    @app.post("/made", status=201)
    def made() -> dict[str, int]:
        return {"id": 1}

    @app.post("/other", status=201)
    def other() -> tuple[dict[str, int], int]:
        return {"id": 1}, 202

    @app.delete("/none", status=205)
    def none() -> None:
        return None

    client = client_for(app)
    assert client.post("/made").status == 201
    assert client.post("/other").status == 202
    assert client.delete("/none").status == 205


def test_deprecated_routes_say_so_in_their_responses(client_for: MakeClient) -> None:
    app = App()

    @app.get("/old", deprecated=True)
    def old() -> str:
        return "old"

    assert client_for(app).get("/old").headers["deprecation"] == "@0"


def test_redirect_puts_parameters_into_the_target_and_keeps_the_query(client_for: MakeClient) -> None:
    app = App()
    app.redirect("/old/{id}", "/new/{id}")
    app.redirect("/found/{word}", "/search?q={word}", status=302)
    app.redirect("/docs", "https://docs.example.com/")

    client = client_for(app)
    moved = client.get("/old/a%20b?x=1")
    assert (moved.status, moved.headers["location"]) == (308, "/new/a%20b?x=1")
    assert client.get("/found/me").headers["location"] == "/search?q=me"
    assert client.get("/docs").headers["location"] == "https://docs.example.com/"
    assert client.head("/docs").status == 308


def test_redirect_is_no_open_redirect_through_its_parameters(client_for: MakeClient) -> None:
    app = App()
    app.redirect("/old/{rest:path}", "/{rest}")
    app.redirect("/at/{name}", "https://{name}.example.com/")
    app.redirect("/find/{word}", "/search?q={word}")

    client = client_for(app)
    for path in ("/old//evil.example", "/old/%2Fevil.example", "/old///evil.example"):
        answer = client.get(path)
        assert answer.status == 404 or not answer.headers["location"].startswith("//"), path
    assert client.get("/old/%5Cevil.example").headers["location"] == "/%5Cevil.example"
    assert client.get("/at/x@evil.example:80").headers["location"] == "https://x%40evil.example%3A80.example.com/"
    assert client.get("/find/a&admin=1").headers["location"] == "/search?q=a%26admin%3D1"


def test_middleware_must_be_an_instance() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)Cors is a class.*test_routes\.py:\d+.*add an instance"):
        App().add_middleware(Cors)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [200, 99, True, "404", str])
def test_error_handlers_are_for_error_statuses_and_exceptions(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no error"):
        App().error_handler(wrong)


def test_nothing_registers_after_the_freeze() -> None:
    app = App()
    assert app.site is app.site

    class Item(Struct):
        pass

    attempts: list[Callable[[], object]] = [
        lambda: app.get("/")(lambda: ""),
        lambda: app.mount("/x", app),
        lambda: app.middleware(lambda request, call_next: None),
        lambda: app.before_request(lambda request: None),
        lambda: app.error_handler(404)(lambda request, error: None),
        lambda: app.provide(Item, Item()),
        lambda: app.on_startup(lambda: None),
        lambda: app.command(lambda: None),
    ]
    for attempt in attempts:
        with pytest.raises(ErlenError, match="is frozen: register everything before"):
            attempt()
