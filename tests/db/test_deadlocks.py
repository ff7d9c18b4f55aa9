"""Two requests that wait for each other's rows, and those that wait too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from erlen import App
from erlen.db import AsyncSession, Database, Locked, Mapped, Model, Session

SERVERS = ("postgresql", "mariadb")


class Base(Model, isolated=True):
    pass


class Account(Base):
    balance: Mapped[int]


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> Iterator[Database]:
    database = Database(url_of(request.param), base=Base, lock_timeout=10)
    database.create_all()
    with database.session() as db:
        db.add_all([Account(id=1, balance=0), Account(id=2, balance=0)])
    yield database
    database.dispose()


def balances(database: Database) -> list[int]:
    with database.session(reading=True) as db:
        return db.all(select(Account.balance).order_by(Account.id))


@pytest.mark.parametrize("way", ["flush", "statement"])
@pytest.mark.parametrize("colour", ["def", "async"])
def test_one_of_two_that_deadlock_is_asked_to_try_again(database: Database, make_client: Callable[..., Any], colour: str, way: str) -> None:
    """The other is kept whole, the pool has no connection less, and the next request finds a clean one."""
    app = App()
    app.use(database)
    both = threading.Barrier(2, timeout=20)

    @app.post("/def/{first}/{second}")
    def transfer(first: int, second: int, db: Session) -> None:
        for number in (first, second):
            if way == "flush":
                db.get_or_404(Account, number).balance += first
                db.flush()
            else:
                db.execute(update(Account).where(Account.id == number).values(balance=first))
            if number == first:
                both.wait()

    @app.post("/async/{first}/{second}")
    async def transfer_async(first: int, second: int, db: AsyncSession) -> None:
        for number in (first, second):
            if way == "flush":
                (await db.get_or_404(Account, number)).balance += first
                await db.flush()
            else:
                await db.execute(update(Account).where(Account.id == number).values(balance=first))
            if number == first:
                await asyncio.to_thread(both.wait)

    client = make_client(app, raise_errors=False)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(client.post, [f"/{colour}/1/2", f"/{colour}/2/1"]))
    refused, done = sorted(answers, key=lambda answer: -answer.status)
    assert (refused.status, done.status) == (409, 204)
    assert refused.headers["retry-after"] == "1"
    assert "Try again" in refused.json()["detail"]
    first = 1 if answers[0] is done else 2
    assert balances(database) == [first, first]
    pools = [engines.engine.pool for engines in database._thread_engines.values()]
    pools += [engines.engine.pool for found in database._loop_engines.values() for engines in found.values()]
    assert {pool.checkedout() for pool in pools} == {0}  # type: ignore[attr-defined]  # a QueuePool's
    for _ in range(3):
        both.reset()
        with ThreadPoolExecutor(2) as executor:
            answers = list(executor.map(client.post, [f"/{colour}/1/2", f"/{colour}/2/1"]))
        assert sorted(answer.status for answer in answers) == [204, 409]


def test_a_program_that_goes_on_after_a_deadlock_keeps_no_half(database: Database) -> None:
    """MySQL and MariaDB roll the transaction back themselves, and would keep what follows, statement by statement."""
    both = threading.Barrier(2, timeout=20)
    outcomes: list[str] = []

    def transfer(first: int, second: int) -> None:
        try:
            with database.session() as db:
                db.execute(update(Account).where(Account.id == first).values(balance=10 * first))
                both.wait()
                try:
                    db.execute(update(Account).where(Account.id == second).values(balance=10 * first))
                except Locked:
                    outcomes.append("refused")
                    db.execute(insert(Account).values(id=7, balance=7))
                    db.commit()
            outcomes.append("kept")
        except Exception as error:  # noqa: BLE001 - whatever refuses
            outcomes.append(type(error).__name__)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(transfer, [1, 2], [2, 1]))
    assert sorted(outcomes)[-2:] == ["kept", "refused"]
    assert len(outcomes) == 3
    assert balances(database) in ([10, 10], [20, 20])


def test_a_deadlock_within_a_savepoint_ends_the_transaction(database: Database) -> None:
    both = threading.Barrier(2, timeout=20)
    refused: list[Session] = []

    def transfer(first: int, second: int) -> None:
        with database.session() as db:
            try:
                db.execute(update(Account).where(Account.id == first).values(balance=first))
                with db.begin_nested():
                    both.wait()
                    db.execute(update(Account).where(Account.id == second).values(balance=first))
            except Locked:
                refused.append(db)
                db.rollback()
                assert db.scalar(select(Account.balance).where(Account.id == 1)) in (0, 1, 2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(transfer, [1, 2], [2, 1]))
    assert len(refused) == 1
    assert balances(database) in ([1, 1], [2, 2])


def test_who_waits_too_long_is_asked_to_try_again(database: Database, make_client: Callable[..., Any]) -> None:
    app = App()
    impatient = app.use(Database(database.url().render_as_string(hide_password=False), base=Base, lock_timeout=1))

    @app.post("/def")
    def change(db: Session) -> None:
        db.execute(update(Account).values(balance=5))

    @app.post("/async")
    async def change_async(db: AsyncSession) -> None:
        for account in await db.all(Account):
            account.balance = 5

    client = make_client(app, raise_errors=False)
    with database.session() as holder:
        holder.for_update(Account)
        for path in ("/def", "/async"):
            answer = client.post(path)
            assert (answer.status, answer.headers["retry-after"]) == (409, "1")
    assert client.post("/def").status == 204
    assert balances(database) == [5, 5]
    impatient.dispose()


def test_a_transaction_that_cannot_be_as_if_alone_is_asked_to_try_again(url_of: Callable[[str], str]) -> None:
    database = Database(url_of("postgresql"), base=Base)
    database.create_all()
    with database.session() as db:
        db.add(Account(id=1, balance=0))
    with database.session() as db:
        db.use_isolation("REPEATABLE READ")
        db.one(Account)
        with database.session() as other:
            other.one(Account).balance = 1
        with pytest.raises(Locked):
            db.execute(update(Account).values(balance=2))
        db.rollback()
    assert balances(database) == [1]
    database.dispose()


def test_sqlite_that_is_locked_for_too_long(tmp_path: Any, make_client: Callable[..., Any]) -> None:
    app = App()
    database = app.use(Database(f"sqlite:///{tmp_path / 'test.db'}", base=Base, create=True, lock_timeout=0.2))

    @app.post("/")
    def change(db: Session) -> None:
        db.add(Account(balance=1))

    @app.post("/statement")
    async def change_async(db: AsyncSession) -> None:
        await db.execute(update(Account).values(balance=5))

    client = make_client(app, raise_errors=False)
    with database.session() as holder:
        holder.execute(insert(Account).values(balance=3))
        assert client.post("/").status == 409
        assert client.post("/statement").status == 409
    assert client.post("/").status == 204
    database.dispose()


def test_other_errors_of_the_server_stay_what_they_are(database: Database) -> None:
    with database.session() as db, pytest.raises(DBAPIError):
        db.execute(text("SELECT nothing FROM nowhere"))
