"""The graph of what a handler depends on, flattened at freeze into the order of calls; and the clean-up of generators."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from functools import partial
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from erlen.binding.marker import Dependency
from erlen.binding.parameter import Parameter, SignatureOptions, describe, location_of, read_signature
from erlen.errors import ErlenError, Mistake
from erlen.types import Colour, Handler

__all__ = ["Argument", "Cleanup", "Step", "colour_of", "flatten", "form_of", "is_generator_function"]

Form: TypeAlias = Literal["call", "await", "generator", "async_generator"]
AnyGenerator: TypeAlias = Generator[Any, Any, None] | AsyncGenerator[Any, Any]
Argument: TypeAlias = "tuple[Parameter, Step | None]"
"""A parameter, and the dependency that provides it; without one it is read from the request."""


class Step(Struct, eq=False):
    """One dependency to call."""

    call: Callable[..., Any]
    form: Form
    hop: bool
    """Whether a `def` runs in a thread on behalf of an `async def` handler."""
    arguments: list[Argument]


def flatten(parameters: list[Parameter], options: SignatureOptions) -> tuple[list[Step], list[Argument], list[Mistake]]:
    """Order the dependencies of a handler, each once unless it says `cache=False`.

    Returns the steps in calling order, the handler's arguments, and what is wrong.
    """
    steps: list[Step] = []
    known: dict[Any, Step] = {}
    mistakes: list[Mistake] = []
    open_calls: list[Any] = []

    def arguments_for(parameters: list[Parameter]) -> list[Argument]:
        return [(one, None if one.dependency is None else step_for(one.dependency)) for one in parameters]

    def step_for(dependency: Dependency) -> Step | None:
        call = options.overrides.get(_key(dependency.call), dependency.call)
        key = _key(call)
        if dependency.cache and key in known:
            return known[key]
        if call in open_calls:
            chain = " → ".join(describe(one) for one in [*open_calls[open_calls.index(call) :], call])
            fix = "break it: pass the value on instead of asking for it again"
            mistakes.append(Mistake(f"dependencies go in a circle: {chain}", options.where, fix))
            return None
        open_calls.append(call)
        inner, _, wrong = read_signature(call, options, where=location_of(call) or options.where)
        mistakes.extend(wrong)
        arguments = arguments_for(inner)
        open_calls.pop()
        form = form_of(call)
        mistakes.extend(_colour_mistakes(call, form, dependency, options))
        hop = form == "call" and options.colour == "loop" and dependency.threaded and not isinstance(call, type)
        step = Step(call, form, hop, arguments)
        steps.append(step)
        if dependency.cache:
            known[key] = step
        return step

    return steps, arguments_for(parameters), mistakes


def _key(call: Any) -> Any:
    """Return what tells one callable from another; instances of a dataclass have no hash."""
    return call if getattr(type(call), "__hash__", None) is not None else id(call)


def _colour_mistakes(call: Handler, form: Form, dependency: Dependency, options: SignatureOptions) -> Iterator[Mistake]:
    name, wrong = describe(call), "two colours in one request:"
    if options.colour == "thread" and form in ("await", "async_generator"):
        wrong += f" a `def` handler depends on `async def {name}`"
        yield Mistake(wrong, options.where, f"make the handler `async def`, or {name} a `def`")
    if options.colour == "loop" and form == "generator" and dependency.threaded:
        wrong += f" an `async def` handler depends on the generator `def {name}`, whose clean-up belongs to one thread"
        fix = f"make {name} an `async def` generator, or the handler a `def`; for quick code that may run on the event loop, "
        yield Mistake(wrong, options.where, f"{fix}Depends({name}, threaded=False)")


def form_of(call: Callable[..., Any]) -> Form:
    """Return how a function is called; sees through partials and callable objects."""
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
        self._open: list[tuple[AnyGenerator, Any]] = []

    def enter(self, generator: Generator[Any, Any, None]) -> Any:
        """Run a generator to its `yield` and return what it yields."""
        try:
            value = next(generator)
        except StopIteration:
            raise _never_yielded(generator) from None
        self._open.append((generator, value))
        return value

    async def aenter(self, generator: AsyncGenerator[Any, Any]) -> Any:
        """The same for an asynchronous generator."""
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            raise _never_yielded(generator) from None
        self._open.append((generator, value))
        return value

    async def before(self, step: str) -> None:
        """Call the method of the values that have it: a session flushes before results are encoded, and commits before a stream begins."""
        for _, value in self._open:
            begin = getattr(value, step, None)
            if begin is not None and hasattr(begun := begin(), "__await__"):
                await begun

    async def close(self, response: object) -> None:
        """Resume each generator with the response. The first error is raised once all are closed."""
        if (failure := await self._end(response, None)) is not None:
            raise failure

    async def fail(self, error: BaseException) -> BaseException:
        """Throw an exception into each generator; return it, or the one that took its place."""
        return await self._end(None, error) or error

    async def _end(self, response: object, error: BaseException | None) -> BaseException | None:
        while self._open:
            trace = None if error is None else error.__traceback__
            try:
                await _end(self._open.pop()[0], response, error)
            except BaseException as raised:  # noqa: BLE001 - raised again, once the others are closed
                error = raised.with_traceback(trace) if raised is error else raised  # its way through a generator tells nobody anything
        return error


async def _end(generator: AnyGenerator, response: object, error: BaseException | None) -> None:
    """Resume a generator with the response, or throw the error into it."""
    try:
        if isinstance(generator, AsyncGenerator):
            await (generator.asend(response) if error is None else generator.athrow(error))
        elif error is None:
            generator.send(response)
        else:
            generator.throw(error)
    except (StopIteration, StopAsyncIteration):
        return
    if isinstance(generator, AsyncGenerator):
        await generator.aclose()
    else:
        generator.close()
    if error is None:
        raise ErlenError(f"{describe(generator)} yields more than once: a dependency or lifespan must `yield` once, then clean up")


def _never_yielded(generator: object) -> ErlenError:
    return ErlenError(f"{describe(generator)} ended without yielding: a dependency or lifespan must `yield` once")
