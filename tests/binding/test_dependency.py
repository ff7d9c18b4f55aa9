from __future__ import annotations

import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Any

import pytest

from erlen import App, Depends, Forbidden, Header, Request, Response
from erlen.testing import Client

MakeClient = Callable[..., Client]


def test_every_kind_of_callable_can_be_a_dependency_of_a_def_handler(client_for: MakeClient) -> None:
    class Page:
        def __init__(self, page: int = 1, size: int = 10) -> None:
            self.start = (page - 1) * size

    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self, n: int = 0) -> int:
            return self.number + n

        def method(self, n: int = 0) -> int:
            return self.number * n

        @classmethod
        def of_class(cls) -> str:
            return cls.__name__

        @staticmethod
        def static(n: int = 0) -> int:
            return -n

    def power(n: int, exponent: int) -> int:
        return int(n**exponent)

    def yields(n: int = 0) -> Iterator[str]:
        yield f"yielded {n}"

    adder = Adder(100)
    app = App()

    @app.get("/")
    def show(
        page: Annotated[Page, Depends(Page)],
        called: Annotated[int, Depends(adder)],
        method: Annotated[int, Depends(adder.method)],
        of_class: Annotated[str, Depends(Adder.of_class)],
        static: Annotated[int, Depends(Adder.static)],
        power: Annotated[int, Depends(partial(power, exponent=2))],
        yielded: Annotated[str, Depends(yields)],
        anonymous: Annotated[int, Depends(lambda: 7)],
        by_default: int = Depends(Adder.static),
    ) -> list[Any]:
        return [page.start, called, method, of_class, static, power, yielded, anonymous, by_default]

    assert client_for(app).get("/?n=3&page=2").json() == [10, 103, 300, "Adder", -3, 9, "yielded 3", 7, -3]


