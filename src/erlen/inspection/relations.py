"""Relations between models, both ways, as foreign keys and link tables say them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from erlen.inspection.naming import free_name, plural_of, relation_name, singular_of, snake_name
from erlen.inspection.reading import ForeignKey, Key, Table

__all__ = ["Relation", "Relations", "is_link", "relations_of"]


class Relation(Struct, kw_only=True, eq=False):
    """One side of a relation."""

    name: str
    target: Key
    many: bool = False
    nullable: bool = False
    foreign_key: ForeignKey
    back: str = ""
    """The relation of the other side."""
    foreign: tuple[Key, tuple[str, ...]] | None = None
    """Which columns of which table it goes by, where there are several ways between the two tables."""
    remote: tuple[str, ...] = ()
    """The key's columns, on the many-to-one side of a table that refers to itself."""
    link: Table | None = None
    """The table between, of a many-to-many relation,"""
    other_key: ForeignKey | None = None
    """and its other foreign key, where both refer to the same table."""
    overlaps: list[str] = msgspec.field(default_factory=list)
    """Relations that set the same columns."""


Relations = dict[Key, list[Relation]]


def is_link(table: Table) -> bool:
    """Whether a table has nothing but two foreign keys, which are its key: it only links rows of two others."""
    keys = table.foreign_keys
    if len(keys) != 2 or table.notes:
        return False
    columns = [*keys[0].columns, *keys[1].columns]
    return sorted(columns) == sorted(column["name"] for column in table.columns) == sorted(table.primary_key)


def relations_of(
    models: Sequence[Table], links: Sequence[Table], classes: Mapping[Key, str], attributes: Mapping[Key, Mapping[str, str]]
) -> Relations:
    """Return the relations of each model.

    Args:
        models: the tables that become models.
        links: those that only link two others.
        classes: the names of the models.
        attributes: the names of their columns' attributes.
    """
    found: Relations = {table.key: [] for table in models}
    taken = {key: set(names.values()) for key, names in attributes.items()}
    ways = Counter(frozenset((table.key, foreign.target)) for table in models for foreign in table.foreign_keys)
    pairs: list[tuple[Table, ForeignKey, Relation]] = []
    both: list[tuple[Relation, Relation]] = []
    for table in models:
        for foreign in table.foreign_keys:
            if foreign.target in found:
                relation = _forward(table, foreign, classes, attributes[table.key], taken[table.key])
                if ways[frozenset((table.key, foreign.target))] > 1:
                    relation.foreign = table.key, foreign.columns
                found[table.key].append(relation)
                taken[table.key].add(relation.name)
                pairs.append((table, foreign, relation))
    for table, foreign, relation in pairs:
        back = _back(table, foreign, relation, classes, taken[foreign.target])
        relation.back = back.name
        found[foreign.target].append(back)
        taken[foreign.target].add(back.name)
        both.append((relation, back))
    _mark_overlaps(both)
    for link in links:
        first, second = link.foreign_keys
        if first.target in found and second.target in found:
            _link(link, first, second, found, classes, taken)
    return found


def _forward(table: Table, foreign: ForeignKey, classes: Mapping[Key, str], attributes: Mapping[str, str], taken: set[str]) -> Relation:
    """Return the many-to-one side."""
    to_itself = foreign.target == table.key
    target = snake_name(classes[foreign.target])
    said = relation_name(attributes[foreign.columns[0]]) if len(foreign.columns) == 1 else ""
    fallback = "parent" if to_itself else target
    return Relation(
        name=free_name([said, fallback, f"{said or fallback}_{target}"], taken),
        target=foreign.target,
        nullable=any(table.column(name)["nullable"] for name in foreign.columns),
        foreign_key=foreign,
        remote=foreign.target_columns if to_itself else (),
    )


def _back(table: Table, foreign: ForeignKey, forward: Relation, classes: Mapping[Key, str], taken: set[str]) -> Relation:
    """Return the other side: one-to-many, or one-to-one where the columns are unique."""
    one = table.is_unique(foreign.columns)
    own = snake_name(classes[table.key])
    name = own if one else plural_of(own)
    single = not one and foreign.target == table.key
    alone = sum(each.target == foreign.target for each in table.foreign_keys) == 1
    names = ["children" if single else name, f"{forward.name}_{name}"] if alone else [f"{forward.name}_{name}"]
    return Relation(
        name=free_name(names, taken),
        target=table.key,
        many=not one,
        nullable=True,
        foreign_key=foreign,
        back=forward.name,
        foreign=forward.foreign,
    )


def _mark_overlaps(both: Sequence[tuple[Relation, Relation]]) -> None:
    """Let those that set the same column know of each other, which SQLAlchemy would warn of."""
    for forward, back in both:
        for other, other_back in both:
            shared = back.target == other_back.target and set(forward.foreign_key.columns) & set(other.foreign_key.columns)
            if other is not forward and shared:
                forward.overlaps += [other.name, other_back.name]
                back.overlaps += [other.name, other_back.name]


def _link(
    link: Table, first: ForeignKey, second: ForeignKey, found: Relations, classes: Mapping[Key, str], taken: Mapping[Key, set[str]]
) -> None:
    """Add the two sides of a many-to-many relation."""
    made: list[Relation] = []
    for mine, others in ((first, second), (second, first)):
        to_itself = mine.target == others.target
        name = plural_of(snake_name(classes[others.target]))
        said = relation_name(snake_name(others.columns[0])) or singular_of(snake_name(others.columns[0]))
        names = [plural_of(said)] if to_itself else [name, f"{snake_name(link.name)}_{name}"]
        relation = Relation(
            name=free_name(names, taken[mine.target]),
            target=others.target,
            many=True,
            foreign_key=mine,
            link=link,
            other_key=others if to_itself else None,
        )
        taken[mine.target].add(relation.name)
        made.append(relation)
    made[0].back, made[1].back = made[1].name, made[0].name
    found[first.target].append(made[0])
    found[second.target].append(made[1])
