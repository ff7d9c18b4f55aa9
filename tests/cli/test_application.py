from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]

APP = """
    import datetime
    from enum import Enum
    from typing import Annotated
    from erlen import App, Blueprint, Meta

    app = App()
    part = Blueprint("part")
    app.include(part)

    class Colour(Enum):
        RED = "red"

    @app.command
    def greet(name: str, times: int = 1, loud: bool = False) -> None:
        '''Say hello.'''
        print(" ".join([("HELLO " if loud else "hello ") + name] * times))

    @app.command
    async def later(day: datetime.date, colour: Colour = Colour.RED, userName: str | None = None) -> None:
        import asyncio
        await asyncio.sleep(0)
        print(type(day).__name__, colour, userName)

    @part.command
    def add_up(numbers: list[int], extra: list[int] = [], unique: tuple[int, ...] = (), *, factor: Annotated[int, Meta(ge=1)] = 1) -> None:
        print(type(numbers).__name__, type(extra).__name__, type(unique).__name__, factor * sum([*numbers, *extra, *unique]))

    @app.command
    def shout(firstName: str) -> None:
        print(firstName.upper())

    @app.command
    def fail() -> None:
        raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def application(write: Write) -> None:
    write("app.py", APP)


def test_arguments_options_and_flags(run: Run) -> None:
    assert run("greet", "ann").output == "hello ann\n"
    assert run("greet", "ann", "--times", "2", "--loud").output == "HELLO ann HELLO ann\n"
    assert run("greet", "ann", "--no-loud").output == "hello ann\n"


def test_async_commands_and_types(run: Run) -> None:
    assert run("later", "2024-01-02", "--colour", "red", "--userName", "ann").output == "date Colour.RED ann\n"
    assert run("later", "2024-01-02").output == "date Colour.RED None\n"


def test_lists_are_lists(run: Run) -> None:
    assert run("add-up", "1", "2", "--extra", "3", "--extra", "4", "--factor", "10").output == "list list tuple 100\n"
    assert run("add-up").output == "list list tuple 0\n"


def test_names_in_mixed_case(run: Run) -> None:
    assert run("shout", "ann").output == "ANN\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("greet",), "Missing argument"),
        (("greet", "ann", "--times", "x"), "Expected an integer."),
        (("later", "tomorrow"), "date"),
        (("later", "2024-01-02", "--colour", "green"), "red"),
        (("add-up", "1", "--factor", "0"), "Must be at least 1."),
        (("greet", "ann", "--tmes", "2"), "--times"),
    ],
)
def test_wrong_values_are_explained(run: Run, arguments: tuple[str, ...], message: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert message in refused.output


def test_help_of_a_command_is_its_docstring_and_its_defaults(run: Run) -> None:
    shown = run("greet", "--help").output
    assert "Say hello." in shown
    assert "[default: 1]" in shown


def test_the_exit_code_is_the_commands(run: Run) -> None:
    assert run("fail").exit_code == 3
