"""Values held to the annotations of their model: when they are assigned, all at once by the constructor, and before they are stored.

What is wrong becomes a `ValidationError`, which is answered with 422 and every fault, each with its field. Three rules keep SQLAlchemy
as it is: SQL expressions pass (`article.views = Article.views + 1`), what is loaded is not judged again, and nothing is converted but what
is the same value in another type: an int for a float or Decimal, a value for the Enum member that has it, and for a JSON column what JSON
makes of its type (a dict for a Struct).
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, Integer, SmallInteger, String, event, inspect, orm
from sqlalchemy.orm import ColumnProperty, DeclarativeBase, InstanceState, Mapper, RelationshipDirection
from sqlalchemy.sql.expression import ClauseElement

from erlen.db.annotations import annotations_of
from erlen.db.columns.json import plain_json
from erlen.db.columns.resolve import integer_bounds, without_none
from erlen.errors import ConfigurationError, Fault, InvalidRequest, Mistake
from erlen.schema.decode import strict_decoder
from erlen.schema.faults import MAX_FAULTS, REQUIRED, Checker, convert_custom, first_fault, own_message
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import NOTHINGS, choices_of, constraints_of, kind_of, members_of, strip
from erlen.schema.sentence import choices, in_words

__all__ = ["ValidationError", "assign", "install", "validate", "validate_pending", "validate_values", "validator"]

Method = TypeVar("Method", bound=Callable[..., Any])


class ValidationError(InvalidRequest):
    """422: an object has values that are not valid; `faults` lists them all, each located at `("body", field)`.

    Args:
        faults: the faults; or a sentence for each field, `{"ends": "Must be after the start."}`; or one sentence about the whole.
    """

    default_detail = "The data is not valid."

    def __init__(self, faults: Iterable[Fault] | Mapping[str, str] | str, detail: str = "") -> None:
        if isinstance(faults, str):
            faults = [Fault(("body",), faults)]
        elif isinstance(faults, Mapping):
            said: Mapping[str, str] = faults
            faults = [Fault(("body", name), message) for name, message in said.items()]
        super().__init__(faults, detail)

    def __str__(self) -> str:
        return "\n".join(": ".join(filter(None, [".".join(map(str, fault.location[1:])), fault.message])) for fault in self.faults)


def validator(*fields: str) -> Callable[[Method], Method]:
    """Let a method judge, or change, the values of fields when they are assigned.

        @validator("slug", "alias")
        def lower_case(self, value: str) -> str:
            return value.lower()

    It is given what the annotation has found valid (never None nor an SQL expression), returns the value to keep, and raises ValueError
    with a sentence. Other fields may not be set yet: what is between fields belongs into a method `validate(self) -> None`, which is called
    before an object is stored and raises ValueError or `ValidationError`.
    """

    def mark(method: Method) -> Method:
        method.__validates__ = fields  # type: ignore[attr-defined]  # a function has room for it
        return method

    return mark


def assign(instance: object, values: Mapping[str, Any]) -> None:
    """Set attributes.

    Raises:
        ValidationError: with the faults of all of them, where assigning them one by one would stop at the first.
    """
    faults: list[Fault] = []
    for name, value in values.items():
        try:
            setattr(instance, name, value)
        except ValidationError as error:
            faults += error.faults
        except ValueError as error:  # of SQLAlchemy's own `@validates`
            faults.append(Fault(("body", name), own_message(error)))
    if faults:
        raise ValidationError(faults[:MAX_FAULTS])


def validate(instance: object) -> None:
    """Judge every value of an object, what it lacks, and then the object as its method `validate` does.

    Raises:
        ValidationError: with all faults.
    """
    state = cast("InstanceState[Any]", inspect(instance))
    faults = _faults_of(state, _rules_of(state.mapper), state.dict)
    if faults:
        raise ValidationError(faults[:MAX_FAULTS])


def validate_pending(session: orm.Session) -> None:
    """Judge the objects that a flush is about to store: of new ones everything, of others what has changed. For `before_flush`.

    A field that must have a value and has none is left to the database where something may still set it: a relation from the other side,
    or SQLAlchemy's event `before_insert`.

    Raises:
        ValidationError: with the faults of all of them.
    """
    faults: list[Fault] = []
    registries: set[orm.registry] = session.info.setdefault(_REGISTRIES, set())
    registries.update(inspect(instance).mapper.registry for instance in session.deleted)
    for instance in (*session.new, *session.dirty):
        state = cast("InstanceState[Any]", inspect(instance))
        registries.add(state.mapper.registry)
        rules = _rules_of(state.mapper)
        changed = state.dict if state.key is None else state.committed_state
        faults += _faults_of(state, rules, changed)
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise ValidationError(faults[:MAX_FAULTS])


def validate_values(model: type[DeclarativeBase], values: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the values of one row by the names of its attributes, judged and converted as when they are assigned.

    For what is stored without an object. Methods marked `@validator` and the method `validate` need one, and are not asked.

    Args:
        model: the mapped class.
        values: names that are no column of the model are returned as they are.
        partial: whether fields that need a value may be missing, as in an update.

    Raises:
        ValidationError: with all faults.
    """
    rules = _rules_of(inspect(model))
    made = dict(values)
    faults: list[Fault] = []
    for name, value in values.items():
        rule = rules.fields.get(name)
        if rule is not None and not rule.accepts(value):
            try:
                made[name] = rule.admit(value, partial)
            except ValidationError as error:
                faults += error.faults
    known = {fault.location[1] for fault in faults}
    missing = [need.name for need in rules.needs if (values.get(need.name) is None if not partial else values.get(need.name, ...) is None)]
    faults += [Fault(("body", name), REQUIRED) for name in missing if name not in known]
    if faults:
        raise ValidationError(faults[:MAX_FAULTS])
    return made


