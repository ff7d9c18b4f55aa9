"""Rows that are inserted, or change those that are there already, in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, inspect

from erlen.db.bulk import Values, explained, fetch_by_key, in_parts, judged, key_of
from erlen.db.fields import Fields, names_of
from erlen.db.selection import backend_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

    from erlen.db.queries import Queries

__all__ = ["upsert_rows"]


def upsert_rows(
    db: Queries, model: type[Any], rows: Iterable[Values], key: Fields | None, update: Fields | Mapping[str, Any] | None
) -> list[Any]:
    """Insert or update rows and return the objects, in the order of the rows; see `Queries.upsert`."""
    mapper = inspect(model)
    if len(mapper.tables) > 1:
        raise TypeError(f"upsert() writes to one table, and {model.__name__} has several")
    names = key_of(model) if key is None else names_of(model, key)
    changes: Mapping[str, Any] | tuple[str, ...] | None = (
        update if update is None or isinstance(update, Mapping) else names_of(model, update)
    )
    if isinstance(changes, Mapping):
        names_of(model, list(changes))
    merged = _merge(model, rows, names, changes)
    valid = judged(model, merged.values())
    # Rows with the same fields share a statement.
    groups: dict[tuple[str, ...], list[Values]] = {}
    for row in valid:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    backend = backend_of(db, model)
    for fields, group in groups.items():
        statement = _statement(backend, mapper, names, fields, changes)
        with explained(model):
            if backend in ("mysql", "mariadb"):
                # Their drivers write many rows as one statement by themselves, but then know no parameters behind VALUES.
                for part in in_parts(group, _ROWS_AT_A_TIME):
                    db.execute(statement.values([{**_given(mapper), **row} for row in part]))
            else:
                db.execute(statement, group)
    # Not by RETURNING: it leaves out the rows that were left as they are, and MySQL does not have it.
    keys = [values if len(names) > 1 else values[0] for values in merged]
    places = {value: place for place, value in enumerate(keys)}
    found = list(fetch_by_key(db, model, names, keys, populate_existing=True, with_deleted=True))
    # The database may give a key back in another form, as where it ignores case.
    return [instance for _, instance in sorted(found, key=lambda pair: places.get(pair[0], len(places)))]


def _merge(
    model: type[Any], rows: Iterable[Values], names: tuple[str, ...], changes: Mapping[str, Any] | tuple[str, ...] | None
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the rows by their keys: of those with the same key, what they would leave one after the other."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        values = tuple(row.get(name) for name in names)
        if None in values:
            missing = names[values.index(None)]
            raise ValueError(
                f"each row of upsert() says which {model.__name__} it is: {missing!r} is missing, or NULL, which equals nothing"
            )
        if values not in merged:
            merged[values] = dict(row)
        elif isinstance(changes, Mapping):
            raise ValueError(
                f"two rows of upsert() are the same {model.__name__}, and it cannot be changed twice in one statement: {names}"
            )
        else:
            merged[values].update({name: value for name, value in row.items() if changes is None or name in changes})
    return merged


def _statement(
    backend: str, mapper: Mapper[Any], names: tuple[str, ...], fields: tuple[str, ...], changes: Mapping[str, Any] | tuple[str, ...] | None
) -> Any:
    if backend == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    elif backend == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    else:
        from sqlalchemy.dialects.mysql import insert  # type: ignore[assignment]
    statement: Any = insert(mapper.class_)
    new = statement.inserted if backend in ("mysql", "mariadb") else statement.excluded
    columns: dict[str, Any] = {name: mapper.column_attrs[name].columns[0] for name in mapper.column_attrs.keys()}  # noqa: SIM118 - it is no dict
    if isinstance(changes, Mapping):
        values = {columns[name].key: value for name, value in changes.items()}
    else:
        changed = [name for name in (fields if changes is None else changes) if name not in names and name in fields]
        values = {columns[name].key: new[columns[name].key] for name in changed}
    if values:
        values = {**_automatic(mapper), **values}
    if backend in ("mysql", "mariadb"):
        key: Any = columns[names[0]]
        return statement.on_duplicate_key_update(values or {str(key.key): key})
    index = [columns[name] for name in names]
    if not values:
        return statement.on_conflict_do_nothing(index_elements=index)
    return statement.on_conflict_do_update(index_elements=index, set_=values)


def _given(mapper: Mapper[Any]) -> dict[str, Any]:
    """Return what a mapper gives new rows by itself, but not where their values are part of the statement."""
    values: dict[str, Any] = {}
    if mapper.version_id_col is not None and mapper.version_id_generator:
        values[mapper.get_property_by_column(mapper.version_id_col).key] = mapper.version_id_generator(None)
    if mapper.polymorphic_on is not None:
        values[mapper.get_property_by_column(mapper.polymorphic_on).key] = mapper.polymorphic_identity
    return values


def _automatic(mapper: Mapper[Any]) -> dict[str, Any]:
    """Return what an update sets by itself: `onupdate` values, which SQLAlchemy leaves out here, and the version."""
    values: dict[str, Any] = {}
    for column in mapper.local_table.columns:
        default: Any = column.onupdate
        if default is not None and (default.is_callable or default.is_scalar or default.is_clause_element):
            values[column.key] = default.arg(None) if default.is_callable else default.arg
    version = mapper.version_id_col
    if version is not None and isinstance(version.type, Integer):
        values[str(version.key)] = version + 1
    return values


_ROWS_AT_A_TIME = 500
