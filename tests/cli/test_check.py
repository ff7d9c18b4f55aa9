from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]


def test_an_application_without_mistakes(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\napp.get('/')(lambda: '')\n")
    shown = run("check")
    assert (shown.exit_code, shown.output) == (0, "No mistakes in 1 route.\n")


def test_every_mistake_is_shown_with_its_line(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\napp.get('/{')(lambda: '')\napp.get('/x')(lambda y: '')\n")
    shown = run("check")
    assert shown.exit_code == 1
    assert "2 mistakes in this application" in shown.output
    assert "app.py:3" in shown.output
    assert "app.py:4" in shown.output
    assert "Traceback" not in shown.output


def test_deploy_lists_what_is_unsafe_with_the_fix_and_fails(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    unsafe = run("check", "--deploy", HSTS_SECONDS="0", FRAME_OPTIONS="SAMEORIGIN")
    assert unsafe.exit_code == 1
    for setting in ("SECRET_KEY", "ALLOWED_HOSTS", "HSTS_SECONDS"):
        assert f"setting {setting}" in unsafe.output
    assert "3 to mend." in unsafe.output


def test_deploy_passes_a_safe_site(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    safe = run("check", "--deploy", SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz", ALLOWED_HOSTS="example.com")
    assert (safe.exit_code, safe.output) == (0, "No mistakes in 0 routes.\n")


def test_deploy_notes_what_wsgi_cannot_tell_apart(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\napp.get('/')(lambda: '')\n")
    safe = {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "ALLOWED_HOSTS": "example.com"}
    proxied = run("check", "--deploy", TRUSTED_PROXIES="10.0.0.0/8", **safe)
    assert proxied.exit_code == 0
    assert proxied.output.startswith("Note: with `erlen run --door wsgi`")
    assert "X_Forwarded_For" in proxied.output
    cases = {"direct": {}, "forwarded": {"TRUSTED_PROXIES": "10.0.0.0/8", "PROXY_HEADER": "forwarded"}}
    for name, more in cases.items():  # each in a module of its own, as an application is frozen once
        write(f"{name}.py", "from erlen import App\napp = App()\n")
        assert run("--app", f"{name}.py", "check", "--deploy", **safe, **more).output == "No mistakes in 0 routes.\n"


def test_a_command_whose_parameters_cannot_be_read_is_told(run: Run, write: Write) -> None:
    write(
        "app.py",
        """
        from erlen import App

        app = App()

        @app.command
        def load(prices: dict[str, int]) -> None:
            pass
        """,
    )
    for arguments in (("check",), ("load", "x")):
        refused = run(*arguments)
        assert (refused.exit_code, "the command load, app.py:6" in refused.output) == (1, True), refused.output
    listed = run("--help")
    assert (listed.exit_code, "Your application" in listed.output) == (0, False)


def test_plugins_have_their_say(run: Run, write: Write) -> None:
    write(
        "app.py",
        """
        from erlen import App
        from erlen.errors import Mistake

        class Slow:
            name = "slow"
            requires = ()
            def setup(self, setup):
                setup.add_check(lambda site: [Mistake("the database is slow", "slow.py:1", "wait")])

        app = App()
        app.use(Slow())
        """,
    )
    shown = run("check")
    assert (shown.exit_code, "the database is slow" in shown.output, "1 to mend." in shown.output) == (1, True, True)


def test_wrong_settings_are_all_in_one_message(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    shown = run("check", THREADS="none", DEBUG="perhaps", SECRET_KEY="hunter2")
    assert shown.exit_code == 1
    assert "THREADS" in shown.output
    assert "DEBUG" in shown.output
    assert "hunter2" not in shown.output
