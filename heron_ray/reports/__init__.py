"""Reports: runs of a service or of this machine, read back as one kind of record, and written as pages and figures.

Stands beside the studies: imports figures, the client and, for the costs of a first-order twin, the simulation; never Ray.
"""

from heron_ray.reports.drawing import draw
from heron_ray.reports.local import is_local, read_record
from heron_ray.reports.record import Record
from heron_ray.reports.remote import fetch_record

__all__ = ["Record", "draw", "fetch_record", "is_local", "read_record"]
