from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from erlen import App, ConfigurationError, ErlenError, Settings, Site, Struct
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Clock(Struct):
    time: int = 0


# -- provide ----------------------------------------------------------------------------------------------------------------


def test_an_instance_is_provided_as_it_is(client_for: MakeClient) -> None:
    clock = Clock(7)
    app = App()
    app.provide(Clock, clock)

    @app.get("/")
    def same(clock: Clock, maybe: Clock | None) -> list[int]:
        return [clock.time, -1 if maybe is None else maybe.time]

    assert client_for(app).get("/").json() == [7, 7]


def test_an_instance_that_can_be_called_is_still_an_instance(client_for: MakeClient) -> None:
    class Mailer:
        def __call__(self, to: str) -> str:
            return f"sent to {to}"

    app = App()
    app.provide(Mailer, Mailer())

    @app.get("/")
    def send(mailer: Mailer) -> str:
        return mailer("ann")

    assert client_for(app).get("/").text == "sent to ann"


def test_a_provider_makes_one_value_for_each_request(client_for: MakeClient) -> None:
    app = App()
    made: list[Clock] = []

    def make(start: int = 0) -> Clock:
        made.append(Clock(start))
        return made[-1]

    app.provide(Clock, make)

    @app.get("/def")
    def in_thread(clock: Clock, other: Clock) -> int:
        assert clock is other
        return clock.time

    @app.get("/async")
    async def on_loop(clock: Clock) -> int:
        return clock.time

    client = client_for(app)
    assert client.get("/def?start=3").json() == 3
    assert client.get("/async?start=4").json() == 4
    assert len(made) == 2


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_a_provider_for_the_application_makes_its_value_once_under_concurrency(client_for: MakeClient, colour: str) -> None:
    app = App()
    made: list[int] = []

    async def make_on_loop() -> Clock:
        made.append(1)
        await asyncio.sleep(0.02)
        return Clock(len(made))

    def make_in_thread() -> Clock:
        made.append(1)
        threading.Event().wait(0.02)
        return Clock(len(made))

    app.provide(Clock, make_on_loop if colour == "loop" else make_in_thread, scope="app")
    if colour == "loop":

        @app.get("/")
        async def on_loop(clock: Clock) -> int:
            return clock.time
    else:

        @app.get("/")
        def in_thread(clock: Clock) -> int:
            return clock.time

    client = client_for(app)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/").json())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, made) == ([1] * 6, [1])


def test_a_value_of_the_application_is_tried_again_after_a_failure_and_made_anew_for_each_site(client_for: MakeClient) -> None:
    app = App()
    made: list[int] = []

    async def make() -> Clock:
        made.append(1)
        if len(made) == 1:
            raise ConnectionError
        return Clock(len(made))

    app.provide(Clock, make, scope="app")

    @app.get("/")
    async def handler(clock: Clock) -> int:
        return clock.time

    first = client_for(app, raise_errors=False)
    assert [first.get("/").status, first.get("/").json(), first.get("/").json()] == [500, 2, 2]
    assert client_for(app).get("/").json() == 3


def test_providers_for_the_application_neither_take_nor_yield() -> None:
    app = App()

    def yields() -> Iterator[Clock]:
        yield Clock()

    async def yields_on_loop() -> AsyncIterator[Clock]:
        yield Clock()

    def takes(start: int) -> Clock:
        return Clock(start)

    for provider, message in ((yields, "yields"), (yields_on_loop, "yields"), (takes, "takes arguments")):
        with pytest.raises(ConfigurationError, match=rf"(?s)Clock for the whole application {message}.*test_application\.py:\d+"):
            app.provide(Clock, provider, scope="app")


def test_the_last_provider_of_a_type_counts(client_for: MakeClient) -> None:
    app = App()
    app.provide(Clock, lambda: Clock(1), scope="app")
    app.provide(Clock, lambda: Clock(2))
    app.get("/")(lambda request: "")

    @app.get("/time")
    def time(clock: Clock) -> int:
        return clock.time

    assert client_for(app).get("/time").json() == 2


def test_settings_are_provided(client_for: MakeClient) -> None:
    class Own(Settings, frozen=True, kw_only=True):
        greeting: str = "hello"

    app = App(Own(greeting="hi"))

    @app.get("/")
    def greet(own: Own, settings: Settings) -> str:
        return own.greeting if own is settings else "two"

    assert client_for(app).get("/").text == "hi"
    assert client_for(app, greeting="moin").get("/").text == "moin"


def test_encoders_make_answers_of_foreign_classes(client_for: MakeClient) -> None:
    class Frame:
        rows = 3

    class Small(Frame):
        rows = 1

    app = App()

    @app.encoder(Frame)
    def encode(frame: Frame) -> dict[str, int]:
        return {"rows": frame.rows}

    @app.get("/")
    def small() -> Frame:
        return Small()

    @app.get("/tuple")
    async def with_status() -> tuple[Frame, int]:
        return Frame(), 202

    client = client_for(app)
    assert client.get("/").json() == {"rows": 1}
    assert (client.get("/tuple").json(), client.get("/tuple").status) == ({"rows": 3}, 202)


