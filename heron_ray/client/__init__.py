"""A Python client of the service, for scripts, notebooks and our own command line.

It speaks HTTP alone: importing it loads neither the service nor what that is built on, nor torch or Ray. It imports
`heron_ray.errors` and `heron_ray.spec`, httpx and pydantic; the command line and the benchmarks may import it.
"""

from heron_ray.client.artifacts import Artifact, LogPage
from heron_ray.client.client import Client
from heron_ray.client.cluster import (
    Capacity,
    Cluster,
    ClusterNode,
    Dispatcher,
    Queue,
    QueuedExperiment,
    RunningExperiment,
)
from heron_ray.client.document import Document
from heron_ray.client.experiments import (
    ENDED,
    Attempt,
    Comparison,
    Curve,
    Event,
    EventPage,
    Experiment,
    ExperimentPage,
    ExperimentSummary,
    Health,
    Outcome,
    Part,
    Progress,
    Standing,
    Submitted,
)
from heron_ray.client.studies import Study, StudyCell, StudyPage, StudySummary
from heron_ray.client.sweeps import (
    Importance,
    ObjectiveImportance,
    Point,
    SubmittedSweep,
    Sweep,
    SweepPage,
    SweepSummary,
    Trial,
)

__all__ = [
    "ENDED",
    "Artifact",
    "Attempt",
    "Capacity",
    "Client",
    "Cluster",
    "ClusterNode",
    "Comparison",
    "Curve",
    "Dispatcher",
    "Document",
    "Event",
    "EventPage",
    "Experiment",
    "ExperimentPage",
    "ExperimentSummary",
    "Health",
    "Importance",
    "LogPage",
    "ObjectiveImportance",
    "Outcome",
    "Part",
    "Point",
    "Progress",
    "Queue",
    "QueuedExperiment",
    "RunningExperiment",
    "Standing",
    "Study",
    "StudyCell",
    "StudyPage",
    "StudySummary",
    "Submitted",
    "SubmittedSweep",
    "Sweep",
    "SweepPage",
    "SweepSummary",
    "Trial",
]