def install(base: type[DeclarativeBase]) -> None:
    """Hold the values of all classes derived from `base` to their annotations."""
    event.listen(base, "after_mapper_constructed", _watch, propagate=True)
    event.listen(base, "mapper_configured", _prepare, propagate=True)


def mappers_of(session: orm.Session) -> Iterator[Mapper[Any]]:
    """Return the mappers of the classes whose objects a session has stored, and of all that are declared with them."""
    for registry in session.info.get(_REGISTRIES, ()):
        yield from registry.mappers


class Rule:
    """What one field takes.

    Attributes:
        name: the attribute.
        accepts: whether a value is valid as it is, told quickly; what it does not accept, `admit` judges.
        structured: whether values may change inside without being assigned.
    """

    def __init__(self, name: str, annotation: Any, column: Column[Any], *, absent: bool) -> None:
        self.name = name
        self._location = ("body", name)
        self._annotation = without_none(annotation)
        # A foreign key is emptied when what it refers to is taken away: whether it may stay so is asked before it is stored.
        self._nullable = column.nullable or bool(column.foreign_keys) or any(member in NOTHINGS for member in members_of(annotation))
        self._absent = absent
        self._check_type: Callable[[Any], None] | None = getattr(column.type, "check_value", None)
        kind = kind_of(self._annotation)
        self.structured = kind in _STRUCTURED
        self._bare: Any = strip(self._annotation)[0]
        self._checker: Checker | None = None
        if self.structured:
            self._checker = Checker(self._annotation)
        elif kind == "scalar":
            strict_decoder(self._annotation)  # constraints that do not suit the type are a mistake
        self._limits = (0.0, math.inf)
        if self._bare is str and isinstance(column.type, String) and column.type.length:
            self._limits = (0, column.type.length)
        elif self._bare is int:
            self._limits = _integer_limits(column)
        metas = constraints_of(self._annotation)
        own = [meta.extra for meta in metas if meta.pattern is not None and meta.extra is not None]
        self._pattern_message = next((str(extra["message"]) for extra in own if "message" in extra), "")
        self.accepts: Callable[[Any], bool] = _quick_check(self._annotation, self._bare, metas, self._limits) or _accepts_nothing
        self._judged = kind != "other"

    def admit(self, value: Any, stored: bool) -> Any:
        """Return the value to keep.

        Args:
            value: what was assigned.
            stored: whether the object is in the database already, so that a missing value would not become the default.

        Raises:
            ValidationError: if it is not valid.
        """
        if value is None:
            if self._nullable or (self._absent and not stored):
                return None
            raise ValidationError([Fault(self._location, REQUIRED)])
        if not self._judged or is_expression(value):
            return value
        return self._structure(value) if self.structured else self._scalar(value)

    def _scalar(self, value: Any) -> Any:
        if self._bare is Decimal and type(value) is int:
            value = Decimal(value)
        elif self._bare is str and isinstance(value, str):
            value = str.__str__(value)  # of a StrEnum or Markup, its text
        elif self._bare is int and isinstance(value, int) and type(value) is not bool:
            value = int(value)
        try:
            made = msgspec.convert(value, self._annotation, builtin_types=_NATIVE, dec_hook=_instance_of)
            self._check(made)
        except msgspec.ValidationError as error:
            message = first_fault(error, ()).message
            if message == "Must be one of the allowed values." or (not self._pattern_message and choices_of(self._bare)):
                message = choices([plain for plain, _ in choices_of(self._bare)])
            elif self._bare is bytes:  # which JSON has as text
                message = message.replace("base64 text", "bytes")
            elif self._pattern_message and message.startswith("Must match the pattern"):
                message = self._pattern_message
        except ValueError as error:
            message = own_message(error)
        else:
            return made
        raise ValidationError([Fault(self._location, message)]) from None

    def _check(self, value: Any) -> None:
        low, high = self._limits
        if self._bare is str:
            if len(value) > high:
                raise ValueError(f"Must have at most {high:.0f} characters.")
            if "\0" in value:
                raise ValueError("Must not contain the character NUL.")
        elif self._bare is int and not low <= value <= high:
            raise ValueError("The number is out of range.")
        elif self._bare is float and not math.isfinite(value):
            raise ValueError("Expected a finite number.")
        if self._check_type is not None:
            self._check_type(value)

    def _structure(self, value: Any) -> Any:
        checker = self._checker
        assert checker is not None
        try:
            plain = plain_json(value)
            made = msgspec.convert(plain, self._annotation, str_keys=True, dec_hook=convert_custom)
        except msgspec.ValidationError as error:
            faults = checker.faults(plain_json(value), self._location) or [first_fault(error, self._location)]
        except (TypeError, ValueError, RecursionError):
            faults = [Fault(self._location, "Holds something that cannot be kept as JSON.")]
        else:
            is_model = checker.shape.kind in _MODELS and isinstance(value, checker.shape.cls)
            return value if is_model or checker.shape.kind == "any" else made
        raise ValidationError(faults) from None


