"""What the client prefers: media types, languages and content codings (RFC 9110, section 12.5; RFC 4647)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

__all__ = ["Accept"]

_ITEMS = 64


class Accept:
    """The preferences that a request states in `Accept`, `Accept-Language` and `Accept-Encoding`.

    Each field is parsed on first use, in linear time; its first 64 items count, and an item that is malformed is skipped. A field
    that is absent, empty or malformed throughout states no preference.

    Args:
        header: gives the value of a header field by its lower-case name, or None, as `Request.header` does.
    """

    __slots__ = ("_encodings", "_header", "_languages", "_media")

    def __init__(self, header: Callable[[str], str | None]) -> None:
        self._header = header
        self._media: tuple[_MediaRange, ...] | None = None
        self._languages: tuple[tuple[str, float], ...] | None = None
        self._encodings: dict[str, float] | None = None

    def media_type(self, *offers: str) -> str | None:
        """Return the offer that the client likes best (RFC 9110, section 12.5.1), or None when it accepts none of them.

        The highest quality wins, then the offer that the client names most specifically, then the one offered first. Without a
        preference that is the first. Offers are media types in the server's order, with or without parameters.
        """
        ranges = self._media_ranges()
        if not ranges:
            return offers[0] if offers else None
        best: str | None = None
        best_rank = (0.0, -1)
        for offer in offers:
            rank = _media_rank(offer, ranges)
            if rank[0] > 0 and rank > best_rank:
                best, best_rank = offer, rank
        return best

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
        ranges = self._language_ranges()
        if not ranges:
            return offers[0] if offers else None
        refused = [name for name, quality in ranges if quality == 0 and name != "*"]
        wanted = [name for name, quality in ranges if quality > 0]
        tags = [(offer.lower(), offer) for offer in offers]
        by_tag = {tag: offer for tag, offer in reversed(tags) if tag not in refused}
        for name in wanted:
            tag = name
            while tag:
                if tag in by_tag:
                    return by_tag[tag]
                tag = tag.rpartition("-")[0]
                if tag[-2:-1] == "-":  # RFC 4647, section 3.4: a single letter introduces what was cut off, and goes with it.
                    tag = tag[:-2]
        for name in wanted:
            for tag, offer in tags:
                if (name == "*" or tag.startswith(name + "-")) and not any(tag == no or tag.startswith(no + "-") for no in refused):
                    return offer
        return None

    def encoding(self, *offers: str) -> str | None:
        """Return the content coding to use (RFC 9110, section 12.5.3): the best of `offers`, else `identity`, else None.

        `identity` is always offered, last, and accepted unless `identity;q=0` or `*;q=0` says otherwise; None means that even
        that is refused. Without `Accept-Encoding` it is `identity`. `x-gzip` in the request means `gzip`.
        """
        codings = self._codings()
        best: str | None = None
        best_quality = 0.0
        for offer in offers:
            quality = codings.get(offer, codings.get("*", 0.0))
            if quality > best_quality:
                best, best_quality = offer, quality
        identity = codings.get("identity", codings.get("*"))
        if best is None:
            return None if identity == 0 else "identity"
        return "identity" if codings.get("identity", 0.0) > best_quality else best

    def _media_ranges(self) -> tuple[_MediaRange, ...]:
        if self._media is None:
            self._media = tuple(_parse_media(self._header("accept") or ""))
        return self._media

    def _language_ranges(self) -> tuple[tuple[str, float], ...]:
        if self._languages is None:
            stated = [
                (name.lower(), quality)
                for name, quality in _weighted(self._header("accept-language") or "")
                if quality is not None and _LANGUAGE_RANGE(name)
            ]
            self._languages = tuple(sorted(stated, key=lambda item: -item[1]))
        return self._languages

    def _codings(self) -> dict[str, float]:
        if self._encodings is None:
            codings: dict[str, float] = {}
            for name, quality in _weighted(self._header("accept-encoding") or ""):
                if quality is not None and _TOKEN(name):
                    coding = name.lower()
                    codings.setdefault("gzip" if coding == "x-gzip" else coding, quality)
            self._encodings = codings
        return self._encodings


# The type and subtype in lower case, the parameters other than `q`, the quality from 0 to 1.
_MediaRange: TypeAlias = tuple[str, str, dict[str, str], float]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# Eight subtags are more than any registered tag has; the bound keeps the lookup linear (CVE-2023-23969).
_LANGUAGE_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7}").fullmatch
# RFC 9110 wants at most three decimals and a digit in front of the point; clients in use send more, and fewer.
_QUALITY = re.compile(r"[01](?:\.[0-9]{0,16})?|\.[0-9]{1,16}").fullmatch
# A quoted string without its end runs to the end of the text, so that no position is scanned twice.
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_LIST_ITEM = re.compile(rf'(?:[^",]+|{_QUOTED})+')
_PARAMETER = re.compile(rf'(?:[^";]+|{_QUOTED})+')
_ESCAPED = re.compile(r"\\(.)")


def _weighted(value: str) -> Iterator[tuple[str, float | None]]:
    # Names with their quality, for the two fields that know no other parameter; None for a quality that is none.
    for item in value.split(",", _ITEMS)[:_ITEMS]:
        name, _, weight = item.partition(";")
        name = name.strip()
        if name:
            yield name, _quality(weight) if weight else 1.0


def _quality(parameter: str) -> float | None:
    name, _, value = parameter.partition("=")
    value = value.strip()
    if name.strip() not in ("q", "Q") or not _QUALITY(value):
        return None
    return min(float(value), 1.0)


def _parse_media(value: str) -> Iterator[_MediaRange]:
    if '"' in value:
        items = [match.group() for match in islice(_LIST_ITEM.finditer(value), _ITEMS)]
    else:
        items = value.split(",", _ITEMS)[:_ITEMS]
    for item in items:
        parsed = _parse_media_range(item)
        if parsed is not None:
            yield parsed


def _parse_media_range(item: str) -> _MediaRange | None:
    name, parameters, quality = _split_media(item)
    if quality is None:
        return None
    if name == "*":  # Java's HttpURLConnection sends it.
        name = "*/*"
    main, slash, sub = name.partition("/")
    if not (slash and _TOKEN(main) and _TOKEN(sub)) or (main == "*" and sub != "*"):
        return None
    return main, sub, parameters, quality


def _split_media(text: str) -> tuple[str, dict[str, str], float | None]:
    # The name in lower case, the parameters other than `q`, and the quality: 1 unless said, None when malformed.
    name, semicolon, rest = text.partition(";")
    parameters: dict[str, str] = {}
    quality: float | None = 1.0
    if semicolon:
        for piece in [match.group() for match in _PARAMETER.finditer(rest)] if '"' in rest else rest.split(";"):
            key, equals, value = piece.partition("=")
            key = key.strip().lower()
            if key == "q":
                quality = _quality(piece)
            elif equals and key:
                value = value.strip()
                if value[:1] == '"':
                    value = _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))
                parameters[key] = value.lower()
    return name.strip().lower(), parameters, quality


def _media_rank(offer: str, ranges: tuple[_MediaRange, ...]) -> tuple[float, int]:
    # The quality that the most specific matching range gives, and how specific it is: 0 for `*/*`, 1 for `text/*`, 2 and more.
    name, parameters, _ = _split_media(offer)
    main, _, sub = name.partition("/")
    quality, specificity = 0.0, -1
    for range_main, range_sub, range_parameters, range_quality in ranges:
        if range_main == "*":
            level = 0
        elif range_main != main:
            continue
        elif range_sub == "*":
            level = 1
        elif range_sub == sub:
            level = 2
        else:
            continue
        matched = _parameters_matched(range_parameters, parameters) if range_parameters else 0
        if matched < 0:
            continue
        level += matched * 3
        if level > specificity:
            quality, specificity = range_quality, level
    return quality, specificity


def _parameters_matched(wanted: dict[str, str], offered: dict[str, str]) -> int:
    # How many of a range's parameters the offer has, or -1 if it lacks one. A charset asked of an offer that names none is met:
    # `application/json; charset=utf-8` is a common way to ask for JSON, which has no such parameter.
    matched = 0
    for key, value in wanted.items():
        if key in offered:
            if offered[key] != value:
                return -1
            matched += 1
        elif key != "charset":
            return -1
    return matched
