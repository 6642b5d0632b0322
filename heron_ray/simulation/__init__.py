"""The simulation: plan of a round, roles, the one training loop, executors, events, checkpoints.

Imports methods and all floors below, never Ray, FastAPI or SQLAlchemy.
"""

from heron_ray.simulation.checkpoint import Checkpointer
from heron_ray.simulation.events import Event, JsonlSink, ListSink, Sink, Tee
from heron_ray.simulation.executor import Executor
from heron_ray.simulation.local import LocalExecutor
from heron_ray.simulation.profile import Profile, profile
from heron_ray.simulation.result import RunResult
from heron_ray.simulation.simulation import Simulation

__all__ = [
    "Checkpointer",
    "Event",
    "Executor",
    "JsonlSink",
    "ListSink",
    "LocalExecutor",
    "Profile",
    "RunResult",
    "Simulation",
    "Sink",
    "Tee",
    "profile",
]
