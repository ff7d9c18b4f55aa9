"""Histories that two people have continued, in real git repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect

from erlen.migrations.migration import read_history

Run = Callable[..., Result]
CREATE = 'op.create_table("books", sa.Column("id", sa.Integer, primary_key=True))'


def add(column: str, table: str = "books") -> str:
    return f'with op.batch_alter_table("{table}") as batch:\n    batch.add_column(sa.Column("{column}", sa.Text))'


class Clone:
    """One person's copy of a repository."""

    def __init__(self, folder: Path, write_step: Callable[..., object]) -> None:
        self.folder = folder
        self.migrations = folder / "migrations"
        self._write_step = write_step

    def git(self, *arguments: str, check: bool = True) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_EDITOR": "true"}
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "Ada", f"GIT_{role}_EMAIL": "ada@example.com"}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def step(self, message: str, upgrade: str) -> None:
        self._write_step(message, upgrade, "pass", folder=self.migrations)

    def commit(self, message: str = "a change") -> None:
        self.git("add", "--all")
        self.git("commit", "--message", message)

    def names(self) -> list[str]:
        return [each.name for each in read_history(self.migrations)]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.migrations.glob("*.py"))

    @property
    def head(self) -> str:
        return (self.migrations / "head").read_text()


@pytest.fixture
def clones(
    tmp_path: Path, write_step: Callable[..., object], write_app: Callable[..., Path], url_of: Callable[[str], str]
) -> tuple[Clone, Clone]:
    """Two clones of a repository with an application and one migration."""
    origin, ada, bob = (tmp_path / name for name in ("origin", "ada", "bob"))
    for folder in (origin, ada):
        folder.mkdir()
    first, second = Clone(ada, write_step), Clone(bob, write_step)
    Clone(origin, write_step).git("init", "--bare", "--initial-branch", "main")
    first.git("init", "--initial-branch", "main")
    path = write_app("sqlite:///test.db")
    path.rename(ada / "app.py")
    (ada / ".gitignore").write_text("*.db*\n__pycache__\n.erlen\n")
    first.step("create books", CREATE)
    first.commit()
    first.git("remote", "add", "origin", str(origin))
    first.git("push", "--set-upstream", "origin", "main")
    first.git("clone", str(origin), str(bob))
    return first, second


