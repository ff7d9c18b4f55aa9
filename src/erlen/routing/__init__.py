"""Routing: path and host patterns, the tree that matches them, and the way back to URLs."""

from __future__ import annotations

from erlen.routing.converter import Converter
from erlen.routing.pattern import HostPattern, Parameter, Pattern
from erlen.routing.registry import Converters, converter_for
from erlen.routing.reverse import URLMap
from erlen.routing.tree import Router, shape

__all__ = ["Converter", "Converters", "HostPattern", "Parameter", "Pattern", "Router", "URLMap", "converter_for", "shape"]
