from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import erlen
from erlen.cli.main import COMMANDS

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
    for name in COMMANDS:
        assert f"  {name} " in alone.output
    titles = [line.rstrip(":") for line in alone.output.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", "Start", "Serve", "Inspect", "Data", "Build"]
    assert "Your application" not in alone.output
    write("app.py", APP)
    assert "greet" in run("--help").output


def test_help_lists_the_commands_of_an_application_that_is_named(run: Run, write: Write) -> None:
    write("shop.py", APP)
    for arguments in (("--app", "shop.py", "--help"), ("--app", "shop:app", "-h")):
        shown = run(*arguments).output
        assert "Your application:" in shown
        assert re.search(r"^  greet +Say hello\.$", shown, re.MULTILINE)


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
    assert "the application does not load:" in broken.output
    assert "app.py:1\n    import nowhere_to_be_found\nModuleNotFoundError: No module named 'nowhere_to_be_found'" in broken.output
    assert run("routes").exit_code == 1
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


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_says_what_it_does_and_what_each_option_is_for(run: Run, name: str) -> None:
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert len(shown.output.split("Options:")[0].split()) > 12
    options = shown.output.split("Options:")[1].split("Commands:")[0]
    undescribed = [line for line in options.splitlines() if re.fullmatch(r"  -\S.*[A-Z|\]]", line) and "  " not in line.strip()]
    assert [line for line in undescribed if not _continues(options, line)] == []


def _continues(options: str, line: str) -> bool:
    """Whether an option's description is on the next line, being too long for its column."""
    return options.partition(f"{line}\n")[2].startswith("      ")


def test_a_blueprint_and_a_plugin_bring_commands_of_both_colours(run: Run, write: Write) -> None:
    write(
        "app.py",
        """
        from erlen import App, Blueprint

        class Battery:
            name = "battery"
            requires = ()
            def setup(self, setup):
                @setup.routes.command
                async def charge() -> None:
                    print("charged")

        app = App()
        app.use(Battery())
        part = Blueprint("part")
        app.include(part)

        @part.command
        def sweep() -> None:
            print("swept")
        """,
    )
    assert (run("charge").output, run("sweep").output) == ("charged\n", "swept\n")


COUNTED = """
import sys
from {module} import {name}
try:
    {called}({arguments!r})
except SystemExit:
    pass
print(len(sys.modules), file=sys.stderr)
"""


def modules_after(folder: Path, module: str, *arguments: str) -> int:
    called = "main" if module == "erlen.cli.main" else "cli.main"
    program = [
        sys.executable,
        "-c",
        COUNTED.format(module=module, name="main" if called == "main" else "cli", called=called, arguments=list(arguments)),
    ]
    answer = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    return int(answer.stderr.rsplit(maxsplit=1)[-1])


@pytest.mark.parametrize("arguments", [("--help",), ("routes",)])
def test_a_command_loads_fewer_modules_than_one_of_flask(folder: Path, write: Write, arguments: tuple[str, ...]) -> None:
    source = "from {0} import {1}\n\napp = {1}({2})\n\n@app.get('/')\ndef home() -> str:\n    return ''\n"
    write("app.py", source.format("erlen", "App", ""))
    ours = modules_after(folder, "erlen.cli.main", *arguments)
    write("app.py", source.format("flask", "Flask", "__name__"))
    assert ours < modules_after(folder, "flask.cli", *arguments)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("runserver", "`erlen dev` serves while you write, `erlen run` in production."),
        ("serve", "`erlen dev`"),
        ("start", "`erlen dev`"),
        ("startproject", "`erlen new NAME`"),
        ("collectstatic", "`erlen static build`"),
        ("app.py", "Did you mean `erlen dev app.py`?"),
        ("./shop/web.py:site", "Did you mean `erlen dev ./shop/web.py:site`?"),
    ],
)
def test_a_word_from_elsewhere_is_answered_with_the_command(run: Run, write: Write, word: str, meant: str) -> None:
    without = run(word)
    assert (without.exit_code, meant in without.output) == (2, True), without.output
    write("app.py", APP)
    assert meant in run(word).output


def test_a_command_of_the_application_stands_before_a_word_from_elsewhere(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n\n@app.command\ndef serve() -> None:\n    print('served')\n")
    assert run("serve").output == "served\n"
