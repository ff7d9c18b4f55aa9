"""Migrations when an application starts or is checked: new databases for development, and what is not applied yet."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from erlen.errors import ErlenError, Mistake
from erlen.migrations.plan import plan_upgrade, shown
from erlen.migrations.runner import known, migrate
from erlen.migrations.target import Target, targets_of

__all__ = ["pending_mistakes", "prepare"]


def prepare(site: Any) -> frozenset[str]:
    """Run the migrations on SQLite files that have no tables yet, and warn where others lack some.

    Args:
        site: the site, or what else has its `extensions`.

    Returns:
        the names of the databases that have migrations.
    """
    import logging

    log = logging.getLogger("erlen.db")
    managed: set[str] = set()
    try:
        for target in targets_of(site):
            if not target.migrations():
                continue
            managed.add(target.name)
            if target.dialect == "sqlite" and not inspect(target.database.engines(target.name).engine).get_table_names():
                migrate(target)
            elif (message := _pending(target)) is not None:
                log.warning("%s: `erlen db migrate`", message)
    except ErlenError as error:
        log.warning("%s", error)
    return frozenset(managed)


def pending_mistakes(site: Any) -> tuple[list[Mistake], bool]:
    """Return what `erlen check` says of migrations that are not applied, and whether there are migrations at all."""
    mistakes: list[Mistake] = []
    managed = False
    try:
        for target in targets_of(site):
            managed = bool(target.migrations()) or managed
            if (message := _pending(target)) is not None:
                mistakes.append(Mistake(message, fix="`erlen db migrate`; `erlen db status` lists them"))
    except (ErlenError, SQLAlchemyError) as error:
        mistakes.append(Mistake(f"the migrations: {error}"))
    return mistakes, managed


def _pending(target: Target) -> str | None:
    plan = plan_upgrade(target, known(target, note=lambda _: None))
    if not plan:
        return None
    steps = (*plan.steps, *plan.waiting)
    names = ", ".join(shown(step.migration) for step in steps[:3])
    more = ", …" if len(steps) > 3 else ""
    count = "1 migration is" if len(steps) == 1 else f"{len(steps)} migrations are"
    return f"{count} not applied to the database {target.name!r}: {names}{more}"
