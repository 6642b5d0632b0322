"""Studies: from a grid of experiments to tables and figures, in processes of this machine, without a service.

Imports the simulation and everything below it; only the command line imports this room. Reading and expanding a study
(`cells`, `reading`, `byzfl`) needs neither torch nor data.
"""

from heron_ray.studies.cells import Cell, expand
from heron_ray.studies.reading import parse_study, read_study

__all__ = ["Cell", "expand", "parse_study", "read_study"]
