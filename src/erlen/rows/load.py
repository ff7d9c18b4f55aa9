"""Rows, read: in one transaction, judged by their models, in any order."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from msgspec import Struct
from sqlalchemy import Column, Connection, and_, bindparam, func, insert, select, text, tuple_, type_coerce, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, StatementError

from erlen.db.locks import is_locked
from erlen.db.violations import explain
from erlen.migrations.target import Target
from erlen.rows.entity import Entity, Reference, RowsError, entities_of
from erlen.rows.files import Line, read_lines
from erlen.rows.judge import Judge, Named, Row, label_of

__all__ = ["Existing", "Loaded", "load", "load_into"]

Existing: TypeAlias = Literal["fail", "skip", "update"]
"""What is done with a row that the database has already, by its key, or by its natural key where the file has no other."""
AT_ONCE = 500
"""Rows of a statement; databases limit the parameters of one."""
MOST_FAULTS = 20
_KNOWN = 50_000
"""Keys that are remembered as being there, for each reference."""
_IN_MEMORY = 8_000_000
"""Bytes of rows that wait for others before they go into a file."""


class Loaded(Struct, kw_only=True):
    """What `load` has done."""

    inserted: dict[str, int] = {}
    """How many rows were new, by model."""
    updated: int = 0
    skipped: int = 0
    """Rows that were there, and stayed as they are."""
    ignored: int = 0
    """Rows of models that are not known."""


def load(
    target: Target,
    files: Iterable[str],
    *,
    existing: Existing = "fail",
    ignore_unknown: bool = False,
    validate: bool = True,
) -> Loaded:
    """Store the rows of files that `dump` wrote, or people: all of them, or none.

    Values are held to the annotations of their models, as `bulk_insert` does it. Rows may come before those that they refer to.

    Args:
        target: the database and its models.
        files: their names; `-` for standard input.
        existing: what is done with rows that are there already.
        ignore_unknown: pass over models and fields that are not there, as in a dump of another version of the application.
        validate: False for rows that an older version of the models let in; what the columns need is held still.

    Raises:
        RowsError: with the first faults, each with its file, line, row, field and value.
    """
    with target.database._connect(target.name) as connection:
        # PERF: around the savepoints of each batch, one more would cost SQLite a time that grows with the square of the rows.
        whole = connection.begin_nested() if target.database.bound else nullcontext()
        lines = (line for file in files for line in read_lines(file))
        with whole:
            return load_into(connection, target, lines, existing=existing, ignore_unknown=ignore_unknown, validate=validate)


def load_into(
    connection: Connection,
    target: Target,
    lines: Iterable[Line],
    *,
    existing: Existing = "fail",
    ignore_unknown: bool = False,
    validate: bool = True,
) -> Loaded:
    """Store rows within the transaction of a connection; see `load`."""
    entities = entities_of(target.metadata, target.database.base, connection.dialect)
    keys: Sequence[str] = getattr(connection.dialect, "erlen_secret_keys", ())  # which `use_secret_keys` leaves there
    judge = Judge(entities, ignore_unknown=ignore_unknown, validate=validate, keys=keys)
    loader = _Loader(connection, judge, target, existing)
    with _zero_is_a_number(connection):
        done = loader.run(lines)
    done.ignored = judge.ignored
    return done


class _Fault(Exception):
    """A row that cannot be stored."""

    def __init__(self, row: Row, reason: str) -> None:
        super().__init__(reason)
        self.text = f"{row.label}: {reason}"


class _Loader:
    """One run over some files."""

    def __init__(self, connection: Connection, judge: Judge, target: Target, existing: Existing) -> None:
        self._connection = connection
        self._judge = judge
        self._mappers = target.database.base.registry.mappers
        self._existing: Existing = existing
        self._done = Loaded()
        self._faults: list[tuple[str, int, str]] = []
        self._there: dict[tuple[int, tuple[str, ...]], dict[tuple[Any, ...], Any]] = {}
        self._spools: list[_Spool] = []
        self._waiting = self._spool()
        self._later = self._spool()
        self._is_last = False
        self._counted: dict[int, Entity] = {}

    def run(self, lines: Iterable[Line]) -> Loaded:
        """Store rows, then those that waited for others, then the references that did."""
        try:
            self._run(lines)
        finally:
            for spool in self._spools:
                spool.close()
        self._set_sequences()
        return self._done

    def _spool(self) -> _Spool:
        self._spools.append(_Spool())
        return self._spools[-1]

    def _run(self, lines: Iterable[Line]) -> None:
        self._pass(lines)
        while not self._faults and self._waiting.count:
            waiting, before = self._waiting, self._waiting.count
            self._waiting = self._spool()
            self._pass(waiting.lines())
            if self._waiting.count == before:  # none of them got further
                self._finish_circles()
        if not self._faults or self._is_last:
            self._set_references()
        if self._faults:
            raise RowsError(_report(self._faults))

    def _pass(self, lines: Iterable[Line]) -> None:
        batch: list[Row] = []
        seen: set[tuple[Any, ...]] = set()
        for line in lines:
            row = self._judge.row(line)
            if not isinstance(row, Row):
                self._fault(line, *row)
                if len(self._faults) >= MOST_FAULTS:
                    return
                continue
            if self._faults and not self._is_last:
                continue  # the rest is only judged
            me = tuple(_frozen(row.json(name)) for name in row.identity())
            if batch and (
                len(batch) >= AT_ONCE or batch[0].entity is not row.entity or batch[0].values.keys() != row.values.keys() or me in seen
            ):
                self._store(batch)
                batch, seen = [], set()
            batch.append(row)
            if me:
                seen.add(me)
        if batch and (not self._faults or self._is_last):
            self._store(batch)

    # -- a batch: rows of one table with the same fields ------------------------------------------------------------------------

    def _store(self, batch: list[Row]) -> None:
        ready = self._settled(batch)
        if not ready:
            return
        try:
            with self._connection.begin_nested():
                new = self._without_existing(ready)
                self._insert(new)
        except (IntegrityError, DataError, OperationalError, StatementError, _Fault):
            self._store_one_by_one(ready)

    def _store_one_by_one(self, rows: Sequence[Row]) -> None:
        """Find the rows that cannot be stored, after a batch was refused."""
        for row in rows:
            try:
                with self._connection.begin_nested():
                    self._insert(self._without_existing([row]))
            except _Fault as fault:
                self._fault(row.line, fault.text)
            except StatementError as error:
                reasons = self._reasons(error)
                if not reasons:
                    raise
                self._fault(row.line, *(f"{row.label}: {reason}" for reason in reasons))

    def _reasons(self, error: StatementError) -> list[str]:
        if not isinstance(error, DBAPIError):  # what a column's type refused
            return [str(error.orig)]
        if error.connection_invalidated or is_locked(error.orig) or not isinstance(error, IntegrityError | DataError | OperationalError):
            return []
        found = explain(error, self._mappers)
        if found is None:
            return [f"the database says: {str(error.orig).strip()}"]
        return [": ".join(filter(None, (".".join(map(str, fault.location[1:])), fault.message))) for fault in found.faults]

    def _settled(self, batch: list[Row]) -> list[Row]:
        """Return the rows that can be stored now; others wait for what they refer to, or are stored without it until it is there."""
        entity = batch[0].entity
        for field in entity.fields.values():
            named = {value for row in batch if isinstance(value := row.values.get(field.name), Named)}
            if named:
                self._find(field.name, named, batch)
        own: set[tuple[tuple[str, ...], Any]] = set()
        lacking = [(reference, self._lacking(reference, batch)) for reference in entity.references]
        ready: list[Row] = []
        for row in batch:
            missing = [name for name, value in row.values.items() if isinstance(value, Named)]
            here = _own_keys(row)  # a row may refer to itself, and to those before it
            absent = [each for each, keys in lacking if (key := _key(row, each)) in keys and (each.columns, key) not in own | here]
            if self._can_wait(row, missing, absent):
                self._put_off(row, missing, absent)
            elif not self._is_last:
                self._waiting.add(row.line)
                continue
            elif missing or any(not self._is_deferred(reference) for reference in absent):
                self._fault(row.line, f"{row.label}: {self._not_there(row, missing, absent)}")
                continue
            elif absent:
                row.later = True  # looked for once more, when all are there
            ready.append(row)
            own |= here
        return ready

    def _can_wait(self, row: Row, missing: Sequence[str], absent: Sequence[Reference]) -> bool:
        """Whether what a row refers to may be set later: where it may be NULL so long, and the row is found again."""
        if not missing and not absent:
            return True
        columns = [row.entity.fields[name].column for name in missing]
        if not all(column.nullable and not column.primary_key for column in columns) or not all(each.optional for each in absent):
            return False
        names = row.identity()
        return bool(names) and not any(name in missing or any(name in each.fields for each in absent) for name in names)

    def _put_off(self, row: Row, missing: Sequence[str], absent: Sequence[Reference]) -> None:
        if not missing and not absent:
            return
        row.later = True
        nullable = [name for each in absent for name in each.fields if row.entity.fields[name].column.nullable]
        row.values.update(dict.fromkeys((*missing, *nullable)))

    def _lacking(self, reference: Reference, batch: Sequence[Row]) -> set[tuple[Any, ...]]:
        """Return the keys that a batch refers to and that are not there."""
        keys = {key for row in batch if (key := _key(row, reference)) is not None}
        return keys - self._present(reference.target, reference.columns, keys).keys() if keys else set()

    def _find(self, name: str, named: Iterable[Named], batch: Iterable[Row]) -> None:
        """Replace natural keys by the keys that they stand for, where the rows are there."""
        found = self._keys_of(list(named))
        for row in batch:
            value = row.values.get(name)
            if isinstance(value, Named) and value in found:
                row.values[name] = found[value]

    def _keys_of(self, named: Sequence[Named]) -> dict[Named, Any]:
        target = named[0].target
        within = {part for each in named for part in each.values if isinstance(part, Named)}
        inner: dict[Named, Any] = {}
        for inner_target in {id(part.target): part.target for part in within}.values():
            inner |= self._keys_of([part for part in within if part.target is inner_target])
        full: dict[tuple[Any, ...], Named] = {}
        for each in named:
            parts: list[Any] = []
            for name, part in zip(target.natural, each.values, strict=True):
                if isinstance(part, Named):
                    parts.append(target.fields[name].codec.encode(inner[part]) if part in inner else None)
                else:
                    parts.append(part)
            if None not in parts:
                full[tuple(parts)] = each
        found = self._present(target, target.natural, set(full)) if full else {}
        return {full[key]: found[key] for key in full if key in found}

    def _present(self, entity: Entity, names: tuple[str, ...], keys: Iterable[tuple[Any, ...]]) -> Mapping[tuple[Any, ...], Any]:
        """Return which keys are in a table, with the first column of the primary key; keys are as JSON has them."""
        known = self._there.setdefault((id(entity), names), {})
        asked = set(keys)
        if len(known) > _KNOWN:
            known.clear()
        unknown = [key for key in asked if key not in known]
        fields = [entity.fields[name] for name in names]
        first = entity.fields[entity.key[0]] if entity.key else fields[0]
        columns = [type_coerce(field.column, field.codec.type) for field in fields]
        for start in range(0, len(unknown), AT_ONCE):
            part = [
                tuple(field.codec.decode(value) for field, value in zip(fields, key, strict=True))
                for key in unknown[start : start + AT_ONCE]
            ]
            criterion = columns[0].in_([values[0] for values in part]) if len(columns) == 1 else tuple_(*columns).in_(part)
            statement = select(type_coerce(first.column, first.codec.type).label("erlen_key"), *columns).where(criterion)
            for key, *values in self._connection.execute(statement):
                known[tuple(field.codec.encode(value) for field, value in zip(fields, values, strict=True))] = key
        return {key: known[key] for key in asked if key in known}

    def _without_existing(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows that are new; do with others what was asked for."""
        names = rows[0].identity()
        if not names:
            return rows
        keys = [tuple(row.json(name) for name in names) for row in rows]
        there = self._present(rows[0].entity, names, keys)
        if not there:
            return rows
        old = [row for row, key in zip(rows, keys, strict=True) if key in there]
        if self._existing == "fail":
            raise _Fault(old[0], "it is there already: `--skip` leaves such rows as they are, `--update` changes them")
        if self._existing == "update":
            self._update(old, names)
            self._remember(old)
            self._done.updated += len(old)
        else:
            self._done.skipped += len(old)
        return [row for row, key in zip(rows, keys, strict=True) if key not in there]

    def _insert(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        entity, names = rows[0].entity, list(rows[0].values)
        values = {
            entity.fields[name].column: bindparam(f"v{place}", type_=entity.fields[name].codec.type) for place, name in enumerate(names)
        }
        statement = insert(entity.table).values(values) if names else insert(entity.table)
        self._connection.execute(statement, [{f"v{place}": row.values[name] for place, name in enumerate(names)} for row in rows])
        self._remember(rows)
        self._done.inserted[entity.name] = self._done.inserted.get(entity.name, 0) + len(rows)
        self._counted[id(entity)] = entity

    def _update(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        entity = rows[0].entity
        changed = [name for name in rows[0].values if name not in names]
        if not changed:
            return
        values = {
            entity.fields[name].column: bindparam(f"v{place}", type_=entity.fields[name].codec.type) for place, name in enumerate(changed)
        }
        found = [
            entity.fields[name].column == bindparam(f"k{place}", type_=entity.fields[name].codec.type) for place, name in enumerate(names)
        ]
        parameters = [
            {f"v{place}": row.values[name] for place, name in enumerate(changed)}
            | {f"k{place}": row.values[name] for place, name in enumerate(names)}
            for row in rows
        ]
        self._connection.execute(update(entity.table).where(and_(*found)).values(values), parameters)

    def _remember(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.later:
                self._later.add(row.line)

    # -- what comes after all rows ----------------------------------------------------------------------------------------------

    def _finish_circles(self) -> None:
        """Store rows that refer to each other, where the database can look at that later."""
        waiting, self._waiting, self._is_last = self._waiting, self._spool(), True
        with _looking_later(self._connection):
            self._pass(waiting.lines())

    def _set_references(self) -> None:
        """Set the references to rows that were not there when theirs was stored."""
        batch: list[Row] = []
        for line in self._later.lines():
            row = self._judge.row(line)
            if isinstance(row, Row):
                batch.append(row)
            if len(batch) >= AT_ONCE:
                self._set_references_of(batch)
                batch = []
        self._set_references_of(batch)

    def _set_references_of(self, rows: Sequence[Row]) -> None:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault((id(row.entity), row.identity(), *row.values), []).append(row)
        for group in groups.values():
            entity, names = group[0].entity, group[0].identity()
            for name in entity.fields:
                if named := {value for row in group if isinstance(value := row.values.get(name), Named)}:
                    self._find(name, named, group)
            lacking = [(reference, self._lacking(reference, group)) for reference in entity.references]
            referring = {name for reference in entity.references for name in reference.fields} - set(names)
            ready: list[Row] = []
            for row in group:
                missing = [name for name, value in row.values.items() if isinstance(value, Named)]
                absent = [reference for reference, keys in lacking if _key(row, reference) in keys]
                if missing or absent:
                    self._fault(row.line, f"{row.label}: {self._not_there(row, missing, absent)}")
                else:
                    row.values = {name: value for name, value in row.values.items() if name in referring or name in names}
                    ready.append(row)
            if ready and names:
                self._update(ready, names)

    def _not_there(self, row: Row, missing: Sequence[str], absent: Sequence[Reference]) -> str:
        reasons = [f"{name}: {row.values[name]} is not there" for name in missing]
        for reference in absent:
            key = dict(zip(reference.columns, _key(row, reference) or (), strict=True))
            reasons.append(f"{', '.join(reference.fields)}: {label_of(reference.target, key)} is not there")
        return "; ".join(reasons)

    def _is_deferred(self, reference: Reference) -> bool:
        return reference.deferrable or self._connection.dialect.name != "postgresql"

    def _set_sequences(self) -> None:
        """Let PostgreSQL count on from the highest key; the other databases do so by themselves."""
        if self._connection.dialect.name != "postgresql":
            return
        for entity in self._counted.values():
            column = entity.table.autoincrement_column
            if column is not None:
                self._set_sequence(entity, column)

    def _set_sequence(self, entity: Entity, column: Column[Any]) -> None:
        quoted = self._connection.dialect.identifier_preparer.format_table(entity.table)
        name = self._connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": quoted, "column": column.name})
        highest = self._connection.scalar(select(func.max(column)))
        if name is None or highest is None:
            return
        last = self._connection.scalar(text(f"SELECT last_value FROM {name}"))  # noqa: S608 - PostgreSQL has quoted it
        if highest >= last:  # it never goes back: others may have taken numbers
            self._connection.execute(text("SELECT setval(:name, :value)"), {"name": name, "value": highest})

    def _fault(self, line: Line, *reasons: str) -> None:
        self._faults += [(line.file, line.number, reason) for reason in reasons]


class _Spool:
    """Lines that come again later; many are kept in a file."""

    def __init__(self) -> None:
        import tempfile

        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - gone with this object
        self.count = 0

    def add(self, line: Line) -> None:
        self._file.write(json.dumps([line.file, line.number, line.data]).encode() + b"\n")
        self.count += 1

    def close(self) -> None:
        self._file.close()

    def lines(self) -> Iterator[Line]:
        self._file.seek(0)
        for text_ in self._file:
            yield Line(*json.loads(text_))


def _key(row: Row, reference: Reference) -> tuple[Any, ...] | None:
    """Return what a reference of a row equals, as JSON has it; None where it refers to nothing, or by a natural key."""
    values = [row.values.get(name) for name in reference.fields]
    if any(value is None or isinstance(value, Named) for value in values):
        return None
    return tuple(row.json(name) for name in reference.fields)


def _own_keys(row: Row) -> set[tuple[tuple[str, ...], Any]]:
    """Return what references of its own table may equal in a row."""
    names = {each.columns for each in row.entity.references if each.target is row.entity}
    return {(each, tuple(row.json(name) for name in each)) for each in names if all(row.values.get(name) is not None for name in each)}


def _frozen(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


@contextmanager
def _looking_later(connection: Connection) -> Generator[None, None, None]:
    """Let the database look at foreign keys at the end, as far as it can: PostgreSQL does for those that are DEFERRABLE."""
    before, after = _LATER[connection.dialect.name]
    connection.exec_driver_sql(before)
    yield
    if after:
        connection.exec_driver_sql(after)


@contextmanager
def _zero_is_a_number(connection: Connection) -> Generator[None, None, None]:
    """Let MySQL and MariaDB store a key that is 0, which otherwise means the next number."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    mode = str(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar())
    connection.execute(text("SET SESSION sql_mode = :mode"), {"mode": f"{mode},NO_AUTO_VALUE_ON_ZERO"})
    try:
        yield
    finally:
        connection.execute(text("SET SESSION sql_mode = :mode"), {"mode": mode})


def _report(faults: Sequence[tuple[str, int, str]]) -> str:
    files = [file for file, _, _ in faults]
    shown = sorted(faults, key=lambda fault: (files.index(fault[0]), fault[1]))[:MOST_FAULTS]
    more = len(faults) > MOST_FAULTS or len(shown) == MOST_FAULTS
    lines = [f"{file}:{number}: {reason}" for file, number, reason in shown]
    return "\n".join(["nothing was loaded:", *(f"  {line}" for line in lines), *(["  …"] if more else [])])


_LATER = {
    "sqlite": ("PRAGMA defer_foreign_keys = ON", ""),
    "postgresql": ("SET CONSTRAINTS ALL DEFERRED", ""),
    "mysql": ("SET SESSION foreign_key_checks = 0", "SET SESSION foreign_key_checks = 1"),
    "mariadb": ("SET SESSION foreign_key_checks = 0", "SET SESSION foreign_key_checks = 1"),
}
