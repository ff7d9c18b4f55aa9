"""Texts in keys, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from erlen.db.columns import LongText
from erlen.db.engines import EngineOptions, make_engines, resolve_url
from erlen.errors import ConfigurationError


def test_mariadb_indexes_text_without_a_limit_but_makes_it_no_key(url_of: Callable[[str], str]) -> None:
    engine = make_engines(resolve_url(url_of("mariadb"), "/"), "thread", EngineOptions()).writer
    metadata = MetaData()
    Table("notes", metadata, Column("id", Integer, primary_key=True), Column("a", LongText, unique=True), Column("b", LongText, index=True))
    metadata.create_all(engine)
    key, reference = MetaData(), MetaData()
    Table("names", key, Column("name", LongText, primary_key=True))
    Table("names", reference, Column("id", Integer, primary_key=True), Column("name", LongText, ForeignKey("others.name")))
    Table("others", reference, Column("name", String(10), primary_key=True))
    for wrong in (key, reference):
        with pytest.raises(ConfigurationError, match="which MariaDB cannot index"):
            wrong.create_all(engine)
    engine.dispose()
