"""What `make` cannot see from the schemas: renames, and values for the rows that are there. Asked, or answered by options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from difflib import SequenceMatcher

from msgspec import Struct

from erlen.db.columns.times import Duration
from erlen.errors import ErlenError
from erlen.migrations.answers import Answers, renamed
from erlen.migrations.compare import Change, compare
from erlen.migrations.enums import literal_sql, values_of
from erlen.migrations.renames import Pair, pairs_of_columns, pairs_of_tables
from erlen.migrations.state import Column, Index, Name, State, TableState, Unique, full_name
from erlen.migrations.values import python_type

__all__ = ["Asked", "Question", "Unanswered", "UnknownName"]


class Question(Struct, frozen=True, kw_only=True):
    """One thing to decide."""

    text: str
    options: tuple[str, ...]
    """What answers it on the command line, each way: `--rename book.title=name`."""
    choices: tuple[str, ...] = ()
    """The letters of the answers; none where a value is wanted."""
    default: str | None = None
    """What holds where nobody is there to answer, such as the model's own default."""


class Unanswered(ErlenError):
    """Questions that nobody is there to answer."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        lines = [f"  {question.text}\n    {'  or  '.join(question.options)}" for question in questions]
        super().__init__("this needs an answer, by a terminal or by options:\n" + "\n".join(lines))


class UnknownName(ErlenError):
    """An option that names nothing that changes."""


class Asked:
    """Finds the answers: from options, or else by asking.

    Args:
        renames: `book.title=name`, `book=novel`.
        new: what is not renamed though it may look so: `book.name`, `novel`.
        fills: values for rows that are there: `book.author=unknown`.
        maps: values that are gone, and what rows get that have them: `book.status:sketch=draft`.
        prompt: asks a person; None where there is nobody.
    """

    def __init__(
        self,
        renames: Sequence[str] = (),
        new: Sequence[str] = (),
        fills: Sequence[str] = (),
        maps: Sequence[str] = (),
        prompt: Callable[[Question], str] | None = None,
    ) -> None:
        self._renames = dict(_pair(each) for each in renames)
        self._new = set(new)
        self._fills = dict(_pair(each) for each in fills)
        self._maps = dict(_pair(each) for each in maps)
        self._prompt = prompt
        self._open: list[Question] = []
        self._undecided: set[tuple[Name, str]] = set()  # new columns that may be old ones
        self._changed: list[str] = []

    def __call__(self, before: State, after: State, changes: list[Change]) -> Answers:
        answers = Answers()
        self._tables(changes, answers)
        changes = compare(renamed(before, answers), after)
        self._columns(changes, answers)
        changes = compare(renamed(before, answers), after)
        self._values(changes, after, answers)
        self._choices(renamed(before, answers), after, answers)
        self._changed += sorted({_name(change) for change in changes})
        if self._open:
            raise Unanswered(self._open)
        return answers

    def check_all_used(self) -> None:
        """Check that each option was an answer.

        Raises:
            UnknownName: naming the first that was not.
        """
        for name in (*self._renames, *self._fills, *self._maps):
            raise UnknownName(f"{name} does not change in this way; what changes: {', '.join(self._changed) or 'nothing'}")

    def _tables(self, changes: list[Change], answers: Answers) -> None:
        gone = {full_name(each.table): each.table for each in changes if each.kind == "table" and each.action == "-"}
        new = {full_name(each.table): each.table for each in changes if each.kind == "table" and each.action == "+"}
        for old, name in list(self._renames.items()):
            if old in gone and name in new:
                answers.tables[gone[old]] = new[name]
                del self._renames[old]
        for pair in pairs_of_tables(changes):
            if pair.table not in answers.tables and pair.new not in answers.tables.values() and self._is_rename(pair):
                answers.tables[pair.table] = pair.new

    def _columns(self, changes: list[Change], answers: Answers) -> None:
        gone = {(each.table, each.name) for each in changes if each.kind == "column" and each.action == "-"}
        new = {(each.table, each.name) for each in changes if each.kind == "column" and each.action == "+"}
        old_names = {now: old for old, now in answers.tables.items()}
        for table, column in sorted(gone, key=str):
            for spelled in (table, old_names.get(table, table)):
                name = self._renames.get(f"{full_name(spelled)}.{column}", "")
                name = name.rpartition(".")[2]
                if name and (table, name) in new:
                    answers.columns[table, column] = name
                    del self._renames[f"{full_name(spelled)}.{column}"]
        for pair in pairs_of_columns(changes):
            taken = {(table, name) for (table, _), name in answers.columns.items()}
            if (pair.table, pair.old) not in answers.columns and (pair.table, pair.new) not in taken and self._is_rename(pair):
                answers.columns[pair.table, pair.old] = pair.new

    def _is_rename(self, pair: Pair) -> bool:
        if pair.new_option in self._new:
            return False
        question = Question(
            text=f"{pair.sentence}: renamed, or new?",
            options=(f"--rename {pair.option}", f"--new {pair.new_option}"),
            choices=("r", "n"),
        )
        answer = self._ask(question)
        if answer is None and pair.is_column:
            self._undecided.add((pair.table, pair.new))
        return answer == "r"

    def _values(self, changes: list[Change], after: State, answers: Answers) -> None:
        for change in changes:
            if change.kind != "column" or change.action == "-":
                continue
            column: Column = change.after
            facts = column.facts
            if facts.nullable or facts.computed is not None or facts.identity is not None or facts.counted:
                continue
            if change.action == "+" and (facts.default is not None or (change.table, change.name) in self._undecided):
                continue
            if change.action == "~" and not change.before.facts.nullable:
                continue
            name = f"{full_name(change.table)}.{change.name}"
            given = self._fills.pop(name, None)
            if given is None:
                proposed = proposed_value(column)
                told = "is new and must have a value" if change.action == "+" else "must have a value now"
                question = Question(
                    text=f"{name} {told}: which one do rows get that are there? (NULL: there are none)",
                    options=(f"--fill {name}={proposed if proposed is not None else 'VALUE'}",),
                    default=proposed,
                )
                given = self._ask(question)
            if given is not None and given.upper() != "NULL" and _is_alone(after.tables[change.table], change.name):
                raise UnknownName(
                    f"{name} is unique, so rows cannot all get {given!r}: let it be nullable first, give each row its value with a "
                    f"migration by hand (`erlen db make --data`), then require it; or `--fill {name}=NULL` where there are no rows"
                )
            if given is not None:
                answers.fills[change.table, change.name] = fill_sql(column, given, name)

    def _choices(self, before: State, after: State, answers: Answers) -> None:
        """Ask what becomes of values that a column can no longer have."""
        for name, table in after.tables.items():
            old_table = before.tables.get(name)
            for column, new in table.columns.items():
                if old_table is None or column not in old_table.columns:
                    continue
                old_values, new_values = values_of(old_table.columns[column], old_table), values_of(new, table)
                gone = [value for value in old_values if value not in new_values] if new_values else []
                added = [value for value in new_values if value not in old_values]
                full = f"{full_name(name)}.{column}"
                for value in gone:
                    self._choice(full, (name, column), value, added, new_values, answers)

    def _choice(self, full: str, key: tuple[Name, str], value: str, added: list[str], values: Sequence[str], answers: Answers) -> None:
        option = f"{full}:{value}"
        if (new := self._renames.pop(option, None)) is not None:
            if new not in added:
                raise UnknownName(f"{new!r} is no new value of {full}: {', '.join(added) or 'none is'}")
            answers.values.setdefault(key, {})[value] = new
            added.remove(new)
            return
        if option not in self._maps:
            for new in sorted(added, key=lambda each: -SequenceMatcher(None, each, value).ratio()):
                if f"{full}:{new}" in self._new:
                    continue
                question = Question(
                    text=f"the value {value!r} of {full} is gone and {new!r} is new: renamed, or new?",
                    options=(f"--rename {option}={new}", f"--map {option}={values[0]}"),
                    choices=("r", "n"),
                )
                answer = self._ask(question)
                if answer is None:
                    return
                if answer == "r":
                    answers.values.setdefault(key, {})[value] = new
                    added.remove(new)
                    return
        given = self._maps.pop(option, None)
        if given is None:
            question = Question(
                text=f"{full} can no longer be {value!r}: which value do rows get that have it? (NULL: there are none)",
                options=(f"--map {option}={values[0]}", f"--map {option}=NULL"),
            )
            given = self._ask(question)
        if given is not None and given.upper() != "NULL":
            if given not in values:
                raise UnknownName(f"{given!r} is no value of {full}: {', '.join(values)}")
            answers.replaced.setdefault(key, {})[value] = given

    def _ask(self, question: Question) -> str | None:
        if self._prompt is not None:
            return self._prompt(question)
        if question.default is not None:
            return question.default
        self._open.append(question)
        return None


def _is_alone(table: TableState, column: str) -> bool:
    """Whether a column is unique by itself."""
    alone = {column}
    if table.key is not None and {*table.key.columns} == alone:
        return True
    return any(
        (isinstance(part.item, Unique) and {*part.item.columns} == alone)
        or (isinstance(part.item, Index) and part.item.unique and {*part.item.parts} == alone)
        for part in table.parts.values()
    )


def proposed_value(column: Column) -> str | None:
    """Return the model's default as it would be typed; None where it has none that is a plain value."""
    default = column.item.default
    value = getattr(default, "arg", None) if default is not None and default.is_scalar else None
    value = getattr(value, "value", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) and value != "" else "''" if value == "" else None


