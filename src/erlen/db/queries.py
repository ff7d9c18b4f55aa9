"""What both sessions can ask and do beyond SQLAlchemy's own methods.

A query takes a model with criteria, or a statement: `db.all(Article, Article.published.is_not(None))`, `db.all(select(Article.title))`.
Type checkers know the rows of either, but not of `text()` and `from_statement()`, which take no criteria. What a model's class keyword
`ordering` says holds where the model is given, never for a statement.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy import ColumnExpressionArgument, Executable, Row, inspect, orm, select
from sqlalchemy.exc import IntegrityError, MultipleResultsFound, NoResultFound
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.selectable import TypedReturnsRows

from erlen.db.async_queries import AsyncQueries
from erlen.db.bulk import Values, fetch_by_key, insert_rows, key_of, read_batch, update_rows
from erlen.db.explain import read_plan
from erlen.db.fields import Fields, names_of
from erlen.db.keyset import Keyset, read_keyset
from erlen.db.locks import acquire, lock_object, lock_rows
from erlen.db.page import Page, Total, read_page
from erlen.db.selection import (
    Columns,
    Item,
    MultipleFound,
    NoneFound,
    One,
    Source,
    Two,
    count_rows,
    each_once,
    fetch_all,
    has_rows,
    is_limited,
    statement_of,
    title_of,
    value_of,
)
from erlen.db.upsert import upsert_rows
from erlen.db.violations import InvalidValue
from erlen.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from erlen.db.database import Database

__all__ = ["AsyncQueries", "Queries"]

Key = TypeVar("Key")


class Queries(orm.Session):
    """The methods that `Session` adds to SQLAlchemy's."""

    if TYPE_CHECKING:
        database: Database

        def start_writing(self) -> None: ...

    # -- rows -----------------------------------------------------------------------------------------------------------------

    @overload
    def all(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> list[Item]: ...
    @overload
    def all(self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]) -> list[Row[One, Two, *Columns]]: ...
    @overload
    def all(self, what: Executable) -> list[Any]: ...
    def all(self, what: Any, *where: ColumnExpressionArgument[bool]) -> list[Any]:
        """Return everything that a query gives: objects or values where it selects one column, rows where it selects several.

        Args:
            what: a model, which gives its objects in its default order; or a statement.
            where: criteria, all of which must hold.
        """
        return fetch_all(self, statement_of(what, where))

    @overload
    def first(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item | None: ...
    @overload
    def first(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]
    ) -> Row[One, Two, *Columns] | None: ...
    @overload
    def first(self, what: Executable) -> Any: ...
    def first(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the first of what a query gives, or None. A model without a default order is ordered by its primary key."""
        statement = statement_of(what, where)
        if not isinstance(what, Executable) and not statement._order_by_clauses:
            statement = statement.order_by(*(getattr(what, name) for name in key_of(what)))
        # The limit of a statement stands: it may be less than one.
        if hasattr(statement, "limit") and not is_limited(statement):
            statement = statement.limit(1)
        return value_of(each_once(self.execute(statement)).first())

    @overload
    def one(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item: ...
    @overload
    def one(self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]) -> Row[One, Two, *Columns]: ...
    @overload
    def one(self, what: Executable) -> Any: ...
    def one(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the only thing that a query gives.

        Raises:
            NoneFound: if there is none; for an answer of 404 use `get_or_404`.
            MultipleFound: if there are several.
        """
        rows = each_once(self.execute(statement_of(what, where, ordered=False)))
        try:
            return value_of(rows.one())
        except NoResultFound:
            raise NoneFound(f"there is no row where one must be: {title_of(what)}") from None
        except MultipleResultsFound:
            raise MultipleFound(f"there are several rows where one must be: {title_of(what)}") from None

    @overload
    def one_or_none(self, what: Source[Item], *where: ColumnExpressionArgument[bool]) -> Item | None: ...
    @overload
    def one_or_none(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool]
    ) -> Row[One, Two, *Columns] | None: ...
    @overload
    def one_or_none(self, what: Executable) -> Any: ...
    def one_or_none(self, what: Any, *where: ColumnExpressionArgument[bool]) -> Any:
        """Return the only thing that a query gives, or None.

        Raises:
            MultipleFound: if there are several.
        """
        rows = each_once(self.execute(statement_of(what, where, ordered=False)))
        try:
            return value_of(rows.one_or_none())
        except MultipleResultsFound:
            raise MultipleFound(f"there are several rows where at most one may be: {title_of(what)}") from None

    @overload
    def get_or_404(self, what: type[Item], key: object, /) -> Item: ...
    @overload
    def get_or_404(self, what: TypedReturnsRows[Item], /) -> Item: ...
    @overload
    def get_or_404(self, what: TypedReturnsRows[One, Two, *Columns], /) -> Row[One, Two, *Columns]: ...
    @overload
    def get_or_404(self, what: Executable, /) -> Any: ...
    def get_or_404(self, what: Any, key: Any = None, /) -> Any:
        """Return the object with a primary key, or the only thing that a statement gives: `db.get_or_404(Article, id)`.

        Args:
            what: a model, or a statement.
            key: the primary key; of several columns, a tuple.

        Raises:
            NotFound: if there is none, which a client is answered with 404; also for a key that the database cannot hold.
            MultipleFound: if a statement gives several.
        """
        try:
            found = self.get(what, key) if isinstance(what, type) else self.one(what)
        except (NoneFound, InvalidValue):
            found = None
        if found is None:
            name = title_of(what)
            raise NotFound(f"There is no such {name}." if name else "")
        return found

    @overload
    def latest(self, what: Source[Item], by: QueryableAttribute[Any]) -> Item | None: ...
    @overload
    def latest(self, what: TypedReturnsRows[One, Two, *Columns], by: QueryableAttribute[Any]) -> Row[One, Two, *Columns] | None: ...
    def latest(self, what: Any, by: QueryableAttribute[Any]) -> Any:
        """Return what has the greatest value of a field, or None; what has no value there does not count."""
        return self.first(statement_of(what, (by.is_not(None),)).order_by(None).order_by(by.desc()))

    @overload
    def earliest(self, what: Source[Item], by: QueryableAttribute[Any]) -> Item | None: ...
    @overload
    def earliest(self, what: TypedReturnsRows[One, Two, *Columns], by: QueryableAttribute[Any]) -> Row[One, Two, *Columns] | None: ...
    def earliest(self, what: Any, by: QueryableAttribute[Any]) -> Any:
        """Return what has the least value of a field, or None; what has no value there does not count."""
        return self.first(statement_of(what, (by.is_not(None),)).order_by(None).order_by(by.asc()))

    def exists(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool]) -> bool:
        """Return whether a query gives any row; none is read."""
        return has_rows(self, statement_of(what, where, ordered=False))

    def count(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool]) -> int:
        """Return how many rows a query gives."""
        return count_rows(self, statement_of(what, where, ordered=False))

    def in_bulk(self, model: type[Item], keys: Iterable[Key], *, by: QueryableAttribute[Key] | None = None) -> dict[Key, Item]:
        """Return the objects with some keys, by these, in their order; what is not there is left out.

        Args:
            model: what they are.
            keys: primary keys (of several columns: tuples), any number of them.
            by: another unique field that the keys are values of.
        """
        wanted = list(dict.fromkeys(keys))
        names = key_of(model) if by is None else (by.key,)
        found: dict[Any, Item] = dict(fetch_by_key(self, model, names, wanted))
        return {key: found[key] for key in wanted if key in found}

    # -- pages ----------------------------------------------------------------------------------------------------------------

    @overload
    def page(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        number: int = 1,
        size: int = 20,
        total: Total = "exact",
        cap: int = 10_000,
    ) -> Page[Item]: ...
    @overload
    def page(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        number: int = 1,
        size: int = 20,
        total: Total = "exact",
        cap: int = 10_000,
    ) -> Page[Row[One, Two, *Columns]]: ...
    def page(
        self,
        what: Any,
        *where: ColumnExpressionArgument[bool],
        number: int = 1,
        size: int = 20,
        total: Total = "exact",
        cap: int = 10_000,
    ) -> Page[Any]:
        """Return one page of what a query gives.

        The order is made complete by the primary key, so that no row is on two pages. Late pages cost more than early ones, and counting
        costs as much as reading all: for long lists see `total`, and `keyset`.

        Args:
            what: a model, or a statement without limit and offset.
            where: criteria, all of which must hold.
            number: which page, from 1.
            size: how many items a page has; bound it where it comes from outside.
            total: whether to count all rows, at most `cap` of them, or none. Nothing is counted where one page has them all.
            cap: how many are counted at most with `total="capped"`.

        Raises:
            NotFound: where there is no page of that number. The first page of an empty list is there.
        """
        return read_page(self, statement_of(what, where), number, size, total, cap)

    @overload
    def keyset(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        size: int = 20,
        after: str | None = None,
        before: str | None = None,
    ) -> Keyset[Item]: ...
    @overload
    def keyset(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        size: int = 20,
        after: str | None = None,
        before: str | None = None,
    ) -> Keyset[Row[One, Two, *Columns]]: ...
    def keyset(
        self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 20, after: str | None = None, before: str | None = None
    ) -> Keyset[Any]:
        """Return a page of what a query gives, beginning behind or ending before the row of a cursor.

        The order is made complete by the primary key. NULL comes last in either direction, unless the statement says otherwise. An index
        on what the list is ordered by makes every page equally fast.

        Args:
            what: a model, or a statement without limit, offset and GROUP BY.
            where: criteria, all of which must hold.
            size: how many items a page has; bound it where it comes from outside.
            after: the cursor `next` of another page, as it came from the client.
            before: the cursor `previous` of another page.

        Raises:
            BadRequest: for a cursor that was changed, or is of a list with another order or selection.
        """
        return read_keyset(self, statement_of(what, where), size, after, before)

    # -- one row, whether it is there or not ------------------------------------------------------------------------------------

    def get_or_create(self, model: type[Item], /, defaults: Values | None = None, **key: Any) -> tuple[Item, bool]:
        """Return the object with some values, made where there is none, and whether it was made.

            tag, is_new = db.get_or_create(Tag, name="news", defaults={"colour": "red"})

        Safe against others that do the same at the same time, where a unique constraint or index covers the values.

        Args:
            model: what it is.
            defaults: further values of a new one.
            key: what to look for, and give to a new one.

        Raises:
            MultipleFound: if several have these values.
        """
        found = self._find(model, key)
        if found is not None:
            return found, False
        self.flush()  # what fails from here on is about the new one
        try:
            with self.begin_nested():
                made = model(**{**key, **(defaults or {})})
                self.add(made)
        except (IntegrityError, InvalidRequest):
            found = self._find(model, key)
            if found is None:
                raise
            return found, False
        return made, True

    def update_or_create(self, model: type[Item], /, values: Values, defaults: Values | None = None, **key: Any) -> tuple[Item, bool]:
        """Give the object with some values others, or make it, and return it and whether it was made.

            setting, is_new = db.update_or_create(Setting, name="theme", values={"value": "dark"})

        Safe against others that do the same at the same time, as `get_or_create` is: the row is locked until the transaction ends.
        `upsert` does it for many rows at once.

        Args:
            model: what it is.
            values: the values it has afterwards.
            defaults: further values of a new one.
            key: what to look for, and give to a new one.

        Raises:
            MultipleFound: if several have these values.
            TypeError: for names that are no fields.
        """
        for name in values:
            if name not in inspect(model).all_orm_descriptors and not isinstance(getattr(model, name, None), property):
                raise TypeError(f"{model.__name__} has no field {name!r}")
        self.start_writing()
        found = self._find(model, key, for_update=True)
        if found is None:
            made, is_new = self.get_or_create(model, defaults={**(defaults or {}), **values}, **key)
            if is_new:
                return made, True
            lock_object(self, made, nowait=False)
            found = made
        for name, value in values.items():
            setattr(found, name, value)
        self.flush()
        return found, False

    def _find(self, model: type[Item], key: Values, *, for_update: bool = False) -> Item | None:
        statement = select(model).where(*(getattr(model, name) == key[name] for name in names_of(model, list(key))))
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return self.one_or_none(statement)

    # -- many rows --------------------------------------------------------------------------------------------------------------

    def upsert(
        self,
        model: type[Item],
        rows: Iterable[Values],
        *,
        key: Fields | None = None,
        update: Fields | Mapping[str, Any] | None = None,
    ) -> list[Item]:
        """Insert rows, and update those that are there already; return the objects in the order of the rows.

            db.upsert(Article, [{"slug": "one", "title": "One"}], key=Article.slug)

        One statement for all rows with the same fields, and one for each 500 to read them back. `onupdate` values and versions are set as
        by any other update.

        Args:
            model: what they are.
            rows: the values of each, by the names of fields.
            key: the fields that tell rows apart; the primary key by default. A unique constraint or index must cover exactly these.
                MySQL and MariaDB look at every unique one.
            update: the fields to update where a row is there; by default all that are given but the key, with `()` none. Or what to set,
                as SQL: `{"views": Article.views + 1}`.

        Raises:
            ValidationError: for values that do not fit.
            ValueError: for a row without its key.
            TypeError: for names that are no fields.
        """
        return upsert_rows(self, model, rows, key, update)

    def bulk_insert(self, model: type[Any], rows: Iterable[Values], *, size: int = 1000) -> int:
        """Insert rows without making objects, and return how many there were.

        Args:
            model: what they are.
            rows: the values of each, by the names of fields; a generator is read as they are written.
            size: how many are sent at a time.

        Raises:
            ValidationError: for values that do not fit.
            TypeError: for names that are no fields.
        """
        return insert_rows(self, model, rows, size)

    def bulk_update(self, model: type[Any], rows: Iterable[Values], *, size: int = 1000) -> int:
        """Update rows by their primary keys without loading them, and return how many there were.

        Args:
            model: what they are.
            rows: the primary key and the new values of each, by the names of fields. Of a model with a version also that.
            size: how many are sent at a time.

        Raises:
            ValidationError: for values that do not fit.
            ValueError: for a row without its primary key.
            TypeError: for names that are no fields.
        """
        return update_rows(self, model, rows, size)

    @overload
    def batches(self, what: Source[Item], *where: ColumnExpressionArgument[bool], size: int = 1000) -> Iterator[list[Item]]: ...
    @overload
    def batches(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool], size: int = 1000
    ) -> Iterator[list[Row[One, Two, *Columns]]]: ...
    def batches(self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 1000) -> Iterator[list[Any]]:
        """Go through everything that a query gives, in lists of `size`: `for articles in db.batches(Article): …`.

        Each batch is a statement of its own, which goes on behind the last row: commit in between as you like. In the order of the
        statement, for a model in that of its primary key; do not change what it is ordered by meanwhile.
        """
        statement, place, is_first = statement_of(what, where, ordered=False), None, True
        while is_first or place is not None:
            is_first = False
            items, place = read_batch(self, statement, place, size)
            if items:
                yield items

    @overload
    def stream_all(self, what: Source[Item], *where: ColumnExpressionArgument[bool], size: int = 1000) -> Iterator[Item]: ...
    @overload
    def stream_all(
        self, what: TypedReturnsRows[One, Two, *Columns], *where: ColumnExpressionArgument[bool], size: int = 1000
    ) -> Iterator[Row[One, Two, *Columns]]: ...
    @overload
    def stream_all(self, what: Executable, *, size: int = 1000) -> Iterator[Any]: ...
    def stream_all(self, what: Any, *where: ColumnExpressionArgument[bool], size: int = 1000) -> Iterator[Any]:
        """Go through everything that a query gives, one by one, while the server holds the rest: `for article in db.stream_all(Article)`.

        One statement, which sees one state of the database. The connection is busy with it: where you write or commit in between, use
        `batches`.

        Args:
            what: a model, or a statement.
            where: criteria, all of which must hold.
            size: how many rows are in memory at a time.
        """
        result = self.execute(statement_of(what, where), execution_options={"yield_per": size})
        try:
            for row in result:
                yield value_of(row)
        finally:
            result.close()

    # -- locks ------------------------------------------------------------------------------------------------------------------

    @overload
    def for_update(
        self,
        what: Source[Item],
        *where: ColumnExpressionArgument[bool],
        nowait: bool = False,
        skip_locked: bool = False,
        of: type[Any] | Iterable[type[Any]] | None = None,
    ) -> list[Item]: ...
    @overload
    def for_update(
        self,
        what: TypedReturnsRows[One, Two, *Columns],
        *where: ColumnExpressionArgument[bool],
        nowait: bool = False,
        skip_locked: bool = False,
        of: type[Any] | Iterable[type[Any]] | None = None,
    ) -> list[Row[One, Two, *Columns]]: ...
    def for_update(
        self, what: Any, *where: ColumnExpressionArgument[bool], nowait: bool = False, skip_locked: bool = False, of: Any = None
    ) -> list[Any]:
        """Lock rows until the transaction ends, and return them as they are now: `db.for_update(Account, Account.id.in_(ids))`.

        On SQLite, which has one writer at a time, the transaction itself is the lock; it begins here and waits for its turn.

        Args:
            what: a model, or a statement.
            where: criteria, all of which must hold.
            nowait: raise instead of waiting for another's lock. (SQLite waits.)
            skip_locked: leave out what others have locked. (On SQLite nothing is.)
            of: the models whose rows to lock, of several that a statement joins. (MariaDB and SQLite lock all.)

        Raises:
            Locked: with `nowait`, or when the database's lock timeout has passed; an answer of 409. Roll back then.
        """
        return lock_rows(self, what, where, nowait=nowait, skip_locked=skip_locked, of=of)

    def lock(self, instance: Item, *, nowait: bool = False) -> Item:
        """Lock the row of an object until the transaction ends, read its columns anew, and return it; see `for_update`.

        Raises:
            Locked: with `nowait`, or when the database's lock timeout has passed.
            NoneFound: if the row is gone.
        """
        lock_object(self, instance, nowait=nowait)
        return instance

    @contextmanager
    def advisory_lock(self, name: str, *, wait: bool = True) -> Generator[None]:
        """Hold the lock of a name, which one transaction at a time can: `with db.advisory_lock("invoice numbers"): …`.

        It is held until the transaction ends, not only to the end of the block, so that whoever comes next sees what was written under it.
        Names are of one database. On SQLite the transaction itself is the lock, whatever the name.

        Args:
            name: of the lock; any text.
            wait: False raises at once where another has it. (SQLite waits.)

        Raises:
            Locked: where another has it, with `wait=False` or when the lock timeout has passed.
        """
        acquire(self, name, wait=wait)
        yield

    # -- plans ------------------------------------------------------------------------------------------------------------------

    def explain(self, what: type[Any] | Executable, *where: ColumnExpressionArgument[bool], analyze: bool = False) -> str:
        """Return how the database goes about a query, in its own words: `print(db.explain(Article, Article.views > 3))`.

        Args:
            what: a model, or a `select()`.
            where: criteria, all of which must hold.
            analyze: run the query too, and say how long each step took. (SQLite measures none.)

        Raises:
            TypeError: for what is no query.
            ValueError: with `analyze` on SQLite.
        """
        return read_plan(self, statement_of(what, where), analyze=analyze)
