"""Filters that choose words by a value."""

from __future__ import annotations

from typing import TypeVar

from erlen.templates.filters.numbers import decimal_of

__all__ = ["default_if_none", "pluralize", "yesno"]

Value = TypeVar("Value")
Other = TypeVar("Other")


def pluralize(value: object, *forms: str) -> str:
    """Return the ending or the word that goes with a number: the first form for 1, else the second.

    Examples:
        {{ n }} book{{ n|pluralize }}                         1 book, 2 books
        {{ n }} class{{ n|pluralize("es") }}                  1 class, 2 classes
        {{ n }} {{ n|pluralize("child", "children") }}        1 child, 2 children

    Args:
        value: a number, its text, or anything with a length. For anything else, None included, the result is empty.
        forms: none (`""` and `"s"`), the plural's ending, or both forms.

    Raises:
        TypeError: with more than two forms.
    """
    if len(forms) > 2:
        raise TypeError(f"pluralize takes at most two forms, the singular and the plural, not {len(forms)}")
    singular, plural = forms if len(forms) == 2 else ("", forms[0] if forms else "s")
    amount = decimal_of(value)
    if amount is None and not isinstance(value, str):
        try:
            amount = decimal_of(len(value))  # type: ignore[arg-type]
        except TypeError:
            amount = None
    return "" if amount is None else singular if amount == 1 else plural


def yesno(value: object, yes: str = "yes", no: str = "no", maybe: str | None = None) -> str:
    """Return a word for true and another for false: `{{ user.active|yesno("on", "off", "unknown") }}`.

    Args:
        value: anything; an undefined variable is false.
        yes: for what is true.
        no: for what is false.
        maybe: for None; by default `no`.
    """
    return yes if value else no if maybe is None or value is not None else maybe


def default_if_none(value: Value | None, default: Other) -> Value | Other:
    """Return `default` in place of None only: unlike `default`, it keeps what is undefined, empty or false."""
    return default if value is None else value
