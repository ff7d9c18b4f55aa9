"""`erlen db shell`: the database's own program, and the prompt of our own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection

from erlen.cli.db.prompt import split_statements

Connect = Callable[[str], Connection]
Run = Callable[..., Result]
Write = Callable[..., Path]
PROGRAMS = {"sqlite": ("sqlite3",), "postgresql": ("psql",), "mariadb": ("mariadb", "mysql")}


@pytest.fixture
def app(write: Write, connect_to: Connect) -> Callable[[str], None]:
    """Write an application with a database of one table and two rows."""

    def make(url: str) -> None:
        with connect_to(url) as connection:
            connection.exec_driver_sql("CREATE TABLE birds (id integer PRIMARY KEY, name varchar(40), size decimal(5, 1))")
            connection.exec_driver_sql("INSERT INTO birds (id, name, size) VALUES (1, 'Rotkehlchen', 14), (2, NULL, 3.5)")
        write(
            "app.py",
            f"from erlen import App\nfrom erlen.db import Database\napp = App()\napp.use(Database({url!r}, create=False))\n",
        )

    return make


def in_terminal(folder: Path, *arguments: str, say: str = "", environment: dict[str, str] | None = None) -> str:
    """Run `erlen db shell` on a pseudo-terminal of its own, write some lines into it, and return what it showed."""
    master, terminal = pty.openpty()
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    process = subprocess.Popen(
        [sys.executable, "-m", "erlen", "db", "shell", *arguments],
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=partial(fcntl.ioctl, terminal, termios.TIOCSCTTY, 0),
        env={**os.environ, "HOME": str(folder), "TERM": "dumb", "PAGER": "cat", **(environment or {})},
    )
    os.close(terminal)
    os.write(master, say.encode())
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # every process has closed the terminal
        pass
    os.close(master)
    assert process.wait(60) == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode().replace("\r", ""))


def own(program: Path, text: str) -> Path:
    """Make a program of Python's."""
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o700)
    return program


# -- statements ----------------------------------------------------------------------------------------------------------------------


def test_a_statement_shows_its_rows(run: Run, app: Callable[[str], None], database_url: str) -> None:
    app(database_url)
    shown = run("db", "shell", "-c", "SELECT id, name AS näme, size FROM birds WHERE name LIKE 'Rot%' OR id = 2 ORDER BY id")
    assert shown.exit_code == 0, shown.output
    size = ("14", " 3.5") if database_url.startswith("sqlite") else ("14.0", " 3.5")
    assert shown.stdout.splitlines() == [
        f"id  näme         {'size':>{max(4, len(size[0]))}}",
        "--  -----------  ----",
        f" 1  Rotkehlchen  {size[0]:>4}",
        f" 2  NULL         {size[1]:>4}",
    ]
    assert shown.stderr == "(2 rows)\n"


def test_statements_of_a_pipe_are_committed_one_by_one(run: Run, app: Callable[[str], None], database_url: str) -> None:
    app(database_url)
    done = run("db", "shell", input="INSERT INTO birds VALUES (3, 'a;b', 1);\n-- nothing; here\nSELECT nothing; SELECT 1")
    assert (done.exit_code, "the database says: " in done.output, "(1 row changed)" in done.output) == (1, True, True)
    assert "a;b" in run("db", "shell", "-c", "SELECT name FROM birds WHERE id = 3").stdout


def test_a_transaction_lasts_until_it_is_ended(run: Run, app: Callable[[str], None], database_url: str) -> None:
    app(database_url)
    assert run("db", "shell", "-c", "BEGIN; DELETE FROM birds; ROLLBACK; BEGIN; DELETE FROM birds WHERE id = 1").exit_code == 0
    assert run("db", "shell", "-c", "SELECT count(*) AS n FROM birds").stdout.split()[-1] == "2"
    assert run("db", "shell", "-c", "BEGIN; DELETE FROM birds WHERE id = 1; COMMIT").exit_code == 0
    assert run("db", "shell", "-c", "SELECT count(*) AS n FROM birds").stdout.split()[-1] == "1"


def test_read_only_changes_nothing(run: Run, app: Callable[[str], None], database_url: str) -> None:
    app(database_url)
    refused = run("db", "shell", "--read-only", "-c", "DELETE FROM birds")
    assert (refused.exit_code, re.search("read.?only", refused.output, re.IGNORECASE) is not None) == (1, True)
    assert run("db", "shell", "--read-only", "-c", "SELECT count(*) AS n FROM birds").stdout.split()[-1] == "2"


def test_statements_end_outside_of_quotes_and_comments() -> None:
    text = "SELECT ';', \"a;b\" -- ;\n; /* ; */ SELECT 'it''s;'; DO $x$ BEGIN; END $x$;\n-- the end"
    assert list(split_statements(text)) == [
        "SELECT ';', \"a;b\" -- ;",
        "/* ; */ SELECT 'it''s;'",
        "DO $x$ BEGIN; END $x$",
    ]


# -- the database's own program -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
def test_the_databases_own_program_opens(debug: bool, backend: str, app: Callable[[str], None], database_url: str, folder: Path) -> None:
    if not any(map(shutil.which, PROGRAMS[backend])):
        pytest.skip(f"{' and '.join(PROGRAMS[backend])} are not installed")
    app(database_url)
    end = {"sqlite": ".quit\n", "postgresql": "\\q\n", "mariadb": "exit\n"}[backend]
    shown = in_terminal(folder, say=f"SELECT count(*) + 40 FROM birds;\n{end}", environment={"DEBUG": str(int(debug))})
    assert "42" in shown
    assert ("production" in shown.splitlines()[0], shown.count("production") > 1) == (not debug, not debug)


