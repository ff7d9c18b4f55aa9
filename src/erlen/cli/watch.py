"""Which files of a project matter to the running application, and noticing when their contents change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Change", "Kind", "Project", "Watcher"]

Kind: TypeAlias = Literal["code", "asset"]

# Folders that hold no source, besides those whose names begin with a dot; the second only outside of assets.
SKIPPED = {"__pycache__", "__pypackages__", "node_modules", "site-packages"}
BUILT = {"venv", "build", "dist", "htmlcov"}
SETTINGS = (".env", "settings*.toml")
ASSETS = {"templates", "static"}
TESTS = {"tests", "test"}
# What editors leave beside a file while they write it.
JUNK = ("*~", ".*", "#*#", "*.sw[a-z]", "*.tmp", "4913", "*___jb_*___", "*.pyc")
STEPS = 20
LARGEST = 2 * 1024 * 1024
"""Files over this size count as changed when their time or size changes: their contents are not read."""


class Change(NamedTuple):
    """A file whose content differs from what it was, or that is new or gone."""

    path: str
    kind: Kind


class Stamp(NamedTuple):
    """What tells whether a file may have changed, and the digest that tells whether it has."""

    modified: int
    changed: int
    size: int
    inode: int
    digest: bytes


class Project:
    """The files that matter: code and settings of the application, its templates and static files.

    Code is every `.py` file below the roots but tests, and every imported module wherever it is; settings are `.env` and
    `settings*.toml`; assets are files below a folder called `templates` or `static`, or one of `folders`. Nothing else matters:
    no hidden folders, virtual environments, caches or build folders, and no logs, databases or other data.

    Args:
        roots: folders that are looked at with everything below them.
        folders: further folders of templates and static files.
        modules: files of imported modules, which count wherever they are.
    """

    def __init__(self, roots: Collection[str], folders: Collection[str] = (), modules: Collection[str] = ()) -> None:
        self.roots = sorted(roots)
        self.assets = sorted(folders)
        self.modules = set(modules)
        self.folders: frozenset[str] = frozenset()
        """Every folder that the last look saw: what a file system can be asked to watch."""

    def kind(self, path: str) -> Kind | None:
        """Return how a file matters, or None where it does not."""
        if path in self.modules:
            return "code"
        *folders, name = self._inside(path).split(os.sep)
        if name.endswith(".py"):
            return "code" if folders and not _is_test(folders, name) else None
        if any(fnmatch(name, pattern) for pattern in SETTINGS):
            return "code"
        if any(fnmatch(name, pattern) for pattern in JUNK):
            return None
        return "asset" if self._is_asset(path, folders) else None

    def look(self, before: dict[str, Stamp]) -> dict[str, Stamp]:
        """Return the stamp of every file that matters; contents are read again only where time, size or inode differ."""
        found: dict[str, Stamp] = {}
        folders: set[str] = set()
        for path in self._files(folders):
            stamp = _stamp(path, before.get(path))
            if stamp is not None:
                found[path] = stamp
        self.folders = frozenset(folders)  # in one go: another thread may be reading it
        return found

    def _inside(self, path: str) -> str:
        """Return a path as it is below its root, with a separator in front; nothing but its name where it is below none."""
        return next((path[len(root) :] for root in self.roots if path.startswith(root + os.sep)), os.path.basename(path))

    def _is_asset(self, path: str, folders: Collection[str]) -> bool:
        return not ASSETS.isdisjoint(folders) or any(path.startswith(folder + os.sep) for folder in self.assets)

    def _files(self, looked: set[str]) -> Iterator[str]:
        """Yield the files that matter, and add the folders to `looked`."""
        seen: set[tuple[int, int]] = set()
        waiting = [*self.roots, *self.assets]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                entries = [*os.scandir(folder)]
            except OSError:
                continue
            looked.add(folder)
            built = set[str]() if self._is_asset(folder + os.sep, self._inside(folder + os.sep).split(os.sep)) else BUILT
            for entry in entries:
                if _is_folder(entry):
                    if not _is_skipped(entry) and entry.name not in built:
                        waiting.append(entry.path)
                elif self.kind(entry.path) is not None:
                    yield entry.path
        for path in self.modules:
            looked.add(os.path.dirname(path))
            if not any(path.startswith(root + os.sep) for root in self.roots):
                yield path


class Watcher(threading.Thread):
    """Reports changes in a project, in a thread of its own: told by the file system where watchfiles is installed, else by looking.

    A file that is written again with the same content has not changed. Changes that come close together are reported together.

    Args:
        project: what to watch.
        report: called with the changes, never with none.
        interval: the seconds between two looks.
    """

    def __init__(self, project: Project, report: Callable[[list[Change]], None], *, interval: float = 0.4) -> None:
        super().__init__(name="erlen-watch", daemon=True)
        self._project = project
        self._report = report
        self._interval = interval
        self._lock = threading.Lock()
        self._again = threading.Event()
        self._ended = False
        self._stamps = project.look({})

    @property
    def count(self) -> int:
        """How many files are watched."""
        return len(self._stamps)

    def extend(self, *, roots: Collection[str] = (), folders: Collection[str] = (), modules: Collection[str] = ()) -> None:
        """Watch more; what is there already is no change."""
        with self._lock:
            project = self._project
            if {*modules} <= project.modules and {*roots} <= {*project.roots} and {*folders} <= {*project.assets}:
                return
            known = project.look(self._stamps)
            wider = Project({*project.roots, *roots}, {*project.assets, *folders}, {*project.modules, *modules})
            new = {path: stamp for path, stamp in wider.look(known).items() if path not in known}
            self._stamps |= new
            self._project = wider
            self._again.set()

    def stop(self) -> None:
        """End the thread soon."""
        self._ended = True
        self._again.set()

    def run(self) -> None:
        """Report changes until `stop`."""
        for _ in self._told() if has_watchfiles() else self._waited():
            if self._ended:
                return
            with self._lock:
                changes = self._changes()
            if changes:
                self._report(changes)

    def _changes(self) -> list[Change]:
        before = now = self._stamps
        for _ in range(STEPS):
            later = self._project.look(now)
            settled = not _differences(now, later)
            now = later
            # Most programs empty a file before they write it, and the system may let them wait in between.
            if settled and not any(stamp.size == 0 < before[path].size for path, stamp in now.items() if path in before):
                break
            time.sleep(0.05)  # an editor may write a file in several steps, and git many files
        self._stamps = now
        paths = _differences(before, now)
        return [Change(path, kind) for path in paths if (kind := self._project.kind(path)) is not None]

    def _waited(self) -> Iterator[None]:
        while True:
            self._again.wait(self._interval)
            self._again.clear()
            yield

    def _told(self) -> Iterator[None]:
        """Yield when something may have changed, and now and then in any case: not every file system tells."""
        from watchfiles import watch

        while True:
            self._again.clear()
            folders = {folder for folder in self._project.folders if os.path.isdir(folder)}
            try:
                told = watch(
                    *folders,
                    watch_filter=lambda _, path: self._project.kind(path) is not None or os.path.isdir(path),
                    debounce=50,
                    step=20,
                    rust_timeout=1000,
                    yield_on_timeout=True,
                    stop_event=self._again,
                    raise_interrupt=False,
                    recursive=False,
                    ignore_permission_denied=True,
                )
                for _ in told:
                    yield
                    if {folder for folder in self._project.folders if os.path.isdir(folder)} != folders:
                        break
                else:
                    yield  # stopped by `extend`
            except (OSError, RuntimeError):  # no file handles left for watching, or a folder that is just gone
                self._again.wait(self._interval)
                yield


def has_watchfiles() -> bool:
    """Return whether watchfiles is installed."""
    from importlib.util import find_spec

    return find_spec("watchfiles") is not None


def _is_test(folders: Collection[str], name: str) -> bool:
    return not TESTS.isdisjoint(folders) or name == "conftest.py" or name.startswith("test_")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    hidden = name.startswith(".") and name != ".well-known"
    return hidden or name in SKIPPED or name.endswith(".egg-info") or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def _stamp(path: str, before: Stamp | None) -> Stamp | None:
    try:
        status = os.stat(path)
        facts = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        if before is not None and before[:4] == facts:
            return before
        if status.st_size > LARGEST:
            return Stamp(*facts, repr((status.st_mtime_ns, status.st_size)).encode())
        return Stamp(*facts, blake2b(Path(path).read_bytes(), digest_size=16).digest())
    except OSError:
        return None


def _differences(before: dict[str, Stamp], now: dict[str, Stamp]) -> list[str]:
    def digest(stamps: dict[str, Stamp], path: str) -> bytes:
        return stamps[path].digest if path in stamps else b""

    return sorted(path for path in before.keys() | now.keys() if digest(before, path) != digest(now, path))
