"""The keys that sign: from the settings; in development made once and kept out of git."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from erlen.app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["signing_keys"]


def signing_keys(settings: Settings, file: str) -> Sequence[str]:
    """Return the keys, the one that signs first; none in production without `SECRET_KEY`.

    In debug mode a missing key is made and kept in `.erlen/secret_key` beside the application, readable by its owner alone, in a
    folder that git ignores.
    """
    if settings.secret_key:
        return (settings.secret_key, *settings.secret_key_fallbacks)
    if not settings.debug:
        return ()
    from pathlib import Path

    return (development_key(Path(file).parent),)


def development_key(folder: Path) -> str:
    """Return the development key of an application in a folder; where that cannot be written to, one for this process alone."""
    from erlen.security.signing import random_key

    kept = folder / ".erlen" / "secret_key"
    key = random_key()
    try:
        return kept.read_text().strip() or key
    except OSError:
        pass
    try:
        kept.parent.mkdir(exist_ok=True)
        (kept.parent / ".gitignore").write_text("*\n")
        # Written aside and linked: two workers that start together must end up with one key.
        aside = kept.with_name(f"secret_key.{os.getpid()}")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(key + "\n")
        try:
            os.link(aside, kept)
        except FileExistsError:
            key = kept.read_text().strip() or key
        finally:
            aside.unlink()
    except OSError:
        return key
    return key
