"""Who listens on a port, for the message that it is taken."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from erlen.observe.escape import escape

__all__ = ["listener_of"]

LISTENING = "0A"


def listener_of(port: int) -> str | None:
    """Return the process that listens on a TCP port, as `python3 app.py (process 4711)`; None where that cannot be found out.

    Linux says it in `/proc`, other systems through `lsof`. Processes of other users stay unknown.
    """
    sockets = _sockets(port)
    if sockets is None:
        return _from_lsof(port)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(descriptor) in sockets for descriptor in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                return f"{escape(' '.join(word for word in words if word)[:80])} (process {process.name})"
        except OSError:  # another user's, or gone
            continue
    return None


def _sockets(port: int) -> set[str] | None:
    """Return the sockets that listen on a port, as links in `/proc/*/fd` name them."""
    lines: list[list[str]] = []
    for name in ("tcp", "tcp6"):
        try:
            lines += [line.split() for line in Path("/proc/net", name).read_text().splitlines()[1:]]
        except OSError:
            continue
    if not lines:
        return None
    return {f"socket:[{line[9]}]" for line in lines if line[3] == LISTENING and int(line[1].rpartition(":")[2], 16) == port}


def _from_lsof(port: int) -> str | None:
    program = shutil.which("lsof")
    if program is None:
        return None
    arguments = [program, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        answer = subprocess.run(arguments, capture_output=True, text=True, timeout=2, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = {line[0]: line[1:] for line in reversed(answer.splitlines()) if line}
    return f"{fields['c']} (process {fields['p']})" if {"c", "p"} <= set(fields) else None
