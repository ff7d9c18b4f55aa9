"""What the HTML page shows, and where its templates are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROWS", "TEMPLATES", "Row"]

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; its texts hold characters, tags and references that a page must escape to show them."""

    id: int
    name: str
    price: float
    note: str


ROWS = [
    Row(101, 'Flask "Erlenmeyer"', 12.5, "250 ml, neck < 34 mm & rim > 40 mm"),
    Row(102, "Beaker, Griffin's", 4.75, "400 ml, spout & scale"),
    Row(103, "Test tube <16 x 160>", 0.35, 'sold by "the hundred"'),
    Row(104, "Burette & stopcock", 48.25, "50 ml, 0.1 ml steps, class <AS>"),
    Row(105, "Pipette 'Pasteur'", 0.15, "230 mm & cotton plug"),
    Row(106, "Liebig's condenser", 36.5, "joints > NS 14 & < NS 29"),
    Row(107, "Funnel <60°>", 7.25, 'short stem, "fluted" & plain'),
    Row(108, "Crucible &amp; lid", 9.75, "porcelain, 'T &lt; 1150 °C' in the old list"),
    Row(109, "Petri dish 'Ø 90'", 1.25, "stackable & sterile, <10 to a sleeve>"),
    Row(110, 'Desiccator "vacuum"', 129.5, "Ø > 200 mm, lid & tap"),
    Row(111, "Woulff's bottle", 54.75, "three necks, <GL 32> & <GL 45>"),
    Row(112, "Retort <script>", 61.5, "a chemist's joke: <script>alert('boiled & \"distilled\"')</script>"),
]
