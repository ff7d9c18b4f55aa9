"""What no engine makes safe: running code that still reads what is gone, rows that are lost, steps that fail."""

from __future__ import annotations

from collections.abc import Iterator

from erlen.lint.change import Change
from erlen.lint.finding import Problem
from erlen.lint.progress import Progress
from erlen.migrations.sql import tokens

__all__ = ["judge"]


def judge(change: Change, progress: Progress) -> Iterator[Problem]:
    """Yield what is wrong with a change on any engine."""
    if change.kind == "unknown":
        yield Problem("not-checked", "not checked", "This SQL is not understood: what it locks and for how long is not known.", _LOOK)
        return
    if "cascade" in change.options:
        what = f"{change.kind.partition(' ')[2] or 'table'} {change.name or change.table}"
        why = f"CASCADE takes with {what} whatever depends on it and is not named here: views, foreign keys, rows of other tables."
        yield Problem("cascade", "loses data", why, "leave CASCADE out and name each part that is to go")
    if progress.is_succeeded(change):
        return
    match change.kind:
        case "drop table" | "rename table" | "truncate" | "drop other":
            yield from _tables(change, progress)
        case "drop column" | "rename column" | "add column" | "drop default" | "modify column":
            yield from _columns(change, progress)
        case "rename value":
            why = f"Running code still writes {change.source!r} into columns of {change.name}, which fails from then on."
            yield Problem(
                "rename-value", "breaks running code", why, "add the new value, change the code and the rows, and keep the old one"
            )
        case "short" if "rename type" in change.options:
            why = f"Running code that casts to {change.name} fails from then on."
            yield Problem("rename-type", "breaks running code", why, "leave its name as it is")
        case "update" | "delete" if progress.is_live(change.table):
            yield from _rows(change, progress)
        case _:
            pass


def _tables(change: Change, progress: Progress) -> Iterator[Problem]:
    name = change.table
    if change.kind == "drop other":
        if change.source == "schema":
            why = f"All tables of the schema {change.name} go, with their rows; what still reads them fails."
            yield Problem("drop-table", "loses data", why, "drop its tables one by one, when no running code reads them")
        return
    if not progress.is_live(name):
        return
    if change.kind == "truncate":
        yield Problem("truncate", "loses data", f"All rows of {name} are lost.", "say in a comment why none is needed")
    elif change.kind == "rename table":
        why = f"Running code still reads and writes {name}, and fails until the new code has replaced all of it."
        fix = (
            f"keep the table and its name: `__tablename__ = {name!r}` lets the model have another; or rename it with a view of the old name"
        )
        yield Problem("rename-table", "breaks running code", why, fix)
    else:
        still = " Today's models have it too." if name in progress.metadata.tables else ""
        why = f"Running code that still reads or writes {name} fails, and its rows are lost.{still}"
        fix = "first deploy code without its model, then drop it with the next deploy"
        yield Problem("drop-table", "breaks running code", why, fix)


def _columns(change: Change, progress: Progress) -> Iterator[Problem]:
    table, name = change.table, change.name
    if not progress.is_live(table):
        return
    is_new = (table, name) in progress.new_columns
    column = change.column
    full = f"{table}.{name}"
    if change.kind == "rename column" and not is_new:
        why = f"Running code still reads and writes {full}, and fails until the new code has replaced all of it."
        fix = f"keep the column, and give the attribute another name: `{change.to}: Mapped[…] = mapped_column({name!r})`"
        yield Problem("rename-column", "breaks running code", why, fix)
    elif change.kind == "modify column" and column is not None and column.name != name and not is_new:
        yield from _columns(Change(kind="rename column", table=table, name=name, to=column.name), progress)
    elif change.kind == "drop column" and not is_new:
        model = progress.metadata.tables.get(table)
        still = " Today's models have it too." if model is not None and name in model.columns else ""
        why = f"Running code that has {full} in its models names it in every SELECT and INSERT, and fails; its values are lost.{still}"
        fix = "first deploy code without the column (it must be nullable or have a server default then), and drop it with the next deploy"
        yield Problem("drop-column", "breaks running code", why, fix)
    elif change.kind == "add column" and column is not None and _is_required(change):
        fix = "add it as nullable or with a server default, fill it in, then require it"
        if progress.dialect in ("mysql", "mariadb"):
            why = f"INSERTs of running code, which does not know {full}, fail from then on; rows that are there get an empty text or 0."
            yield Problem("add-required-column", "breaks running code", why, fix)
        else:
            why = f"Rows that are there have no value for {full}: it fails unless {table} is empty, and then INSERTs of running code do."
            yield Problem("add-required-column", "fails", why, fix)
    elif change.kind == "drop default" and not progress.tables.table(table).column(name).nullable:
        why = f"Running code that does not know {full}, or left its value to the default, fails to INSERT into {table} from then on."
        fix = "keep the server default, or drop it with the next deploy, when all running code gives a value"
        if is_new or progress.tables.table(table).column(name).default is not None:
            yield Problem("drop-default", "breaks running code", why, fix)


def _is_required(change: Change) -> bool:
    column = change.column
    return column is not None and not column.nullable and column.default is None and not column.generated and not column.counted


def _rows(change: Change, progress: Progress) -> Iterator[Problem]:
    if "batches" in change.options or not _reaches_all(change.source, progress.dialect):
        return
    word = change.kind.upper()
    why = f"One {word} of all rows of {change.table} holds each of them until it ends: whoever changes one waits that long."
    if progress.dialect == "sqlite":
        return
    yield Problem("all-rows", "locks", why, "do it in portions, each in a transaction of its own")


def _reaches_all(condition: str, dialect: str) -> bool:
    """Whether a condition may hold for every row: there is none, or it asks only whether columns are NULL."""
    narrows = ("in", "exists", "like", "between", "any")
    return not any((token.kind == "symbol" and token.text in "=<>~@") or token.is_word(*narrows) for token in tokens(condition, dialect))


_LOOK = "check it by hand against the lock table of the server's manual, then say so: `# lint: ignore not-checked: reason`"
