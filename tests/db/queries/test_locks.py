"""Locks of rows and of names, on each engine and in both colours: what others can do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from erlen.db import Database, Model, Session
from erlen.db.locks import Locked
from erlen.db.selection import NoneFound


class Base(Model, isolated=True):
    pass


class Account(Base):
    name: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship()


class Owner(Base):
    name: Mapped[str] = mapped_column(String(20))


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    database = make_database(Base, lock_timeout=1.0)
    with database.session() as db:
        db.add_all(Account(name=name, amount=100, owner=Owner(name=name)) for name in ("ann", "bob", "eve"))
    return database


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


@pytest.fixture
def other(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


def is_sqlite(database: Database) -> bool:
    return database.url().get_backend_name() == "sqlite"


def test_locked_rows_are_as_they_are_now(db: Session, database: Database) -> None:
    account = db.one(Account, Account.name == "ann")
    db.commit()
    with database.session() as writing:
        writing.one(Account, Account.name == "ann").amount = 50
    assert account.amount == 100
    assert db.for_update(Account, Account.name == "ann") == [account]
    assert account.amount == 50
    db.commit()
    with database.session() as writing:
        writing.one(Account, Account.name == "ann").amount = 20
    assert db.lock(account) is account
    assert account.amount == 20
    assert db.for_update(select(Account.name, Account.amount).where(Account.name == "ann")) == [("ann", 20)]


def test_others_wait_for_locked_rows(db: Session, other: Session, database: Database) -> None:
    (account,) = db.for_update(Account, Account.name == "ann")
    with pytest.raises(Locked) as refused:
        other.for_update(Account, Account.name == "ann")
    assert refused.value.status == 409
    other.rollback()
    with pytest.raises(Locked):
        other.for_update(Account, Account.name == "ann", nowait=True)
    other.rollback()
    db.commit()
    assert [one.id for one in other.for_update(Account, Account.name == "ann", nowait=True)] == [account.id]
    with pytest.raises(Locked):
        db.lock(account, nowait=True)


def test_locked_rows_may_be_skipped(db: Session, other: Session, database: Database) -> None:
    if is_sqlite(database):
        pytest.skip("SQLite locks the whole database")
    first = db.for_update(select(Account).order_by(Account.id).limit(1), skip_locked=True)
    second = other.for_update(select(Account).order_by(Account.id).limit(1), skip_locked=True)
    assert [one.name for one in (*first, *second)] == ["ann", "bob"]


def test_a_reading_session_begins_to_write(database: Database, open_session: Callable[..., Session], other: Session) -> None:
    db = open_session(database, reading=True)
    assert db.count(Account) == 3
    db.for_update(Account, Account.name == "ann")
    assert not db.is_reading
    with pytest.raises(Locked):
        other.for_update(Account, Account.name == "ann")


def test_only_one_of_the_joined_rows_is_locked(db: Session, other: Session, database: Database) -> None:
    if database.url().get_backend_name() != "postgresql":
        pytest.skip("only PostgreSQL locks rows of some of the tables")
    (account,) = db.for_update(select(Account).options(joinedload(Account.owner)).where(Account.name == "ann"), of=Account)
    assert account.owner is not None
    assert len(other.for_update(Owner, Owner.id == account.owner.id, nowait=True)) == 1


def test_a_row_that_is_gone_cannot_be_locked(db: Session, database: Database) -> None:
    account = db.one(Account, Account.name == "eve")
    db.commit()
    with database.session() as writing:
        writing.delete(writing.one(Account, Account.name == "eve"))
    with pytest.raises(NoneFound, match="Account"):
        db.lock(account)


def test_relations_stay_loaded(db: Session, statements: list[str]) -> None:
    account = db.one(select(Account).options(joinedload(Account.owner)).where(Account.name == "ann"))
    db.lock(account)
    sent = len(statements)
    assert account.owner is not None
    assert account.owner.name == "ann"
    assert len(statements) == sent


def test_no_update_is_lost(database: Database) -> None:
    barrier = threading.Barrier(5)
    patient = Database(database.url().render_as_string(hide_password=False), base=Base, lock_timeout=30)

    def work(_: int) -> None:
        barrier.wait()
        with patient.session() as db:
            (account,) = db.for_update(Account, Account.name == "ann")
            account.amount -= 10

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    with patient.session() as db:
        assert db.one(Account, Account.name == "ann").amount == 50
    patient.dispose()


def test_an_error_that_is_no_lock_is_left_as_it_is(db: Session) -> None:
    with pytest.raises(Exception, match="nothing") as refused:
        db.for_update(select(Account).where(Account.amount == select(Owner.id).where(Owner.name.op("nothing")("x")).scalar_subquery()))
    assert not isinstance(refused.value, Locked)


# -- names ----------------------------------------------------------------------------------------------------------------------


def test_a_name_is_held_until_the_transaction_ends(db: Session, other: Session) -> None:
    with db.advisory_lock("numbers"), db.advisory_lock("numbers"):
        pass
    for wait in (False, True):
        with pytest.raises(Locked), other.advisory_lock("numbers", wait=wait):
            pass
        other.rollback()
    db.commit()
    with other.advisory_lock("numbers", wait=False):
        pass
    other.rollback()
    with db.advisory_lock("numbers", wait=False):
        pass
    db.close()
    with other.advisory_lock("numbers", wait=False):
        pass


def test_names_are_independent_of_each_other(db: Session, other: Session, database: Database) -> None:
    if is_sqlite(database):
        pytest.skip("SQLite locks the whole database")
    with db.advisory_lock("numbers"), other.advisory_lock("others", wait=False), other.advisory_lock("x" * 1000, wait=False):
        pass
    with other.advisory_lock("it's \\ \0 '; DROP TABLE accounts; --", wait=False):
        assert other.count(Account) == 3


def test_a_name_is_released_when_the_block_raises(db: Session, other: Session) -> None:
    class Odd(Exception):
        pass

    with pytest.raises(Odd), db.advisory_lock("numbers"):
        raise Odd
    db.rollback()
    with other.advisory_lock("numbers", wait=False):
        pass


def test_a_reading_session_holds_a_name_too(database: Database, open_session: Callable[..., Session], other: Session) -> None:
    db = open_session(database, reading=True)
    with db.advisory_lock("numbers"), pytest.raises(Locked), other.advisory_lock("numbers", wait=False):
        pass


def test_whoever_comes_next_sees_what_was_written(database: Database) -> None:
    barrier = threading.Barrier(5)
    patient = Database(database.url().render_as_string(hide_password=False), base=Base, lock_timeout=30)

    def work(_: int) -> None:
        barrier.wait()
        with patient.session() as db, db.advisory_lock("numbers"):
            highest: Any = max(db.all(select(Account.amount)))
            db.add(Account(name="new", amount=highest + 1))

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    with patient.session() as db:
        assert sorted(db.all(select(Account.amount).where(Account.name == "new"))) == [101, 102, 103, 104, 105]
    patient.dispose()


def test_the_names_of_a_lost_connection_are_not_asked_for(db: Session, other: Session, database: Database) -> None:
    if is_sqlite(database):
        pytest.skip("SQLite has no server")
    with db.advisory_lock("numbers"):
        db.invalidate()
    with other.advisory_lock("numbers", wait=True):
        pass