def fill_sql(column: Column, given: str, name: str) -> str | None:
    """Return what was typed as SQL: texts quoted, numbers as they are; None for NULL.

    Raises:
        UnknownName: if it is no value of the column.
    """
    if given.upper() == "NULL":
        return None
    python = python_type(column.item.type)
    text = given[1:-1].replace("''", "'") if len(given) > 1 and given[0] == given[-1] == "'" else given
    if isinstance(column.item.type, Duration):
        try:
            seconds = Decimal(text)
        except ArithmeticError:
            raise UnknownName(f"{text!r} is no value of {name}: a number of seconds is wanted") from None
        return f"'{seconds} seconds'" if column.facts.type.startswith("INTERVAL") else str(int(seconds * 1_000_000))
    if python is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise UnknownName(f"{text!r} is no value of {name}: true or false")
        return "true" if text.lower() in ("true", "1", "yes") else "false"
    if python is int or python.__name__ in ("float", "Decimal"):
        try:
            python(text)
        except (ValueError, ArithmeticError):
            raise UnknownName(f"{text!r} is no value of {name}: a number is wanted") from None
        return text
    return literal_sql(text)


def _pair(option: str) -> tuple[str, str]:
    old, sign, new = option.partition("=")
    if not sign or not old.strip():
        raise UnknownName(f"{option!r} is not of the form NAME=VALUE")
    return old.strip(), new.strip()


def _name(change: Change) -> str:
    return f"{full_name(change.table)}.{change.name}" if change.kind == "column" else full_name(change.table)
