"""Trackers: programs of others that show runs, such as TensorBoard and MLflow, fed by a run as it goes or afterwards.

Each needs a package that heron-ray does without otherwise: an extra, as in `pip install heron-ray[tensorboard]`. A tracker is
told and never asked: nothing it does changes a digest. Stands above the simulation; the command line imports it.
"""

from heron_ray.trackers.sink import TrackerSink
from heron_ray.trackers.tracker import Run, Tracker, flat, tell

__all__ = ["Run", "Tracker", "TrackerSink", "flat", "tell"]
