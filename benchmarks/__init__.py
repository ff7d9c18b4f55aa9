"""Erlen measured beside bare servers and its peers: `python3 benchmarks/run.py`."""
