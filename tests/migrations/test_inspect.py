"""`erlen db inspect`: what becomes of the parts of a database, and the command."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from click.testing import Result
from sqlalchemy import Connection

import erlen.db
from erlen.db import Base, Choices, Database, Digits, ForeignKey, Mapped, Meta, Model, mapped_column
from erlen.errors import ErlenError
from erlen.inspection import Choose, read_database, write_models
from erlen.inspection.naming import attribute_name, class_name, relation_name, singular_of, table_name_of
from erlen.migrations.schema import differences, schema_of

Connect = Callable[[str], Connection]
Run = Callable[..., Result]
Inspected = Callable[..., str]
numbers = itertools.count()


@pytest.fixture
def inspected(url_of: Callable[[str], str], connect_to: Connect) -> Inspected:
    """Make a database of some statements and return the source of its models: `inspected("sqlite", "CREATE TABLE …")`."""

    def inspect(backend: str, *statements: str, choose: Choose | None = None, **options: Any) -> str:
        with connect_to(url_of(backend)) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            return write_models(read_database(connection, choose), **options)

    return inspect


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Run the source of models, whose base is `module.Base`."""
    made: list[str] = []

    def run(source: str) -> Any:
        class Own(Base, isolated=True):
            pass

        class OwnModel(Own):
            __abstract__ = True
            id: Mapped[int] = mapped_column(Model.__dict__["id"].column.type, primary_key=True, sort_order=-1)

        name = f"inspected_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        with monkeypatch.context() as patch:
            patch.setattr(erlen.db, "Base", Own)
            patch.setattr(erlen.db, "Model", OwnModel)
            spec = spec_from_file_location(name, path)
            assert spec is not None
            assert spec.loader is not None
            module: Any = module_from_spec(spec)
            sys.modules[name] = module
            made.append(name)
            spec.loader.exec_module(module)
        module.Base = Own
        Own.registry.configure()  # every relation is valid
        return module

    yield run
    for name in made:
        del sys.modules[name]


def part(source: str, name: str) -> str:
    """Return the lines of one class, or those of one attribute."""
    if f"\nclass {name}(" in source:
        return source.partition(f"\nclass {name}(")[2].partition("\n\n\n")[0]
    lines = iter(source.splitlines())
    found = next(line for line in lines if line.startswith((f"    {name}:", f"{name} = ")))
    while not (found.count("(") == found.count(")") and found.count("[") == found.count("]")):
        found += next(lines).strip()
    return " ".join(found.split()).replace(",)", ")").replace(",]", "]").replace(",", ", ").replace(",  ", ", ")


# -- everything at once ------------------------------------------------------------------------------------------------------------

