"""JSON columns: changes inside a value are noticed, and queries see plain JSON."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import create_engine, orm, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erlen.db.columns import TrackedDict, TrackedList
from erlen.db.model import Base as AnyBase

Run = Callable[[type[DeclarativeBase], Callable[[orm.Session], Any]], Any]


class Base(AnyBase, isolated=True):
    pass


class Options(Struct):
    views: int = 0
    name: str = ""


class Thing(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    items: Mapped[list[Any]] = mapped_column(default=list)
    options: Mapped[Options | None]


@pytest.fixture
def session() -> Iterator[orm.Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        yield session
    engine.dispose()


DATA: dict[str, Any] = {"a": 1, "inner": {"list": [1, {"x": 1}]}}
CHANGES: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("set an item", lambda data, items: data.__setitem__("b", 2)),
    ("delete an item", lambda data, items: data.__delitem__("a")),
    ("update", lambda data, items: data.update(b=[1])),
    ("merge in place", lambda data, items: data.__ior__({"b": 2})),
    ("set a default", lambda data, items: data.setdefault("b", {})),
    ("pop", lambda data, items: data.pop("a")),
    ("pop any", lambda data, items: data.popitem()),
    ("clear", lambda data, items: data.clear()),
    ("change within", lambda data, items: data["inner"].__setitem__("b", 2)),
    ("change deep within", lambda data, items: data["inner"]["list"][1].__setitem__("x", 2)),
    ("append within", lambda data, items: data["inner"]["list"].append(2)),
    ("change what was put in", lambda data, items: (data.__setitem__("new", []), data["new"].append(1))),
    ("append", lambda data, items: items.append(1)),
    ("extend", lambda data, items: items.extend([1, 2])),
    ("add in place", lambda data, items: items.__iadd__([1])),
    ("multiply in place", lambda data, items: items.__imul__(2)),
    ("insert", lambda data, items: items.insert(0, {"a": []})),
    ("replace", lambda data, items: items.__setitem__(0, 9)),
    ("replace a slice", lambda data, items: items.__setitem__(slice(0, 2), [7, 8, 9])),
    ("delete", lambda data, items: items.__delitem__(0)),
    ("delete a slice", lambda data, items: items.__delitem__(slice(0, 2))),
    ("take the last", lambda data, items: items.pop()),
    ("remove", lambda data, items: items.remove(3)),
    ("empty", lambda data, items: items.clear()),
    ("sort", lambda data, items: items.sort()),
    ("reverse", lambda data, items: items.reverse()),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_changes_inside_are_noticed(session: orm.Session, change: Callable[[Any, Any], Any]) -> None:
    session.add(Thing(id=1, data=copy.deepcopy(DATA), items=[3, 1, 2]))
    session.commit()
    thing = session.get_one(Thing, 1)
    expected = copy.deepcopy(DATA), [3, 1, 2]
    change(*expected)
    change(thing.data, thing.items)
    session.commit()
    session.expire_all()
    assert (thing.data, thing.items) == expected


def test_looking_changes_nothing(session: orm.Session) -> None:
    session.add(Thing(id=1, data=copy.deepcopy(DATA), items=[1]))
    session.commit()
    thing = session.get_one(Thing, 1)
    assert [*thing.data, thing.data.get("a"), thing.data["inner"]["list"][0], *thing.items] == ["a", "inner", 1, 1, 1]
    assert not session.dirty


def test_containers_can_be_copied_and_pickled() -> None:
    thing = Thing(data=copy.deepcopy(DATA), items=[[1]])
    for made in (copy.deepcopy(thing.data), pickle.loads(pickle.dumps(thing.data))):
        assert made == DATA
        assert isinstance(made, TrackedDict)
        assert isinstance(made["inner"]["list"], TrackedList)
    revived = pickle.loads(pickle.dumps(thing))
    assert revived.items == [[1]]
    revived.items[0].append(2)
    assert revived.items == [[1, 2]]


def test_parts_are_plain_json_in_queries(run: Run) -> None:
    def work(session: orm.Session) -> None:
        session.add_all([Thing(id=1, options=Options(5, "five"), data={"n": {"m": [7]}}), Thing(id=2, options=Options(1, "one"))])
        session.commit()
        assert session.scalars(select(Thing.id).where(Thing.options["views"].as_integer() > 3)).all() == [1]
        assert session.scalars(select(Thing.id).where(Thing.options["name"].as_string() == "one")).all() == [2]
        assert session.scalars(select(Thing.options["name"].as_string()).order_by(Thing.id)).all() == ["five", "one"]
        assert session.scalars(select(Thing.data[("n", "m", 0)].as_integer()).where(Thing.id == 1)).all() == [7]
        assert session.scalars(select(Thing.data["n"]).where(Thing.id == 1)).all() == [{"m": [7]}]

    run(Base, work)


def test_a_stored_value_that_no_longer_fits_says_what_is_wrong(session: orm.Session) -> None:
    session.add(Thing(id=1, options=Options()))
    session.commit()
    session.execute(text("""UPDATE things SET options = '{"views": "many"}'"""))
    session.commit()
    with pytest.raises(ValueError, match=r"a stored value is no Options \(at \['views'\]\): Expected an integer, got a string"):
        session.get(Thing, 1, populate_existing=True)


def test_a_field_added_since_has_its_default(session: orm.Session) -> None:
    session.add(Thing(id=1, options=Options()))
    session.commit()
    session.execute(text("""UPDATE things SET options = '{"views": 3, "gone": 1}'"""))
    session.expire_all()
    assert session.get_one(Thing, 1).options == Options(3, "")
