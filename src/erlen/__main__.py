"""`python -m erlen`."""

from __future__ import annotations

from erlen.cli.main import main

main(prog_name="erlen")
