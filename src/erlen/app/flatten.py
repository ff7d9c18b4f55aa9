"""Blueprints, flattened: each route with everything that those around it say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from erlen.app.routes import Hooks, IncludeRecord, MountRecord, RouteRecord, Routes, SlashPolicy
from erlen.binding.parameter import short
from erlen.errors import Mistake

__all__ = ["Around", "Flat", "flatten", "included"]


class Around(Struct, frozen=True, eq=False):
    """What holds for all routes of a blueprint, those of outer ones included."""

    prefix: str = ""
    names: str = ""
    host: str | None = None
    scopes: tuple[Hooks, ...] = ()
    dependencies: tuple[Any, ...] = ()
    slashes: SlashPolicy = "redirect"
    chain: tuple[Routes, ...] = ()


class Flat(Struct, frozen=True, eq=False):
    """A route or mount by itself."""

    record: RouteRecord | MountRecord
    path: str
    name: str
    around: Around

    @property
    def where(self) -> str:
        """`file:line` of its registration."""
        return short(self.record.where)

    @property
    def host(self) -> str | None:
        return (self.record.options.host if isinstance(self.record, RouteRecord) else None) or self.around.host

    @property
    def slashes(self) -> SlashPolicy:
        return (self.record.options.slashes if isinstance(self.record, RouteRecord) else "strict") or self.around.slashes


def flatten(routes: Routes, around: Around, mistakes: list[Mistake]) -> Iterator[Flat]:
    """Yield the routes of an application or blueprint, and of all that it includes."""
    around = msgspec.structs.replace(around, chain=(*around.chain, routes))
    for record in routes.records:
        if not isinstance(record, IncludeRecord):
            yield Flat(record, join(around.prefix, record.path) or "/", around.names + record.name, around)
        elif record.blueprint in around.chain:
            mistakes.append(Mistake(f"blueprint {record.blueprint.name!r} includes itself", short(record.where), "include it in one place"))
        else:
            blueprint = record.blueprint
            inner = Around(
                prefix=join(around.prefix, record.prefix, blueprint.prefix),
                names=f"{around.names}{record.name or blueprint.name}.",
                host=record.host or blueprint.host or around.host,
                scopes=(*around.scopes, blueprint.hooks),
                dependencies=(*around.dependencies, *blueprint.dependencies),
                slashes=blueprint.slashes or around.slashes,
                chain=around.chain,
            )
            yield from flatten(blueprint, inner, mistakes)


def included(routes: Routes) -> list[Routes]:
    """Return an application and all blueprints that it includes, each once; also those without routes."""
    found = [routes]
    for one in found:
        found += [each.blueprint for each in one.records if isinstance(each, IncludeRecord) and each.blueprint not in found]
    return found


def join(*parts: str) -> str:
    """Join prefixes and a path with one slash between."""
    joined = ""
    for part in parts:
        slash = "/" if part and not part.startswith("/") else ""
        joined = joined.rstrip("/") + slash + part
    return joined
