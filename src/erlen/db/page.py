"""Numbered pages of a long list: `db.page(select(Article), number=2)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from erlen.db.ordering import stable
from erlen.db.selection import count_rows, fetch_all, is_limited
from erlen.errors import NotFound

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = ["Page", "Total", "read_page"]

Item = TypeVar("Item")

Total: TypeAlias = Literal["exact", "capped", "none"]
"""How rows are counted: all of them, at most so many, or not at all."""


class Page(Generic[Item]):
    """One page of a list; what the template component `erlen/pagination` takes as `page`.

    Args:
        items: the items of this page.
        number: which page it is, from 1.
        size: how many items a page has.
        total: how many items are known to be on all pages.
        is_exact: whether there are no more than those.
    """

    def __init__(self, items: Sequence[Item], *, number: int, size: int, total: int, is_exact: bool = True) -> None:
        self.items = items
        """The items of this page."""
        self.number = number
        """Which page it is, from 1."""
        self.size = size
        """How many items a page has."""
        self.total = total
        """How many items there are on all pages; where `is_exact` is False, there are at least so many."""
        self.is_exact = is_exact
        """Whether all items were counted."""

    @property
    def pages(self) -> int:
        """How many pages there are, or are known of; at least 1."""
        return max(-(-self.total // self.size), 1)

    @property
    def has_previous(self) -> bool:
        """Whether a page stands before this one."""
        return self.number > 1

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        return self.number < self.pages

    @property
    def previous(self) -> int | None:
        """The number of the page before, or None."""
        return self.number - 1 if self.has_previous else None

    @property
    def next(self) -> int | None:
        """The number of the page after, or None."""
        return self.number + 1 if self.has_next else None

    @property
    def first_item(self) -> int:
        """The place of this page's first item among all, from 1; 0 on an empty page."""
        return (self.number - 1) * self.size + 1 if self.items else 0

    @property
    def last_item(self) -> int:
        """The place of this page's last item among all; 0 on an empty page."""
        return self.first_item + len(self.items) - 1 if self.items else 0

    def window(self, around: int = 2, ends: int = 1) -> list[int | None]:
        """Return the numbers of the pages to link to, with None for each gap of several pages.

        Args:
            around: how many to show on each side of this page.
            ends: how many to show at the beginning and at the end.
        """
        pages = self.pages
        wanted = {*range(1, ends + 1), *range(self.number - around, self.number + around + 1), *range(pages - ends + 1, pages + 1)}
        shown: list[int | None] = []
        last = 0
        for number in [*sorted(number for number in wanted if 1 <= number <= pages), pages + 1]:
            if number == last + 2:
                shown.append(last + 1)
            elif number > last + 2:
                shown.append(None)
            shown.append(number)
            last = number
        return shown[:-1]

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __json__(self) -> dict[str, Any]:
        """Return what leaves as JSON."""
        known = {"items": self.items, "number": self.number, "size": self.size, "has_next": self.has_next}
        return {**known, "total": self.total} if self.is_exact else known

    def __repr__(self) -> str:
        return f"<Page {self.number} of {self.pages}, {self.total} items{'' if self.is_exact else ' or more'}>"


def read_page(db: Queries, statement: Any, number: int, size: int, total: Total, cap: int) -> Page[Any]:
    """Return one page of what a statement selects; see `Queries.page`."""
    if size < 1:
        raise ValueError(f"a page has at least 1 item, not size={size}")
    if is_limited(statement):
        raise ValueError("page() says itself which rows it wants: leave limit() and offset() out of the statement")
    offset = (number - 1) * size
    if number < 1 or offset > _OFFSET_LIMIT:
        raise NotFound("There is no such page.")
    # One row more tells whether a page follows, so that all is counted only where that is not known already.
    items = fetch_all(db, stable(statement).limit(size + 1).offset(offset))
    if not items and number > 1:
        raise NotFound("There is no such page.")
    seen = offset + len(items)
    if len(items) <= size:
        return Page(items, number=number, size=size, total=seen)
    if total == "none":
        return Page(items[:size], number=number, size=size, total=seen, is_exact=False)
    counted = count_rows(db, statement, limit=None if total == "exact" else cap + 1)
    is_exact = total == "exact" or counted <= cap
    return Page(items[:size], number=number, size=size, total=max(counted if is_exact else cap, seen), is_exact=is_exact)


_OFFSET_LIMIT = 2**62  # databases count in 64 bits