def test_every_kind_of_callable_can_be_a_dependency_of_an_async_handler(client_for: MakeClient) -> None:
    class Adder:
        async def __call__(self, n: int) -> int:
            return n + 1

        async def method(self, n: int) -> int:
            return n + 2

    async def add(n: int, more: int) -> int:
        return n + more

    async def yields(n: int) -> AsyncIterator[int]:
        yield n + 4

    def plain(n: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        return n + 5

    def quick(n: int) -> Iterator[int]:
        yield n + 6

    app = App()

    @app.get("/")
    async def show(
        called: Annotated[int, Depends(Adder())],
        method: Annotated[int, Depends(Adder().method)],
        add: Annotated[int, Depends(partial(add, more=3))],
        yielded: Annotated[int, Depends(yields)],
        plain: Annotated[int, Depends(plain)],
        quick: Annotated[int, Depends(quick, threaded=False)],
    ) -> list[int]:
        return [called, method, add, yielded, plain, quick]

    assert client_for(app).get("/?n=0").json() == [1, 2, 3, 4, 5, 6]


def test_a_callable_without_a_hash_can_be_a_dependency(client_for: MakeClient) -> None:
    @dataclasses.dataclass
    class Limit:
        most: int

        def __call__(self, n: int = 5) -> int:
            return min(n, self.most)

    limit = Limit(3)
    app = App()

    @app.get("/")
    def show(
        one: Annotated[int, Depends(limit)], two: Annotated[int, Depends(limit)], other: Annotated[int, Depends(Limit(4))]
    ) -> list[int]:
        return [one, two, other]

    assert client_for(app).get("/?n=9").json() == [3, 3, 4]


def test_mass_assignment_what_a_partial_settles_no_request_can_change(client_for: MakeClient) -> None:
    def require(role: str, area: str = "all", *, user: Annotated[str, Header("x-user")] = "nobody") -> str:
        return f"{user} is {role} of {area}"

    def show(what: str, limit: int = 1) -> str:
        return f"{what} {limit}"

    app = App()

    @app.get("/")
    def handler(role: Annotated[str, Depends(partial(require, role="admin"))]) -> str:
        return role

    app.get("/partial", name="partial")(partial(show, limit=5))
    client = client_for(app)
    assert client.get("/?role=root&area=here", headers={"x-user": "ann"}).text == "ann is admin of here"
    assert client.get("/partial?what=x&limit=100").text == "x 5"


def test_a_dependency_is_called_once_for_each_request_unless_it_says_otherwise(client_for: MakeClient) -> None:
    app = App()
    calls: list[str] = []

    def base() -> int:
        calls.append("base")
        return len(calls)

    def left(base: Annotated[int, Depends(base)]) -> int:
        return base

    def right(base: Annotated[int, Depends(base)]) -> int:
        return base

    @app.get("/cached")
    def cached(a: Annotated[int, Depends(left)], b: Annotated[int, Depends(right)], c: Annotated[int, Depends(base)]) -> list[int]:
        return [a, b, c]

    @app.get("/fresh")
    def fresh(a: Annotated[int, Depends(base, cache=False)], b: Annotated[int, Depends(base, cache=False)]) -> list[int]:
        return [a, b]

    client = client_for(app)
    assert client.get("/cached").json() == [1, 1, 1]
    assert client.get("/cached").json() == [2, 2, 2]
    assert client.get("/fresh").json() == [3, 4]


def log_app(colour: str) -> tuple[App, list[str]]:
    """An application with nested generator dependencies of one colour that note what happens to them."""
    app = App()
    log: list[str] = []

    def note(name: str, error: BaseException | None, response: Response | None) -> None:
        log.append(f"{name} {type(error).__name__ if error else response.status if response else '?'}")

    if colour == "thread":

        def outer() -> Iterator[str]:
            log.append("outer opens")
            try:
                response = yield "outer"
            except BaseException as error:
                note("outer", error, None)
                raise
            note("outer", None, response)

        def inner(outer: Annotated[str, Depends(outer)]) -> Iterator[str]:
            log.append("inner opens")
            try:
                response = yield f"inner of {outer}"
            except BaseException as error:
                note("inner", error, None)
                raise
            note("inner", None, response)

        def handler(inner: Annotated[str, Depends(inner)], request: Request) -> Any:
            return act(inner, request)

    else:

        async def outer() -> AsyncIterator[str]:  # type: ignore[misc]
            log.append("outer opens")
            try:
                response = yield "outer"
            except BaseException as error:
                note("outer", error, None)
                raise
            note("outer", None, response)

        async def inner(outer: Annotated[str, Depends(outer)]) -> AsyncIterator[str]:  # type: ignore[misc]
            log.append("inner opens")
            try:
                response = yield f"inner of {outer}"
            except BaseException as error:
                note("inner", error, None)
                raise
            note("inner", None, response)

        async def handler(inner: Annotated[str, Depends(inner)], request: Request) -> Any:  # type: ignore[misc]
            return act(inner, request)

    def act(value: str, request: Request) -> Any:
        log.append("handler")
        if "fail" in request.query:
            raise KeyError
        if "refuse" in request.query:
            raise Forbidden
        return {"value": value}, 201

    app.get("/")(handler)
    return app, log


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_generators_clean_up_in_reverse_with_the_response_or_the_exception(client_for: MakeClient, colour: str) -> None:
    app, log = log_app(colour)
    client = client_for(app, raise_errors=False)
    opened = ["outer opens", "inner opens", "handler"]
    assert client.get("/").json() == {"value": "inner of outer"}
    assert log == [*opened, "inner 201", "outer 201"]
    log.clear()
    assert client.get("/?fail").status == 500
    assert log == [*opened, "inner KeyError", "outer KeyError"]
    log.clear()
    assert client.get("/?refuse").status == 403
    assert log == [*opened, "inner Forbidden", "outer Forbidden"]


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_what_a_clean_up_raises_takes_the_place_of_the_response(client_for: MakeClient, colour: str) -> None:
    app = App()
    closed: list[str] = []

    def outer() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append("outer")

    def commit() -> Iterator[int]:
        yield 1
        raise ConnectionError("commit failed")

    async def outer_on_loop() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("outer")

    async def commit_on_loop() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("commit failed")

    if colour == "thread":

        @app.get("/")
        def handler(a: Annotated[int, Depends(outer)], b: Annotated[int, Depends(commit)]) -> str:
            return "saved"
    else:

        @app.get("/")
        async def handler_on_loop(a: Annotated[int, Depends(outer_on_loop)], b: Annotated[int, Depends(commit_on_loop)]) -> str:
            return "saved"

    answer = client_for(app, raise_errors=False).get("/")
    assert (answer.status, "saved" in answer.text, closed) == (500, False, ["outer"])


def test_a_generator_cannot_swallow_the_exception_but_can_replace_it(client_for: MakeClient) -> None:
    app = App()

    def swallow() -> Iterator[int]:
        try:
            yield 1
        except KeyError:
            pass

    def replace() -> Iterator[int]:
        try:
            yield 1
        except KeyError:
            raise Forbidden("no key") from None

    @app.get("/swallowed")
    def swallowed(x: Annotated[int, Depends(swallow)]) -> str:
        raise KeyError

    @app.get("/replaced")
    def replaced(x: Annotated[int, Depends(replace)]) -> str:
        raise KeyError

    client = client_for(app, raise_errors=False)
    assert client.get("/swallowed").status == 500
    assert client.get("/replaced").status == 403


def test_generators_that_yield_never_or_twice_are_named(client_for: MakeClient) -> None:
    def never() -> Iterator[int]:
        yield from ()

    def twice() -> Iterator[int]:
        yield 1
        yield 2

    app = App()

    @app.get("/never")
    def first(x: Annotated[int, Depends(never)]) -> None: ...

    @app.get("/twice")
    def second(x: Annotated[int, Depends(twice)]) -> None: ...

    client = client_for(app)
    with pytest.raises(Exception, match=r"never ended without yielding"):
        client.get("/never")
    with pytest.raises(Exception, match=r"twice yields more than once"):
        client.get("/twice")


def test_a_dependency_that_fails_cleans_up_those_before_it(client_for: MakeClient) -> None:
    closed: list[str] = []

    def opens() -> Iterator[int]:
        try:
            yield 1
        except Forbidden:
            closed.append("told")
            raise

    def refuses(x: Annotated[int, Depends(opens)]) -> None:
        raise Forbidden

    app = App()

    @app.get("/")
    def handler(x: Annotated[None, Depends(refuses)]) -> str:
        raise AssertionError("the handler was called")

    assert client_for(app).get("/").status == 403
    assert closed == ["told"]


def test_faults_of_dependencies_are_reported_with_those_of_the_handler_before_anything_is_called(client_for: MakeClient) -> None:
    called: list[int] = []

    def page(page: int, size: int = 10) -> int:
        called.append(page)
        return page

    app = App()

    @app.get("/")
    def handler(page: Annotated[int, Depends(page)], other: int, size: int = 10) -> None: ...

    answer = client_for(app).get("/?size=x&other=y")
    assert sorted(error["location"][1] for error in answer.json()["errors"]) == ["other", "page", "size"]
    assert called == []


def test_bind_dependencies_handler_encode_and_clean_up_of_a_def_handler_are_one_hop_to_one_thread(make_client: MakeClient) -> None:
    threads: list[int] = []

    def note() -> None:
        threads.append(threading.get_ident())

    def plain() -> None:
        note()

    def opens() -> Iterator[None]:
        note()
        yield
        note()

    class Encoded:
        def __json__(self) -> str:
            note()
            return "encoded"

    app = App()

    @app.get("/")
    def handler(a: Annotated[None, Depends(plain)], b: Annotated[None, Depends(opens)]) -> Any:
        note()
        return Encoded()

    for door in ("asgi", "rsgi"):
        threads.clear()
        assert make_client(app, door=door).get("/").json() == "encoded"
        assert len(threads) == 5
        assert len(set(threads)) == 1
    assert app.freeze().routes[0].hops == 1


def test_an_async_handler_runs_on_the_loop_and_its_def_dependencies_in_threads(make_client: MakeClient) -> None:
    threads: dict[str, int] = {}

    def in_thread() -> None:
        threads["thread"] = threading.get_ident()

    def quick() -> None:
        threads["quick"] = threading.get_ident()

    app = App()

    @app.get("/")
    async def handler(a: Annotated[None, Depends(in_thread)], b: Annotated[None, Depends(quick, threaded=False)]) -> str:
        threads["loop"] = threading.get_ident()
        return ""

    make_client(app).get("/")
    assert threads["loop"] == threads["quick"] != threads["thread"]
