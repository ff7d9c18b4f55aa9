"""A line of a file, judged: which table it is for, its values as they are stored, and every fault in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct

from erlen.db.columns.encrypted import EncryptedValue
from erlen.db.columns.json import plain_json
from erlen.db.rules import ValidationError
from erlen.rows.entity import Entity, Field, names_of
from erlen.rows.files import Line
from erlen.rows.values import Sealed
from erlen.schema.faults import REQUIRED
from erlen.security.encryption import seal, unseal

__all__ = ["Judge", "Named", "Row", "label_of"]


class Named(Struct, frozen=True):
    """A row of another table, by its natural key: the values of a dict in a file, each as JSON has it, or another `Named`."""

    target: Entity
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return label_of(self.target, dict(zip(self.target.natural, self.values, strict=True)))


class Row(Struct, kw_only=True):
    """One row to be stored."""

    line: Line
    entity: Entity
    values: dict[str, Any]
    """By field: as the column's codec has decoded them, `Named` for what a natural key refers to."""
    later: bool = False
    """Whether what it refers to is set, or looked for, once all rows are there."""

    def json(self, name: str) -> Any:
        """Return one value as it would be written; equal values are equal there on every database."""
        value = self.values[name]
        return value if value is None or isinstance(value, Named) else self.entity.fields[name].codec.encode(value)

    def identity(self) -> tuple[str, ...]:
        """Return the fields that say which row it is; none where nothing does."""
        for names in (self.entity.key, self.entity.natural):
            if names and all(self.values.get(name) is not None for name in names):
                return names
        return ()

    @property
    def label(self) -> str:
        names = self.identity()
        return label_of(self.entity, {name: self.json(name) for name in names})


class Judge:
    """Makes rows of lines, and collects what is wrong with them.

    Args:
        entities: the tables of the database.
        ignore_unknown: pass over models and fields that are not there.
        validate: hold values to the rules of their models, beyond what the columns need.
        keys: the application's secret keys, for encrypted values.
    """

    def __init__(self, entities: Sequence[Entity], *, ignore_unknown: bool, validate: bool, keys: Sequence[str]) -> None:
        self._known = names_of(entities)
        self._ignore = ignore_unknown
        self._validate = validate
        self._keys = tuple(filter(None, keys))
        self.ignored = 0

    def row(self, line: Line) -> Row | list[str]:
        """Return the row of a line, or what is wrong with it; no fault for what is passed over."""
        name, given = line.data.get("model"), line.data.get("fields")
        if not isinstance(name, str) or not isinstance(given, dict):
            return ['this is no row: a line is `{"model": "Book", "fields": {"title": "…"}}`']
        entity = self._known.get(name)
        if entity is None:
            if self._ignore:
                self.ignored += 1
                return []
            return [f"there is no model {name!r}{_near(name, self._known)}"]
        if entity.discriminator and name in entity.kinds and entity.kinds[name] is not None:
            given = {entity.discriminator: _plain_kind(entity.kinds[name]), **given}
        values: dict[str, Any] = {}
        faults: list[str] = []
        for field_name, value in given.items():
            field = entity.fields.get(field_name)
            if field is not None:
                try:
                    values[field_name] = self._value(field, value)
                except ValueError as error:
                    faults.append(f"{field_name}{_shown(field, value)}: {error}")
                except ValidationError as error:
                    faults += [f"{field_name}{_path(fault.location)}{_shown(field, value)}: {fault.message}" for fault in error.faults]
            elif not self._ignore:
                computed = field_name in entity.table.columns
                faults.append(
                    f"{field_name}: " + ("the database computes it" if computed else f"no such field{_near(field_name, entity.fields)}")
                )
        return self._finished(Row(line=line, entity=entity, values=values), given, faults)

    def _finished(self, row: Row, given: Mapping[str, Any], faults: list[str]) -> Row | list[str]:
        needed = [field.name for field in row.entity.fields.values() if field.required and given.get(field.name) is None]
        faults += [f"{name}: {REQUIRED}" for name in needed]
        if not faults:
            return row
        label = label_of(row.entity, {name: given[name] for name in row.entity.key or row.entity.natural if name in given})
        return [f"{label}: {fault}" for fault in faults]

    def _value(self, field: Field, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, dict) and field.target is not None:
            return _named(field.target, value)
        decoded = field.codec.decode(value)
        if isinstance(field.column.type, EncryptedValue):
            return self._encrypted(field, field.column.type, decoded)
        if field.rule is not None and self._validate and not field.rule.accepts(decoded):
            made = field.rule.admit(decoded, stored=False)
            if not field.codec.raw:
                return made
        return decoded

    def _encrypted(self, field: Field, kind: EncryptedValue, value: Any) -> Any:
        if isinstance(value, Sealed):
            if unseal(self._keys, kind.encryption.purpose, value) is None:
                raise ValueError("It was encrypted with a key that is not among `secret_key` and `secret_key_fallbacks`.")
            return str(value)
        if field.rule is not None and self._validate:
            value = field.rule.admit(value, stored=False)
        if not self._keys:
            raise ValueError("An encrypted column needs a secret key: set SECRET_KEY.")
        return seal(self._keys[0], kind.encryption.purpose, msgspec.json.encode(plain_json(value)), int(time.time()))


def label_of(entity: Entity, values: Mapping[str, Any]) -> str:
    """Return a row for people: `Book 3`, `Book slug "erlen"`."""
    if not values:
        return entity.name
    if tuple(values) == entity.key:
        return f"{entity.name} {', '.join(map(_brief, values.values()))}"
    return f"{entity.name} {', '.join(f'{name} {_brief(value)}' for name, value in values.items())}"


def _named(target: Entity, value: Mapping[str, Any]) -> Named:
    if value.keys() != set(target.natural):
        raise ValueError(f"{target.name} is named by {', '.join(target.natural)}, not by {', '.join(value) or 'nothing'}")
    parts: list[Any] = []
    for name in target.natural:
        field, part = target.fields[name], value[name]
        if isinstance(part, dict) and field.target is not None:
            parts.append(_named(field.target, part))
        else:
            parts.append(None if part is None else field.codec.encode(field.codec.decode(part)))
    return Named(target, tuple(parts))


def _shown(field: Field, value: Any) -> str:
    return "" if field.private else f" {_brief(value)}"


def _brief(value: Any) -> str:
    if isinstance(value, Named):
        return f"({value})"
    is_number = isinstance(value, int) and not isinstance(value, bool)  # of any size
    text = str(value) if is_number else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 40 else text[:39] + "…"


def _path(location: Sequence[Any]) -> str:
    return "".join(f".{step}" for step in location[2:])


def _plain_kind(value: Any) -> Any:
    return getattr(value, "value", value)


def _near(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f", only {', '.join(sorted(known)[:12])}"
