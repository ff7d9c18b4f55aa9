"""One migration in place of many, proved to do the same."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, func, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from erlen.errors import ErlenError
from erlen.migrations.compare import made_state
from erlen.migrations.connection import connect, scratch
from erlen.migrations.declared import Declarations
from erlen.migrations.execution import run_all
from erlen.migrations.files import Draft, new_revision, slug_of, source_of
from erlen.migrations.migration import HistoryError, Migration, read_file, write_file, write_head
from erlen.migrations.plan import REPLACED, find, replaced_by
from erlen.migrations.rebase import rename_reference
from erlen.migrations.records import applied, read_records
from erlen.migrations.render import Renderer
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.steps import Answers, write_steps
from erlen.migrations.target import Target, ordered

__all__ = ["Squash", "plan_squash", "prune", "write_squash"]


class Squash(Struct, frozen=True, kw_only=True):
    """A migration that takes the place of others, before it is written."""

    branch: str
    folder: Path
    migrations: tuple[Migration, ...]
    """Those that it replaces."""
    revision: str
    path: Path
    source: str
    is_made_anew: bool
    """Whether it makes the schema at once, instead of step by step."""
    is_head: bool
    notes: tuple[str, ...] = ()

    @property
    def replaced(self) -> Path:
        """Where the old files go."""
        return self.folder / REPLACED


def plan_squash(target: Target, chosen: str, name: str, *, branch: str = "", keep_steps: bool = False) -> Squash:
    """Return one migration in place of some, after it was tried in scratch databases: it leads to the same schema and rows.

    Args:
        target: the database, whose engine they are tried on.
        chosen: `FROM:TO`, as migrations are named elsewhere; without one of them from the first, or to the last.
        name: what the new one is called.
        branch: the package whose migrations, or `""` for the application's.
        keep_steps: carry all steps over, even where the schema could be made at once.

    Raises:
        HistoryError: if there are not two of them, one cannot be carried over, or the new one would not do the same.
    """
    history = target.history(branch)
    old = _chosen(history.migrations, chosen)
    after_last = next((each for each in history if each.down_revision == old[-1].revision), None)
    others = [each for other in target.branches for each in target.history(other) if each not in old]
    inside = {each.revision for each in old}
    depends_on = tuple(dict.fromkeys(each for one in old for each in one.depends_on if each not in inside))
    revision = new_revision()
    path = history.folder / f"{old[-1].number:04}_{slug_of(name)}.py"
    place = Migration(revision=revision, down_revision=old[0].down_revision, depends_on=depends_on, path=path, branch=branch)
    virtual = [replace(each, **_pointed(each, inside, revision)) for each in others]
    before = ordered([*virtual, place])
    before = before[: before.index(place)]
    basis = Draft(
        message=name,
        upgrade="",
        downgrade=None,
        depends_on=depends_on,
        replaces=tuple(each.revision for each in old),
        after_deploy=" and ".join(dict.fromkeys(each.after_deploy for each in old if each.after_deploy)),
    )
    notes: list[str] = []
    with scratch(target) as connection:
        declarations = Declarations(connection.dialect)
        run_all(connection, before, prepare=declarations.listen)
        empty = made_state(connection, declarations)
        connection.rollback()
        run_all(connection, old, prepare=declarations.listen)
        full = made_state(connection, declarations)
        goal, rows = schema_of(connection), _rows(connection)
        connection.rollback()
        dialect = connection.dialect
    if not keep_steps and old[0].down_revision is None and all(_is_about_schema(each) for each in old) and not any(rows.values()):
        renderer = Renderer(dialect)
        up, down = write_steps(empty, full, Answers(), renderer), write_steps(full, empty, Answers(), renderer, neutral=True)
        draft = Draft(
            message=basis.message,
            upgrade=up.code,
            downgrade=down.code if all(_has_way_back(each) for each in old) else None,
            imports=renderer.import_lines,
            constants=tuple(f"{each} = {code}" for each, code in renderer.constants.items()),
            depends_on=depends_on,
            replaces=basis.replaces,
        )
        source = source_of(draft, revision, old[0].down_revision)
        wrong = [*up.problems, *_proof(target, before, place, source, goal, rows)]
        if not wrong:
            return Squash(
                branch=branch,
                folder=history.folder,
                migrations=old,
                revision=revision,
                path=path,
                source=source,
                is_made_anew=True,
                is_head=after_last is None,
            )
        notes.append(f"Its tables could not be made at once: {wrong[0]}")
    source = _carried(basis, revision, old)
    wrong = _proof(target, before, place, source, goal, rows)
    if wrong:
        raise HistoryError("\n  ".join(["one migration with all these steps would not do the same:", *wrong[:8]]))
    return Squash(
        branch=branch,
        folder=history.folder,
        migrations=old,
        revision=revision,
        path=path,
        source=source,
        is_made_anew=False,
        is_head=after_last is None,
        notes=tuple(notes),
    )


def write_squash(target: Target, squash: Squash) -> None:
    """Move the old files, write the new one, and let what comes after follow it."""
    inside = {each.revision for each in squash.migrations}
    others = [each for branch in target.branches for each in target.history(branch) if each.revision not in inside]
    draft = squash.path.with_name(f".{squash.path.name}")  # its name may be that of one it replaces
    write_file(draft, squash.source)
    squash.replaced.mkdir(exist_ok=True)
    for each in squash.migrations:
        within = replaced_by(each)
        if within:  # what a squashed migration replaces stands beside it, too
            (squash.replaced / REPLACED).mkdir(exist_ok=True)
        for inner in within:
            inner.path.rename(squash.replaced / REPLACED / inner.path.name)
    for each in squash.migrations:
        each.path.rename(squash.replaced / each.path.name)
    draft.rename(squash.path)
    for each in others:
        if each.branch == squash.branch and each.down_revision in inside:
            rename_reference(each.path, "down_revision", squash.revision)
        if inside.intersection(each.depends_on):
            _rename_dependencies(each.path, inside, squash.revision)
    if squash.is_head:
        write_head(squash.folder, read_file(squash.path))


def prune(target: Target, branch: str = "", *, dry_run: bool = False) -> list[Path]:
    """Remove the files of migrations that were squashed, and return them. `replaces` stays, for databases that have only those.

    Raises:
        HistoryError: if this database lacks one of them: it may still need the files.
    """
    folder = target.folder(branch)
    files = sorted((folder / REPLACED).rglob("*.py"))
    if not files:
        return []
    with connect(target) as connection:
        there = applied(read_records(connection))
        connection.rollback()
    for each in target.history(branch):
        if each.replaces and replaced_by(each) and each.revision not in there:
            raise HistoryError(f"this database does not have {each.name} yet, and may need what it replaces: run `erlen db migrate` first")
    if not dry_run:
        for path in files:
            path.unlink()
        for inner in sorted((folder / REPLACED).rglob("*"), reverse=True):
            if inner.is_dir() and not any(inner.iterdir()):
                inner.rmdir()
        if not any((folder / REPLACED).iterdir()):
            (folder / REPLACED).rmdir()
    return files


def _chosen(migrations: Sequence[Migration], given: str) -> tuple[Migration, ...]:
    first, colon, last = given.partition(":")
    if not colon:
        raise HistoryError(f"{given!r} is no range: say from where to where, such as `3:17`, `:17` or `3:`")
    if len(migrations) < 2:
        raise HistoryError("there is nothing to squash: there are no two migrations")
    start = migrations.index(find(migrations, first)) if first else 0
    end = migrations.index(find(migrations, last)) if last else len(migrations) - 1
    if end <= start:
        raise HistoryError(
            f"{given!r} is no range of two migrations or more: {migrations[start].name} does not come before {migrations[end].name}"
        )
    return tuple(migrations[start : end + 1])


def _pointed(migration: Migration, inside: set[str], revision: str) -> dict[str, object]:
    """Return what a migration says of others, once some are another one."""
    return {
        "down_revision": revision if migration.down_revision in inside else migration.down_revision,
        "depends_on": tuple(dict.fromkeys(revision if each in inside else each for each in migration.depends_on)),
    }


def _proof(
    target: Target, before: Sequence[Migration], place: Migration, source: str, goal: dict[str, str], rows: dict[str, int]
) -> list[str]:
    """Return how a migration differs from what it is to do, in a scratch database; or why it fails."""
    import tempfile

    with scratch(target) as connection, tempfile.TemporaryDirectory() as folder:
        run_all(connection, before)
        start = schema_of(connection)
        connection.rollback()
        migration = replace(place, path=Path(folder) / place.path.name)
        migration.path.write_text(source, encoding="utf-8")
        try:
            run_all(connection, [migration])
            found, made = schema_of(connection), _rows(connection)
            connection.rollback()
            wrong = differences(goal, found)
            wrong += [f"{name} has {made.get(name, 0)} rows, not {count}" for name, count in rows.items() if made.get(name, 0) != count]
            if not wrong and "\ndef downgrade(" in source:
                run_all(connection, [migration], "downgrade")
                wrong = [f"after downgrade() {each}" for each in differences(start, schema_of(connection))]
                connection.rollback()
        except (SQLAlchemyError, ErlenError, ValueError, KeyError, NameError, TypeError, NotImplementedError) as error:
            connection.rollback()
            return [f"it fails: {getattr(error, 'orig', None) or error}"]
    return wrong


def _rows(connection: Connection) -> dict[str, int]:
    return {
        name: int(connection.scalar(select(func.count()).select_from(table(name))) or 0) for name in inspect(connection).get_table_names()
    }


# -- what a file does -------------------------------------------------------------------------------------------------------------


def _is_about_schema(migration: Migration) -> bool:
    """Whether a file only has Alembic's operations on the schema.

    Statements that change rows do nothing where it is used: in a database that has none yet.
    """
    tree = ast.parse(migration.path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in ("upgrade", "downgrade"):
            continue
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            if all(module.partition(".")[0] in ("__future__", "alembic", "sqlalchemy") for module in modules):
                continue
            return False
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr):
            return False
    upgrade = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    changes_rows = {id(node.func) for each in upgrade for node in ast.walk(each) if isinstance(node, ast.Call) and _changes_rows(node)}
    used = (node for each in upgrade for node in ast.walk(each) if isinstance(node, ast.Attribute))
    return not any(node.attr in _BEYOND_SCHEMA and id(node) not in changes_rows for node in used)


def _changes_rows(call: ast.Call) -> bool:
    """Whether a call is `op.execute("UPDATE …")`, or DELETE."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "execute" or len(call.args) != 1:
        return False
    said: ast.expr = call.args[0]
    if isinstance(said, ast.Call) and said.args:  # `sa.text("UPDATE …")`
        said = said.args[0]
    return (
        isinstance(said, ast.Constant)
        and isinstance(said.value, str)
        and bool(_OF_ROWS(said.value))
        and ";" not in said.value.rstrip("; \n")
    )


