"""Long lists in pages of so many items, and the numbers of the pages to link to.

    @app.get("/books")
    def books(page: int = 1) -> Page:
        return render("books.html", books=paginate(BOOKS, page=page, per_page=20))

In the template, `{% for book in books %}` goes over the items of the page, and the component `erlen/pagination` writes the links:

    {{ component("erlen/pagination", page=books) }}
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from erlen.errors import NotFound

__all__ = ["Paginated", "Pagination", "Sliceable", "page_window", "paginate"]

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)


class Sliceable(Protocol[Item_co]):
    """What can be cut into pages: a list, or anything else with a length and slices."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Sequence[Item_co]: ...


class Paginated(Protocol[Item_co]):
    """One page of a list, wherever it comes from; what the component `erlen/pagination` takes as `page`."""

    @property
    def items(self) -> Sequence[Item_co]: ...
    @property
    def number(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def has_previous(self) -> bool: ...
    @property
    def has_next(self) -> bool: ...
    def window(self, around: int = 2, ends: int = 1) -> list[int | None]: ...


class Pagination(Generic[Item]):
    """One page of a list. `paginate` makes it of a list; a source that counts and cuts by itself makes it with its own numbers.

    Args:
        items: the items of this page.
        number: which page it is, from 1.
        per_page: how many items a page has.
        total: how many items there are on all pages.
        orphans: a last page with at most so many items is added to the page before it (0).
    """

    def __init__(self, items: Sequence[Item], *, number: int, per_page: int, total: int, orphans: int = 0) -> None:
        self.items = items
        """The items of this page."""
        self.number = number
        """Which page it is, from 1."""
        self.per_page = per_page
        """How many items a page has."""
        self.total = total
        """How many items there are on all pages."""
        self.pages = count_pages(total, per_page, orphans)
        """How many pages there are; at least 1."""

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
        return (self.number - 1) * self.per_page + 1 if self.items else 0

    @property
    def last_item(self) -> int:
        """The place of this page's last item among all; 0 on an empty page."""
        return self.first_item + len(self.items) - 1 if self.items else 0

    def window(self, around: int = 2, ends: int = 1) -> list[int | None]:
        """Return the numbers of the pages to link to, with None for each gap; see `page_window`."""
        return page_window(self.number, self.pages, around=around, ends=ends)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __repr__(self) -> str:
        return f"<Pagination page {self.number} of {self.pages}, {self.total} items>"


def paginate(
    items: Sliceable[Item], *, page: int | str | None = 1, per_page: int = 20, orphans: int = 0, clamp: bool = False
) -> Pagination[Item]:
    """Return one page of a list.

    Args:
        items: a list, or anything else with a length and slices.
        page: the number of the page, from 1; also its text as it came in the query, where None and `""` mean 1.
        per_page: how many items a page has (20).
        orphans: a last page with at most so many items is added to the page before it (0).
        clamp: take the nearest page where there is none of that number, and the first for what is no number.

    Raises:
        NotFound: where there is no such page, unless `clamp`. The first page of an empty list is there.
        ValueError: if `per_page` is less than 1, or `orphans` is not less than `per_page`.
    """
    if not (per_page >= 1 and 0 <= orphans < per_page):
        raise ValueError(f"a page has at least 1 item and fewer orphans than items, not per_page={per_page}, orphans={orphans}")
    total = len(items)
    pages = count_pages(total, per_page, orphans)
    number = read_number(page)
    if clamp:
        number = min(max(number or 1, 1), pages)
    elif number is None or not 1 <= number <= pages:
        raise NotFound("There is no such page.")
    start = (number - 1) * per_page
    end = total if number == pages else start + per_page
    return Pagination(items[start:end], number=number, per_page=per_page, total=total, orphans=orphans)


def page_window(number: int, pages: int, *, around: int = 2, ends: int = 1) -> list[int | None]:
    """Return the numbers of the pages to link to, with None for each gap: page 10 of 20 gives 1, None, 8, 9, 10, 11, 12, None, 20.

    A gap is never a single page: that is shown instead. The work grows with the window, not with the pages.

    Args:
        number: the current page.
        pages: how many there are.
        around: how many to show on each side of the current one.
        ends: how many to show at the beginning and at the end.
    """
    wanted = {
        *range(1, min(ends, pages) + 1),
        *range(max(number - around, 1), min(number + around, pages) + 1),
        *range(max(pages - ends, 0) + 1, pages + 1),
    }
    shown: list[int | None] = []
    last = 0
    for one in sorted(wanted):
        if one == last + 2:
            shown.append(last + 1)
        elif one > last + 2:
            shown.append(None)
        shown.append(one)
        last = one
    if last == pages - 1:
        shown.append(pages)
    elif last < pages:
        shown.append(None)
    return shown


def count_pages(total: int, per_page: int, orphans: int = 0) -> int:
    """Return how many pages there are; at least 1."""
    return max(-(-(total - orphans) // per_page), 1)


def read_number(page: int | str | None) -> int | None:
    """Return the number of a page that came from outside, or None if it is none."""
    if not isinstance(page, str):
        return 1 if page is None else page
    if not page:
        return 1
    # The length first: reading an endless number takes quadratic time.
    return int(page) if len(page) < 19 and page.isascii() and page.isdigit() else None
