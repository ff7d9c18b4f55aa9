from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import erlen

Run = Callable[..., Result]
Write = Callable[..., Path]

APP = """
    from erlen import App

    app = App()

    @app.command
    def greet(name: str, times: int = 1, loud: bool = False) -> None:
        '''Say hello.

        As often as it takes.
        '''
        for _ in range(times):
            print(("HELLO " if loud else "hello ") + name)
"""


def test_help_lists_commands_with_and_without_an_application(run: Run, write: Write) -> None:
    alone = run("--help")
    assert alone.exit_code == 0
    for name in ("run", "routes", "check", "secret"):
        assert f"  {name} " in alone.output
    assert "of this application" not in alone.output
    write("app.py", APP)
    assert "greet" in run("--help").output


def test_help_lists_the_commands_of_an_application_that_is_named(run: Run, write: Write) -> None:
    write("shop.py", APP)
    for arguments in (("--app", "shop.py", "--help"), ("--app", "shop:app", "-h")):
        shown = run(*arguments).output
        assert "Commands of this application" in shown
        assert "greet  Say hello." in shown


def test_version(run: Run) -> None:
    shown = run("--version")
    assert (shown.exit_code, shown.output.startswith("erlen, version ")) == (0, True)
    assert erlen.__version__.split(".dev")[0] in shown.output


def test_a_typo_is_answered_with_what_was_meant(run: Run, write: Write) -> None:
    without = run("rotues")
    assert without.exit_code == 2
    assert "Did you mean 'routes'?" in without.output
    write("app.py", APP)
    assert "Did you mean 'greet'?" in run("gret").output
    assert "Did you mean" not in run("xyzzy").output


def test_an_application_that_does_not_load_is_no_traceback(run: Run, write: Write) -> None:
    nothing = run("greet")
    assert nothing.exit_code == 1
    assert "No application was found" in nothing.output
    write("app.py", "import nowhere_to_be_found")
    broken = run("greet")
    assert broken.exit_code == 1
    assert "the application does not load: No module named 'nowhere_to_be_found'" in broken.output
    assert run("--help").exit_code == 0


def test_what_is_no_application_is_named(run: Run, write: Write) -> None:
    write("app.py", "app = 3")
    refused = run("routes")
    assert (refused.exit_code, "3 is no Erlen application" in refused.output) == (1, True)


def test_the_variable_names_the_application(run: Run, write: Write) -> None:
    write("elsewhere.py", APP)
    assert run("greet", "ann", ERLEN_APP="elsewhere:app").output == "hello ann\n"


def test_secret_prints_a_new_key_each_time(run: Run) -> None:
    keys = {run("secret").output.strip() for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) >= 32 for key in keys)
