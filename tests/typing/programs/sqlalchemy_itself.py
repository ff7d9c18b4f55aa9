"""What SQLAlchemy's documentation writes, with Erlen's models: it stays typed."""

from __future__ import annotations

from typing import assert_type

from sqlalchemy import ColumnElement, Integer, String, column, func
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import column_property, declared_attr

from erlen.db import Base, ForeignKey, Mapped, Model, Session, mapped_column, relationship, select


class HasName:
    name: Mapped[str] = mapped_column(String(50))

    @declared_attr
    def alias(cls) -> Mapped[str | None]:  # noqa: N805 - as SQLAlchemy's documentation has it
        return mapped_column(String(50), index=True)


class Person(HasName, Model, table="people"):
    kind: Mapped[str] = mapped_column(default="person")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    @hybrid_property
    def greeting(self) -> str:
        return "Hello, " + self.name

    @greeting.inplace.expression
    @classmethod
    def _greeting_expression(cls) -> ColumnElement[str]:
        return func.concat("Hello, ", cls.name)


class Employee(Person, table="employees"):
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))
    company: Mapped[Company] = relationship(back_populates="employees")
    __mapper_args__ = {"polymorphic_identity": "employee"}


class Company(HasName, Model):
    employees: Mapped[list[Employee]] = relationship(back_populates="company")
    names: AssociationProxy[list[str]] = association_proxy("employees", "name")
    doubled: Mapped[int] = column_property(2 * column("id", Integer))


class Membership(Base):
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"), primary_key=True)


def use(db: Session, person: Person, company: Company) -> None:
    assert_type(person.greeting, str)
    assert_type(person.alias, str | None)
    assert_type(company.names, list[str])
    assert_type(company.doubled, int)
    assert_type(db.all(select(Person).where(Person.greeting == "Hello, Ada")), list[Person])
    assert_type(db.get_or_404(Membership, (1, 2)), Membership)
    assert_type(db.all(Employee, Employee.name == "Ada"), list[Employee])
    assert_type(db.all(Employee)[0].company.employees, list[Employee])
