"""Scratch databases, beside databases of all names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erlen.db import Database, Model
from erlen.errors import ErlenError
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


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_server_that_does_not_answer_needs_no_rights(backend: str, base: type[Model], tmp_path: Path) -> None:
    with socket.socket() as closed:  # it has the port, and does not listen
        closed.bind(("127.0.0.1", 0))
        url = f"{backend}://somebody@127.0.0.1:{closed.getsockname()[1]}/x"
        with (
            pytest.raises(ErlenError, match="no connection to the server") as caught,
            scratch(Target(database=Database(url, base=base), root=tmp_path)),
        ):
            pass
    assert "start the server" in str(caught.value)
    assert "CREATEDB" not in str(caught.value)


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_user_without_rights_is_told_which(backend: str, server: Callable[[str], Any], base: type[Model], tmp_path: Path) -> None:
    name = f"erlen_weak_{os.getpid()}"
    user = name if backend == "postgresql" else f"{name}@'%%'"
    there = server(backend)
    there.run(f"CREATE ROLE {user} LOGIN PASSWORD 'weak'" if backend == "postgresql" else f"CREATE USER {user} IDENTIFIED BY 'weak'")
    try:
        url = there.url.set(username=name, password="weak").render_as_string(hide_password=False)
        with (
            pytest.raises(ErlenError, match="does not make a scratch database") as caught,
            scratch(Target(database=Database(url, base=base), root=tmp_path)),
        ):
            pass
    finally:
        there.run(f"DROP {'ROLE' if backend == 'postgresql' else 'USER'} {user}")
    assert f"`ALTER ROLE {name} CREATEDB`" in str(caught.value)
