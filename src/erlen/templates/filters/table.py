"""The names under which templates know the filters, tests and globals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from erlen.templates.filters.dates import (
    current_time,
    format_date,
    format_datetime,
    format_time,
    in_timezone,
    in_utc,
    is_future,
    is_past,
    naturalday,
    naturaltime,
    timesince,
    timeuntil,
)
from erlen.templates.filters.html import json_script, linebreaks, linebreaksbr, linenumbers, spaceless, unordered_list
from erlen.templates.filters.links import querystring, urlize
from erlen.templates.filters.markdown import markdown
from erlen.templates.filters.numbers import apnumber, filesize, intword, number, ordinal, percent
from erlen.templates.filters.shorten import truncate_html, truncate_words
from erlen.templates.filters.text import capfirst, slugify, wordwrap
from erlen.templates.filters.words import default_if_none, pluralize, yesno

__all__ = ["FILTERS", "GLOBALS", "TESTS"]

FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "apnumber": apnumber,
        "capfirst": capfirst,
        "date": format_date,
        "datetime": format_datetime,
        "default_if_none": default_if_none,
        "filesize": filesize,
        "intword": intword,
        "json_script": json_script,
        "linebreaks": linebreaks,
        "linebreaksbr": linebreaksbr,
        "linenumbers": linenumbers,
        "markdown": markdown,
        "naturalday": naturalday,
        "naturaltime": naturaltime,
        "number": number,
        "ordinal": ordinal,
        "percent": percent,
        "pluralize": pluralize,
        "slugify": slugify,
        "spaceless": spaceless,
        "time": format_time,
        "timesince": timesince,
        "timeuntil": timeuntil,
        "timezone": in_timezone,
        "truncate_html": truncate_html,
        "truncate_words": truncate_words,
        "unordered_list": unordered_list,
        "urlize": urlize,  # Jinja's own is quadratic in closing punctuation
        "utc": in_utc,
        "wordwrap": wordwrap,  # Jinja's own is quadratic in one long word
        "yesno": yesno,
    }
)
"""Filters by name; two of them replace Jinja's own, with the same parameters."""

TESTS: Mapping[str, Callable[..., bool]] = MappingProxyType({"future": is_future, "past": is_past})
"""Tests by name: `{% if event.starts is future %}`."""

GLOBALS: Mapping[str, Callable[..., Any]] = MappingProxyType({"now": current_time, "querystring": querystring})
"""Functions by name: `{{ now()|date }}`, `{{ querystring(page=2) }}`."""
