"""The log of statements: in blocks, requests of both colours, threads; slow ones, repeated ones, and the page of an error."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, create_engine, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from erlen import App, render
from erlen.db import AsyncSession, Database, Mapped, Model, Session, mapped_column, relationship
from erlen.db.query_log import Query, assert_max_queries, assert_queries, record_queries, watch
from erlen.testing import Client

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


class Root(Model, isolated=True):
    """The models of this file."""


class Person(Root):
    name: Mapped[str]
    password: Mapped[str] = mapped_column(default="")
    letters: Mapped[list[Letter]] = relationship(back_populates="person")


class Letter(Root):
    text: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    person: Mapped[Person] = relationship(back_populates="letters")


def line_of(marker: str) -> str:
    """Return `file:number` of the one line of this file that ends with a marker."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()  # type: ignore[arg-type]
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {marker}")]
    return f"test_query_log.py:{number}"


def fill(database: Database) -> Database:
    database.create_all()
    with database.session() as db:
        db.add_all([Person(name=f"person {number}", letters=[Letter(text="a")]) for number in range(6)])
    return database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = fill(Database(database_url, base=Root))
    yield database
    database.dispose()


@pytest.fixture
def lite(url_of: Callable[[str], str]) -> Iterator[Database]:
    database = fill(Database(url_of("sqlite"), base=Root))
    yield database
    database.dispose()


# -- blocks -------------------------------------------------------------------------------------------------------------------------


def test_a_block(database: Database) -> None:
    with database.session() as db, record_queries() as log:
        db.scalars(select(Person).where(Person.name == "person 1")).all()  # first
        db.execute(text("UPDATE people SET name = 'x' WHERE name = 'person 2'"))
        db.rollback()
    first, second = log.queries
    assert first.text.startswith("SELECT people.id, people.name, people.password FROM people WHERE people.name = ")
    assert "person 1" in str(first.parameters)
    assert first.where.endswith(line_of("first"))
    assert first.database == "default"
    assert first.in_transaction
    assert first.seconds > 0
    assert first.error == ""
    assert second.rows == 1
    assert log.seconds == first.seconds + second.seconds
    with database.session() as db:
        db.scalars(select(Person)).all()
    assert len(log) == 2


def test_a_block_asynchronously(database: Database) -> None:
    async def names(db: AsyncSession) -> list[str]:
        return [person.name for person in await db.scalars(select(Person))]  # asynchronous

    async def main() -> None:
        async with database.async_session(reading=True) as db:
            with record_queries() as log:
                assert len(await names(db)) == 6
                await asyncio.gather(asyncio.create_task(names(db)))
        assert [query.where.rpartition("/")[2] for query in log] == [line_of("asynchronous")] * 2
        assert not log.queries[0].in_transaction
        await database.dispose_async()

    asyncio.run(main())


def test_nothing_is_kept_without_a_log(lite: Database) -> None:
    with record_queries() as log:
        pass
    with lite.session() as db:
        db.scalars(select(Person)).all()
    assert list(log) == []


def test_logs_within_each_other(lite: Database) -> None:
    with lite.session() as db, record_queries() as outer:
        db.scalar(select(Person.id))
        with record_queries() as inner:
            db.scalar(select(Person.name))
        db.scalar(select(Person.id))
    assert (len(outer), len(inner)) == (3, 1)


def test_a_refused_statement(database: Database) -> None:
    with database.session() as db, record_queries() as log:
        with pytest.raises(SQLAlchemyError):
            db.execute(text("SELECT nothing FROM nowhere"))  # refused
        db.rollback()
    (query,) = log
    assert query.error
    assert query.where.endswith(line_of("refused"))


def test_several_rows_are_one_statement(lite: Database) -> None:
    with lite.session() as db, assert_queries(1) as log:
        db.execute(insert(Letter), [{"text": "a", "person_id": 1}, {"text": "b", "person_id": 1}, {"text": "c", "person_id": 1}])
        db.rollback()
    assert log.queries[0].rows in (3, None)
    assert log.queries[0].shown_parameters == "('a', 1) and 2 more"


def test_savepoints_and_transactions_are_no_queries(database: Database) -> None:
    with database.session() as db, assert_queries(1):
        with db.begin_nested():
            db.execute(text("UPDATE people SET name = 'x'"))
        db.rollback()


def test_secrets_are_not_shown(database: Database) -> None:
    with database.session() as db, record_queries() as log:
        db.add(Person(name="eve", password="correct horse"))
        db.flush()
        db.scalars(select(Person).where(Person.password.in_(["battery staple", "one", "two"]))).all()
        db.scalars(select(Person).where(Person.name == "eve")).all()
        db.rollback()
    shown = [query.shown_parameters for query in log]
    assert "horse" not in str(shown)
    assert "staple" not in str(shown)
    assert "eve" in shown[0]
    assert "eve" in shown[-1]


