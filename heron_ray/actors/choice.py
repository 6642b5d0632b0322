"""Which executor a spec asks for."""

from __future__ import annotations

import sys

from heron_ray.simulation import Executor, LocalExecutor
from heron_ray.spec import ExperimentSpec


def executor_for(spec: ExperimentSpec) -> Executor:
    """The executor that `compute.executor` names; `auto` is ray where a Ray cluster is connected, else local."""
    kind = spec.compute.executor
    if kind == "ray" or (kind == "auto" and _is_connected()):
        from heron_ray.actors.executor import RayExecutor

        return RayExecutor()
    return LocalExecutor()


def _is_connected() -> bool:
    """Whether this process uses Ray already; importing it only to learn that it does not would take a second."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()
