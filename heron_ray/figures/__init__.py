"""Figures: series in, Plotly figures out, as plain JSON values. A page, a notebook and `heron demo` draw the same ones.

No torch, and no plotly either until a figure becomes a file. Anyone from floor 2 upwards may import it.
"""

from heron_ray.figures.accuracy import accuracy_curves
from heron_ray.figures.html import write_html

__all__ = ["accuracy_curves", "write_html"]