class Watch:
    """What sees the values that are assigned to one field."""

    __slots__ = ("accepts", "methods", "name", "rule")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rule: Rule | None = None
        self.methods: tuple[str, ...] = ()
        self.accepts: Callable[[Any], bool] = _accepts_nothing

    def see(self, state: InstanceState[Any], value: Any, old: Any, initiator: Any, key: Any = None) -> Any:
        """Return the value to keep, or raise `ValidationError`. A listener for `set`."""
        # PERF: this is on the way of every assignment: with a text it takes 0.2 microseconds.
        if self.accepts(value):
            return value
        if self.rule is not None and not self.rule.accepts(value):
            value = self.rule.admit(value, state.key is not None)
        if not self.methods or value is None or is_expression(value):
            return value
        for method in self.methods:
            try:
                value = getattr(state.obj(), method)(value)
            except ValueError as error:
                raise ValidationError([Fault(("body", self.name), own_message(error))]) from error
        return value


class Need:
    """A field that must have a value when an object is stored, and what else may give it one: relations to its owner."""

    def __init__(self, name: str, relations: tuple[str, ...]) -> None:
        self.name = name
        self.relations = relations

    def is_met(self, values: Mapping[str, Any]) -> bool:
        """Return whether the values of an object have what is needed."""
        return values.get(self.name) is not None or any(values.get(name) is not None for name in self.relations)


