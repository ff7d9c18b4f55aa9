"""The build: every static file under its plain and its hashed name, with compressed files beside, and a manifest."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake
from erlen.static.collection import Collection
from erlen.static.index import ENDINGS, StaticFile
from erlen.static.manifest import MANIFEST, BuiltFile, Manifest, read_manifest
from erlen.static.plan import Missing, Plan, Planned
from erlen.static.precompress import available_encodings, compress, is_worth_compressing

__all__ = ["Build", "build"]


class Build(Struct, frozen=True):
    """What a build did, or, dry, would do."""

    output: str
    manifest: Manifest
    missing: tuple[Missing, ...]
    """References to files that are not there; without `allow_missing`, one that is not of a source map stops the build."""
    written: int
    """How many files have changed since the last build."""
    removed: tuple[str, ...]
    """Files of earlier builds, by name."""
    size: int
    """The files under their hashed names, without compressed ones, in bytes."""
    is_stopped: bool = False


def build(
    collection: Collection, output: str | None = None, *, clear: bool = False, dry_run: bool = False, allow_missing: bool = False
) -> Build:
    """Build the static files of a site.

    The same files make the same build. Files of earlier builds stay, for pages made before; a running site is not disturbed, and a
    build that is cut off leaves the last one in force: the manifest is written last, and at once.

    Args:
        collection: the files.
        output: the folder, by default that of the setting `static_build`.
        clear: remove what earlier builds left.
        dry_run: write and remove nothing.
        allow_missing: build in spite of references to files that are not there.

    Raises:
        ConfigurationError: if the folder holds anything but a build, or lies in, around or at a folder of static files, or a file has
            the name of the manifest.
    """
    output = os.path.realpath(output or collection.output)
    files = collection.collect()
    _check(output, [source.root for source in collection.sources], files)
    try:
        before = read_manifest(output)
    except ConfigurationError:  # There was a build, and it is of no use any more.
        before = None
    plan = Plan(files, {collection.base_url, collection.prefix})
    stopped = not allow_missing and any(not missing.is_map for missing in plan.missing)
    dry_run = dry_run or stopped
    begun = os.path.join(output, _BEGUN)
    if before is None and not dry_run:
        _write(begun, b"")  # The first build, cut off, is known as one.
    writer = _Writer(output, before, plan.files, dry_run=dry_run)
    with ThreadPoolExecutor() as threads:  # Compressing takes most of the time, and lets other threads run.
        written = list(threads.map(writer.write, plan.files))
    built = {name: one.built for name, one in zip(plan.files, written, strict=True)}
    manifest = Manifest(built, {} if clear else _former(before, built))
    if not dry_run:
        _write(os.path.join(output, MANIFEST), manifest.encode(), sync=True)
        Path(begun).unlink(missing_ok=True)
    removed = _left_over(output, manifest) if clear and not stopped else ()
    if not dry_run:
        _remove(output, removed)
    return Build(
        output, manifest, tuple(plan.missing), sum(one.is_new for one in written), removed, sum(one.size for one in written), stopped
    )


_BEGUN = f".{MANIFEST}.begun"


class _Written(Struct, frozen=True):
    built: BuiltFile
    is_new: bool
    size: int


class _Writer:
    """Writes files to a folder, without doing again what the last build did."""

    def __init__(self, output: str, before: Manifest | None, files: Mapping[str, Planned], *, dry_run: bool) -> None:
        self.output = output
        self.files = files
        self.dry_run = dry_run
        self.before = {} if before is None else before.former | {one.hashed: one.encodings for one in before.files.values()}
        self.encodings = available_encodings()

    def write(self, name: str) -> _Written:
        """Write a file under both of its names, and what it is compressed to."""
        planned = self.files[name]
        path, plain = (os.path.join(self.output, *one.split("/")) for one in (planned.hashed, name))
        size = os.path.getsize(planned.file.path) if planned.content is None else len(planned.content)
        known = self.before.get(planned.hashed, ())
        is_new = not all(map(os.path.exists, (path, *(path + ENDINGS[one] for one in known))))
        wanted = self.encodings if is_worth_compressing(name, size) else ()
        if self.dry_run:
            return _Written(BuiltFile(planned.hashed, planned.source, wanted), is_new, size)
        if is_new:
            known = ()
            _write(path, Path(planned.file.path) if planned.content is None else planned.content)
        added = [one for one in wanted if one not in known]
        data = Path(path).read_bytes() if added else b""
        encodings = (*known, *(one for one in added if _compress(path, data, one)))
        for ending in ("", *(ENDINGS[one] for one in encodings)):
            # A compressed file of that name may be one of the application's own.
            if not (ending and name + ending in self.files) and not _is_same(path + ending, plain + ending):
                _write(plain + ending, Path(path + ending))
        in_order = tuple(one for one in ENDINGS if one in encodings)
        return _Written(BuiltFile(planned.hashed, planned.source, in_order), is_new, size)


def _check(output: str, folders: Iterable[str], files: Mapping[str, StaticFile]) -> None:
    mistakes = [
        Mistake(f"the build cannot be in {output}: the static files of {folder} would mix with it", fix="name another folder")
        for folder in folders
        if Path(output).is_relative_to(folder) or Path(folder).is_relative_to(output)
    ]
    if os.path.isdir(output) and os.listdir(output) and not any(os.path.exists(os.path.join(output, one)) for one in (MANIFEST, _BEGUN)):
        mistakes.append(Mistake(f"the build cannot be in {output}: it holds other files", fix="empty it, or name another folder"))
    if MANIFEST in files:
        mistakes.append(Mistake(f"a static file has the name of the build's manifest: {files[MANIFEST].path}", fix="rename it"))
    if mistakes:
        raise ConfigurationError(mistakes)


def _former(before: Manifest | None, built: Mapping[str, BuiltFile]) -> dict[str, tuple[str, ...]]:
    """Return the hashed names that only earlier builds have, with their encodings."""
    if before is None:
        return {}
    known = before.former | {one.hashed: one.encodings for one in before.files.values()}
    present = {one.hashed for one in built.values()}
    return {hashed: known[hashed] for hashed in sorted(known) if hashed not in present}


def _left_over(output: str, manifest: Manifest) -> tuple[str, ...]:
    """Return the files in a folder that are not of a build, by name."""
    kept = {MANIFEST}
    for name, one in manifest.files.items():
        kept |= {stem + ending for stem in (name, one.hashed) for ending in ("", *(ENDINGS[coding] for coding in one.encodings))}
    found = (
        os.path.relpath(os.path.join(folder, file), output).replace(os.sep, "/") for folder, _, files in os.walk(output) for file in files
    )
    return tuple(sorted(name for name in found if name not in kept))


def _remove(output: str, names: Iterable[str]) -> None:
    """Remove files, and the folders that this empties."""
    for name in names:
        os.remove(os.path.join(output, name))
        while name := name.rpartition("/")[0]:
            with suppress(OSError):  # It is not empty.
                os.rmdir(os.path.join(output, name))


def _compress(path: str, data: bytes, encoding: str) -> bool:
    compressed = compress(data, encoding)
    if compressed is not None:
        _write(path + ENDINGS[encoding], compressed)
    return compressed is not None


def _is_same(path: str, other: str) -> bool:
    return os.path.exists(other) and filecmp.cmp(path, other, shallow=False)


def _write(path: str, content: bytes | Path, *, sync: bool = False) -> None:
    """Write a file such that nobody sees a part of it; `sync`: not even after the machine's power failed."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    draft = os.path.join(folder, f".{name}.part")
    if isinstance(content, bytes):
        with open(draft, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    else:
        shutil.copyfile(content, draft)
    os.replace(draft, path)
