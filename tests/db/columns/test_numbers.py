"""Decimal numbers are exact, in queries too."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import pytest
from sqlalchemy import create_engine, func, insert, orm, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erlen.db.columns import Digits, Money
from erlen.db.model import Base as AnyBase

Run = Callable[[type[DeclarativeBase], Callable[[orm.Session], Any]], Any]


class Base(AnyBase, isolated=True):
    pass


class Price(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Money]
    plain: Mapped[Decimal | None]
    count: Mapped[Annotated[Decimal, Digits(12, 0)] | None]


def test_sums_and_comparisons(run: Run) -> None:
    def work(session: orm.Session) -> None:
        session.add_all([Price(id=number, amount=Decimal("0.1"), plain=Decimal(number)) for number in range(1, 11)])
        session.add(Price(id=11, amount=Decimal("12345678901.2345"), plain=Decimal(100), count=Decimal(999999999999)))
        session.commit()
        assert session.scalar(select(func.sum(Price.amount)).where(Price.id < 4)) == Decimal("0.3")
        assert session.scalar(select(func.sum(Price.amount)).where(Price.id < 11)) == Decimal(1)
        assert session.scalar(select(func.max(Price.amount))) == Decimal("12345678901.2345")
        assert session.scalars(select(Price.id).where(Price.amount > Decimal("0.1"))).all() == [11]
        assert session.scalars(select(Price.id).where(Price.amount > 1)).all() == [11]
        assert session.scalars(select(Price.id).where(Price.amount == Decimal("0.1000"))).all() == list(range(1, 11))
        assert session.scalar(select(Price.amount * 2).where(Price.id == 1)) == Decimal("0.2")
        assert session.scalar(select(Price.amount + Decimal("0.2")).where(Price.id == 1)) == Decimal("0.3")
        assert [str(plain) for plain in session.scalars(select(Price.plain).where(Price.id.in_([1, 11])).order_by(Price.id))] == [
            "1",
            "100",
        ]
        assert str(session.scalar(select(Price.amount).where(Price.id == 1))) == "0.1000"
        assert session.scalar(select(Price.count).where(Price.id == 11)) == Decimal(999999999999)

    run(Base, work)


def test_sqlite_refuses_what_it_would_not_keep_exactly() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        for amount in (Decimal("999999999999999.9999"), Decimal("NaN")):
            with pytest.raises(StatementError, match=r"holds 15 digits|finite number"):
                session.execute(insert(Price).values(id=1, amount=amount))
    engine.dispose()
