"""Middleware and hooks around an endpoint, composed at freeze in whichever colours they come.

A chain is *thread-coloured* when it can run in a thread with one `send(None)`, *loop-coloured* when it needs the event loop. A `def`
in front of thread-coloured code shares its one hop; where the colours change, a hop or a bridge is put between, and counted.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct

from erlen.app.crossing import Crossing
from erlen.app.problems import Problems
from erlen.app.routes import Hooks, Middleware, Policy
from erlen.binding.dependency import colour_of
from erlen.binding.endpoint import Call
from erlen.binding.parameter import describe
from erlen.binding.result import to_response
from erlen.drive import drive
from erlen.errors import ErlenError
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.types import Colour

__all__ = ["Chain", "add_hooks", "add_middleware"]


class Chain(Struct, frozen=True, eq=False):
    """An endpoint with what has been put around it so far. What a layer raises is a response to the layers around it."""

    call: Call
    colour: Colour
    crossing: Crossing
    errors: Problems
    preload: str | None = None
    """What a hop must read from the request first, since a thread cannot wait for it."""
    hops: int = 0

    def on_loop(self) -> Chain:
        """Return the chain made to run on the loop: thread-coloured code hops into a thread."""
        if self.colour == "loop":
            return self
        inner, to_thread, preload = self.call, self.crossing.to_thread, self.preload

        async def hop(request: Request) -> Response:
            if preload is not None:
                await _read_ahead(request, preload)
            return await to_thread(inner, request)

        return Chain(hop, "loop", self.crossing, self.errors, preload, self.hops + 1)

    def in_thread(self) -> Chain:
        """Return the chain made to run in a thread: loop-coloured code is waited for."""
        if self.colour == "thread":
            return self
        inner, to_loop, preload = self.call, self.crossing.to_loop, self.preload

        async def bridge(request: Request) -> Response:
            if preload is not None:
                # Here reading costs only this thread its time; on the loop it could hold up the others.
                await _read_ahead(request, preload)
            return to_loop(inner(request))  # type: ignore[no-any-return]

        return Chain(bridge, "thread", self.crossing, self.errors, preload, self.hops + 1)


def add_middleware(chain: Chain, middleware: Middleware) -> Chain:
    """Put one middleware around a chain."""
    if isinstance(middleware, Policy):
        return _add_policy(chain, middleware)
    name = describe(middleware)
    colour = colour_of(middleware)
    on_error = chain.errors.responder(colour)
    if colour == "loop":
        inner = chain.on_loop()
        call_next = inner.call

        async def on_loop(request: Request) -> Response:
            try:
                response = await middleware(request, call_next)
                return response if isinstance(response, Response) else _not_a_response(name, response)
            except Exception as error:  # noqa: BLE001 - the layers around this one look at responses
                return await on_error(request, error)

        return Chain(on_loop, "loop", chain.crossing, chain.errors, inner.preload, inner.hops)
    inner = chain.in_thread()

    def call_next_now(request: Request) -> Response:
        return drive(inner.call(request))

    async def in_thread(request: Request) -> Response:
        try:
            response = middleware(request, call_next_now)
            return response if isinstance(response, Response) else _not_a_response(name, response)
        except Exception as error:  # noqa: BLE001 - as above
            return await on_error(request, error)

    return Chain(in_thread, "thread", chain.crossing, chain.errors, inner.preload, inner.hops)


def _add_policy(chain: Chain, policy: Policy) -> Chain:
    inner, before, after = chain.call, policy.before, policy.after
    on_error = chain.errors.responder(chain.colour)

    async def call(request: Request) -> Response:
        try:
            response = before(request)
            return after(request, await inner(request) if response is None else response)
        except Exception as error:  # noqa: BLE001 - as in add_middleware
            return await on_error(request, error)

    return Chain(call, chain.colour, chain.crossing, chain.errors, chain.preload, chain.hops)


def add_hooks(chain: Chain, hooks: Hooks) -> Chain:
    """Put the before, after and teardown functions of one application or blueprint around a chain.

    What one before the handler raises is answered, and the functions after it see that response. Teardown functions run whatever
    happened; what they raise is logged.
    """
    functions = [*hooks.before, *hooks.after, *hooks.teardown]
    if not functions:
        return chain
    if chain.colour == "thread" and any(colour_of(function) == "loop" for function in functions):
        chain = chain.on_loop()
    prepared = chain.crossing.coroutine_function
    before = [prepared(function, chain.colour) for function in hooks.before]
    after = [prepared(function, chain.colour) for function in reversed(hooks.after)]
    teardown = [prepared(function, chain.colour) for function in reversed(hooks.teardown)]
    inner = chain.call
    on_error = chain.errors.responder(chain.colour)

    async def answer(request: Request) -> Response:
        for hook in before:
            early = await hook(request)
            if early is not None:
                return to_response(early, name="a before_request hook")
        return await inner(request)

    async def hooked(request: Request) -> Response:
        failure: BaseException | None = None
        try:
            try:
                response = await answer(request)
            except Exception as error:  # noqa: BLE001 - as in add_middleware
                response = await on_error(request, error)
            for hook in after:
                try:
                    replaced = await hook(request, response)
                    if replaced is not None:
                        response = to_response(replaced, name="an after_request hook")
                except Exception as error:  # noqa: BLE001 - as in add_middleware
                    response = await on_error(request, error)
            return response
        except BaseException as error:
            failure = error
            raise
        finally:
            for hook in teardown:
                try:
                    await hook(request, failure or request._unexpected)
                except Exception as error:  # noqa: BLE001 - the others must run too
                    chain.errors.report(request, error)

    hops = chain.hops + (chain.colour == "loop" and any(colour_of(function) == "thread" for function in functions))
    return Chain(hooked, chain.colour, chain.crossing, chain.errors, chain.preload, hops)


async def _read_ahead(request: Request, what: str) -> None:
    """Read the body for code that cannot wait for it. What goes wrong is raised again when the endpoint asks, inside its middleware."""
    with suppress(Exception):
        await (request.form() if what == "form" else request.body())


def _not_a_response(name: str, value: object) -> Response:
    raise ErlenError(
        f"the middleware {name} returned {type(value).__name__}, not a Response: is a `return` or an `await` before call_next missing?"
    )
