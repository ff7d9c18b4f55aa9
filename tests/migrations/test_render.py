"""What migration files say of types that SQLAlchemy itself does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
WriteApp = Callable[..., Path]

MODELS = """
from typing import Any
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

class Point(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "POINT"

class Place(Base, table="place"):
    at: Mapped[Any | None] = mapped_column(Point())
    words: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(sa.Text()))
    span: Mapped[Any | None] = mapped_column(postgresql.INT4RANGE())
"""


def test_types_of_a_database_alone_are_in_the_file(folder: Path, run: Run, write_app: WriteApp, url_of: Callable[[str], str]) -> None:
    write_app(url_of("postgresql"), MODELS)
    made = run("db", "make")
    assert (made.exit_code, "at POINT" in made.output) == (0, True), made.output
    text = next((folder / "migrations").glob("0001_*.py")).read_text()
    assert 'point = type("POINT", (sa.types.UserDefinedType,), ' in text
    assert "postgresql.INT4RANGE()" in text
    migrated = run("db", "migrate")
    assert migrated.exit_code == 0, migrated.output
    checked = run("db", "make", "--check")
    assert checked.exit_code == 0, checked.output
