"""Studies: from a grid of experiments to tables and figures, in processes of this machine or as experiments of a service.

What runs them here (`run`, `worker`, `folder`) imports the simulation, and only the command line imports it. Reading,
expanding, tabling and drawing a study (`reading`, `cells`, `table`, `drawing`, `byzfl`) needs neither torch nor data.
"""

from heron_ray.studies.cells import Cell, expand
from heron_ray.studies.reading import parse_study, read_study

__all__ = ["Cell", "expand", "parse_study", "read_study"]