def _has_way_back(migration: Migration) -> bool:
    tree = ast.parse(migration.path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "downgrade" for node in tree.body)


def _carried(basis: Draft, revision: str, old: Sequence[Migration]) -> str:
    """Return a file with the steps of others, each in a function of its own."""
    parts: list[str] = []
    settings: dict[str, float | None] = {}
    both = all(_has_way_back(each) for each in old)
    for each in old:
        source = each.path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        _refuse_what_cannot_move(each, tree)
        for name, value in _limits(tree):
            known = settings.get(name, 0.0)
            settings[name] = None if value is None or known is None else max(known, value)
        body = _indented(_without(source, tree).strip("\n"))
        calls = '{"upgrade": upgrade, "downgrade": downgrade}[direction]()' if both else "upgrade()"
        parts.append(f"def step_{each.name}({'direction: str' if both else ''}) -> None:\n{body}\n\n    {calls}\n")
    said = '("upgrade")' if both else "()"
    upgrade = "\n".join(f"step_{each.name}{said}" for each in old)
    downgrade = "\n".join(f'step_{each.name}("downgrade")' for each in reversed(old)) if both else None
    draft = replace(basis, upgrade=upgrade, downgrade=downgrade, constants=tuple(f"{name} = {value}" for name, value in settings.items()))
    head, mark, rest = source_of(draft, revision, old[0].down_revision).partition("\n\ndef upgrade(")
    return f"{head}\n\n{chr(10).join(f'{part}{chr(10)}' for part in parts)}{mark[1:]}{rest}"


