"""Databases that others made: inspected, they have models without a difference, and the models work."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select

import erlen.db
from erlen.db import Base, Database, Mapped, Model, assert_max_queries, mapped_column
from erlen.inspection import read_database, write_models
from erlen.migrations.schema import differences, schema_of

DATA = Path(__file__).parent / "data"
FULL = "ERLEN_SAMPLE_DATABASES"
"""Names a folder with the whole databases: chinook.sqlite, chinook_pg.sql and northwind.sql."""
Connect = Callable[[str], Connection]
Load = Callable[[str], ModuleType]
TYPES = {"sqlite": {}, "postgresql": {}, "mariadb": {"BYTEA": "LONGBLOB", "TIMESTAMP": "DATETIME"}}
numbers = itertools.count()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Run the source of models, which share nothing with those of other tests: their base is `module.Base`."""
    made: list[str] = []

    def run(source: str) -> ModuleType:
        class Own(Base, isolated=True):
            pass

        class OwnModel(Own):
            __abstract__ = True
            id: Mapped[int] = mapped_column(Model.__dict__["id"].column.type, primary_key=True, sort_order=-1)

        monkeypatch.setattr(erlen.db, "Base", Own)
        monkeypatch.setattr(erlen.db, "Model", OwnModel)
        name = f"inspected_models_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        made.append(name)
        spec.loader.exec_module(module)
        monkeypatch.undo()
        module.Base = Own  # type: ignore[attr-defined]
        Own.registry.configure()  # every relation is valid
        return module

    yield run
    for name in made:
        del sys.modules[name]


def fill(connection: Connection, sample: str, backend: str) -> None:
    """Make a sample database, from a script in which each statement ends with its line."""
    script = (DATA / f"{sample}.sql").read_text(encoding="utf-8")
    for name, other in TYPES[backend].items():
        script = re.sub(rf"\b{name}\b", other, script)
    for statement in re.split(r";\n", re.sub(r"^--.*\n", "", script, flags=re.MULTILINE)):
        if statement.strip():
            connection.exec_driver_sql(statement.replace("%", "%%") if backend != "sqlite" else statement)


def alembic_differences(connection: Connection, base: type[Base]) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, base.metadata))


def round_trip(connect: Connect, empty: Callable[[], str], url: str, load: Load) -> ModuleType:
    """Inspect a database; its models have no difference to it, make the same database, and that is inspected to the same models."""
    with connect(url) as connection:
        source = write_models(read_database(connection))
        before = schema_of(connection)
        module = load(source)
        assert alembic_differences(connection, module.Base) == []
    with connect(empty()) as other:
        module.Base.metadata.create_all(other)
        assert differences(before, schema_of(other)) == []
        assert write_models(read_database(other)).splitlines()[1:] == source.splitlines()[1:]
    return module


def make_empty(backend: str, url_of: Callable[[str], str], tmp_path: Path) -> Callable[[], str]:
    return lambda: f"sqlite:///{tmp_path / 'other.db'}" if backend == "sqlite" else url_of(backend)


SAMPLES = (
    [("chinook", each) for each in ("sqlite", "postgresql", "mariadb")]
    + [("trading", each) for each in TYPES]
    + [("chinook.sqlite", "sqlite")]
)


@pytest.mark.parametrize(("sample", "backend"), SAMPLES)
def test_a_sample_makes_the_round_trip(
    sample: str, backend: str, url_of: Callable[[str], str], connect_to: Connect, load: Load, tmp_path: Path
) -> None:
    url = url_of(backend)
    with connect_to(url) as connection:
        fill(connection, sample, backend)
    round_trip(connect_to, make_empty(backend, url_of, tmp_path), url, load)


@pytest.mark.parametrize(("sample", "backend"), [each for each in SAMPLES if each[0] != "trading"])
def test_chinook_is_queried_along_its_relations(
    sample: str, backend: str, url_of: Callable[[str], str], connect_to: Connect, load: Load
) -> None:
    database_url = url_of(backend)
    with connect_to(database_url) as connection:
        fill(connection, sample, backend)
        models = load(write_models(read_database(connection)))
    database = Database(database_url, base=models.Base)
    try:
        with database.session() as db, assert_max_queries(6):
            tracks = db.scalars(select(models.Track).order_by(models.Track.track_id)).all()
            assert [track.album.artist.name for track in tracks if track.track_id < 5] == ["AC/DC", "Accept", "Accept"]
            assert {track.genre.name for track in tracks} == {"Rock"}
            assert sorted(playlist.playlist_id for playlist in tracks[1].playlists) == [1, 8]
        with database.session() as db:
            statement = (
                select(models.Artist.name, func.count())
                .join(models.Artist.albums)
                .group_by(models.Artist.name)
                .order_by(models.Artist.name)
            )
            assert db.execute(statement).all() == [("AC/DC", 1), ("Accept", 2)]
            manager = db.get_one(models.Employee, 1)
            assert [each.last_name for each in manager.children] == ["Edwards", *(["Mitchell"] if sample == "chinook" else [])]
            assert manager.children[0].parent is manager
            customer = db.scalars(select(models.Customer).where(models.Customer.email.like("leonekohler%"))).one()
            assert str(customer.invoices[0].invoice_lines[0].unit_price) == "0.99"
            playlist = db.get_one(models.Playlist, 8)
            playlist.tracks.remove(db.get_one(models.Track, 6))
            db.flush()
            db.expire_all()
            assert [track.track_id for track in playlist.tracks] == [2, 4]
    finally:
        database.dispose()


