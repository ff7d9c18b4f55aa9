"""`Package`: models and migrations that something other than the application brings."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

__all__ = ["Package"]


class Package(Struct, frozen=True):
    """A package with models and migrations of its own, such as a plugin or a blueprint in a folder of its own.

    A plugin says it in its `setup`: `setup.extensions.setdefault("db.packages", []).append(Package("shop", folder, __package__))`.
    A blueprint with a folder `migrations` beside its file, in another folder than the application's, is one by itself.
    """

    name: str
    """A short name, unique in an application; the plugin's or blueprint's."""
    folder: str | Path
    """Where its migrations are."""
    module: str
    """The module whose models, and those of the modules inside, are its own: `shop`."""

    def has(self, module: str) -> bool:
        """Whether a module is part of it."""
        return module == self.module or module.startswith(f"{self.module}.")