def test_arguments_go_to_the_program(backend: str, app: Callable[[str], None], database_url: str, folder: Path) -> None:
    if not any(map(shutil.which, PROGRAMS[backend])):
        pytest.skip(f"{' and '.join(PROGRAMS[backend])} are not installed")
    app(database_url)
    given = {"sqlite": ["-csv"], "postgresql": ["--csv", "-t", "-c"], "mariadb": ["-N", "-B", "-e"]}[backend]
    line = [sys.executable, "-m", "erlen", "db", "shell", "--read-only", "--", *given]
    shown = subprocess.run([*line, "SELECT name FROM birds WHERE id = 1"], cwd=folder, capture_output=True, text=True, check=False)
    assert (shown.stdout, shown.returncode) == ("Rotkehlchen\n", 0), shown.stderr
    refused = subprocess.run([*line, "DELETE FROM birds"], cwd=folder, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert re.search("read.?only", refused.stderr, re.IGNORECASE)


SPY = """
import json, os, sys
option = next((each for each in sys.argv if each.startswith("--defaults-extra-file=")), "")
path = option.partition("=")[2]
seen = {name: value for name, value in os.environ.items() if name.startswith(("PG", "MYSQL"))}
options = open(path).read() if path else ""
mode = os.stat(path).st_mode if path else 0
with open("seen.json", "w") as file:
    json.dump({"argv": sys.argv[1:], "environment": seen, "options": options, "path": path, "mode": mode}, file)
sys.exit(3)
"""


@pytest.mark.parametrize(("program", "scheme"), [("psql", "postgresql"), ("mariadb", "mariadb"), ("mysql", "mysql")])
def test_the_password_is_in_no_argument(program: str, scheme: str, write: Write, folder: Path) -> None:
    own(folder / "bin" / program, SPY)
    url = f"{scheme}://ann:ge%22h%5Ceim@db.example:1234/shop" + ("?sslmode=require" if scheme == "postgresql" else "")
    write("app.py", f"from erlen import App\nfrom erlen.db import Database\napp = App()\napp.use(Database({url!r}, create=False))\n")
    environment = {**os.environ, "PATH": str(folder / "bin")}
    line = [sys.executable, "-m", "erlen", "db", "shell", "--", "-x"]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    seen = json.loads((folder / "seen.json").read_text())
    assert seen["argv"][-1] == "-x"
    assert "eim" not in " ".join(seen["argv"])
    if scheme == "postgresql":
        expected = {
            "PGPASSWORD": 'ge"h\\eim',
            "PGHOST": "db.example",
            "PGPORT": "1234",
            "PGUSER": "ann",
            "PGDATABASE": "shop",
            "PGSSLMODE": "require",
        }
        assert expected.items() <= seen["environment"].items()
    else:
        assert 'password="ge\\"h\\\\eim"\nhost="db.example"\nport="1234"\n' in seen["options"]
        assert stat.S_IMODE(seen["mode"]) == 0o600
        assert not Path(seen["path"]).exists()
        assert not any("MYSQL_PWD" in name for name in seen["environment"])


def test_arguments_without_the_program_are_refused(app: Callable[[str], None], url_of: Callable[[str], str], folder: Path) -> None:
    app(url_of("sqlite"))
    line = [sys.executable, "-m", "erlen", "db", "shell", "--", "-csv"]
    done = subprocess.run(line, cwd=folder, env={**os.environ, "PATH": str(folder)}, capture_output=True, text=True, check=False)
    assert (done.returncode, "sqlite3 is not installed" in done.stderr) == (2, True)


# -- our own prompt --------------------------------------------------------------------------------------------------------------------


def test_the_prompt_of_our_own(app: Callable[[str], None], database_url: str, folder: Path) -> None:
    app(database_url)
    lines = "SELECT name,\n size FROM birds\n WHERE id = 1;\nSELECT nothing;\n.tables\n.schema birds\n.schema fish\n.what\n"
    lines += "DELETE FROM birds WHERE id = 1;\n.quit\n"
    shown = in_terminal(folder, say=lines, environment={"PATH": str(folder)})
    assert "not installed): `.help` explains it." in shown.replace("\n", " ")
    assert "production " in shown
    assert "Rotkehlchen" in shown
    assert "(1 row)" in shown
    assert "nothing" in shown  # the error, after which it goes on
    assert "> birds\n" in shown
    assert re.search(r"name +VARCHAR\(40\)", shown)
    assert "there is no table fish" in shown
    assert "Statements end with `;`." in shown
    assert "(1 row changed)" in shown


def test_the_prompt_keeps_its_lines_for_their_owner(app: Callable[[str], None], url_of: Callable[[str], str], folder: Path) -> None:
    app(url_of("sqlite"))
    shown = in_terminal(folder, "--plain", say="SELECT 41 + 1;\n.quit\n", environment={"DEBUG": "1"})
    assert "42" in shown
    assert "production" not in shown
    history = folder / ".erlen_sql_history"
    assert "SELECT 41 + 1;" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
