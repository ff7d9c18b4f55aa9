"""The machine and the versions that a run's figures belong to."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["describe", "versions"]

_SERVERS = ("granian", "uvicorn", "uvloop", "httptools", "gunicorn")
_FRAMEWORKS = ("erlen", "msgspec", "blacksheep", "emmett55", "starlette", "fastapi", "pydantic", "flask", "django")


def describe() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, system, Python, and how busy the machine was."""
    found = {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before the run": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    if "hypervisor" in _field("/proc/cpuinfo", "flags"):
        found["virtual"] = "yes: the host's other guests are not seen from here"
    return found


def versions() -> dict[str, str]:
    """Return the versions of the contestants and their servers."""
    return {name: metadata.version(name) for name in _SERVERS + _FRAMEWORKS}


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