@pytest.fixture
def rebase(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`erlen db rebase` in a clone."""

    def rebase(clone: Clone, *arguments: str, code: int = 0) -> Result:
        monkeypatch.chdir(clone.folder)
        result = run("--app", str(clone.folder / "app.py"), "db", "rebase", *arguments)
        assert result.exit_code == code, result.output
        return result

    return rebase


def diverge(clones: tuple[Clone, Clone], mine: str = "price", theirs: str = "author") -> Clone:
    """Let both add a migration, and the second meet what the first has pushed."""
    ada, bob = clones
    ada.step(f"add {theirs}", add(theirs))
    ada.commit("theirs")
    ada.git("push")
    bob.step(f"add {mine}", add(mine))
    bob.commit("mine")
    return bob


def test_after_a_merge_mine_come_after_theirs(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    bob = diverge(clones)
    assert "CONFLICT" in bob.git("pull", "--no-rebase", check=False)
    assert "<<<<<<<" in bob.head
    result = rebase(bob)
    assert result.stdout.splitlines() == [
        "0002_add_price is 0003_add_price, after 0002_add_author",
        "migrations/head names 0003_add_price",
        "Next: git add migrations",
    ]
    assert result.stderr == ""
    assert bob.names() == ["0001_create_books", "0002_add_author", "0003_add_price"]
    bob.commit("merged")
    assert rebase(bob).output == "The migrations are one line already.\n"


def test_after_a_rebase_of_git_too(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    bob = diverge(clones)
    bob.step("add pages", add("pages"))
    bob.commit("mine again")
    bob.git("pull", "--rebase", check=False)
    rebase(bob)
    assert bob.names() == ["0001_create_books", "0002_add_author", "0003_add_price"]
    bob.git("add", "--all")
    bob.git("rebase", "--continue", check=False)
    assert "<<<<<<<" in bob.head
    assert rebase(bob).stdout.splitlines() == [
        "0003_add_pages is 0004_add_pages, after 0003_add_price",
        "migrations/head names 0004_add_pages",
        "Next: git add migrations",
    ]
    assert bob.names() == ["0001_create_books", "0002_add_author", "0003_add_price", "0004_add_pages"]
    bob.git("add", "--all")
    bob.git("rebase", "--continue")
    assert bob.git("status", "--short") == ""


def test_several_of_mine_keep_their_order(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    ada, bob = clones
    ada.step("change", add("author"))
    ada.step("change", add("year"))
    ada.commit()
    ada.git("push")
    for column in ("price", "pages", "cover"):
        bob.step("change", add(column))
    bob.commit()
    assert "CONFLICT" in bob.git("pull", "--no-rebase", check=False)
    before = [each.read_text() for each in sorted(bob.migrations.glob("*.py"))]
    assert any("<<<<<<<" in text for text in before)  # the same names: git has put them into one file
    rebase(bob)
    assert bob.files() == ["0001_create_books.py", *[f"{number:04}_change.py" for number in range(2, 7)]]
    columns = [each.path.read_text().partition('sa.Column("')[2].partition('"')[0] for each in read_history(bob.migrations)]
    assert columns == ["id", "author", "year", "price", "pages", "cover"]


def test_not_committed_migrations_come_last(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    ada, bob = clones
    bob.step("add price", add("price"))
    bob.git("stash", "--include-untracked")
    ada.step("add author", add("author"))
    ada.commit()
    ada.git("push")
    bob.git("pull")
    assert "CONFLICT" in bob.git("stash", "pop", check=False)
    rebase(bob)
    assert bob.names() == ["0001_create_books", "0002_add_author", "0003_add_price"]


@pytest.mark.parametrize("on_main", [False, True])
def test_without_a_remote_the_default_branch_comes_first(clones: tuple[Clone, Clone], rebase: Callable[..., Result], on_main: bool) -> None:
    clone = clones[0]
    clone.git("remote", "remove", "origin")
    clone.git("switch", "--create", "feature")
    clone.step("add price", add("price"))
    clone.commit()
    clone.git("switch", "main")
    clone.step("add author", add("author"))
    clone.commit()
    if not on_main:
        clone.git("switch", "feature")
    clone.git("merge", "feature" if on_main else "main", check=False)
    rebase(clone)
    assert clone.names() == ["0001_create_books", "0002_add_author", "0003_add_price"]


def test_one_says_which_are_mine(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    bob = diverge(clones)
    bob.git("pull", "--no-rebase", check=False)
    bob.git("remote", "remove", "origin")
    (bob.folder / ".git").rename(bob.folder / "gone")
    message = rebase(bob, code=2).output
    assert "has two lines, which end with 0002_add_author and 0002_add_price" in message
    assert "--mine 0002_add_price" in message
    assert "is none of the migrations that are in question: 0002_add_author, 0002_add_price" in rebase(bob, "--mine", "0007", code=1).output
    assert "is more than one of" in rebase(bob, "--mine", "0002", code=1).output
    before = bob.files()
    dry = rebase(bob, "--mine", "0002_add_author.py", "--dry-run")
    assert dry.stdout.startswith(
        "0002_add_author would be 0003_add_author, after 0002_add_price\nmigrations/head would name 0003_add_author\n"
    )
    assert bob.files() == before
    rebase(bob, "--onto", "0002_add_price")
    assert bob.names() == ["0001_create_books", "0002_add_price", "0003_add_author"]


def test_only_the_head_file_is_wrong(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    clone = clones[0]
    (clone.migrations / "head").unlink()
    assert "names 0001_create_books" in rebase(clone).output
    assert clone.head == "0001_create_books\n"


def test_both_add_the_same_column(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    bob = diverge(clones, mine="author", theirs="author")
    bob.git("pull", "--no-rebase", check=False)
    result = rebase(bob, code=1)
    assert "both change column books.author" in result.stderr
    assert "0003_add_author fails after 0002_add_author: the table 'books' has a column 'author' already" in result.stderr
    assert "take out of yours what theirs does already" in result.stderr
    assert len(bob.names()) == 3


def test_one_changes_what_the_other_drops(clones: tuple[Clone, Clone], rebase: Callable[..., Result]) -> None:
    ada, bob = clones
    ada.step("drop books", 'op.drop_table("books")')
    ada.commit()
    ada.git("push")
    bob.step("add price", add("price"))
    bob.commit()
    bob.git("pull", "--no-rebase", check=False)
    result = rebase(bob, code=1)
    assert "both change table books" in result.stderr


def test_databases_of_both_get_what_they_lack(
    clones: tuple[Clone, Clone],
    rebase: Callable[..., Result],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    url_of: Callable[[str], str],
    connect_to: Callable[[str], Connection],
) -> None:
    url = url_of(backend)
    bob = diverge(clones)

    def migrate() -> set[str]:
        monkeypatch.chdir(bob.folder)
        result = run("--app", str(bob.folder / "app.py"), "db", "migrate", DATABASE_URL=url)
        assert result.exit_code == 0, result.output
        return {column["name"] for column in inspect(connect_to(url)).get_columns("books")}

    assert migrate() == {"id", "price"}
    bob.git("pull", "--no-rebase", check=False)
    rebase(bob)
    assert migrate() == {"id", "price", "author"}
    assert migrate() == {"id", "price", "author"}


def test_alembics_line_follows(tmp_path: Path) -> None:
    from erlen.migrations.rebase import rename_reference

    path = tmp_path / "0002_b.py"
    path.write_text(
        '"""Ü.\n\nRevises: aa\n"""\nrevision = "bb"\ndown_revision: str | None = (\n    "aa"  # ü\n)\nx = "aa"\n', encoding="utf-8"
    )
    rename_reference(path, "down_revision", "cc")
    assert path.read_text(encoding="utf-8") == (
        '"""Ü.\n\nRevises: cc\n"""\nrevision = "bb"\ndown_revision: str | None = (\n    "cc"  # ü\n)\nx = "aa"\n'
    )


def test_the_command_in_a_process_of_its_own(clones: tuple[Clone, Clone]) -> None:
    bob = diverge(clones)
    bob.git("pull", "--no-rebase", check=False)
    done = subprocess.run([sys.executable, "-m", "erlen", "db", "rebase"], cwd=bob.folder, capture_output=True, text=True, check=True)
    assert "0002_add_price is 0003_add_price" in done.stdout
