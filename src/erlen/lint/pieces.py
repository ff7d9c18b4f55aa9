"""The safe way around each finding, piece by piece."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from erlen.lint.change import Change, Column
from erlen.lint.postgresql import checks_of, cost_of_type
from erlen.lint.replacement import can_replace, replaced
from erlen.lint.source import Operation, node_of
from erlen.lint.tables import Tables
from erlen.lint.writing import Piece, autocommitted, executed, on_postgresql, quoted
from erlen.migrations.migration import HistoryError
from erlen.migrations.render import Call, Text, literal, show

__all__ = ["PLANNED", "Context", "Seen", "has_way", "pieces_of"]

PLANNED = {
    *("add-index", "drop-index", "add-foreign-key", "add-check", "add-unique", "set-not-null", "add-required-column", "volatile-default"),
    *("change-type", "rename-column", "rename-table", "drop-column", "drop-table", "drop-default", "mixed-data", "several-tables"),
    *("validate-at-once", "all-rows", "concurrently-in-transaction", "new-value-used"),
}
"""The rules whose findings a plan may solve."""
_ASPECTS = {"type_": "alter type", "server_default": "default", "comment": "", "nullable": "not null", "new_column_name": "rename column"}


class Seen(Struct):
    """One change that an operation makes, and the rules that it breaks."""

    change: Change
    rules: set[str]
    after_deploy: str = ""
    """What the migration says must be deployed before it, if this change is accepted for that."""


class Context(Struct):
    """What is known where an operation begins."""

    tables: Tables
    new_tables: frozenset[str]
    inverse: Operation | None
    is_whole: bool
    """Whether each operation of the way back takes back one of the way there: then nothing else has to be taken back."""
    fills: Mapping[str, str]
    dialect: str
    """Of the database here, which gets the plan too."""


def has_way(rule: str, change: Change, tables: Tables) -> bool:
    """Whether there is a plan for what breaks a rule."""
    if rule == "all-rows":
        return bool(tables.table(change.table).key)
    if rule == "rename-column" or (rule == "change-type" and not _checks(change, tables)):
        return can_replace(tables, change.table, change.name)
    return rule in PLANNED


def pieces_of(operation: Operation, seen: Sequence[Seen], context: Context) -> list[Piece]:
    """Return what stands for an operation in a plan.

    Raises:
        HistoryError: where no way around a finding is known.
    """
    rules = {rule for each in seen for rule in each.rules}
    apart = rules & {"mixed-data", "several-tables", "validate-at-once", "new-value-used"}
    rules -= apart
    if not rules:
        return [_as_it_is(operation, seen, context, is_apart=bool(apart & {"validate-at-once", "new-value-used"}))]
    if operation.name == "alter_column":
        return _altered(operation, seen, context)
    match operation.name:
        case "create_index":
            return [_indexed(operation, context)]
        case "drop_index":
            return [_unindexed(operation, context)]
        case "create_foreign_key" | "create_check_constraint":
            return _not_valid(operation)
        case "create_unique_constraint":
            return _unique(operation)
        case "add_column" if rules <= {"add-required-column"}:
            return _required(operation, seen, context)
        case "add_column" if rules <= {"volatile-default"}:
            return _volatile(operation, seen)
        case "drop_column" if rules <= {"drop-column"}:
            return _dropped(operation, seen, context)
        case "drop_table" if rules <= {"drop-table"}:
            return [
                Piece(
                    up=operation.code,
                    down=_back(context),
                    table=operation.text(0),
                    message=f"drop {operation.text(0)}",
                    after_deploy=f"the code without the model of {operation.text(0)}",
                    is_alone=True,
                    late=operation.text(0),
                )
            ]
        case "rename_table" if rules <= {"rename-table"}:
            return _renamed_table(operation)
        case "execute" if rules <= {"all-rows"} and len(seen) == 1:
            return [_in_batches(seen[0].change, operation, context)]
        case "execute" if rules <= {"concurrently-in-transaction"}:
            return [Piece(up=autocommitted(operation.code), down=_back(context), kind="autocommit", message=operation.name)]
        case _:
            pass
    raise HistoryError(f"line {operation.first}: there is no plan for {', '.join(sorted(rules))} here; {_HOW}")


def _as_it_is(operation: Operation, seen: Sequence[Seen], context: Context, *, is_apart: bool) -> Piece:
    kind: Literal["schema", "rows", "autocommit"] = "schema"
    if any(each.change.kind in ("update", "delete", "insert") for each in seen):
        kind = "rows"
    elif "autocommit_block" in operation.code or "in_batches" in operation.code:
        kind = "autocommit"
    table = operation.table or next((each.change.table for each in seen if each.change.table), "")
    is_new = table in context.new_tables or operation.name == "create_table"
    after_deploy = next((each.after_deploy for each in seen if each.after_deploy), "")
    return Piece(
        up=operation.code,
        down=_back(context),
        kind=kind,
        table="" if is_new else table,
        new_table=table if is_new else "",
        message=_said(operation, seen),
        after_deploy=after_deploy,
        is_alone=is_apart or bool(after_deploy),
    )


def _said(operation: Operation, seen: Sequence[Seen]) -> str:
    change = seen[0].change if seen else None
    if change is None or not operation.name or change.kind == "unknown":
        return operation.name.replace("_", " ") or "change"
    return f"{change.kind} {f'{change.name} of ' if change.name else ''}{change.table}"


def _back(context: Context) -> str | None:
    """Return the code of the operation that takes this one back, as the migration has it."""
    if context.inverse is not None:
        return context.inverse.code
    return "" if context.is_whole else None


def _if_new(context: Context, word: str) -> dict[str, Text]:
    return {} if context.dialect == "mysql" else {word: Text("True")}  # which MySQL does not know of indexes


def _indexed(operation: Operation, context: Context) -> Piece:
    arguments = [node_of(each) for each in operation.arguments]
    if operation.batch:
        arguments.insert(1, operation.table)
    own = {name: node_of(each) for name, each in operation.keywords.items() if name not in ("if_not_exists", "postgresql_concurrently")}
    up = Call("op.create_index", arguments, {**own, "postgresql_concurrently": Text("True"), **_if_new(context, "if_not_exists")})
    keywords = {"table_name": operation.table, "postgresql_concurrently": Text("True"), **_if_new(context, "if_exists")}
    down = Call("op.drop_index", arguments[:1], keywords)
    name = operation.text(0)
    return Piece(up=autocommitted(show(up, 4)), down=autocommitted(show(down, 4)), kind="autocommit", message=f"index {name}")


def _unindexed(operation: Operation, context: Context) -> Piece:
    keywords = {"table_name": operation.table, "postgresql_concurrently": Text("True"), **_if_new(context, "if_exists")}
    up = Call("op.drop_index", [node_of(operation.arguments[0])], keywords)
    down = (
        _indexed(context.inverse, context).up if context.inverse is not None and context.inverse.name == "create_index" else _back(context)
    )
    return Piece(up=autocommitted(show(up, 4)), down=down, kind="autocommit", message=f"drop index {operation.text(0)}")


def _not_valid(operation: Operation) -> list[Piece]:
    name, table = operation.text(0), operation.table
    if not name:
        raise HistoryError(f"line {operation.first}: a constraint without a name cannot be validated later; give it one")
    kind = "foreignkey" if operation.name == "create_foreign_key" else "check"
    add = Piece(
        up=operation.with_keywords({"postgresql_not_valid": "True"}),
        down=operation.around(_drop_constraint(operation, kind)),
        table=table,
        message=f"add {name}",
        note="It holds for rows that are written from here on; those that are there are checked by the next migration.",
    )
    return [add, _validated(table, name)]


def _drop_constraint(operation: Operation, kind: str) -> Call:
    own = [operation.text(0)] if operation.batch else [operation.text(0), operation.table]
    return Call(f"{'batch' if operation.batch else 'op'}.drop_constraint", own, {"type_": kind})


def _validated(table: str, name: str) -> Piece:
    up = on_postgresql(executed(f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(name)}"))
    note = "All rows are read, while others read and write."
    return Piece(up=up, down="", table="", message=f"validate {name}", note=note, is_alone=True)


def _unique(operation: Operation) -> list[Piece]:
    name, table = operation.text(0), operation.table
    columns = operation.arguments[-1] if not operation.keywords.get("columns") else operation.keywords["columns"]
    if not name:
        raise HistoryError(f"line {operation.first}: a constraint without a name cannot be made from an index; give it one")
    plain = Call("op.create_index", [name, table, node_of(columns)], {"unique": Text("True")})
    beside = {"postgresql_concurrently": Text("True")}
    index = Call(plain.name, plain.arguments, {**plain.keywords, **beside, "if_not_exists": Text("True")})
    drop = Call("op.drop_index", [name], {"table_name": table, **beside, "if_exists": Text("True")})
    first = Piece(
        up=on_postgresql(autocommitted(show(index, 4))),
        down=on_postgresql(autocommitted(show(drop, 4))),
        kind="autocommit",
        message=f"unique index for {name}",
        note="It fails if two rows are alike: mend them, and run it again.",
    )
    deferrable = operation.keywords.get("deferrable")
    extra = " DEFERRABLE" if isinstance(deferrable, ast.Constant) and deferrable.value else ""
    take = executed(f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(name)} UNIQUE USING INDEX {quoted(name)}{extra}")
    back = operation.around(_drop_constraint(operation, "unique"))
    second = Piece(
        up=on_postgresql(take, otherwise=operation.code),
        down=f"{back}\n{on_postgresql(show(plain))}",  # the constraint takes the index with it
        table=table,
        message=f"add {name}",
        is_alone=True,
    )
    return [first, second]


def _required(operation: Operation, seen: Sequence[Seen], context: Context) -> list[Piece]:
    column = next(each.change.column for each in seen if each.change.column is not None)
    full = f"{operation.table}.{column.name}"
    if full not in context.fills:
        raise HistoryError(f"line {operation.first}: say what the rows that are there get in {full}: `--fill {full}=VALUE`")
    place = 0 if operation.batch else 1
    call = operation.arguments[place]
    if not isinstance(call, ast.Call):
        raise HistoryError(f"line {operation.first}: there is no plan for a column that is not written out here")
    described = node_of(call)
    described.keywords["server_default"] = context.fills[full]
    own = [] if operation.batch else [operation.table]
    target = "batch" if operation.batch else "op"
    kind = node_of(call.args[1])
    add = Piece(
        up=operation.around(Call(f"{target}.add_column", [*own, described])),
        down=operation.around(Call(f"{target}.drop_column", [*own, column.name])),
        table=operation.table,
        message=f"add {column.name} to {operation.table}",
        note="With a default of the server's: rows that are there have it at once, and code that does not know the column can write.",
    )
    existing = {"existing_type": kind, "existing_nullable": Text("False")}
    drop = Piece(
        up=operation.around(Call(f"{target}.alter_column", [*own, column.name], {**existing, "server_default": Text("None")})),
        down=operation.around(Call(f"{target}.alter_column", [*own, column.name], {**existing, "server_default": context.fills[full]})),
        table=operation.table,
        message=f"drop default of {operation.table} {column.name}",
        after_deploy=f"the code that gives {full} a value",
        is_alone=True,
        late=column.name,
    )
    return [add, drop]


def _volatile(operation: Operation, seen: Sequence[Seen]) -> list[Piece]:
    column = next(each.change.column for each in seen if each.change.column is not None)
    place = 0 if operation.batch else 1
    call = operation.arguments[place]
    if not isinstance(call, ast.Call) or column.default is None:
        raise HistoryError(f"line {operation.first}: there is no plan for a column that is not written out here")
    table, own = operation.table, [] if operation.batch else [operation.table]
    target = "batch" if operation.batch else "op"
    described = node_of(call)
    default = described.keywords.pop("server_default")
    described.keywords["nullable"] = Text("True")
    kind = node_of(call.args[1])
    existing = {"existing_type": kind, "existing_nullable": Text("True")}
    up = [
        Call(f"{target}.add_column", [*own, described]),
        Call(f"{target}.alter_column", [*own, column.name], {**existing, "server_default": default}),
    ]
    add = Piece(
        up="\n".join(operation.around(each) for each in up),
        down=operation.around(Call(f"{target}.drop_column", [*own, column.name])),
        table=table,
        message=f"add {column.name} to {table}",
        note="New rows have the default; those that are there have NULL until the next migration.",
    )
    pieces = [
        add,
        _filled(table, f"{quoted(column.name)} = {column.default}", f"{quoted(column.name)} IS NULL", f"fill {column.name} of {table}"),
    ]
    if not column.nullable:
        alter = Call(f"{target}.alter_column", [*own, column.name], {"existing_type": kind, "existing_server_default": default})
        strict, loose = dict(alter.keywords), dict(alter.keywords)
        strict["nullable"], loose["nullable"] = Text("False"), Text("True")
        pieces += not_null(
            table,
            column.name,
            operation.around(Call(alter.name, alter.arguments, strict)),
            operation.around(Call(alter.name, alter.arguments, loose)),
        )
    return pieces


def _filled(table: str, assignments: str, where: str, message: str) -> Piece:
    up = show(Call("update_in_batches", [Text("op"), quoted(table), assignments], {"where": where} if where else {}))
    note = "In portions, each a transaction of its own. Interrupted, it goes on where it was."
    return Piece(
        up=up, down="", kind="autocommit", message=message, note=note, imports=(_BATCHES.format("update_in_batches"),), is_alone=True
    )


def not_null(table: str, column: str, strict: str, loose: str) -> list[Piece]:
    """Require a column by way of a check, which is believed."""
    check = f"{table.rpartition('.')[2]}_{column}_not_null"
    add = executed(f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(check)} CHECK ({quoted(column)} IS NOT NULL) NOT VALID")
    drop = executed(f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(check)}")
    first = Piece(
        up=on_postgresql(add),
        down=on_postgresql(drop),
        table=table,
        message=f"check {column} of {table}",
        note="No row can get NULL from here on; those that are there are checked by a later migration.",
        is_alone=True,
        guards=column,
    )
    last = Piece(
        up=f"{strict}\n{on_postgresql(drop)}",
        down=f"{loose}\n{on_postgresql(add)}",
        table=table,
        message=f"require {column} of {table}",
        note="The check is believed, so that no row is read.",
        is_alone=True,
    )
    return [first, _validated(table, check), last]


def _altered(operation: Operation, seen: Sequence[Seen], context: Context) -> list[Piece]:
    """Take the aspects of a column one by one."""
    pieces: list[Piece] = []
    column = operation.text(0 if operation.batch else 1)
    present = [name for name in _ASPECTS if name in operation.keywords]
    for aspect in present:
        others = [name for name in present if name != aspect]
        known: dict[str, str] = {}
        if "type_" in others and present.index("type_") < present.index(aspect):
            known["existing_type"] = show(node_of(operation.keywords["type_"]))
        strict = operation.with_keywords(known, without=others)
        loose = _aspect_back(aspect, context.tables.table(operation.table).column(column), operation, present, context)
        own = [each for each in seen if _ASPECTS[aspect] and _ASPECTS[aspect] in each.change.kind]
        rules = {rule for each in own for rule in each.rules} - {"several-tables", "mixed-data"}
        message = f"change {column} of {operation.table}"
        if not rules:
            pieces.append(Piece(up=strict, down=loose, table=operation.table, message=message))
        elif rules == {"set-not-null"}:
            pieces += not_null(
                operation.table, column, strict, loose or operation.with_keywords({**known, "nullable": "True"}, without=others)
            )
        elif rules == {"drop-default"}:
            pieces.append(
                Piece(
                    up=strict,
                    down=loose,
                    table=operation.table,
                    message=f"drop default of {operation.table} {column}",
                    after_deploy=f"the code that gives {operation.table}.{column} a value",
                    is_alone=True,
                    late=column,
                )
            )
        elif rules == {"change-type"} and (checks := _checks(own[0].change, context.tables)):
            pieces += _checked_again(operation.table, checks, strict, loose, context)
        else:
            pieces += replaced(context.tables, own[0].change, strict, operation.first)
    return pieces


def _aspect_back(aspect: str, column: Column, operation: Operation, present: Sequence[str], context: Context) -> str | None:
    """Return the code that takes one aspect of a column back: the migration's own, or what it says of the column before."""
    others = [name for name in _ASPECTS if name != aspect]
    if context.inverse is not None and aspect in context.inverse.keywords:
        return context.inverse.with_keywords({}, without=others)
    before = operation.keywords.get(f"existing_{aspect.rstrip('_')}")
    if aspect == "nullable":
        value = {"True": "False", "False": "True"}.get(show(node_of(operation.keywords[aspect])), "")
    elif before is not None:
        value = show(node_of(before))
    else:
        value = f"sa.text({literal(column.default)})" if aspect == "server_default" and column.default is not None else ""
    if not value:
        return "" if context.is_whole else None
    swapped = {f"existing_{aspect.rstrip('_')}": show(node_of(operation.keywords[aspect]))} if before is not None else {}
    return operation.with_keywords({**swapped, aspect: value}, without=[name for name in present if name != aspect])


