"""`Target`: one database with the models and migrations that belong to it, those of packages too."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import MetaData, Table

from erlen.db.database import Database
from erlen.db.package import Package
from erlen.migrations.migration import History, HistoryError, Migration, read_history

if TYPE_CHECKING:
    from erlen.app.site import Site

__all__ = ["FOLDER", "Target", "targets_of"]

FOLDER = "migrations"
"""The folder of an application's migrations, beside the file that makes it."""


class Target(Struct, frozen=True, kw_only=True, eq=False):
    """A database, its models and its migrations."""

    database: Database
    name: str = "default"
    """The database's name."""
    root: Path
    """Where the application's own migrations are."""
    packages: tuple[Package, ...] = ()
    """Packages that bring their own models and migrations, in the order in which they were used."""

    @property
    def metadata(self) -> MetaData:
        """The tables of its models, those of packages too."""
        return self.database.metadata(self.name)

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return self.database.url(self.name).get_backend_name()

    @property
    def branches(self) -> tuple[str, ...]:
        """The packages' names, and `""` for the application."""
        return (*(package.name for package in self.packages), "")

    def folder(self, branch: str = "") -> Path:
        """Return where the migrations of a package are, or the application's own; other databases' are in folders inside."""
        package = next((package for package in self.packages if package.name == branch), None)
        folder = Path(package.folder) if package is not None else self.root
        return folder if self.name == "default" else folder / self.name

    def history(self, branch: str = "") -> History:
        """Read the migrations of one branch.

        Raises:
            HistoryError: if they make no chain.
        """
        return read_history(self.folder(branch), branch)

    def migrations(self) -> tuple[Migration, ...]:
        """Return all migrations in the order in which an empty database gets them: packages' first, each after what it depends on.

        Raises:
            HistoryError: if those of a branch make no chain, or one depends on a revision that is not there or comes after it.
        """
        return ordered(migration for branch in self.branches for migration in self.history(branch))

    def owner(self, table: Table) -> str:
        """Return the branch that a model's table belongs to: the package of its model, or `""` for the application."""
        modules = [mapper.class_.__module__ for mapper in self.database.base.registry.mappers if table in mapper.tables]
        modules += [
            mapper.class_.__module__
            for mapper in self.database.base.registry.mappers
            for relation in mapper.relationships
            if relation.secondary is table
        ]
        for package in self.packages:
            if any(package.has(module) for module in modules):
                return package.name
        return ""


def targets_of(site: Site, names: Sequence[str] = ()) -> list[Target]:
    """Return the databases of an application, or those of these names.

    Raises:
        HistoryError: if the application has no database, or none of a name.
    """
    database: Database | None = site.extensions.get("db")
    if database is None:
        raise HistoryError('the application has no database: `app.use(Database("sqlite:///app.db"))`')
    for name in names:
        if name not in database.names:
            raise HistoryError(f"there is no database {name!r}, only {', '.join(database.names)}")
    root = Path(database._root) / FOLDER
    packages = (*site.extensions["db.packages"], *_blueprints(site.extensions["db.blueprints"], root))
    return [Target(database=database, name=name, root=root, packages=packages) for name in names or database.names]


def _blueprints(given: Iterable[tuple[str, str]], root: Path) -> Iterable[Package]:
    """Yield the blueprints with a folder of migrations of their own."""
    for name, file in given:
        folder = Path(file).absolute().parent / FOLDER
        if folder != root and folder.is_dir():
            module = next((module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == file), None)
            yield Package(name, folder, (module.__package__ or module.__name__) if module is not None else name)


def ordered(migrations: Iterable[Migration]) -> tuple[Migration, ...]:
    """Put migrations after what they follow and depend on, otherwise in the order in which they come."""
    waiting = {migration.revision: migration for migration in migrations}
    placed: dict[str, Migration] = {}

    def place(migration: Migration, chain: tuple[str, ...]) -> None:
        if migration.revision in placed:
            return
        if migration.revision in chain:
            raise HistoryError(f"{migration.path} depends on itself: correct `depends_on`")
        for before in filter(None, (migration.down_revision, *migration.depends_on)):
            if before not in waiting:
                raise HistoryError(f"{migration.path} depends on the revision {before!r}, which is not there: correct `depends_on`")
            place(waiting[before], (*chain, migration.revision))
        placed[migration.revision] = migration

    for migration in waiting.values():
        place(migration, ())
    return tuple(placed.values())
