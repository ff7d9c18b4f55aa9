"""How the database meets an application: sessions for handlers, models from paths, tables for the first start."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from sqlalchemy import orm, select
from sqlalchemy.ext import asyncio

from erlen.app.blueprint import Blueprint
from erlen.app.flatten import included
from erlen.app.secret import signing_keys
from erlen.binding.parameter import SAFE
from erlen.db.engines import is_memory
from erlen.db.query_log import LogQueries, queries_panel, secrets_of
from erlen.db.route_model import resolve_model
from erlen.db.session import AsyncSession, Session
from erlen.errors import Mistake
from erlen.http.request import Request
from erlen.http.response import Response

if TYPE_CHECKING:
    from erlen.app.plugin import Setup
    from erlen.db.database import Database

__all__ = ["set_up"]

_COOKIE = "erlen_primary"


def set_up(database: Database, setup: Setup) -> None:
    """Add a database to the site that is being frozen. Nothing connects."""
    settings = setup.settings
    database._root = str(setup.root)
    if not database._redirected:
        urls = {**database._given, **settings.database_urls}
        database._given = urls | ({"default": settings.database_url} if settings.database_url else {})
        database._resolve()
        database.use_keys(signing_keys(settings, str(setup.root / "app.py")))
    if not database._sized:
        database._options = replace(database._options, pool_size=settings.threads)
    database.base.registry.configure()

    def options_for(request: Request) -> dict[str, Any]:
        reading, primary = request.method in SAFE, _wants_primary(database, request)
        # Work after the response that still used it would hold a connection that nobody returns: closed, it refuses.
        return {"reading": reading, "primary": primary, "strict": settings.database_strict, "close_resets_only": False}

    def open_session(request: Request) -> Generator[Session, Response | None, None]:
        """Give a `def` handler its session."""
        session = Session(database, **options_for(request))
        with database.turn():
            try:
                response = yield session
            except BaseException:
                session.finish(keep=False)
                raise
            else:
                wrote = session.has_written
                session.finish(keep=response is not None and response.status < 400)
                _stay(database, request, response, wrote)
            finally:
                session.close()

    async def open_async_session(request: Request) -> AsyncGenerator[AsyncSession, Response | None]:
        """Give an `async def` handler its session."""
        session = AsyncSession(database, **options_for(request))
        async with database.async_turn():
            try:
                response = yield session
            except BaseException:
                await session.finish(keep=False)
                raise
            else:
                wrote = session.sync_session.has_written
                await session.finish(keep=response is not None and response.status < 400)
                _stay(database, request, response, wrote)
            finally:
                await session.close()

    for kind in (Session, orm.Session):
        setup.provide(kind, open_session)
    for async_kind in (AsyncSession, asyncio.AsyncSession):
        setup.provide(async_kind, open_async_session)
    setup.resolve(resolve_model)
    setup.share("db", database)
    setup.extensions.setdefault("db.packages", [])
    setup.share("db.blueprints", [(each.name, each.file) for each in included(setup._app) if isinstance(each, Blueprint)])
    setup.extensions.setdefault("shell.names", []).append(lambda: _shell_names(database))
    if settings.debug:
        setup.add_middleware(LogQueries())
        setup.extensions.setdefault("debug.panels", []).append(queries_panel)
        setup.extensions.setdefault("debug.secrets", []).append(lambda request: [*database.secrets(), *secrets_of(request)])
    create = database.create
    if create or (create is None and settings.debug):
        setup.on_startup(lambda: _create_tables(database, setup, always=bool(create)))
    setup.on_shutdown(database.dispose_async)
    setup.on_shutdown(database.dispose)
    setup.add_check(lambda site: _mistakes(database, site))


def _shell_names(database: Database) -> dict[str, Any]:
    """Return what `erlen shell` knows of a database."""
    models = {mapper.class_.__name__: mapper.class_ for mapper in database.base.registry.mappers}
    return {**models, "db": Session(database), "select": select}


def _wants_primary(database: Database, request: Request) -> bool:
    return not database.has_replicas or request.cookies.get(_COOKIE) is not None


def _stay(database: Database, request: Request, response: Response | None, wrote: bool) -> None:
    """Let a visitor who has written read what was written, until the replicas have it."""
    if wrote and response is not None and database.has_replicas:
        response.set_cookie(_COOKIE, "1", max_age=round(database.sticky), secure=request.scheme == "https", httponly=True)


def _create_tables(database: Database, setup: Setup, *, always: bool) -> None:
    """Make the tables of a SQLite file that has none yet, so that the first start needs no command; where there are migrations, by them."""
    from sqlalchemy import inspect

    if database.bound:
        return  # a test's databases have their tables, and what it wrote may lock them
    managed = _migrations().prepare(setup) if not always and _has_migrations(setup) else ()
    for name in database.names:
        if name in managed:
            continue
        url = database.url(name)
        with database.engines(name).engine.connect() as connection:
            is_new = url.get_backend_name() == "sqlite" and not inspect(connection).get_table_names()
        if always or is_new:
            with database.engines(name).writer.begin() as connection:
                database.metadata(name).create_all(connection)


def _has_migrations(site: Any) -> bool:
    """Whether there may be migrations: their room need not be loaded where there are none."""
    folder = Path(site.extensions["db"]._root) / "migrations"
    return folder.is_dir() or bool(site.extensions["db.packages"])


def _migrations() -> Any:
    """Return what the room above does at the start."""
    return import_module("erlen.migrations.start")


def _mistakes(database: Database, site: Any) -> list[Mistake]:
    mistakes = [
        Mistake(f"the database {health.name!r} does not answer: {health.error}", fix="start it, or correct its URL")
        for health in database.health()
        if not health.ok
    ]
    managed = False
    if not mistakes and _has_migrations(site):
        mistakes, managed = _migrations().pending_mistakes(site)
    if not mistakes and (missing := database.missing_tables()):
        fix = (
            "write a migration: `erlen db make`"
            if managed
            else "make them: `erlen db make` and `erlen db migrate`, or `database.create_all()`"
        )
        mistakes.append(Mistake(f"the database lacks tables: {', '.join(missing[:8])}", fix=fix))
    if not site.settings.debug and any(is_memory(database.url(name)) for name in database.names):
        mistakes.append(Mistake("the database is in memory: it is empty after each start", fix="set DATABASE_URL"))
    return mistakes