def _checks(change: Change, tables: Tables) -> list[str]:
    """Return the checks of a column whose new type costs nothing but that they are done again."""
    table = tables.table(change.table)
    if change.kind != "alter type" or change.source or cost_of_type(table.column(change.name).type, change.to):
        return []
    return [each.name for each in checks_of(table, change.name)]


def _checked_again(table: str, names: Sequence[str], strict: str, loose: str | None, context: Context) -> list[Piece]:
    """Change a type that costs nothing but its checks: they go, and come back for the rows that are written from then on."""
    drops, adds = [], []
    for name in names:
        condition = context.tables.table(table).constraints[name].text
        drops.append(executed(f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(name)}"))
        adds.append(executed(f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(name)} CHECK ({condition}) NOT VALID"))
    around = "\n".join([on_postgresql("\n".join(drops)), "{}", on_postgresql("\n".join(adds))])
    note = "Its checks hold for rows that are written from here on; those that are there are checked by the next migration."
    first = Piece(
        up=around.replace("{}", strict),
        down=around.replace("{}", loose) if loose is not None else None,
        table=table,
        message=f"change type in {table}",
        note=note,
        is_alone=True,
    )
    return [first, *(_validated(table, name) for name in names)]


def _dropped(operation: Operation, seen: Sequence[Seen], context: Context) -> list[Piece]:
    table, name = operation.table, seen[0].change.name
    column = context.tables.table(table).column(name)
    pieces: list[Piece] = []
    full = f"{table}.{name}"
    if not column.nullable and column.default is None and not column.counted:
        up = executed(f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(name)} DROP NOT NULL")
        down = executed(f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(name)} SET NOT NULL")
        note = f"Then code without {full} can write rows. Deploy that after this."
        pieces.append(
            Piece(up=on_postgresql(up), down=on_postgresql(down), table=table, message=f"free {name} of {table}", note=note, is_alone=True)
        )
    after_deploy = f"the code that no longer reads {full}"
    message = f"drop {name} of {table}"
    drop = Piece(up=operation.code, down=_back(context), table=table, message=message, after_deploy=after_deploy, is_alone=True, late=name)
    return [*pieces, drop]


def _renamed_table(operation: Operation) -> list[Piece]:
    old, new = operation.text(0), operation.text(1)
    view = executed(f"CREATE VIEW {quoted(old)} AS SELECT * FROM {quoted(new)}")  # noqa: S608 - quoted
    drop = executed(f"DROP VIEW {quoted(old)}")
    first = Piece(
        up=f"{operation.code}\n{on_postgresql(view)}",
        down=f"{on_postgresql(drop)}\n{show(Call('op.rename_table', [new, old]))}",
        table=old,
        message=f"rename {old} to {new}",
        note="A view with the old name takes the reads and writes of code that does not know the new one. Deploy that after this.",
        is_alone=True,
    )
    after_deploy = f"the code that knows {new} instead of {old}"
    message = f"drop view {old}"
    second = Piece(up=on_postgresql(drop), down=on_postgresql(view), message=message, after_deploy=after_deploy, is_alone=True, late=old)
    return [first, second]


def _in_batches(change: Change, operation: Operation, context: Context) -> Piece:
    if not context.tables.table(change.table).key:
        raise HistoryError(f"line {operation.first}: {change.table} has no primary key to go through its rows by")
    if change.kind == "delete":
        up = show(Call("delete_in_batches", [Text("op"), quoted(change.table)], {"where": change.source} if change.source else {}))
        name = "delete_in_batches"
    else:
        name = "update_in_batches"
        sql = operation.text(0)
        assignments = sql[sql.lower().index(" set ") + 5 :]
        if change.source:
            assignments = assignments[: len(assignments.rstrip()) - len(change.source)].rstrip()[: -len("where")].rstrip()
        where = {"where": change.source} if change.source else {}
        up = show(Call(name, [Text("op"), quoted(change.table), " ".join(assignments.split())], where))
    note = "In portions, each a transaction of its own. Interrupted, it goes on where it was if its condition leaves out what is done."
    return Piece(
        up=up,
        down=_back(context) if context.inverse is not None else "",
        kind="autocommit",
        message=f"{change.kind} rows of {change.table}",
        note=note,
        imports=(_BATCHES.format(name),),
        is_alone=True,
        fills=change.table if change.kind == "update" else "",
    )


_BATCHES = "from erlen.migrations import {}"
_HOW = "mend it by hand, or accept it with a comment"
