"""What clients can set and see of models, and what logs and error pages show of their secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from msgspec import Struct
from sqlalchemy import Computed, ForeignKey, insert, select, text
from sqlalchemy.exc import DBAPIError

from erlen import App, Form
from erlen.db import AsyncSession, Create, Database, Encrypted, Mapped, Model, Read, Session, Update, mapped_column, relationship
from erlen.db.columns import Email
from erlen.db.info import private, read_only
from erlen.db.mixins import SoftDelete, Timestamps, Versioned
from erlen.db.tagged import Tagged, tagged

MakeClient = Callable[..., Any]
HASH, PIN, IBAN, KEY = "argon2-of-hunter2", "pin-4711", "DE89-3704-0044", "postgres-hunter3"
MASTER = "a key for tests that is long enough to sign with"
SECRETS = (HASH, PIN, IBAN, KEY)


class Base(Model, isolated=True):
    pass


class Team(Base):
    name: Mapped[str]
    people: Mapped[list[Person]] = relationship(back_populates="team")


class Person(Timestamps, SoftDelete, Versioned, Base):
    name: Mapped[str] = mapped_column(unique=True)
    email: Mapped[Email | None]
    password_hash: Mapped[Annotated[str, private]] = mapped_column(default="none")
    pin: Mapped[Annotated[str, private] | None] = mapped_column(unique=True)
    iban: Mapped[Encrypted[str] | None]
    role: Mapped[Annotated[str, read_only]] = mapped_column(default="guest")
    loud: Mapped[str | None] = mapped_column(Computed("name", persisted=True))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    team: Mapped[Team | None] = relationship(back_populates="people")
    about: Tagged[Team | None] = tagged()


class WithTeam(Struct):
    person: Person
    note: str


class Row(Read[Person], include={"id", "name"}):
    team: Read[Team] | None


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, base=Base, create=True)
    database.use_keys([MASTER])
    yield database
    database.dispose()


def fill(database: Database) -> None:
    database.create_all()
    with database.session() as db:
        team = Team(name="one")
        db.add(team)
        db.flush()
        db.add(Person(name="Ada", password_hash=HASH, pin=PIN, iban=IBAN, team=team, about=team))


HOSTILE: dict[str, Any] = {
    "id": 77,
    "role": "admin",
    "password_hash": HASH,
    "pin": PIN,
    "loud": "LOUD",
    "version": 9,
    "created": "2020-01-01T00:00:00Z",
    "updated": "2020-01-01T00:00:00Z",
    "deleted_at": "2020-01-01T00:00:00Z",
    "team": {"id": 1, "name": "mine"},
    "about": {"id": 1},
    "people": [{"id": 1}],
    "__class__": "Team",
    "__dict__": {"role": "admin"},
    "_sa_instance_state": {},
    "__model__": "Team",
    "metadata": {},
    "registry": {},
    "Role": "admin",
    "role ": "admin",
    "role\0": "admin",
    "person": {"role": "admin"},
    "person.role": "admin",
    "data": {"role": "admin"},
}


def state(database: Database) -> dict[str, Any]:
    with database.session() as db:
        person = db.one(Person)
        names = ("id", "name", "role", "password_hash", "pin", "loud", "version", "deleted_at", "team_id")
        return {name: getattr(person, name) for name in names} | {"year": person.created.year, "about": person.about}


def test_clients_set_only_what_they_may(database: Database, make_client: MakeClient) -> None:
    """Mass assignment: what the program or the database makes, what is private, relations, and names that Python gives a meaning."""
    app = App()
    app.use(database)

    @app.post("/json")
    def add(data: Create[Person], db: Session) -> Person:
        db.add(person := data.build())
        return person

    @app.post("/form")
    def add_form(data: Annotated[Create[Person], Form()], db: Session) -> Person:
        db.add(person := data.build())
        return person

    @app.patch("/people/{person.id}")
    def change(person: Person, data: Update[Person]) -> Person:
        return data.apply(person)

    client = make_client(app)
    expected: dict[str, Any] = {"name": "Eve", "role": "guest", "password_hash": "none", "pin": None, "loud": "Eve"}
    expected |= {"version": 1, "deleted_at": None, "team_id": None, "about": None}
    for path, options in {
        "/json": {"json": {"name": "Eve", **HOSTILE}},
        "/form": {"data": {"name": "Eve", **{name: str(value) for name, value in HOSTILE.items()}}},
    }.items():
        assert client.post(path, **options).status == 200
        kept = state(database)
        assert expected.items() <= kept.items()
        assert kept["id"] != 77
        assert kept["year"] > 2025
        before = dict(kept)
        assert client.patch(f"/people/{kept['id']}", json={**HOSTILE, "version": 1}).status == 200
        assert state(database) == before
        with database.session() as db:
            db.delete(db.one(Person))


def test_foreign_keys_and_tags_are_not_for_models_to_guess(database: Database) -> None:
    """A foreign key is a field that clients may set, as the documentation says; what says the kind of a tagged reference is one too."""
    fields: tuple[str, ...] = Create[Person].__struct_fields__
    assert set(fields) == {"name", "email", "iban", "team_id", "about_type", "about_id"}
    assert set(Update[Person].__struct_fields__) == {*fields, "version"}


def test_no_answer_has_what_is_private(database: Database, make_client: MakeClient) -> None:
    app = App()
    app.use(database)
    ways: dict[str, Callable[[Session], Any]] = {
        "model": lambda db: db.one(Person),
        "list": lambda db: db.all(Person),
        "dict": lambda db: {"person": db.one(Person), "people": db.all(Person)},
        "struct": lambda db: WithTeam(db.one(Person), "n"),
        "rows": lambda db: [tuple(row) for row in db.all(select(Person, Person.name))],
        "row": lambda db: db.all(select(Person.id, Person)),
        "page": lambda db: db.page(Person),
        "keyset": lambda db: db.keyset(Person),
        "read": lambda db: Read.of(db.one(Person)),
        "relation": lambda db: Row.of(db.one(Person)),
        "team": lambda db: db.one(Team),
        "loaded": lambda db: db.one(Person).team,
        "text": lambda db: repr(db.one(Person)) + str(db.all(Person)) + f"{db.one(Person)!r}",
    }

    @app.get("/def/{way}")
    def show(way: str, db: Session) -> Any:
        return ways[way](db)

    @app.get("/async/{way}")
    async def show_async(way: str, db: AsyncSession) -> Any:
        return await db.run_sync(lambda session: ways[way](session))

    @app.get("/typed")
    def typed(db: Session) -> list[Read[Person]]:
        return db.all(Person)  # type: ignore[arg-type]  # the core reads its attributes

    client = make_client(app, raise_errors=False)
    fill(database)
    for path in [*(f"/{colour}/{way}" for colour in ("def", "async") for way in ways), "/typed"]:
        answer = client.get(path)
        assert answer.status == 200, (path, answer.text)
        assert not any(secret in answer.text for secret in SECRETS), path
        assert "password_hash" not in answer.text
        assert "one" in answer.text or "Ada" in answer.text, path


def test_faults_do_not_repeat_what_was_sent(database: Database, make_client: MakeClient) -> None:
    app = App()
    app.use(database)

    @app.post("/")
    def add(data: Create[Person], db: Session) -> None:
        db.add(data.build(pin=PIN, password_hash=HASH))

    client = make_client(app)
    fill(database)
    answer = client.post("/", json={"name": "Eve", "email": IBAN, "iban": IBAN})
    assert answer.status == 422
    assert not any(secret in answer.text for secret in SECRETS)
    taken = client.post("/", json={"name": "Eve", "iban": IBAN})
    assert taken.status == 422
    assert "already taken" in taken.text
    assert not any(secret in taken.text for secret in SECRETS)


def test_errors_of_the_database_show_no_values(database: Database) -> None:
    """PostgreSQL writes the row that it refuses into its message, MySQL the key."""
    fill(database)
    with pytest.raises(DBAPIError) as taken, database.session() as db:
        db.execute(insert(Person).values(name="Eve", pin=PIN, password_hash=HASH, iban=IBAN))
    with pytest.raises(DBAPIError) as missing, database.session() as db:
        db.execute(text(f"INSERT INTO people (pin, password_hash) VALUES ('{PIN}2', '{HASH}')"))
    for caught in (taken, missing):
        error: BaseException | None = caught.value
        while error is not None:
            said = str(error).partition("[SQL:")[0] + repr(error.args).partition("[SQL:")[0]
            assert not any(secret in said for secret in SECRETS), type(error)
            error = error.__cause__


@pytest.mark.parametrize("colour", ["def", "async"])
def test_logs_and_pages_of_errors_show_no_secrets(
    database: Database, make_client: MakeClient, caplog: pytest.LogCaptureFixture, colour: str
) -> None:
    app = App()
    database = app.use(Database(database.url().render_as_string(hide_password=False), base=Base, create=True, slow_query=0))
    database.use_keys([MASTER])

    class Odd(Exception):
        pass

    @app.get("/def")
    def fail(db: Session) -> None:
        person = db.one(Person, Person.name == "Ada", Person.pin == PIN)
        db.all(Person, Person.pin.in_([PIN, "x"]))
        person.pin = PIN + "2"
        db.flush()
        raise Odd(repr(person))

    @app.get("/async")
    async def fail_async(db: AsyncSession) -> None:
        person = await db.one(Person, Person.name == "Ada", Person.pin == PIN)
        await db.all(Person, Person.pin.in_([PIN, "x"]))
        person.pin = PIN + "2"
        await db.flush()
        raise Odd(repr(person))

    @app.get("/clash")
    def clash(db: Session) -> None:
        db.execute(insert(Person).values(name="Ada", pin=PIN, password_hash=HASH, iban=IBAN))

    fill(database)
    for debug in (True, False):
        caplog.clear()
        caplog.set_level(logging.DEBUG, "erlen")
        client = make_client(app, raise_errors=False, debug=debug)
        for path in (f"/{colour}", "/clash"):
            for accept in ("text/html", "text/plain", "application/json"):
                answer = client.get(path, headers={"accept": accept})
                assert answer.status == 500
                shown = [answer.text, *(f"{record.getMessage()} {vars(record)}" for record in caplog.records), caplog.text]
                for secret in SECRETS:
                    places = [part[max(0, part.find(secret) - 200) : part.find(secret) + 60] for part in shown if secret in part]
                    # The source of this test stands on the page, with the names of the constants.
                    assert not places, (debug, path, accept, places[0])
    database.dispose()


def test_the_password_of_a_database_is_nowhere(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused or not reached: nothing answers on this port."""
    url = f"postgresql://ada:{KEY}@127.0.0.1:1/x"
    app = App()
    database = app.use(Database(url, base=Base, create=False))

    @app.get("/def")
    def ask(db: Session) -> Any:
        held = db
        return held.scalar(text("SELECT 1"))

    @app.get("/async")
    async def ask_async(db: AsyncSession) -> Any:
        held = db
        return await held.scalar(text("SELECT 1"))

    client = make_client(app, raise_errors=False, debug=True, database_url=url)
    for path in ("/def", "/async"):
        for accept in ("text/html", "text/plain", "application/json"):
            answer = client.get(path, headers={"accept": accept})
            assert answer.status == 500
            assert KEY not in answer.text, answer.text[answer.text.find(KEY) - 200 :][:300]
    assert KEY not in caplog.text
    with database.session() as db:
        shown = [repr(database), str(database), repr(db), repr(db.get_bind()), repr(database.engine), repr(database.engine.url)]
        shown += [repr(database.health()), repr(vars(db))]
    assert not any(KEY in each for each in shown)
