"""The graph of what a handler depends on, flattened at freeze into the order of calls; and the clean-up of generators."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from erlen.binding.marker import Dependency
from erlen.binding.parameter import Parameter, Providers, describe, location_of, read_signature
from erlen.errors import ErlenError, Mistake
from erlen.types import Colour, Handler

__all__ = ["Cleanup", "Step", "colour_of", "flatten", "is_coroutine_function", "is_generator_function"]

Form: TypeAlias = Literal["call", "await", "generator", "async_generator"]
Override: TypeAlias = Callable[..., Any]


class Step(Struct, eq=False):
    """One dependency to call: `arguments` are parameters of the request, or other steps."""

    call: Callable[..., Any]
    form: Form
    hop: bool
    """Whether a `def` runs in a thread on behalf of an `async def` handler."""
    arguments: list[tuple[Parameter, Step | None]]


def flatten(
    parameters: list[Parameter],
    *,
    colour: Colour,
    providers: Providers,
    path_names: tuple[str, ...],
    methods: frozenset[str],
    overrides: Mapping[Any, Override],
    where: str,
    localns: Mapping[str, Any] | None = None,
) -> tuple[list[Step], dict[str, Step], list[Mistake]]:
    """Order the dependencies of a handler, each once unless it says `cache=False`.

    Returns the steps in calling order, the step behind each parameter that has one, and what is wrong.
    """
    steps: list[Step] = []
    known: dict[Any, Step] = {}
    mistakes: list[Mistake] = []
    open_calls: list[Any] = []

    def step_for(parameter: Parameter, dependency: Dependency) -> Step | None:
        call = overrides.get(_key(dependency.call), dependency.call)
        key = _key(call)
        if dependency.cache and key in known:
            return known[key]
        if call in open_calls:
            chain = " → ".join(describe(one) for one in [*open_calls[open_calls.index(call) :], call])
            mistakes.append(
                Mistake(f"dependencies go in a circle: {chain}", where, "break it: pass the value on instead of asking for it again")
            )
            return None
        open_calls.append(call)
        inner, _, wrong = read_signature(
            call, path_names=path_names, methods=methods, providers=providers, localns=localns, where=location_of(call) or where
        )
        mistakes.extend(wrong)
        arguments = [(one, None if one.dependency is None else step_for(one, one.dependency)) for one in inner]
        open_calls.pop()
        form = form_of(call)
        mistake = _colour_mistake(call, form, colour, dependency, where)
        if mistake is not None:
            mistakes.append(mistake)
        hop = form == "call" and colour == "loop" and dependency.threaded and not isinstance(call, type)
        step = Step(call, form, hop, arguments)
        steps.append(step)
        if dependency.cache:
            known[key] = step
        return step

    found: dict[str, Step] = {}
    for parameter in parameters:
        if parameter.dependency is not None:
            step = step_for(parameter, parameter.dependency)
            if step is not None:
                found[parameter.name] = step
    return steps, found, mistakes


def _key(call: Any) -> Any:
    """Return what tells one callable from another; instances of a dataclass have no hash."""
    return call if getattr(type(call), "__hash__", None) is not None else id(call)


def _colour_mistake(call: Handler, form: Form, colour: Colour, dependency: Dependency, where: str) -> Mistake | None:
    name = describe(call)
    if colour == "thread" and form in ("await", "async_generator"):
        return Mistake(
            f"two colours in one request: a `def` handler depends on `async def {name}`",
            where,
            f"make the handler `async def`, or {name} a `def`",
        )
    if colour == "loop" and form == "generator" and dependency.threaded:
        return Mistake(
            f"two colours in one request: an `async def` handler depends on the generator `def {name}`, "
            "whose clean-up belongs to one thread",
            where,
            f"make {name} an `async def` generator, or the handler a `def`; for quick code that may run on the event loop, "
            f"Depends({name}, threaded=False)",
        )
    return None


def form_of(call: Callable[..., Any]) -> Form:
    """Return how a dependency is called."""
    import inspect

    while isinstance(call, partial):
        call = call.func
    if isinstance(call, type):
        return "call"
    target = call if inspect.isroutine(call) else type(call).__call__
    if inspect.isasyncgenfunction(target):
        return "async_generator"
    if inspect.iscoroutinefunction(target):
        return "await"
    return "generator" if inspect.isgeneratorfunction(target) else "call"


def is_coroutine_function(call: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; sees through partials and callable objects."""
    return form_of(call) == "await"


def is_generator_function(call: Callable[..., Any]) -> bool:
    """Whether calling it gives a generator of either colour."""
    return form_of(call) in ("generator", "async_generator")


def colour_of(call: Callable[..., Any], *, threaded: bool = True) -> Colour:
    """Return where a handler, hook or middleware runs."""
    return "loop" if form_of(call) in ("await", "async_generator") or not threaded else "thread"


class Cleanup:
    """The generators that one request has open, closed in reverse order with its response or its exception."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[Generator[Any, Any, None] | AsyncGenerator[Any, Any]] = []

    def enter(self, generator: Generator[Any, Any, None]) -> Any:
        """Run a generator to its `yield` and return what it yields."""
        try:
            value = next(generator)
        except StopIteration:
            raise _never_yielded(generator) from None
        self._open.append(generator)
        return value

    async def aenter(self, generator: AsyncGenerator[Any, Any]) -> Any:
        """The same for an asynchronous generator."""
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            raise _never_yielded(generator) from None
        self._open.append(generator)
        return value

    async def close(self, response: object) -> None:
        """Resume each generator with the response. The first error is raised once all are closed."""
        failure: BaseException | None = None
        while self._open:
            generator = self._open.pop()
            try:
                if failure is not None:
                    await _throw(generator, failure)
                else:
                    await _resume(generator, response)
            except BaseException as error:  # noqa: BLE001 - raised again, once the others are closed
                failure = error
        if failure is not None:
            raise failure

    async def fail(self, error: BaseException) -> BaseException:
        """Throw an exception into each generator; return it, or the one that took its place."""
        while self._open:
            try:
                await _throw(self._open.pop(), error)
            except BaseException as raised:  # noqa: BLE001 - raised again, once the others are closed
                error = raised
        return error


async def _resume(generator: Generator[Any, Any, None] | AsyncGenerator[Any, Any], response: object) -> None:
    if isinstance(generator, AsyncGenerator):
        try:
            await generator.asend(response)
        except StopAsyncIteration:
            return
        await generator.aclose()
    else:
        try:
            generator.send(response)
        except StopIteration:
            return
        generator.close()
    raise ErlenError(f"{describe(generator)} yields more than once: a dependency or lifespan must `yield` once, then clean up")


async def _throw(generator: Generator[Any, Any, None] | AsyncGenerator[Any, Any], error: BaseException) -> None:
    try:
        if isinstance(generator, AsyncGenerator):
            await generator.athrow(error)
        else:
            generator.throw(error)
    except (StopIteration, StopAsyncIteration):
        return
    if isinstance(generator, AsyncGenerator):
        await generator.aclose()
    else:
        generator.close()


def _never_yielded(generator: object) -> ErlenError:
    return ErlenError(f"{describe(generator)} ended without yielding: a dependency or lifespan must `yield` once")
