"""`python -m erlen`."""

from erlen.cli.main import main

main(prog_name="erlen")