EVERYTHING = {
    "postgresql": """
        CREATE TYPE mood AS ENUM ('happy', 'so-so', 'it''s sad');
        CREATE DOMAIN email AS varchar(254) CONSTRAINT email_check CHECK (VALUE ~ '@');
        CREATE SEQUENCE global_seq;
        CREATE TABLE "Strange Table" (
          "Some Id" bigserial PRIMARY KEY, "class" text NOT NULL, "metadata" jsonb NOT NULL DEFAULT '{}'::jsonb, "date" date,
          "text" text DEFAULT 'it''s: here', "1st" int, "IPAddress" inet, "time" time, created timestamptz NOT NULL DEFAULT now(),
          local timestamp, stamp3 timestamp(3) with time zone, feeling mood NOT NULL DEFAULT 'so-so', feelings mood[], mail email,
          tags text[] NOT NULL DEFAULT '{}', matrix int[][], price numeric(10,2) CHECK (price > 0), anything numeric,
          small smallint DEFAULT -1, big bigint DEFAULT 5, ratio real, exact double precision, flag boolean NOT NULL DEFAULT false,
          raw bytea, key uuid DEFAULT gen_random_uuid(), span interval, plain json, code char(3), code2 varchar COLLATE "C",
          period tsrange, words tsvector, bits bit(3), cash money, x xml, number int DEFAULT nextval('global_seq'),
          self bigint REFERENCES "Strange Table" ON DELETE SET NULL, doubled int GENERATED ALWAYS AS (small * 2) STORED,
          CONSTRAINT "fancy name" UNIQUE (code, small));
        COMMENT ON TABLE "Strange Table" IS 'A table with "all" that''s \\ there';
        COMMENT ON COLUMN "Strange Table"."1st" IS 'the 1st';
        CREATE INDEX lower_ix ON "Strange Table" (lower("text")) WHERE flag;
        CREATE INDEX desc_ix ON "Strange Table" (big DESC NULLS LAST, small);
        CREATE INDEX gin_ix ON "Strange Table" USING gin (tags);
        CREATE INDEX inc_ix ON "Strange Table" (big) INCLUDE (small);
        CREATE UNIQUE INDEX u_ix ON "Strange Table" (key) WHERE small > 3;
        CREATE TABLE users (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(100) NOT NULL UNIQUE,
          other int UNIQUE NULLS NOT DISTINCT, counted int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5),
          CONSTRAINT ck_users_long CHECK (length(name) > 2 AND name <> ':x'));
        CREATE TABLE chicken (id bigserial PRIMARY KEY, egg_id bigint);
        CREATE TABLE egg (id bigserial PRIMARY KEY, chicken_id bigint REFERENCES chicken);
        ALTER TABLE chicken ADD CONSTRAINT chicken_egg FOREIGN KEY (egg_id) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
        CREATE TABLE measures (id int, at date) PARTITION BY RANGE (at)
        """,
    "mariadb": """
        CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL UNIQUE COMMENT 'the name',
          n int unsigned NOT NULL DEFAULT 0, flag tinyint(1) NOT NULL DEFAULT 1, t tinyint, small smallint, mid mediumint, body text,
          longb longtext, med mediumtext, b blob, lb longblob, vb varbinary(16), bin binary(16),
          created datetime NOT NULL DEFAULT current_timestamp(), m datetime(6), tm time, tm6 time(6), d date, y year,
          upd timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
          st enum('a','b c') NOT NULL DEFAULT 'a', opts set('x','y'), j json, price decimal(10,2), f float, db double, bits bit(3), u uuid,
          c char(3), coll varchar(10) COLLATE utf8mb4_bin, s varchar(20) DEFAULT 'it''s', ex varchar(40) DEFAULT uuid(), i6 inet6, pt point,
          g int GENERATED ALWAYS AS (n * 2) STORED, v int AS (n + 1) VIRTUAL, CONSTRAINT chk CHECK (n < 100), KEY pre (body(10)),
          FULLTEXT KEY ft (med)) COMMENT 'people''s table';
        CREATE TABLE posts (id int AUTO_INCREMENT PRIMARY KEY, user_id bigint NOT NULL, editor_id bigint,
          CONSTRAINT fk_u FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
          FOREIGN KEY (editor_id) REFERENCES users (id), KEY both_ix (user_id, editor_id));
        CREATE TABLE tags (id int unsigned AUTO_INCREMENT PRIMARY KEY, label varchar(20), UNIQUE KEY lbl (label));
        CREATE TABLE post_tags (post_id int, tag_id int unsigned, PRIMARY KEY (post_id, tag_id),
          FOREIGN KEY (post_id) REFERENCES posts (id), FOREIGN KEY (tag_id) REFERENCES tags (id))
        """,
    "sqlite": """
        CREATE TABLE auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, username varchar(150) NOT NULL UNIQUE,
          is_staff bool NOT NULL, joined datetime NOT NULL, price decimal NOT NULL, size integer unsigned NOT NULL CHECK ("size" >= 0),
          uid char(32) NOT NULL UNIQUE, big bigint, r real, d double, ts timestamp DEFAULT CURRENT_TIMESTAMP, x,
          expr text DEFAULT (lower('A:b')), neg integer DEFAULT -3, s text DEFAULT 'it''s', b blob DEFAULT x'00', day date, hour time,
          "order" integer, nt NVARCHAR(10), j JSON, n10 numeric(10));
        CREATE TABLE "blog_post" (slug varchar(50) PRIMARY KEY,
          author_id integer NOT NULL, editor integer, title text COLLATE nocase, name text,
          FOREIGN KEY (author_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED,
          FOREIGN KEY (editor) REFERENCES auth_user (id) ON DELETE CASCADE);
        CREATE INDEX lower_title ON blog_post (lower(title), author_id) WHERE editor > 1;
        CREATE INDEX part ON blog_post (title) WHERE editor IS NULL;
        CREATE UNIQUE INDEX uq_x ON blog_post (title, editor);
        CREATE TABLE worl (a text, b integer, PRIMARY KEY (b, a)) WITHOUT ROWID;
        CREATE TABLE strict_one (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
        CREATE TABLE models (id integer PRIMARY KEY, name text);
        CREATE TABLE items (id integer PRIMARY KEY, model_id integer UNIQUE REFERENCES models, list text, relationship text, "sa" text);
        CREATE TABLE lists (id integer PRIMARY KEY, item_id integer REFERENCES items);
        CREATE TABLE "weird-näme 1" ("ключ" integer PRIMARY KEY, "a b" text, "a_b" text)
        """,
}


