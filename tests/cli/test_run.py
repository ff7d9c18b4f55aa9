"""What `erlen run` refuses before it serves; that it serves is tested in tests/server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]


def test_a_door_that_does_not_suit_is_refused_with_the_lines(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n\n@app.get('/')\nasync def home() -> str:\n    return ''\n")
    refused = run("run", "--door", "wsgi")
    assert refused.exit_code == 1
    assert "the WSGI door cannot serve home: it is `async def`" in refused.output
    assert "app.py:4" in refused.output


def test_uvicorn_serves_asgi_only(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    refused = run("run", "--engine", "uvicorn", "--door", "rsgi")
    assert (refused.exit_code, "uvicorn serves ASGI only" in refused.output) == (2, True)


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--port", "x"), ("--workers", "0"), ("--threads", "0"), ("--door", "cgi")])
def test_wrong_options_are_refused(run: Run, write: Write, arguments: tuple[str, str]) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    assert run("run", *arguments).exit_code == 2


def test_without_an_application_it_says_where_it_looked(run: Run) -> None:
    refused = run("run")
    assert refused.exit_code == 1
    assert "No application was found" in refused.output