def test_what_opening_a_connection_asks_is_no_query(database_url: str) -> None:
    database = Database(database_url, base=Root)
    with assert_queries(1), database.session() as db:
        db.execute(text("SELECT 1"))
    database.dispose()


def test_a_statement_that_waits_for_its_transaction_is_one_query(url_of: Callable[[str], str]) -> None:
    database = fill(Database(url_of("postgresql"), base=Root))
    new = insert(Person).values(name="new", password="").returning(Person.id).cte()
    with database.session(reading=True) as db, assert_queries(1) as log:
        db.execute(select(new.c.id)).all()
    assert log.queries[0].in_transaction
    database.dispose()


def test_statements_without_parameters(lite: Database) -> None:
    with lite.session() as db, assert_queries(1) as log:
        db.connection().exec_driver_sql("SELECT 1", execution_options={"no_parameters": True})
    assert log.queries[0].shown_parameters == ""


# -- assertions ---------------------------------------------------------------------------------------------------------------------


def test_a_wrong_number_lists_the_statements(lite: Database) -> None:
    def count(db: Session) -> None:
        with assert_queries(1):
            db.scalar(select(Person.id).limit(1))  # counted
            db.scalar(select(Person.id).where(Person.id.in_([1, 2, 3])))

    with lite.session() as db, pytest.raises(AssertionError) as caught:
        count(db)
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 queries instead of 1:"
    assert line_of("counted") in lines[1]
    assert lines[2].startswith("  2. SELECT people.id FROM people WHERE people.id IN (…)  (")
    with pytest.raises(AssertionError, match="0 queries instead of 1:\n  none"), assert_queries(1):
        pass


def test_at_most(lite: Database) -> None:
    with lite.session() as db:
        with assert_max_queries(1):
            db.scalar(select(Person.id))
        with pytest.raises(AssertionError, match="1 query where at most 0 may be"), assert_max_queries(0):
            db.scalar(select(Person.id))


def test_what_fails_within_is_not_hidden(lite: Database) -> None:
    with pytest.raises(ZeroDivisionError), assert_queries(1):
        raise ZeroDivisionError


# -- slow ones ----------------------------------------------------------------------------------------------------------------------


def test_slow_statements_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    engine = create_engine("sqlite://")
    watch(engine, "letters", slow_query=0.0)
    with engine.connect() as connection:
        connection.execute(text("SELECT :token"), {"token": "sesame"})  # slow
    (record,) = [one for one in caplog.records if one.name == "erlen.db"]
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("slow query: 0.0")
    assert line_of("slow") in record.getMessage()
    assert record.getMessage().endswith(": SELECT ?")
    assert vars(record)["database"] == "letters"
    assert "sesame" not in str(vars(record))
    caplog.clear()
    patient = create_engine("sqlite://")
    watch(patient, "letters", slow_query=60)
    with patient.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert caplog.records == []
    engine.dispose()
    patient.dispose()


def test_parameters_of_slow_statements_are_shown_in_debug_mode(lite: Database, caplog: pytest.LogCaptureFixture) -> None:
    lite.slow_query = 0.0
    lite.dispose()
    app = App()
    app.use(lite)

    @app.get("/{name}")
    def show(name: str, db: Session) -> list[int]:
        return list(db.scalars(select(Person.id).where(Person.name == name, Person.password != "sesame")))

    with Client(app, overrides={"debug": True}) as client:
        caplog.clear()
        client.get("/eve")
    (record,) = [one for one in caplog.records if "people.password" in one.getMessage()]
    assert vars(record)["parameters"] == "('eve', •••)"


# -- requests -----------------------------------------------------------------------------------------------------------------------


def site(database: Database) -> App:
    app = App()
    app.use(database)

    @app.get("/threaded")
    def threaded(db: Session) -> list[str]:
        return [db.get_one(Person, number).name for number in db.scalars(select(Person.id))]  # threaded

    @app.get("/looped")
    async def looped(db: AsyncSession) -> list[str]:
        return [(await db.get_one(Person, number)).name for number in await db.scalars(select(Person.id))]  # looped

    @app.get("/together")
    def together(db: Session) -> list[str]:
        return [letter.person.name for letter in db.scalars(select(Letter))]

    @app.get("/broken")
    def broken(db: Session) -> str:
        db.scalars(select(Person).where(Person.name == "<eve>", Person.password == "sesame")).all()  # broken
        raise RuntimeError("broken")

    @app.get("/broken-loop")
    async def broken_loop(db: AsyncSession) -> str:
        await db.scalars(select(Person).where(Person.name == "<eve>"))  # broken loop
        raise RuntimeError("broken")

    @app.get("/without")
    def without() -> str:
        raise RuntimeError("broken")

    return app


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "erlen.db" and "ran" in one.getMessage()]