class Rules:
    """What the fields of one class take.

    Attributes:
        fields: by attribute.
        method: whether the class has a method `validate`.
    """

    def __init__(self, mapper: Mapper[Any]) -> None:
        self._mapper = mapper
        annotations = annotations_of(mapper.class_)
        self.fields: dict[str, Rule] = {}
        mistakes: list[Mistake] = []
        for prop in mapper.column_attrs:
            column = prop.columns[0]
            if prop.key not in annotations or not isinstance(column, Column):
                continue
            try:
                self.fields[prop.key] = Rule(prop.key, annotations[prop.key], column, absent=not _needs_value(mapper, prop.columns))
            except ConfigurationError as error:
                at = f"`{type_name(mapper.class_)}.{prop.key}`"
                mistakes += [Mistake(f"{at}: {each.message}", each.where or place_of(mapper.class_), each.fix) for each in error.mistakes]
        if mistakes:
            raise ConfigurationError(mistakes)
        self.method = callable(getattr(mapper.class_, "validate", None)) and "validate" not in mapper.attrs

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The fields that must have a value. Worked out when first asked, for it needs all classes to be mapped."""
        mapper = self._mapper
        filled = {
            remote
            for other in mapper.registry.mappers
            for relation in other.relationships
            if relation.direction is RelationshipDirection.ONETOMANY and not (relation.back_populates or relation.backref)
            for _, remote in relation.synchronize_pairs
        }
        needs = []
        for prop in mapper.column_attrs:
            column = prop.columns[0]
            if isinstance(column, Column) and not column.nullable and _needs_value(mapper, prop.columns) and column not in filled:
                relations = [
                    relation.key
                    for relation in mapper.relationships
                    if relation.direction is RelationshipDirection.MANYTOONE and column in relation.local_columns
                ]
                needs.append(Need(prop.key, tuple(relations)))
        return tuple(needs)


def is_expression(value: object) -> bool:
    """Return whether a value is an SQL expression, which the database works out."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def _rules_of(mapper: Mapper[Any]) -> Rules:
    cls = mapper.class_
    rules: Rules | None = vars(cls).get("__rules__")
    if rules is None:
        rules = Rules(mapper)
        type.__setattr__(cls, "__rules__", rules)  # past SQLAlchemy's own, which would look for a column in it
    return rules


def _watch(mapper: Mapper[Any], cls: type) -> None:
    """Listen to the assignments of a class, before others do: SQLAlchemy's tracking of changes inside a value is to see what is kept."""
    # `mapper.column_attrs` would configure all mappers, which is too early.
    watched = {name: Watch(name) for name in mapper.class_manager if isinstance(mapper.get_property(name), ColumnProperty)}
    type.__setattr__(cls, "__watched__", watched)  # past SQLAlchemy's own, which would look for a column in it
    for name, watch in watched.items():
        event.listen(getattr(cls, name), "set", watch.see, raw=True, retval=True, include_key=True)


def _prepare(mapper: Mapper[Any], cls: type) -> None:
    """Say what each field takes, once all that it refers to is mapped."""
    watched: dict[str, Watch] = vars(cls)["__watched__"]
    for name, rule in _rules_of(mapper).fields.items():
        if name in watched:
            watched[name].rule, watched[name].accepts = rule, rule.accepts
    for method, fields in _marked_methods(cls):
        for field in fields:
            if field not in watched:
                wrong = f"`{type_name(cls)}.{method}` validates `{field}`, which is no field"
                raise ConfigurationError(Mistake(wrong, place_of(getattr(cls, method)), "correct the name in `@validator(...)`"))
            watch = watched[field]
            watch.methods = (*watch.methods, method)
            watch.accepts = _accepts_nothing


