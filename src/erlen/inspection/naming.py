"""Names of classes, attributes and relations, made of the names in a database."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterable

import sqlalchemy
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from erlen.db.model import Base
from erlen.db.names import _IRREGULAR, plural_of, snake_case

__all__ = ["attribute_name", "class_name", "free_name", "plural_of", "relation_name", "singular_of", "snake_name", "table_name_of"]


def class_name(table: str) -> str:
    """Return what a table's model is called: `order_details` and `OrderDetails` → `OrderDetail`."""
    name = "".join(word[:1].upper() + word[1:] for word in singular_of(snake_name(table)).split("_"))
    return f"{name}Model" if _is_used(name) else name


def table_name_of(cls: str) -> str:
    """Return the name of the table that a class has by itself."""
    return plural_of(snake_case(cls))


def attribute_name(column: str) -> str:
    """Return what a column's attribute is called: `CustomerId` → `customer_id`, `class` → `class_`."""
    return _allowed(snake_name(column))


def snake_name(name: str) -> str:
    """Return a name of a database as one of Python's."""
    words = re.sub(r"\W+", "_", snake_case(name)).strip("_")
    words = re.sub(r"__+", "_", words)
    return f"n{words}" if not words or words[0].isdecimal() or not words.isidentifier() else words


def singular_of(name: str) -> str:
    """Return the singular of a name's last word, as far as letters tell: `categories` → `category`; what is none stays."""
    head, mark, word = name.rpartition("_")
    return head + mark + _singular(word)


def relation_name(column: str) -> str:
    """Return what the object is called that a foreign key refers to; empty where the column's name does not say."""
    found = re.fullmatch(r"(.+?)_?(?:id|uuid|pk|fk|key)", column)
    return _allowed(found.group(1)) if found else ""


def free_name(names: Iterable[str], taken: Container[str]) -> str:
    """Return the first of some names that is free, or the last with a number."""
    last = ""
    for last in names:
        if last and last not in taken:
            return last
    return next(f"{last}_{number}" for number in range(2, 10_000) if f"{last}_{number}" not in taken)


def _allowed(name: str) -> str:
    used = keyword.iskeyword(name) or name in _USED_BUILTINS or name in _USED_NAMES or hasattr(Base, name)
    return f"{name}_" if used else name


def _is_used(cls: str) -> bool:
    """Whether the name of a class has a meaning already."""
    of_sqlalchemy = getattr(sqlalchemy, cls, None)
    imported = isinstance(of_sqlalchemy, type) and issubclass(of_sqlalchemy, SchemaItem | TypeEngine)
    return imported or cls in _USED_CLASSES or hasattr(builtins, cls) or keyword.iskeyword(cls)


def _singular(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _SINGULAR.values() or not word.endswith("s") or word.endswith(("ss", "us", "is", "news")):
        return word
    if word.endswith("ies"):
        return word[:-1] if word in _KEEP_IE else word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes", "tuses", "ruses", "nuses", "puses", "liases", "nvases")):
        return word[:-2]
    return word[:-1]


_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()} | {
    "analyses": "analysis",
    "axes": "axis",
    "bases": "base",
    "buses": "bus",
    "caches": "cache",
    "crises": "crisis",
    "diagnoses": "diagnosis",
    "indices": "index",
    "matrices": "matrix",
    "series": "series",
    "species": "species",
    "theses": "thesis",
}
_KEEP_IE = ("calories", "cookies", "dies", "genies", "lies", "movies", "pies", "selfies", "ties", "zombies")
# What a module of models may use by these names.
_USED_CLASSES = ("Annotated", "Any", "Base", "Decimal", "Digits", "Literal", "Mapped", "Model", "UUID", "UserDefinedType")
_USED_BUILTINS = ("bool", "bytes", "dict", "float", "int", "list", "set", "str")
_USED_NAMES = ("dt", "get_args", "mapped_column", "mysql", "postgresql", "relationship", "sa", "sqlite")
