"""Which distribution brings a module, and which module of the user's may be meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

__all__ = ["install_command", "module_beside"]


def install_command(module: str) -> str:
    """Return the command that installs what brings a module: an extra of Erlen where one does."""
    distribution = _DISTRIBUTIONS.get(module, module.replace("_", "-"))
    extra = _extra_with(distribution)
    return f'pip install "erlen[{extra}]"' if extra else f"pip install {distribution}"


def module_beside(name: str, file: str | None) -> str | None:
    """Return the module near in name to a missing one, among those beside a file and in the current folder."""
    top, dot, rest = name.partition(".")
    folders = [Path.cwd(), *([] if file is None else [Path(file).parent])]
    known = {
        path.stem
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.stem.isidentifier() and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }
    near = get_close_matches(top, known - {top}, n=1, cutoff=0.75)
    return f"{near[0]}{dot}{rest}" if near else None


def _extra_with(distribution: str) -> str | None:
    """Return the extra of Erlen that has a distribution, the smallest of them."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("erlen") or []
    except PackageNotFoundError:
        return None
    extras: dict[str, list[str]] = {}
    for line in lines:
        found = _REQUIREMENT(line)
        if found is not None and found["extra"] != "dev":
            extras.setdefault(found["extra"], []).append(_normal(found["name"]))
    fitting = [(len(names), extra) for extra, names in extras.items() if _normal(distribution) in names]
    return min(fitting)[1] if fitting else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+)[^;]*;.*extra\s*==\s*["'](?P<extra>[\w-]+)["']""").match
# Modules whose distribution has another name; what is not here is called as its module is.
_DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "compression": "backports.zstd",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "GitPython",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "pptx": "python-pptx",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "telegram": "python-telegram-bot",
    "usb": "pyusb",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