def _marked_methods(cls: type) -> Iterator[tuple[str, Sequence[str]]]:
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        method = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
        if isinstance(fields := getattr(method, "__validates__", None), tuple):
            yield name, fields


def _faults_of(state: InstanceState[Any], rules: Rules, changed: Iterable[str]) -> list[Fault]:
    values = state.dict
    faults: list[Fault] = []
    stored = state.key is not None
    for name in changed:
        rule = rules.fields.get(name)
        if rule is None or name not in values or values[name] is None or rule.accepts(values[name]):
            continue
        try:
            rule.admit(values[name], stored)
        except ValidationError as error:
            faults += error.faults
    if stored or not state.mapper.dispatch.before_insert:
        needs = [need for need in rules.needs if not need.is_met(values)]
        faults += [Fault(("body", need.name), REQUIRED) for need in needs if not stored or need.name in changed]
    if rules.method and not faults:
        try:
            cast(Any, state.obj()).validate()
        except ValidationError as error:
            faults += error.faults
        except ValueError as error:
            faults.append(Fault(("body",), own_message(error)))
    return faults


def _needs_value(mapper: Mapper[Any], columns: Sequence[Any]) -> bool:
    """Return whether nothing but whoever makes an object gives these columns, which share an attribute, their value."""
    given = (mapper.polymorphic_on, mapper.version_id_col)
    return not any(
        column.default is not None
        or column.server_default is not None
        or column is getattr(column.table, "autoincrement_column", None)
        or any(column is each for each in given)
        for column in columns
    )


def _integer_limits(column: Column[Any]) -> tuple[float, float]:
    for cls, bits in ((BigInteger, 63), (SmallInteger, 15), (Integer, 31)):
        if isinstance(column.type, cls):
            return -(2**bits), 2**bits - 1
    return -math.inf, math.inf


def _quick_check(annotation: Any, bare: Any, metas: Sequence[msgspec.Meta], limits: tuple[float, float]) -> Callable[[Any], bool] | None:
    """Return what tells in a fraction of a microsecond that a value is valid; None where that takes longer."""
    if any(meta.multiple_of is not None for meta in metas):
        return None
    if bare is str:
        longest = min([limits[1], *(meta.max_length for meta in metas if meta.max_length is not None)])
        shortest = max([0, *(meta.min_length for meta in metas if meta.min_length is not None)])
        patterns = [re.compile(meta.pattern).search for meta in metas if meta.pattern is not None]
        if patterns:
            return lambda value: (
                type(value) is str
                and shortest <= len(value) <= longest
                and "\0" not in value
                and all(search(value) is not None for search in patterns)
            )
        return lambda value: type(value) is str and shortest <= len(value) <= longest and "\0" not in value
    if bare is int:
        bounds = integer_bounds(annotation)
        low, high = max(limits[0], bounds[0]), min(limits[1], bounds[1])
        return lambda value: type(value) is int and low <= value <= high
    if metas:
        return None
    if bare is float:
        return lambda value: type(value) is float and math.isfinite(value)
    if bare in _PLAIN or (isinstance(bare, type) and choices_of(bare)):
        return lambda value: type(value) is bare
    return None


def _accepts_nothing(value: Any) -> bool:
    return False


def _instance_of(cls: Any, value: Any) -> Any:
    """For `dec_hook`: what msgspec does not know is taken only as it is."""
    if isinstance(value, cls):
        return value
    raise ValueError(f"Expected {in_words(cls.__name__)}.")


_REGISTRIES = "erlen.registries"
"""Where `session.info` has the registries of the objects that it stored: an error of the database names only tables."""
_NATIVE = (bytes, bytearray, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, UUID, Decimal)
"""Not made of text here, as they are of JSON."""
_PLAIN = (bool, bytes, datetime.date, UUID)
_STRUCTURED = ("struct", "dataclass", "typeddict", "attrs", "pydantic", "namedtuple", "collection", "mapping", "union", "any")
_MODELS = ("struct", "dataclass", "attrs", "pydantic")
