"""What the client prefers: media types, languages and content codings (RFC 9110, section 12.5; RFC 4647)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import TypeAlias

from erlen.http.parameter import split_list, split_parameters

__all__ = ["Accept"]

_ITEMS = 64


class Accept:
    """The preferences that a request states in `Accept`, `Accept-Language` and `Accept-Encoding`.

    Fields are parsed in linear time; their first 64 items count, and an item that is malformed is skipped. A field that is absent,
    empty or malformed throughout states no preference.

    Args:
        header: gives the value of a header field by its lower-case name, or None, as `Request.header` does.
    """

    __slots__ = ("_header",)

    def __init__(self, header: Callable[[str], str | None]) -> None:
        self._header = header

    def media_type(self, *offers: str) -> str | None:
        """Return the offer that the client likes best (RFC 9110, section 12.5.1), or None when it accepts none of them.

        The highest quality wins, then the offer that the client names most specifically, then the one offered first. Without a
        preference that is the first. Offers are media types in the server's order, with or without parameters.
        """
        ranges = [item for item in self._items("accept") if _MEDIA_RANGE(item[0])]
        if not ranges:
            return offers[0] if offers else None
        ranked = [(_rank(offer, ranges), offer) for offer in offers]
        (quality, _), best = max(ranked, key=itemgetter(0), default=((0.0, 0), None))
        return best if quality > 0 else None

    def accepts(self, media_type: str) -> bool:
        """Return whether the client accepts a media type at all."""
        return self.media_type(media_type) is not None

    @property
    def prefers_html(self) -> bool:
        """Whether a page suits the client better than JSON, as for a browser; not for `*/*` or without `Accept`."""
        return self.media_type("application/json", "text/html") == "text/html"

    def language(self, *offers: str) -> str | None:
        """Return the offered language that suits the client best, or None.

        By lookup (RFC 4647, section 3.4): each range the client states, best first, is shortened from its end until it equals an
        offer (`de-CH` finds `de`). When no range finds one, by basic filtering (section 3.3.1): `en` finds `en-GB`. `*` and a
        missing field find the first offer. Offers are language tags (RFC 5646), compared without regard to case.
        """
        stated = [(name, quality) for name, _, quality in self._items("accept-language") if _LANGUAGE_RANGE(name)]
        if not stated:
            return offers[0] if offers else None
        stated.sort(key=lambda item: -item[1])
        wanted = [name for name, quality in stated if quality > 0]
        refused = [name for name, quality in stated if quality == 0 and name != "*"]
        by_tag = {offer.lower(): offer for offer in reversed(offers)}
        for name in wanted:
            tag = name
            while tag:
                if tag in by_tag and tag not in refused:
                    return by_tag[tag]
                tag = tag.rpartition("-")[0]
                if tag[-2:-1] == "-":  # RFC 4647, section 3.4: a single letter introduces what was cut off, and goes with it.
                    tag = tag[:-2]
        for name in wanted:
            for offer in offers:
                tag = f"{offer.lower()}-"
                if (name == "*" or tag.startswith(f"{name}-")) and not any(tag.startswith(f"{no}-") for no in refused):
                    return offer
        return None

    def encoding(self, *offers: str) -> str | None:
        """Return the content coding to use (RFC 9110, section 12.5.3): the best of `offers`, else `identity`, else None.

        `identity` is always offered, last, and accepted unless `identity;q=0` or `*;q=0` says otherwise; None means that even
        that is refused. Without `Accept-Encoding` it is `identity`. `x-gzip` in the request means `gzip`.
        """
        codings: dict[str, float] = {}
        for name, _, quality in self._items("accept-encoding"):
            codings.setdefault("gzip" if name == "x-gzip" else name, quality)
        others = codings.get("*", 0.0)
        best = max(offers, key=lambda offer: codings.get(offer, others), default="identity")
        best_quality = codings.get(best, others)
        if best_quality == 0:
            return None if codings.get("identity", codings.get("*")) == 0 else "identity"
        return "identity" if codings.get("identity", 0.0) > best_quality else best

    def _items(self, field: str) -> Iterator[_Item]:
        for item in split_list(self._header(field) or "", _ITEMS):
            if ";" not in item:
                yield item.strip().lower(), {}, 1.0
                continue
            name, pairs = split_parameters(item)
            parameters = {key: value.lower() for key, value in pairs}
            quality = parameters.pop("q", "1")
            if _QUALITY(quality):
                yield name, parameters, min(float(quality), 1.0)


# The name in lower case, the parameters other than `q`, the quality from 0 to 1.
_Item: TypeAlias = tuple[str, dict[str, str], float]

# Java's HttpURLConnection sends a lone star.
_MEDIA_RANGE = re.compile(r"\*|[!#$%&'*+\-.^_`|~0-9a-z]+/[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
# Eight subtags are more than any registered tag has; the bound keeps the lookup linear (CVE-2023-23969).
_LANGUAGE_RANGE = re.compile(r"\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,7}").fullmatch
# RFC 9110 wants at most three decimals and a digit in front of the point; clients in use send more, and fewer.
_QUALITY = re.compile(r"[01](?:\.[0-9]{0,16})?|\.[0-9]{1,16}").fullmatch


def _rank(offer: str, ranges: list[_Item]) -> tuple[float, int]:
    # The quality that the most specific matching range gives, and how specific it is: 0 for `*/*`, 1 for `text/*`, 2 and more.
    name, pairs = split_parameters(offer)
    offered = {key: value.lower() for key, value in pairs}
    levels = {"*": 0, "*/*": 0, name.partition("/")[0] + "/*": 1, name: 2}
    quality, specificity = 0.0, -1
    for range_name, parameters, range_quality in ranges:
        if range_name not in levels:
            continue
        # A charset asked of an offer that names none is met: `application/json; charset=utf-8` is a common way to ask for JSON,
        # which has no such parameter.
        wanted = parameters and {key: value for key, value in parameters.items() if key in offered or key != "charset"}
        level = levels[range_name] + 3 * len(wanted)
        if level > specificity and wanted.items() <= offered.items():
            quality, specificity = range_quality, level
    return quality, specificity
