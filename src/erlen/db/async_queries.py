"""The queries of an `AsyncSession`: those of `Queries`, each awaited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from sqlalchemy import ColumnExpressionArgument, Executable, Row, orm
from sqlalchemy.ext import asyncio
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.selectable import TypedReturnsRows

from erlen.db.bulk import Values, read_batch
from erlen.db.fields import Fields
from erlen.db.keyset import Keyset
from erlen.db.locks import acquire
from erlen.db.page import Page, Total
from erlen.db.selection import Columns, Item, One, Source, Two, statement_of, value_of

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = ["AsyncQueries"]

Key = TypeVar("Key")
Result = TypeVar("Result")


class AsyncQueries(asyncio.AsyncSession):
    """The methods that `AsyncSession` adds to SQLAlchemy's: what `Queries` has, by the same names and with the same arguments."""

    @overload
    async def all(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> list[Item]: ...
    @overload
    async def all(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]
    ) -> list[Row[One, Two, *Columns]]: ...
    @overload
    async def all(self, what: Executable) -> list[Any]: ...
    async def all(self, what: Any, *where: ColumnExpressionArgument[bool]) -> list[Any]:
        """Return everything that a query gives; see `Queries.all`."""
        return await self._run(lambda db: db.all(what, *where))

    @overload
    async def first(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item | None: ...
    @overload
    async def first(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]
    ) -> Row[One, Two, *Columns] | None: ...
    @overload
    async def first(self, what: Executable) -> Any: ...
    async def first(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the first of what a query gives, or None; see `Queries.first`."""
        return await self._run(lambda db: db.first(what, *where))

    @overload
    async def one(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item: ...
    @overload
    async def one(self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]) -> Row[One, Two, *Columns]: ...
    @overload
    async def one(self, what: Executable) -> Any: ...
    async def one(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the only thing that a query gives; see `Queries.one`."""
        return await self._run(lambda db: db.one(what, *where))

    @overload
    async def one_or_none(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item | None: ...
    @overload
    async def one_or_none(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]
    ) -> Row[One, Two, *Columns] | None: ...
    @overload
    async def one_or_none(self, what: Executable) -> Any: ...
    async def one_or_none(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the only thing that a query gives, or None; see `Queries.one_or_none`."""
        return await self._run(lambda db: db.one_or_none(what, *where))

    @overload
    async def get_or_404(self, what: type[Item], key: object, /) -> Item: ...
    @overload
    async def get_or_404(self, what: TypedReturnsRows[Item], /) -> Item: ...
    @overload
    async def get_or_404(self, what: TypedReturnsRows[One, Two, *Columns], /) -> Row[One, Two, *Columns]: ...
    @overload
    async def get_or_404(self, what: Executable, /) -> Any: ...
    async def get_or_404(self, what: Any, key: Any = None, /) -> Any:
        """Return the object with a primary key, or the only thing that a statement gives; see `Queries.get_or_404`."""
        return await self._run(lambda db: db.get_or_404(what, key))

    @overload
    async def latest(self, what: Source[Item], by: QueryableAttribute[Any]) -> Item | None: ...
    @overload
    async def latest(self, what: TypedReturnsRows[One, Two, *Columns], by: QueryableAttribute[Any]) -> Row[One, Two, *Columns] | None: ...
    async def latest(self, what: Any, by: QueryableAttribute[Any]) -> Any:
        """Return what has the greatest value of a field, or None; see `Queries.latest`."""
        return await self._run(lambda db: db.latest(what, by))

    @overload
    async def earliest(self, what: Source[Item], by: QueryableAttribute[Any]) -> Item | None: ...
    @overload
    async def earliest(self, what: TypedReturnsRows[One, Two, *Columns], by: QueryableAttribute[Any]) -> Row[One, Two, *Columns] | None: ...
    async def earliest(self, what: Any, by: QueryableAttribute[Any]) -> Any:
        """Return what has the least value of a field, or None; see `Queries.earliest`."""
        return await self._run(lambda db: db.earliest(what, by))

    async def exists(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool]) -> bool:
        """Return whether a query gives any row; see `Queries.exists`."""
        return await self._run(lambda db: db.exists(what, *where))

    async def count(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool]) -> int:
        """Return how many rows a query gives; see `Queries.count`."""
        return await self._run(lambda db: db.count(what, *where))

    async def in_bulk(self, model: type[Item], keys: Iterable[Key], *, by: QueryableAttribute[Key] | None = None) -> dict[Key, Item]:
        """Return the objects with some keys, by these; see `Queries.in_bulk`."""
        return await self._run(lambda db: db.in_bulk(model, keys, by=by))

    @overload
    async def page(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        number: int = 1,
        size: int = 20,
        total: Total = "exact",
        cap: int = 10000,
    ) -> Page[Item]: ...
    @overload
    async def page(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        number: int = 1,
        size: int = 20,
        total: Total = "exact",
        cap: int = 10000,
    ) -> Page[Row[One, Two, *Columns]]: ...
    async def page(
        self, what: Any, *where: ColumnExpressionArgument[bool], number: int = 1, size: int = 20, total: Total = "exact", cap: int = 10000
    ) -> Page[Any]:
        """Return one page of what a query gives; see `Queries.page`."""
        return await self._run(lambda db: db.page(what, *where, number=number, size=size, total=total, cap=cap))

    @overload
    async def keyset(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        size: int = 20,
        after: str | None = None,
        before: str | None = None,
    ) -> Keyset[Item]: ...
    @overload
    async def keyset(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        size: int = 20,
        after: str | None = None,
        before: str | None = None,
    ) -> Keyset[Row[One, Two, *Columns]]: ...
    async def keyset(
        self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 20, after: str | None = None, before: str | None = None
    ) -> Keyset[Any]:
        """Return a page of what a query gives, beginning behind or ending before the row of a cursor; see `Queries.keyset`."""
        return await self._run(lambda db: db.keyset(what, *where, size=size, after=after, before=before))

    async def get_or_create(self, model: type[Item], /, defaults: Values | None = None, **key: Any) -> tuple[Item, bool]:
        """Return the object with some values, made where there is none, and whether it was made; see `Queries.get_or_create`."""
        return await self._run(lambda db: db.get_or_create(model, defaults=defaults, **key))

    async def update_or_create(self, model: type[Item], /, values: Values, defaults: Values | None = None, **key: Any) -> tuple[Item, bool]:
        """Give the object with some values others, or make it, and return it and whether it was made; see `Queries.update_or_create`."""
        return await self._run(lambda db: db.update_or_create(model, values=values, defaults=defaults, **key))

    async def upsert(
        self, model: type[Item], rows: Iterable[Values], *, key: Fields | None = None, update: Fields | Mapping[str, Any] | None = None
    ) -> list[Item]:
        """Insert rows, and update those that are there already; return the objects in the order of the rows; see `Queries.upsert`."""
        return await self._run(lambda db: db.upsert(model, rows, key=key, update=update))

    async def bulk_insert(self, model: type[Any], rows: Iterable[Values], *, size: int = 1000) -> int:
        """Insert rows without making objects, and return how many there were; see `Queries.bulk_insert`."""
        return await self._run(lambda db: db.bulk_insert(model, rows, size=size))

    async def bulk_update(self, model: type[Any], rows: Iterable[Values], *, size: int = 1000) -> int:
        """Update rows by their primary keys without loading them, and return how many there were; see `Queries.bulk_update`."""
        return await self._run(lambda db: db.bulk_update(model, rows, size=size))

    @overload
    def batches(self, what: Source[Item], *where: ColumnExpressionArgument[bool], size: int = 1000) -> AsyncIterator[list[Item]]: ...
    @overload
    def batches(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool], size: int = 1000
    ) -> AsyncIterator[list[Row[One, Two, *Columns]]]: ...
    async def batches(self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 1000) -> AsyncIterator[list[Any]]:
        """Go through everything that a query gives, in lists of `size`; see `Queries.batches`."""
        statement, place, is_first = statement_of(what, where, ordered=False), None, True
        while is_first or place is not None:
            is_first, begun = False, place
            items, place = await self._run(lambda db: read_batch(db, statement, begun, size))  # noqa: B023 - run before the next turn
            if items:
                yield items

    @overload
    def stream_all(self, what: Source[Item], *where: ColumnExpressionArgument[bool], size: int = 1000) -> AsyncIterator[Item]: ...
    @overload
    def stream_all(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool], size: int = 1000
    ) -> AsyncIterator[Row[One, Two, *Columns]]: ...
    @overload
    def stream_all(self, what: Executable, *, size: int = 1000) -> AsyncIterator[Any]: ...
    async def stream_all(self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 1000) -> AsyncIterator[Any]:
        """Go through everything that a query gives, one by one, while the server holds the rest; see `Queries.stream_all`."""
        result = await self.stream(statement_of(what, where), execution_options={"yield_per": size})
        try:
            async for row in result:
                yield value_of(row)
        finally:
            await result.close()

    @overload
    async def for_update(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        nowait: bool = False,
        skip_locked: bool = False,
        of: type[Any] | Iterable[type[Any]] | None = None,
    ) -> list[Item]: ...
    @overload
    async def for_update(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        nowait: bool = False,
        skip_locked: bool = False,
        of: type[Any] | Iterable[type[Any]] | None = None,
    ) -> list[Row[One, Two, *Columns]]: ...
    async def for_update(
        self, what: Any, *where: ColumnExpressionArgument[bool], nowait: bool = False, skip_locked: bool = False, of: Any = None
    ) -> list[Any]:
        """Lock rows until the transaction ends, and return them as they are now; see `Queries.for_update`."""
        return await self._run(lambda db: db.for_update(what, *where, nowait=nowait, skip_locked=skip_locked, of=of))

    async def lock(self, instance: Item, *, nowait: bool = False) -> Item:
        """Lock the row of an object until the transaction ends, read its columns anew, and return it; see `Queries.lock`."""
        return await self._run(lambda db: db.lock(instance, nowait=nowait))

    @asynccontextmanager
    async def advisory_lock(self, name: str, *, wait: bool = True) -> AsyncGenerator[None]:
        """Hold the lock of a name, which one transaction at a time can; see `Queries.advisory_lock`."""
        await self._run(lambda db: acquire(db, name, wait=wait))
        yield

    async def explain(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool], analyze: bool = False) -> str:
        """Return how the database goes about a query, in its own words; see `Queries.explain`."""
        return await self._run(lambda db: db.explain(what, *where, analyze=analyze))

    async def _run(self, work: Callable[[Queries], Result]) -> Result:
        return await self.run_sync(cast("Callable[[orm.Session], Result]", work))