def test_a_trading_house_has_both_ways_and_takes_rows(backend: str, database_url: str, connect_to: Connect, load: Load) -> None:
    with connect_to(database_url) as connection:
        fill(connection, "trading", backend)
        models = load(write_models(read_database(connection)))
    database = Database(database_url, base=models.Base)
    try:
        with database.session() as db:
            order = db.get_one(models.Order, 10)
            assert (order.seller.name, order.packer.name, order.carrier.name) == ("Bo", "Cem", "Swift")
            assert [each.order_id for each in order.seller.seller_orders] == [10, 11]
            assert [each.order_id for each in order.packer.packer_orders] == [10]
            assert [each.product.name for each in order.order_details] == ["Tea", "Salt"]
            north = db.scalars(select(models.Region).where(models.Region.region_id == 1)).one()
            assert sorted({staff.name for territory in north.territories for staff in territory.staff}) == ["Bo", "Cem"]
            north.territories.append(models.Territory(territory_id="04", label="Islands"))
            db.add(models.Staff(staff_id=4, name="Dora", parent=order.seller))
        with database.session() as db:
            assert [each.name for each in db.get_one(models.Staff, 2).children] == ["Dora"]
            assert db.get_one(models.Territory, "04").region.region_description == "North"
    finally:
        database.dispose()


@pytest.mark.slow
@pytest.mark.parametrize(("sample", "backend"), SAMPLES)
def test_a_project_takes_the_database_over(
    sample: str, backend: str, url_of: Callable[[str], str], connect_to: Connect, write: Callable[..., Path], folder: Path
) -> None:
    url = url_of(backend)
    with connect_to(url) as connection:
        fill(connection, sample, backend)
    app = "from erlen import App\nfrom erlen.db import Database\n{}\napp = App()\napp.use(Database({!r}, create=False))\n"

    def erlen(*arguments: str) -> str:
        line = [sys.executable, "-m", "erlen", "db", *arguments]
        answer = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    write("app.py", app.format("", url))
    erlen("inspect", "-o", "models.py")
    write("app.py", app.format("import models", url))
    erlen("make", "what was there", "--yes")
    assert "counts as applied" in erlen("migrate")
    erlen("make", "--check")


def test_the_source_is_laid_out_and_sorted_as_ruff_wants_it(tmp_path: Path, connect_to: Connect) -> None:
    for sample in ("chinook", "trading", "chinook.sqlite"):
        connection = connect_to(f"sqlite:///{tmp_path / f'{sample}.db'}")
        fill(connection, sample, "sqlite")
        (tmp_path / f"{sample.replace('.', '_')}.py").write_text(write_models(read_database(connection)))
    for command in (["format", "--check"], ["check", "--select", "B,E,F,I,N,UP,W", "--ignore", "E501", "--target-version", "py311"]):
        answer = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def full(name: str) -> Path:
    folder = os.environ.get(FULL)
    if not folder:
        pytest.skip(f"{FULL} names no folder")
    return Path(folder) / name


def run_psql(url: str, script: str) -> None:
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", url], input=script, check=True, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["chinook_pg.sql", "northwind.sql"])
def test_a_whole_sample_of_postgresql_makes_the_round_trip(
    name: str, url_of: Callable[[str], str], connect_to: Connect, load: Load
) -> None:
    script = full(name).read_text(encoding="utf-8")
    url = url_of("postgresql")
    run_psql(url, re.sub(r"^(DROP DATABASE|CREATE DATABASE|\\c|SET default_with_oids).*", "", script, flags=re.MULTILINE))
    with connect_to(url) as connection:
        models = load(write_models(read_database(connection)))
    database = Database(url, base=models.Base)
    try:
        with database.session() as db:
            if name == "northwind.sql":
                assert db.scalar(select(func.count()).select_from(models.OrderDetail).join(models.OrderDetail.order)) == 2155
                assert db.get_one(models.Order, 10248).customer.contact_name == "Paul Henriot"
            else:
                assert db.scalar(select(func.count()).select_from(models.Track).join(models.Track.album)) == 3503
    finally:
        database.dispose()
    round_trip(connect_to, lambda: url_of("postgresql"), url, load)


def test_the_whole_chinook_of_sqlite_makes_the_round_trip(connect_to: Connect, load: Load, tmp_path: Path) -> None:
    path = tmp_path / "whole.db"
    path.write_bytes(full("chinook.sqlite").read_bytes())
    models = round_trip(connect_to, lambda: f"sqlite:///{tmp_path / 'other.db'}", f"sqlite:///{path}", load)
    database = Database(f"sqlite:///{path}", base=models.Base)
    try:
        with database.session() as db, assert_max_queries(8):
            albums = db.scalars(select(models.Album)).all()
            assert sum(len(album.tracks) for album in albums) == 3503
    finally:
        database.dispose()
