"""Migration files, written: Alembic's, with a head file that names the last one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from erlen.migrations.migration import HistoryError, Migration, read_file, read_history, write_file, write_head
from erlen.migrations.render import literal

__all__ = ["Draft", "new_revision", "slug_of", "write_migration"]

_IMPORTS = ("import sqlalchemy as sa", "from alembic import op")


class Draft(Struct, frozen=True, kw_only=True):
    """What a migration is to do, before it is a file. Code is at the left margin; empty means nothing to do."""

    message: str
    """What it does, as a short sentence: `add author to book`."""
    upgrade: str
    downgrade: str | None
    """None where there is no way back: `erlen db rollback` refuses it then."""
    imports: tuple[str, ...] = ()
    """Lines such as `from sqlalchemy.dialects import postgresql`, beyond `sa` and `op`."""
    constants: tuple[str, ...] = ()
    """Lines such as `moment = sa.DateTime(timezone=True)`, above the functions."""
    notes: str = ""
    """What a reader should know, below the first line of the docstring."""
    depends_on: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    after_deploy: str = ""
    """What must be deployed before it, such as `the code that no longer reads book.title`."""


def write_migration(draft: Draft, folder: Path, branch: str = "", *, down_revision: str | None = None) -> Migration:
    """Write the next migration of a folder, and let the head file name it.

    Args:
        draft: what it does.
        folder: made if it is not there.
        branch: the package it belongs to.
        down_revision: what it follows; the last migration by default.

    Raises:
        HistoryError: if the migrations that are there make no chain, or the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(f"the folder {folder} cannot be made: {error.strerror}") from error
    head = read_history(folder, branch).head
    number = head.number + 1 if head is not None else 1
    path = folder / f"{number:04}_{slug_of(draft.message)}.py"
    down = down_revision or (head.revision if head is not None else None)
    write_file(path, source_of(draft, new_revision(), down))
    migration = read_file(path, branch)
    try:
        write_head(folder, migration)
    except HistoryError:
        path.unlink()
        raise
    return migration


def source_of(draft: Draft, revision: str, down_revision: str | None) -> str:
    """Return the text of a migration file."""
    body = "\n".join(filter(None, (draft.upgrade, draft.downgrade, *draft.constants)))
    needed = [line for line, name in zip(_IMPORTS, (r"\bsa\.", r"\bop\b"), strict=True) if re.search(name, body)]
    imports = _sorted([*needed, *(line for line in draft.imports if line not in needed)])
    notes = f"\n\n{draft.notes.strip()}\n" if draft.notes else ""
    docstring = f'"""{_sentence(draft.message)}{notes}"""'
    lines = [docstring, "", "from __future__ import annotations", ""]
    lines += [*imports, ""] if imports else []
    lines += [f'revision = "{revision}"', f"down_revision = {_text(down_revision)}"]
    if draft.depends_on:
        lines.append(f"depends_on = {_tuple(draft.depends_on)}")
    if draft.replaces:
        lines.append(f"replaces = {_tuple(draft.replaces)}")
    if draft.after_deploy:
        lines.append(f"after_deploy = {literal(draft.after_deploy)}")
    lines += ["", *draft.constants] if draft.constants else []
    lines += ["", "", "def upgrade() -> None:", _indented(draft.upgrade)]
    if draft.downgrade is not None:
        lines += ["", "", "def downgrade() -> None:", _indented(draft.downgrade)]
    return "\n".join(lines) + "\n"


def new_revision() -> str:
    """Return a name that no other migration has."""
    return os.urandom(6).hex()


def slug_of(message: str) -> str:
    """Return a message as part of a file's name."""
    words = re.sub(r"\W+", "_", message.lower(), flags=re.ASCII).strip("_")
    return words[:40].strip("_") or "migration"


def _sentence(message: str) -> str:
    text = " ".join(message.split()).replace("\\", "\\\\").replace('"', "'")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _indented(code: str) -> str:
    if not code.strip():
        return "    pass"
    return "\n".join(f"    {line}" if line.strip() else "" for line in code.strip("\n").splitlines())


def _text(value: str | None) -> str:
    return "None" if value is None else f'"{value}"'


def _tuple(values: Sequence[str]) -> str:
    return f"({', '.join(map(_text, values))}{',' if len(values) == 1 else ''})"


def _sorted(imports: Sequence[str]) -> list[str]:
    """Return import lines as isort has them: plain imports first."""
    return sorted(imports, key=lambda line: (not line.startswith("import "), line.split()[1].lower()))