@pytest.mark.parametrize("path", ["threaded", "looped"])
def test_a_query_that_repeats_is_told_once(database: Database, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with Client(site(database), overrides={"debug": True}) as client:
        for _ in range(2):
            caplog.clear()
            assert len(client.get(f"/{path}").json()) == 6
            (warning,) = warnings_of(caplog)
            assert warning.startswith("one query ran 5 times in this request (N+1), at ")
            assert line_of(path) in warning
            assert "FROM people WHERE people.id = " in warning
            assert "Fix: load what the loop needs before it" in warning


def test_relations_that_load_together_do_not_repeat(lite: Database, caplog: pytest.LogCaptureFixture) -> None:
    with Client(site(lite), overrides={"debug": True}) as client, assert_queries(2):
        assert len(client.get("/together").json()) == 6
    assert warnings_of(caplog) == []


def test_production_does_not_look(lite: Database, caplog: pytest.LogCaptureFixture) -> None:
    with Client(site(lite)) as client:
        client.get("/threaded")
    assert warnings_of(caplog) == []


def test_lists_of_any_length_are_one_query(lite: Database, caplog: pytest.LogCaptureFixture) -> None:
    with lite.session() as db, record_queries(repeats=3):
        for most in range(1, 5):
            db.scalars(select(Person.id).where(Person.id.in_(range(most)))).all()
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "values",
    ["(?)", "(%s, %s)", "(%(a_1_1)s::INTEGER, %(a_1_2)s::INTEGER)", "($1::INTEGER, $2::DOUBLE PRECISION)", "((?, ?), (?, ?))", "(:a)"],
)
def test_lists_of_parameters_as_the_drivers_write_them(values: str) -> None:
    query = Query(f"SELECT 1\nWHERE (a) IN {values} AND f(?, b)", (), None, 0.0, None, "", "default", False)
    assert query.text == f"SELECT 1 WHERE (a) IN {'((…))' if values.startswith('((') else '(…)'} AND f(?, b)"


@pytest.mark.parametrize("hostile", ["(?, ", "(", "(? ", "(…), "])
def test_finding_lists_is_linear(assert_linear: AssertLinear, hostile: str) -> None:
    def work(statement: str) -> str:
        return Query(statement, (), None, 0.0, None, "", "default", False).text

    assert_linear(lambda size: "SELECT " + hostile * (size // len(hostile)), work, 10_000)


@pytest.mark.parametrize("door", ["rsgi", "asgi", "wsgi"])
def test_queries_of_a_request_are_counted_by_its_test(lite: Database, door: Any) -> None:
    with Client(site(lite), door=door) as client:
        client.get("/together")
        with assert_queries(2):
            client.get("/together")


def test_threads_of_a_request_are_counted(lite: Database) -> None:
    def count() -> None:
        with lite.session() as db:
            db.scalar(select(Person.id))

    with assert_queries(1):
        thread = threading.Thread(target=copy_context().run, args=(count,))
        thread.start()
        thread.join()


@pytest.mark.parametrize(("path", "marker"), [("broken", "broken"), ("broken-loop", "broken loop")])
def test_the_page_of_an_error_shows_what_was_asked(lite: Database, path: str, marker: str) -> None:
    with Client(site(lite), overrides={"debug": True}, raise_errors=False) as client:
        page = client.get(f"/{path}", headers={"accept": "text/html"}).text
        assert "SQL: 1 query, " in page
        assert line_of(marker) in page
        assert "FROM people WHERE people.name = ?" in page
        assert ("(&#39;&lt;eve&gt;&#39;, •••)" if path == "broken" else "(&#39;&lt;eve&gt;&#39;)") in page
        assert "SQL:" not in client.get("/without", headers={"accept": "text/html"}).text


def test_the_line_of_a_template(lite: Database, tmp_path: Any) -> None:
    (tmp_path / "people.html").write_text("<ul>\n{% for person in people %}\n<li>{{ person.letters|length }}</li>\n{% endfor %}\n</ul>\n")
    app = App(templates=str(tmp_path))
    app.use(lite)

    @app.get("/")
    def home(db: Session) -> Any:
        return render("people.html", people=db.scalars(select(Person)).all())

    with Client(app) as client, record_queries() as log:
        assert client.get("/").text.count("<li>1</li>") == 6
    assert log.queries[-1].where.endswith("people.html:3")
    assert len(log) == 2


def test_streams_are_counted(lite: Database) -> None:
    app = App()
    app.use(lite)

    @app.get("/")
    def stream(db: Session) -> Iterator[str]:
        for person in db.scalars(select(Person)):
            yield person.name

    with Client(app) as client, assert_queries(1):
        assert client.get("/").text.count("person") == 6