# -- lifespan ---------------------------------------------------------------------------------------------------------------


def test_lifespans_of_both_colours_start_in_order_and_stop_in_reverse(make_client: MakeClient, door: Any) -> None:
    app = App()
    log: list[str] = []

    @app.on_startup
    def first() -> None:
        log.append("first")

    @app.lifespan
    async def second(site: Site) -> AsyncIterator[None]:
        log.append(f"second {len(site.routes)}")
        yield
        log.append("second stops")

    @app.on_shutdown
    async def third() -> None:
        log.append("third stops")

    @app.lifespan
    def fourth() -> Iterator[None]:
        log.append("fourth")
        yield
        log.append("fourth stops")

    app.get("/")(lambda: "")
    client = make_client(app, door=door)
    assert log == ["first", "second 1", "fourth"]
    client.get("/")
    client.close()
    assert log[3:] == ["fourth stops", "third stops", "second stops"]


def test_a_start_that_fails_undoes_what_had_started(door: Any) -> None:
    app = App()
    log: list[str] = []

    @app.lifespan
    def first() -> Iterator[None]:
        yield
        log.append("first stops")
        raise KeyError("this too")

    @app.lifespan
    async def second() -> AsyncIterator[None]:
        yield
        log.append("second stops")

    @app.on_startup
    def third() -> None:
        raise ConnectionError("no database")

    @app.lifespan
    def fourth() -> Iterator[None]:
        log.append("fourth")
        yield

    with pytest.raises(ConnectionError, match="no database") as caught, Client(app, door=door):
        pass
    assert log == ["second stops", "first stops"]
    assert any("this too" in note for note in caught.value.__notes__)


def test_a_stop_that_fails_does_not_keep_the_others_from_stopping(door: Any) -> None:
    app = App()
    log: list[str] = []
    app.on_shutdown(lambda: log.append("first"))

    @app.on_shutdown
    def second() -> None:
        raise KeyError("stop")

    client = Client(app, door=door).__enter__()
    with pytest.raises(KeyError, match="stop"):
        client.close()
    assert log == ["first"]


async def _nothing() -> None: ...


def _none() -> Iterator[None]:
    yield from ()


async def _none_on_loop() -> AsyncIterator[None]:
    for _ in ():
        yield


@pytest.mark.parametrize("lifespan", [_nothing, _none, _none_on_loop, lambda: None])
def test_a_lifespan_that_does_not_yield_is_named(lifespan: Callable[[], Any]) -> None:
    app = App()
    app.lifespan(lifespan)
    with pytest.raises(ErlenError, match="must `yield` once"), Client(app):
        pass


def test_a_lifespan_that_yields_twice_is_named() -> None:
    app = App()
    closed: list[bool] = []

    @app.lifespan
    def twice() -> Iterator[None]:
        try:
            yield
            yield
        finally:
            closed.append(True)

    client = Client(app).__enter__()
    with pytest.raises(ErlenError, match="must `yield` once"):
        client.close()
    assert closed == [True]


def test_a_site_can_be_started_again() -> None:
    app = App()
    log: list[str] = []

    @app.lifespan
    def life() -> Iterator[None]:
        log.append("start")
        yield
        log.append("stop")

    app.get("/")(lambda: "here")
    site = app.freeze()

    async def live() -> None:
        await site.startup()
        await site.shutdown()

    asyncio.run(live())
    asyncio.run(live())
    assert log == ["start", "stop"] * 2


# -- the site ---------------------------------------------------------------------------------------------------------------


def test_first_requests_in_many_threads_make_one_site() -> None:
    app = App()
    app.get("/")(lambda: "")
    sites: list[Site] = []
    barrier = threading.Barrier(8)

    def first() -> None:
        barrier.wait()
        sites.append(app.site)

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sites) == 8
    assert len({id(site) for site in sites}) == 1


def test_an_application_is_told_for_asgi_by_servers_and_still_speaks_wsgi() -> None:
    import inspect
    from wsgiref.util import setup_testing_defaults

    app = App()
    app.get("/")(lambda: "hello")
    assert inspect.iscoroutinefunction(app.__call__)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ["HTTP_HOST"] = "localhost"
    told: list[str] = []
    body = b"".join(app(environ, lambda status, headers, *rest: told.append(status)))
    assert (told, body) == (["200 OK"], b"hello")
    app.site.wsgi.shutdown()


def test_freezing_leaves_the_application_open() -> None:
    app = App()
    app.get("/")(lambda: "")
    assert len(app.freeze().routes) == 1
    app.get("/more", name="more")(lambda: "")
    assert len(app.freeze().routes) == 2


def test_resolve_finds_the_route_of_a_path() -> None:
    app = App()

    @app.get("/things/{id}")
    def thing(id: int) -> str:
        return ""

    site = app.freeze()
    found = site.resolve("/things/3", "HEAD")
    assert found is not None
    assert (found[0].name, found[1]) == ("thing", {"id": 3})
    assert site.resolve("/things/x") is None
    assert site.resolve("/things/3", "POST") is None
