"""Figures: series in, Plotly figures out, as plain JSON values. A page, a notebook and `heron demo` draw the same ones.

No torch, and no plotly either until a figure becomes a file (nor kaleido, which has a browser draw SVG and PNG). Anyone from
floor 2 upwards may import it.
"""

from heron_ray.figures.accuracy import accuracy_curves
from heron_ray.figures.clients import RoundLosses, client_losses, losses_of_clients
from heron_ray.figures.comparison import comparison_figures
from heron_ray.figures.curve import Curve
from heron_ray.figures.experiment import DRAWN, POINTS, SUMMED, experiment_figures
from heron_ray.figures.html import write_html
from heron_ray.figures.image import write_images
from heron_ray.figures.overlay import Run, overlay
from heron_ray.figures.paper import for_paper
from heron_ray.figures.partition import partition_map
from heron_ray.figures.places import AXES, XAxis, at
from heron_ray.figures.privacy import Tradeoff, privacy_tradeoff
from heron_ray.figures.search import Objective, Point, importance_bars, pareto_front, search_history, slices
from heron_ray.figures.spectrum import Spectra, spectra_of_rounds, spectral_density
from heron_ray.figures.study import bands, heat_maps
from heron_ray.figures.sweep import Trial, parallel_coordinates
from heron_ray.figures.themes import themes

__all__ = [
    "AXES",
    "DRAWN",
    "POINTS",
    "SUMMED",
    "Curve",
    "Objective",
    "Point",
    "RoundLosses",
    "Run",
    "Spectra",
    "Tradeoff",
    "Trial",
    "XAxis",
    "accuracy_curves",
    "at",
    "bands",
    "client_losses",
    "comparison_figures",
    "experiment_figures",
    "for_paper",
    "heat_maps",
    "importance_bars",
    "losses_of_clients",
    "overlay",
    "parallel_coordinates",
    "pareto_front",
    "partition_map",
    "privacy_tradeoff",
    "search_history",
    "slices",
    "spectra_of_rounds",
    "spectral_density",
    "themes",
    "write_html",
    "write_images",
]
