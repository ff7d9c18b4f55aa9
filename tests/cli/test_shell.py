from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]

APP = """
    from erlen import App

    app = App()
    PRICE = 3

    @app.get("/")
    def home() -> str:
        return "hello"

    async def later(value):
        import asyncio
        await asyncio.sleep(0)
        return value
"""


@pytest.fixture(autouse=True)
def application(write: Write) -> None:
    write("app.py", APP)


def test_code_sees_the_application_and_its_names(run: Run) -> None:
    shown = run("shell", "-c", "print(client.get('/').text, PRICE, app.import_name, len(site.routes), await later(5))")
    assert (shown.exit_code, shown.output) == (0, "hello 3 app 1 5\n")


def test_a_database_brings_its_models_and_a_session(run: Run, write: Write) -> None:
    write(
        "app.py",
        "from erlen import App\nfrom erlen.db import Database, Mapped, Model\napp = App()\n"
        "database = app.use(Database('sqlite://'))\nclass ShelvedBook(Model):\n    title: Mapped[str]\n"
        "kept = [ShelvedBook]\ndel ShelvedBook\n",
    )
    shown = run(
        "shell", "-c", "database.create_all(); db.add(ShelvedBook(title='x')); db.commit(); print(db.all(select(ShelvedBook.title)))"
    )
    assert shown.output == "['x']\n", shown.exception


def test_code_that_fails_is_an_error(run: Run) -> None:
    assert isinstance(run("shell", "-c", "1 / 0").exception, ZeroDivisionError)
    assert isinstance(run("shell", "-c", "1 +").exception, SyntaxError)
    assert run("shell", "-c", "raise SystemExit(4)").exit_code == 4


def test_the_prompt_goes_on_after_an_error_and_awaits(folder: Path) -> None:
    lines = "1 / 0\nx = await later(7)\nx + PRICE\nawait nothing()\n"
    program = [sys.executable, "-m", "erlen", "shell", "--plain"]
    answer = subprocess.run(program, cwd=folder, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0
    assert ">>> 10" in answer.stdout
    assert "app, site (1 route), client" in answer.stderr
    assert answer.stderr.count('Traceback (most recent call last):\n  File "<console>", line 1, in <module>\n') == 2
    assert "ZeroDivisionError" in answer.stderr
    assert "NameError" in answer.stderr


def test_an_application_that_does_not_load_is_told(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\napp.get('/{')(lambda: '')\n")
    refused = run("shell", "-c", "1")
    assert (refused.exit_code, "app.py:3" in refused.output) == (1, True)
