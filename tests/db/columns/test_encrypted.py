"""Encrypted columns: unreadable in the database, readable with each of the application's keys."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta
from sqlalchemy import create_engine, orm, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db.columns import Encrypted, Encryption, Undecipherable, use_secret_keys
from erlen.db.model import Base as AnyBase
from erlen.db.validation import ValidationError
from erlen.errors import ConfigurationError

OLD, NEW = "an old key that is long enough", "a new key that is long enough"


class Base(AnyBase, isolated=True):
    pass


class Person(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    iban: Mapped[Encrypted[Annotated[str, Meta(max_length=34)]] | None]
    notes: Mapped[Annotated[dict[str, Any], Encryption("notes")] | None]


@pytest.fixture
def engine() -> Any:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_keys_rotate(engine: Any) -> None:
    use_secret_keys(engine, [OLD])
    with orm.Session(engine) as session:
        session.add(Person(id=1, iban="DE02", notes={"a": 1}))
        session.commit()
        stored = session.execute(text("SELECT iban, notes FROM people")).one()
        assert "DE02" not in stored[0]
    use_secret_keys(engine, [NEW, OLD])
    with orm.Session(engine) as session:
        person = session.get_one(Person, 1)
        assert (person.iban, person.notes) == ("DE02", {"a": 1})
        person.iban = "DE03"
        session.commit()
    use_secret_keys(engine, [NEW])
    with orm.Session(engine) as session:
        assert session.scalars(select(Person.iban)).one() == "DE03"
        with pytest.raises(Undecipherable, match="secret_key_fallbacks"):
            session.scalars(select(Person.notes)).one()


def test_a_value_moved_to_a_field_of_another_purpose_or_altered_is_refused(engine: Any) -> None:
    use_secret_keys(engine, [NEW])
    with orm.Session(engine) as session:
        session.add(Person(id=1, iban="DE02", notes={}))
        session.commit()
        session.execute(text("UPDATE people SET notes = iban"))
        with pytest.raises(Undecipherable):
            session.scalars(select(Person.notes)).one()
        session.execute(text("UPDATE people SET iban = 'x' || iban"))
        with pytest.raises(Undecipherable):
            session.scalars(select(Person.iban)).one()


def test_the_same_value_is_encrypted_differently_each_time(engine: Any) -> None:
    use_secret_keys(engine, [NEW])
    with orm.Session(engine) as session:
        session.add_all([Person(id=1, iban="DE02"), Person(id=2, iban="DE02")])
        session.commit()
        assert len(set(session.scalars(text("SELECT iban FROM people")))) == 2


def test_comparisons_are_refused_but_for_null() -> None:
    for compare in (
        lambda: Person.iban == "DE02",
        lambda: Person.iban.in_(["DE02"]),
        lambda: Person.iban > "A",
        lambda: Person.iban.desc(),
    ):
        with pytest.raises(TypeError, match="an encrypted column cannot be compared"):
            compare()
    assert str(Person.iban.is_(None)) == "people.iban IS NULL"
    assert str(Person.iban != None) == "people.iban IS NOT NULL"  # noqa: E711 - SQL, not Python


def test_constraints_hold_before_it_is_encrypted() -> None:
    with pytest.raises(ValidationError, match="iban: Must have at most 34 characters"):
        Person(iban="x" * 35)


def test_no_key_is_a_mistake(engine: Any) -> None:
    with orm.Session(engine) as session:
        session.add(Person(id=1, iban="DE02"))
        with pytest.raises((ConfigurationError, StatementError), match="an encrypted column needs a secret key"):
            session.commit()
