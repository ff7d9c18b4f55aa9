"""Scratch databases, beside databases of all names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erlen.db import Database, Model
from erlen.migrations.connection import scratch
from erlen.migrations.target import Target


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
@pytest.mark.parametrize("name", ["100% it's", "a" * 62, "ä" * 31], ids=["percent", "long", "wide"])
def test_beside_a_database_of_any_name(backend: str, name: str, server: Callable[[str], Any], base: type[Model], tmp_path: Path) -> None:
    url = server(backend).url.set(database=name)  # which need not be there itself
    target = Target(database=Database(url.render_as_string(hide_password=False), base=base), root=tmp_path)
    ask = "SELECT current_database()" if backend == "postgresql" else "SELECT DATABASE()"
    with scratch(target) as connection, scratch(target) as other:
        found = [each.exec_driver_sql(ask).scalar_one() for each in (connection, other)]
    assert len({*found, name}) == 3