def statements_of(backend: str) -> list[str]:
    return [statement.strip() for statement in EVERYTHING[backend].split(";\n") if statement.strip()]


def test_models_of_everything_make_the_same_database(
    backend: str, url_of: Callable[[str], str], connect_to: Connect, load: Callable[[str], Any], tmp_path: Path
) -> None:
    with connect_to(url_of(backend)) as connection:
        for statement in statements_of(backend):
            connection.exec_driver_sql(statement)
        source, before = write_models(read_database(connection)), schema_of(connection)
    module = load(source)
    with connect_to(f"sqlite:///{tmp_path / 'other.db'}" if backend == "sqlite" else url_of(backend)) as other:
        module.Base.metadata.create_all(other)
        assert differences(before, schema_of(other)) == []
        assert write_models(read_database(other)).splitlines()[1:] == source.splitlines()[1:]


@pytest.mark.slow
def test_models_of_everything_pass_the_type_checkers(url_of: Callable[[str], str], connect_to: Connect, tmp_path: Path) -> None:
    folder = tmp_path / "checked"
    folder.mkdir()
    for backend in EVERYTHING:
        with connect_to(url_of(backend)) as connection:
            for statement in statements_of(backend):
                connection.exec_driver_sql(statement)
            (folder / f"{backend}_models.py").write_text(write_models(read_database(connection)), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MYPY", "PYRIGHT", "PYTEST"))}

    def check(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=900, check=False, env=environment
        )

    for command in (["format", "--check"], ["check", "--select", "B,E,F,I,N,UP,W", "--ignore", "E501", "--target-version", "py311"]):
        answer = check("ruff", *command, "--isolated", "--no-cache", ".")
        assert answer.returncode == 0, answer.stdout
    answer = check("mypy", "--strict", "--config-file=", "--python-version=3.11", "--cache-dir=cache", ".")
    assert answer.returncode == 0, answer.stdout
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11"}))
    answer = check("basedpyright", "--pythonpath", sys.executable)
    assert answer.returncode == 0, answer.stdout


# -- parts -------------------------------------------------------------------------------------------------------------------------


def test_what_an_annotation_says_needs_no_type(inspected: Inspected) -> None:
    source = inspected(
        "postgresql",
        "CREATE TABLE books (id bigserial PRIMARY KEY, title text NOT NULL, pages int, price numeric(8,2) NOT NULL, sold timestamptz,"
        " local timestamp, code varchar(20), data jsonb, key uuid, long bigint, is_new boolean NOT NULL DEFAULT true, bought date)",
    )
    assert part(source, "Book").splitlines() == [
        "Model):",
        "    title: Mapped[str]",
        "    pages: Mapped[int | None]",
        "    price: Mapped[Annotated[Decimal, Digits(8, 2)]]",
        "    sold: Mapped[datetime | None]",
        "    local: Mapped[datetime | None] = mapped_column(DateTime)",
        "    code: Mapped[str | None] = mapped_column(String(20))",
        "    data: Mapped[Any | None]",
        "    key: Mapped[UUID | None]",
        "    long: Mapped[int | None] = mapped_column(BigInteger)",
        '    is_new: Mapped[bool] = mapped_column(server_default=text("true"))',
        "    bought: Mapped[date | None]",
    ]


def test_own_models_come_back_as_they_were(url_of: Callable[[str], str], connect_to: Connect, backend: str) -> None:
    class Own(Model, isolated=True):
        pass

    class Status(Choices):
        draft = "draft"
        it_is = "it's out"

    class Author(Own):
        name: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)
        level: Mapped[Literal[1, 2, 3]]

    class Article(Own):
        status: Mapped[Status]
        price: Mapped[Annotated[Decimal, Digits(8, 2)]] = mapped_column(index=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

    with connect_to(url_of(backend)) as connection:
        Own.metadata.create_all(connection)
        source = write_models(read_database(connection))
    integer = "" if backend == "sqlite" else "BigInteger, "
    assert part(source, "Author") == (
        "Model):\n    name: Mapped[str] = mapped_column(String(50), unique=True)\n    level: Mapped[AuthorLevel]\n\n"
        '    articles: Mapped[list[Article]] = relationship(back_populates="author")'
    )
    assert part(source, "AuthorLevel") == "AuthorLevel = Literal[1, 2, 3]"
    assert part(source, "ArticleStatus") == 'ArticleStatus = Literal["draft", "it\'s out"]'
    assert part(source, "status") == "status: Mapped[ArticleStatus]"
    assert part(source, "price") == "price: Mapped[Annotated[Decimal, Digits(8, 2)]] = mapped_column(index=True)"
    assert part(source, "author_id") == f'author_id: Mapped[int] = mapped_column({integer}ForeignKey("authors.id"))'


def test_native_enums_are_literals(inspected: Inspected, load: Callable[[str], Any], url_of: Callable[[str], str]) -> None:
    source = inspected(
        "postgresql",
        "CREATE TYPE mood AS ENUM ('happy', 'so-so')",
        "CREATE TABLE people (id bigserial PRIMARY KEY, mood mood NOT NULL, before mood)",
    )
    assert part(source, "Mood") == 'Mood = Literal["happy", "so-so"]'
    assert part(source, "before") == 'before: Mapped[Mood | None] = mapped_column(Enum(*get_args(Mood), name="mood"))'


def test_several_ways_between_two_tables_are_told_apart(inspected: Inspected, load: Callable[[str], Any]) -> None:
    source = inspected(
        "sqlite",
        "CREATE TABLE addresses (id integer PRIMARY KEY)",
        "CREATE TABLE orders (id integer PRIMARY KEY, billing_id integer NOT NULL REFERENCES addresses, shipping_id integer REFERENCES"
        " addresses)",
    )
    assert part(source, "billing") == (
        'billing: Mapped[Address] = relationship(back_populates="billing_orders", foreign_keys=[billing_id])'
    )
    assert part(source, "shipping_orders") == (
        'shipping_orders: Mapped[list[Order]] = relationship(back_populates="shipping", foreign_keys="Order.shipping_id")'
    )
    module = load(source)
    assert module.Order(billing=(address := module.Address())) in address.billing_orders


def test_a_row_that_refers_to_its_own_table_has_a_parent_and_children(inspected: Inspected, load: Callable[[str], Any]) -> None:
    source = inspected("sqlite", "CREATE TABLE nodes (id integer PRIMARY KEY, parent_id integer REFERENCES nodes ON DELETE CASCADE)")
    assert part(source, "parent") == 'parent: Mapped[Node | None] = relationship(back_populates="children", remote_side="Node.id")'
    assert part(source, "children") == (
        'children: Mapped[list[Node]] = relationship(back_populates="parent", cascade="all", passive_deletes=True)'
    )
    module = load(source)
    child = module.Node(parent=module.Node())
    assert child.parent.children == [child]


def test_what_is_unique_is_one_to_one(inspected: Inspected, load: Callable[[str], Any]) -> None:
    source = inspected(
        "sqlite",
        "CREATE TABLE users (id integer PRIMARY KEY)",
        "CREATE TABLE profiles (user_id integer PRIMARY KEY REFERENCES users)",
        "CREATE TABLE badges (id integer PRIMARY KEY, user_id integer NOT NULL UNIQUE REFERENCES users)",
        "CREATE TABLE keys (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users)",
        "CREATE UNIQUE INDEX some_keys ON keys (user_id) WHERE id > 3",
    )
    assert part(source, "profile") == 'profile: Mapped[Profile | None] = relationship(back_populates="user")'
    assert part(source, "badge") == 'badge: Mapped[Badge | None] = relationship(back_populates="user")'
    assert part(source, "keys") == 'keys: Mapped[list[Key]] = relationship(back_populates="user")'
    load(source)


UNIQUE_COLUMNS = """CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email VARCHAR(100) NOT NULL UNIQUE, [two words] NUMERIC(8, 2) DEFAULT (1) UNIQUE, code TEXT UNIQUE,
    nick VARCHAR(9) COLLATE NOCASE CONSTRAINT one_nick UNIQUE ON CONFLICT IGNORE, a VARCHAR(3), b VARCHAR(3), UNIQUE (B, a)
)"""


def test_every_unique_constraint_of_sqlite_is_found(inspected: Inspected, connect_to: Connect, url_of: Callable[[str], str]) -> None:
    source = inspected("sqlite", UNIQUE_COLUMNS)
    assert "email: Mapped[str] = mapped_column(String(100), unique=True)" in source
    assert source.count("unique=True") == 3
    assert 'UniqueConstraint("nick", name="one_nick")' in source
    assert 'UniqueConstraint("b", "a")' in source
    found = {part: what for part, what in schema_of(connect_to(url_of("sqlite"))).items() if part.startswith("unique ")}
    assert [*found.values()] == ["(code)", "(email)", "(two words)", "(nick)", "(b, a)"]


def test_links_between_rows_of_one_table(inspected: Inspected, load: Callable[[str], Any], url_of: Callable[[str], str]) -> None:
    source = inspected(
        "sqlite",
        "CREATE TABLE users (id integer PRIMARY KEY)",
        "CREATE TABLE follows (follower_id integer REFERENCES users, followed_id integer REFERENCES users,"
        " PRIMARY KEY (follower_id, followed_id))",
    )
    models = load(source)
    database = Database(f"sqlite:///{url_of('sqlite').removeprefix('sqlite:///')}", base=models.Base)
    with database.session() as db:
        fan, star = models.User(id=1), models.User(id=2)
        fan.followeds.append(star)
        db.add(fan)
        db.flush()
        db.expire_all()
        assert (star.followers, fan.followers, fan.followeds) == ([fan], [], [star])
    database.dispose()


def test_keys_that_share_a_column_are_known_to_each_other(inspected: Inspected, load: Callable[[str], Any]) -> None:
    source = inspected(
        "sqlite",
        "CREATE TABLE tenants (id integer PRIMARY KEY)",
        "CREATE TABLE projects (tenant_id integer REFERENCES tenants, number integer, PRIMARY KEY (tenant_id, number))",
        "CREATE TABLE tasks (id integer PRIMARY KEY, tenant_id integer NOT NULL REFERENCES tenants, project_number integer,"
        " FOREIGN KEY (tenant_id, project_number) REFERENCES projects ON UPDATE CASCADE)",
    )
    assert 'ForeignKeyConstraint(\n            ["tenant_id", "project_number"],' in source
    assert part(source, "project") == 'project: Mapped[Project | None] = relationship(back_populates="tasks", overlaps="tenant, tasks")'
    load(source)  # SQLAlchemy would warn of the conflict, which is an error here


def test_what_models_cannot_say_is_a_comment(inspected: Inspected) -> None:
    source = inspected(
        "sqlite",
        "CREATE TABLE lines (a text)",
        "CREATE TRIGGER watch AFTER INSERT ON lines BEGIN SELECT 1; END",
        "CREATE VIEW all_lines AS SELECT a FROM lines",
    )
    assert source.endswith(
        "# The table lines has no key: no model can say which row it means.\n# Not said here: the trigger watch\n"
        'lines = Table("lines", Base.metadata, Column("a", Text))\n\n# Views, which have no models:\n# - all_lines: a\n'
    )


EVIL = ('a"""b', "it's", "x\ny", "{z}", "back\\slash", "'''", "# no", "a\u2028b", "semi;colon")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_names_and_texts_of_any_kind_are_only_data(
    backend: str, url_of: Callable[[str], str], connect_to: Connect, load: Callable[[str], Any], tmp_path: Path
) -> None:
    def as_name(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def as_text(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    with connect_to(url_of(backend)) as connection:
        for name in EVIL:
            columns = ", ".join(f"{as_name(each)} varchar(99) DEFAULT {as_text(each)}" for each in EVIL)
            key = "" if name == "it's" else "PRIMARY KEY"  # one is a plain table
            connection.exec_driver_sql(f"CREATE TABLE {as_name(name)} (id integer {key}, {columns})")
            if backend == "postgresql":
                connection.exec_driver_sql(f"COMMENT ON TABLE {as_name(name)} IS {as_text(name)}")
            connection.exec_driver_sql(f"CREATE VIEW {as_name(name + ' view')} AS SELECT id FROM {as_name(name)}")
        source = write_models(read_database(connection))
        before = {part: what for part, what in schema_of(connection).items() if not part.startswith("view ")}
    module = load(source)
    with connect_to(f"sqlite:///{tmp_path / 'other.db'}" if backend == "sqlite" else url_of(backend)) as other:
        module.Base.metadata.create_all(other)
        assert differences(before, schema_of(other)) == []


def test_a_plain_table_imports_no_annotations(inspected: Inspected) -> None:
    source = inspected(
        "postgresql",
        "CREATE TYPE mood AS ENUM ('a', 'b, c')",
        "CREATE TABLE notes (key uuid NOT NULL, at date, price numeric(8, 2), mood mood, keys uuid[],"
        " kind varchar(32) CONSTRAINT ck_notes_kind CHECK (kind IN ('x', 'y')))",
    )
    assert "from datetime" not in source
    assert "from uuid" not in source
    assert "Mapped" not in source
    assert part(source, "Mood") == 'Mood = Literal["a", "b, c"]'
    assert 'Column("keys", postgresql.ARRAY(Uuid))' in source or 'Column("keys", postgresql.ARRAY(UUID))' in source
    assert 'name="kind"' in source


def test_exclusions_partitions_and_extensions_of_postgresql(inspected: Inspected) -> None:
    source = inspected(
        "postgresql",
        "CREATE TABLE stays (id bigserial PRIMARY KEY, at tsrange, EXCLUDE USING gist (at WITH &&))",
        "CREATE TABLE measures (id int, at date) PARTITION BY RANGE (at)",
        "CREATE TABLE measures_2020 PARTITION OF measures FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    )
    assert "# Not said here: the constraint stays_at_excl: EXCLUDE USING gist (at WITH &&)" in source
    assert part(source, "measures").endswith('postgresql_partition_by="RANGE (at)")')
    assert "2020" not in source


def test_tables_are_chosen_and_what_is_left_out_is_told(inspected: Inspected) -> None:
    tables = (
        "CREATE TABLE users (id integer PRIMARY KEY)",
        "CREATE TABLE posts (id integer PRIMARY KEY, user_id integer REFERENCES users)",
        "CREATE TABLE auth_group (id integer PRIMARY KEY)",
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    )
    source = inspected("sqlite", *tables, choose=Choose(only=("post*", "auth_group"), exclude=("auth_*",)))
    assert "class Post(Model):\n    # Refers to users, which has no model here.\n    user_id: Mapped[int | None]\n" in source
    assert "Group" not in source
    assert "alembic" not in source


def test_a_known_table_outside_is_referred_to(inspected: Inspected) -> None:
    tables = (
        "CREATE TABLE users (id integer PRIMARY KEY)",
        "CREATE TABLE posts (id integer PRIMARY KEY, user_id integer REFERENCES users)",
    )
    source = inspected("sqlite", *tables, choose=Choose(only=("posts",)), known=[(None, "users")])
    assert part(source, "user_id") == 'user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))'


def test_another_database_of_the_application(inspected: Inspected) -> None:
    source = inspected("sqlite", "CREATE TABLE hits (id integer PRIMARY KEY)", "CREATE TABLE lines (a text)", database="logs")
    assert 'class Hit(Model, database="logs"):\n    pass\n' in source
    assert 'lines = Table("lines", metadata_for("logs"), Column("a", Text))' in source


def test_schemas_of_postgresql(inspected: Inspected, load: Callable[[str], Any]) -> None:
    tables = (
        "CREATE SCHEMA sales",
        "CREATE TABLE users (id bigserial PRIMARY KEY)",
        "CREATE TABLE sales.users (id bigserial PRIMARY KEY, user_id bigint REFERENCES public.users)",
    )
    source = inspected("postgresql", *tables, choose=Choose(schemas=("public", "sales")))
    assert '    __tablename__ = "users"\n    __table_args__ = {"schema": "sales"}\n' in part(source, "SalesUser")
    load(source)


def test_nothing_there_is_an_error(inspected: Inspected) -> None:
    with pytest.raises(ErlenError, match="has no table 'nope'"):
        inspected("sqlite", "CREATE TABLE users (id integer PRIMARY KEY)", choose=Choose(only=("nope", "users")))
    with pytest.raises(ErlenError, match="no schema 'nope', only information_schema, public"):
        inspected("postgresql", choose=Choose(schemas=("nope",)))


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("categories", "Category"),
        ("OrderDetails", "OrderDetail"),
        ("addresses", "Address"),
        ("statuses", "Status"),
        ("status", "Status"),
        ("houses", "House"),
        ("movies", "Movie"),
        ("people", "Person"),
        ("boxes", "Box"),
        ("analyses", "Analysis"),
        ("wp_posts", "WpPost"),
        ("news", "News"),
        ("models", "ModelModel"),
        ("warnings", "WarningModel"),
        ("indexes", "IndexModel"),
        ("2024 sales", "N2024Sale"),
    ],
)
def test_classes_have_singular_names(table: str, name: str) -> None:
    assert class_name(table) == name


@pytest.mark.parametrize(
    "word", ["category", "house", "address", "status", "person", "box", "movie", "bus", "analysis", "hero", "key", "data"]
)
def test_the_table_of_a_singular_name_is_the_one_it_came_from(word: str) -> None:
    assert singular_of(table_name_of(word)) == word


def test_attributes_have_names_of_python() -> None:
    names = ["CustomerId", "Unit Price", "class", "metadata", "ID", "IPAddress", "list", "__x__", "e-mail"]
    assert [attribute_name(name) for name in names] == [
        "customer_id",
        "unit_price",
        "class_",
        "metadata_",
        "id",
        "ip_address",
        "list_",
        "x",
        "e_mail",
    ]
    assert [relation_name(name) for name in ("artist_id", "userid", "ship_via", "id", "class_id")] == ["artist", "user", "", "", "class_"]


# -- the command --------------------------------------------------------------------------------------------------------------------

SCHEMA = (
    "CREATE TABLE authors (id integer PRIMARY KEY, name varchar(50) NOT NULL)",
    "CREATE TABLE books (id integer PRIMARY KEY, author_id integer NOT NULL REFERENCES authors)",
)


@pytest.fixture
def file(tmp_path: Path, connect_to: Connect) -> Path:
    with connect_to(f"sqlite:///{tmp_path / 'old.db'}") as connection:
        for statement in SCHEMA:
            connection.exec_driver_sql(statement)
    return tmp_path / "old.db"


def test_an_application_starts_with_the_models_of_its_database(run: Run, write: Callable[..., Path], file: Path, folder: Path) -> None:
    app = "from erlen import App\nfrom erlen.db import Database\n{}\napp = App()\napp.use(Database('sqlite:///old.db', create=False))\n"
    write("app.py", app.format(""))
    done = run("db", "inspect", "-o", "inspected_library.py")
    assert (done.exit_code, done.output) == (0, "Wrote inspected_library.py: 2 tables.\n")
    write("app.py", app.format("import inspected_library"))
    program = (
        "from inspected_library import *; a = db.get(Author, 1) or Author(name='x'); db.add(Book(author=a)); print(a.books[0].author is a)"
    )
    answer = subprocess.run(
        [sys.executable, "-m", "erlen", "shell", "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert (answer.stdout, answer.returncode) == ("True\n", 0), answer.stderr


def test_a_file_is_not_written_over_unasked(run: Run, folder: Path, file: Path) -> None:
    (folder / "models.py").write_text("mine")
    url = f"sqlite:///{file}"
    refused = run("db", "inspect", "--url", url, "-o", "models.py")
    assert (refused.exit_code, "models.py is there already" in refused.output, "--force" in refused.output) == (2, True, True)
    assert (folder / "models.py").read_text() == "mine"
    assert run("db", "inspect", "--url", url, "-o", "models.py", "--force").exit_code == 0
    assert "class Book(Model):" in (folder / "models.py").read_text()


def test_a_file_is_only_read(run: Run, file: Path) -> None:
    before = file.read_bytes()
    shown = run("db", "inspect", "--url", f"sqlite:///{file}", "--exclude", "book*")
    assert (shown.exit_code, "class Author(Model):" in shown.output, "Book" in shown.output) == (0, True, False)
    assert file.read_bytes() == before
    assert not file.with_name("old.db-wal").exists()


def test_a_database_that_was_never_made_is_not_made_now(run: Run, write: Callable[..., Path], folder: Path) -> None:
    write(
        "app.py",
        "from erlen import App\nfrom erlen.db import Database\napp = App()\napp.use(Database('sqlite:///none.db', create=False))\n",
    )
    refused = run("db", "inspect")
    assert (refused.exit_code, refused.output) == (1, f"Error: there is no file {folder / 'none.db'}\n")
    assert not (folder / "none.db").exists()


def test_what_is_not_there_is_told(run: Run, folder: Path, file: Path) -> None:
    missing = run("db", "inspect", "--url", "sqlite:///nothing.db")
    assert (missing.exit_code, missing.output) == (1, f"Error: there is no file {folder / 'nothing.db'}\n")
    assert not (folder / "nothing.db").exists()
    table = run("db", "inspect", "--url", f"sqlite:///{file}", "cars")
    assert (table.exit_code, table.output) == (1, "Error: the database old.db has no table 'cars'\n")
    unreadable = run("db", "inspect", "--url", "oracle://x")
    assert (unreadable.exit_code, "no support for 'oracle'" in unreadable.output) == (1, True)
