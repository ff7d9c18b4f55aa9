"""The manifest of a build: what `erlen static build` writes last, and a site in production reads."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake

__all__ = ["MANIFEST", "BuiltFile", "Manifest", "read_manifest"]

MANIFEST = "static-manifest.json"
"""Its name in the folder of the build; not `manifest.json`, which is a web application's own."""


class BuiltFile(Struct, frozen=True):
    """A file of a build."""

    hashed: str
    """Its name with the hash of what was built; the hash of the source may differ, as references in it were rewritten."""
    source: str
    """The hash of the source."""
    encodings: tuple[str, ...] = ()
    """The content codings that there are compressed files of, the preferred first."""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is in a build, by plain name."""

    files: dict[str, BuiltFile]
    former: dict[str, tuple[str, ...]] = {}
    """Hashed names of earlier builds, for pages that were made before this one, with their encodings."""
    version: int = 1

    def encode(self) -> bytes:
        """Return the manifest as JSON, the same for the same content."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"


def read_manifest(folder: str | os.PathLike[str]) -> Manifest | None:
    """Return the manifest of a build, or None where there is none.

    Raises:
        ConfigurationError: if it cannot be read, or is not one of this version.
    """
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, "rb") as file:
            manifest = msgspec.json.decode(file.read(), type=Manifest)
        if manifest.version != Manifest.__struct_defaults__[-1]:
            raise ValueError(f"version {manifest.version} is not known")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors.
        fix = "delete the folder and run `erlen static build`"
        raise ConfigurationError(Mistake(f"the manifest of the static files cannot be read: {error}", path, fix)) from error
    return manifest
