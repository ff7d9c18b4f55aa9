"""Seeds: what fills a new database. They may run again and again: functions by `upsert`, files because their rows are updated.

`seeds.py` beside the application has functions that take a session, `def countries(db: Session)` or `async def`; a folder `seeds` has
files that `dump` wrote, or people (those of other databases than the default are in folders of their names).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from msgspec import Struct

from erlen.db.database import Database
from erlen.db.session import Session
from erlen.migrations.target import Target
from erlen.rows.entity import RowsError
from erlen.rows.files import is_rows, read_lines
from erlen.rows.load import load_into

__all__ = ["Seed", "seed", "seeds_of"]

NAME = "seeds"


class Seed(Struct, frozen=True, eq=False):
    """One seed: a function, or a file of rows."""

    name: str
    """Of the function; of a file, without its endings."""
    place: str
    """Where it is: `seeds.py:12`, or the file."""
    function: Callable[..., Any] | None = None
    target: Target | None = None
    """Whose rows a file has."""

    @property
    def is_async(self) -> bool:
        from inspect import iscoroutinefunction

        return iscoroutinefunction(self.function)


def seed(targets: Sequence[Target], names: Sequence[str] = (), *, notice: Callable[[Seed], object] | None = None) -> list[Seed]:
    """Run seeds in one transaction (for each database), files first, and return them.

    Args:
        targets: the databases; functions may write to all of the application's, whichever are said here.
        names: of the seeds to run, in this order; all by default.
        notice: is told of each before it runs.

    Raises:
        RowsError: for a seed that is not there, or a row that cannot be stored.
    """
    there = seeds_of(targets)
    known = {each.name: each for each in there}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"only {', '.join(known)}"
                if known
                else "`seeds.py` and the folder `seeds` have none"
            )
            raise RowsError(f"there is no seed {name!r}: {hint}")
    wanted = [known[name] for name in names] if names else there
    if not wanted:
        return []
    database = targets[0].database
    if any(each.is_async for each in wanted):
        import asyncio

        asyncio.run(_run_on_loop(database, wanted, notice))
        return wanted
    with database.session() as db:
        for each in wanted:
            if notice is not None:
                notice(each)
            _run(each, db)
    return wanted


def seeds_of(targets: Sequence[Target]) -> list[Seed]:
    """Return the seeds that an application has: files in the order of their names, then functions in that of their lines.

    Raises:
        RowsError: if two have the same name, or a function takes something other than one session.
    """
    found: list[Seed] = []
    for target in targets:
        found += _files(target)
    if targets:
        found += _functions(targets[0].root.parent)
    places: dict[str, str] = {}
    for each in found:
        if each.name in places:
            raise RowsError(f"two seeds are called {each.name!r}: {places[each.name]} and {each.place}")
        places[each.name] = each.place
    return found


def _files(target: Target) -> Iterator[Seed]:
    folder = target.root.parent / NAME
    folder = folder if target.name == "default" else folder / target.name
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if is_rows(path):
            yield Seed(path.name.partition(".")[0], str(path), target=target)


def _functions(folder: Path) -> Iterator[Seed]:
    from inspect import signature

    module = _module(folder)
    if module is None:
        return
    functions = [each for each in vars(module).values() if isinstance(each, FunctionType) and each.__module__ == module.__name__]
    for function in sorted(functions, key=lambda each: each.__code__.co_firstlineno):
        if function.__name__.startswith("_"):
            continue
        place = f"{module.__file__}:{function.__code__.co_firstlineno}"
        needed = [each for each in signature(function).parameters.values() if each.default is each.empty]
        if len(needed) != 1:
            wrong = f"the seed {function.__name__!r} takes {len(needed)} arguments, not one: `def {function.__name__}(db: Session)`"
            raise RowsError(f"{wrong}\n  at  {place}\n  fix let the names of functions that are no seeds begin with `_`")
        yield Seed(function.__name__, place, function)


def _module(folder: Path) -> ModuleType | None:
    """Import `seeds.py` as the application's modules are, so that both have the same models."""
    path = folder / f"{NAME}.py"
    if not path.is_file():
        return None
    package = next((name for name, each in list(sys.modules.items()) if str(folder) in getattr(each, "__path__", ())), None)
    if package is not None:
        return import_module(f"{package}.{NAME}")
    spec = spec_from_file_location(NAME, path)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _run_on_loop(database: Database, wanted: Sequence[Seed], notice: Callable[[Seed], object] | None) -> None:
    try:
        async with database.async_session() as db:
            for each in wanted:
                if notice is not None:
                    notice(each)
                if each.function is not None and each.is_async:
                    await each.function(db)
                else:
                    await db.run_sync(partial(_run, each))
    finally:
        await database.dispose_async()


def _run(each: Seed, db: Session) -> None:
    if each.function is not None:
        each.function(db)
    elif each.target is not None:
        database = each.target.database
        bind = database.bound.get(each.target.name) or database.engines(each.target.name, db.colour).writer
        connection = db.connection(bind_arguments={"bind": bind})
        load_into(connection, each.target, read_lines(each.place), existing="update")