def _refuse_what_cannot_move(migration: Migration, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global) or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*"):
            what = "`global`" if isinstance(node, ast.Global) else "`import *`"
            raise HistoryError(
                f"{migration.path}:{node.lineno} has {what}, which cannot stand in a function: write it otherwise, then squash"
            )


def _limits(tree: ast.Module) -> Iterator[tuple[str, float | None]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _LIMITS:
            value: float | None = ast.literal_eval(node.value)
            yield node.targets[0].id, value


def _without(source: str, tree: ast.Module) -> str:
    """Return a module without what belongs to the file: its docstring, its names for Alembic, and imports of `__future__`."""
    gone: set[int] = set()
    for place, node in enumerate(tree.body):
        is_docstring = place == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
        if is_docstring or is_future or (isinstance(target, ast.Name) and target.id in (*_OF_FILE, *_LIMITS)):
            gone.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    kept = "".join(line for number, line in enumerate(source.splitlines(keepends=True), 1) if number not in gone)
    return re.sub(r"\n{3,}", "\n\n", kept)


def _indented(source: str) -> str:
    """Move code in, but not the lines within texts."""
    inside: set[int] = set()
    starts: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING:
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        elif token.type == _FSTRING_START:
            starts.append(token.start[0])
        elif token.type == _FSTRING_END:
            inside.update(range(starts.pop() + 1, token.end[0] + 1))
    lines = source.splitlines()
    return "\n".join(line if number in inside or not line.strip() else f"    {line}" for number, line in enumerate(lines, 1))


def _rename_dependencies(path: Path, inside: Iterable[str], revision: str) -> None:
    source = path.read_text(encoding="utf-8")
    for each in inside:
        source = re.sub(rf"(?m)^(depends_on\b.*)([\"']){re.escape(each)}\2", rf'\1"{revision}"', source)
    write_file(path, source)


_BEYOND_SCHEMA = frozenset({"execute", "get_bind", "bulk_insert", "get_context", "run_async", "invoke", "scalar", "scalars", "begin"})
_OF_ROWS = re.compile(r"\s*(?:UPDATE|DELETE)\b", re.IGNORECASE).match
_OF_FILE = ("revision", "down_revision", "depends_on", "replaces", "after_deploy", "branch_labels")
_LIMITS = ("lock_timeout", "statement_timeout")
_FSTRING_START: int = getattr(tokenize, "FSTRING_START", -1)  # f-strings are one token before Python 3.12
_FSTRING_END: int = getattr(tokenize, "FSTRING_END", -1)
